/**
 * A capture file of byte pipes, so that a run's DNP3 can be read in Wireshark.
 *
 * Classic pcap, version 2.4, big-endian magic a1b2c3d4 with microseconds, link type 1 (Ethernet): a 24-octet file header,
 * then per packet 16 octets of time and length and the frame (draft-ietf-opsawg-pcap). Each frame is Ethernet II, IPv4
 * without options (RFC 791) and TCP without options (RFC 9293), with right checksums (RFC 1071), sequence and
 * acknowledgement numbers, so that a dissector can put the stream together. Time is the run's virtual time.
 *
 * The capture stands beside the sender: what is lost on the way is in it, and is never acknowledged. Pure
 * acknowledgements, retransmissions and windows, which the pipe does not have, are left out.
 *
 * Limit: past `bytesMax` further packets are dropped and counted; what is in the file stays readable.
 */
import { invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { EndName, Segment } from './pipe.ts';

/** DNP3 over TCP listens here (IEEE 1815-2012 clause 13, IANA "dnp"). */
export const DNP3_PORT = 20_000;
/** Ephemeral ports (RFC 6335): each connection of a pipe takes the next. */
const CLIENT_PORT_FIRST = 49_152;
const CLIENT_PORTS = 65_536 - CLIENT_PORT_FIRST;
/** Payload of one TCP segment on Ethernet: 1500 − 20 (IPv4) − 20 (TCP). */
const SEGMENT_BYTES_MAX = 1460;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_BYTES = 14;
const IP_BYTES = 20;
const TCP_BYTES = 20;
const IP_AT = ETHERNET_BYTES;
const TCP_AT = IP_AT + IP_BYTES;
const DATA_AT = TCP_AT + TCP_BYTES;

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const PSH = 0x08;
const ACK = 0x10;
const FLAGS: Readonly<Record<Segment['kind'], number>> = {
  syn: SYN,
  'syn-ack': SYN | ACK,
  ack: ACK,
  data: PSH | ACK,
  fin: FIN | ACK,
  rst: RST | ACK,
};

export interface PcapOptions {
  /** Gets the file piece by piece, header first. */
  readonly write: (octets: Uint8Array) => void;
  readonly bytesMax?: number;
}

/** Numbers of one TCP connection. `next` is the sequence number an end sends next, `got` what reached it. */
interface Connection {
  readonly id: number;
  readonly clientPort: number;
  readonly next: Record<EndName, number>;
  readonly got: Record<EndName, number>;
}

interface Party {
  readonly host: number;
  readonly port: number;
}

export class PcapWriter {
  readonly #write: (octets: Uint8Array) => void;
  readonly #bytesMax: number;
  #bytes = 0;
  #packets = 0;
  #dropped = 0;
  #taps = 0;
  #ipId = 0;

  constructor({ write, bytesMax = 256 * 1024 * 1024 }: PcapOptions) {
    this.#write = write;
    this.#bytesMax = bytesMax;
    this.#put(fileHeader());
  }

  get packets(): number {
    return this.#packets;
  }

  /** Packets left out because the file had reached its limit. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * A tap for one pipe: give it to the pipe as onSegment. End a gets the address 10.77.0.1, end b an address of its
   * own in 10.77.1.0 and above and the given port.
   */
  tap(options: { serverPort?: number } = {}): (segment: Segment) => void {
    this.#taps += 1;
    invariant(this.#taps < 60_000, 'more pipes than addresses in one capture');
    const client = { host: hostOf(0), port: 0 };
    const server = { host: hostOf(255 + this.#taps), port: options.serverPort ?? DNP3_PORT };
    let connections = 0;
    // An end may still send in the connection before the newest; nothing lives longer than that.
    let newest: Connection | null = null;
    let before: Connection | null = null;
    return (segment) => {
      let connection = newest?.id === segment.connection ? newest : before?.id === segment.connection ? before : null;
      if (connection === null) {
        connection = newConnection(segment.connection, CLIENT_PORT_FIRST + (connections++ % CLIENT_PORTS));
        before = newest;
        newest = connection;
      }
      this.#segment(segment, connection, { ...client, port: connection.clientPort }, server);
    };
  }

  #segment(segment: Segment, connection: Connection, client: Party, server: Party): void {
    const { from, octets } = segment;
    const to: EndName = from === 'a' ? 'b' : 'a';
    const [source, target] = from === 'a' ? [client, server] : [server, client];
    for (let at = 0; at === 0 || at < octets.length; at += SEGMENT_BYTES_MAX) {
      const payload = octets.subarray(at, at + SEGMENT_BYTES_MAX);
      const seq = connection.next[from];
      const flags = FLAGS[segment.kind];
      const ack = (flags & ACK) === 0 ? 0 : connection.got[from];
      const frame = frameOf({ source, target, seq, ack, flags, payload, ipId: this.#ipId++ & 0xffff });
      const counted = payload.length + ((flags & (SYN | FIN)) === 0 ? 0 : 1);
      connection.next[from] = (seq + counted) >>> 0;
      if (!segment.lost) connection.got[to] = connection.next[from];
      this.#packet(segment.atMs, frame);
    }
  }

  #packet(atMs: EpochMs, frame: Uint8Array): void {
    if (this.#bytes + RECORD_HEADER_BYTES + frame.length > this.#bytesMax) {
      this.#dropped += 1;
      return;
    }
    const header = new DataView(new ArrayBuffer(RECORD_HEADER_BYTES));
    const seconds = Math.floor(atMs / 1000);
    header.setUint32(0, seconds);
    header.setUint32(4, (atMs - seconds * 1000) * 1000);
    header.setUint32(8, frame.length);
    header.setUint32(12, frame.length);
    this.#put(new Uint8Array(header.buffer));
    this.#put(frame);
    this.#packets += 1;
  }

  #put(octets: Uint8Array): void {
    this.#bytes += octets.length;
    this.#write(octets);
  }
}

/** First sequence numbers are fixed per connection and end: a capture of one run is the same file each time. */
function newConnection(id: number, clientPort: number): Connection {
  return {
    id,
    clientPort,
    next: { a: (id * 64_000) >>> 0, b: (0x4000_0000 + id * 64_000) >>> 0 },
    got: { a: 0, b: 0 },
  };
}

const hostOf = (n: number): number => 0x0a4d_0001 + n;

function fileHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(FILE_HEADER_BYTES));
  view.setUint32(0, 0xa1b2c3d4);
  view.setUint16(4, 2);
  view.setUint16(6, 4);
  view.setUint32(16, 65_535);
  view.setUint32(20, 1);
  return new Uint8Array(view.buffer);
}

interface Frame {
  readonly source: Party;
  readonly target: Party;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  readonly ipId: number;
}

function frameOf({ source, target, seq, ack, flags, payload, ipId }: Frame): Uint8Array {
  const frame = new Uint8Array(DATA_AT + payload.length);
  const view = new DataView(frame.buffer);
  // Locally administered MAC addresses 02:00:<IPv4>.
  view.setUint16(0, 0x0200);
  view.setUint32(2, target.host);
  view.setUint16(6, 0x0200);
  view.setUint32(8, source.host);
  view.setUint16(12, 0x0800);

  view.setUint8(IP_AT, 0x45);
  view.setUint16(IP_AT + 2, IP_BYTES + TCP_BYTES + payload.length);
  view.setUint16(IP_AT + 4, ipId);
  // Don't fragment.
  view.setUint16(IP_AT + 6, 0x4000);
  view.setUint8(IP_AT + 8, 64);
  view.setUint8(IP_AT + 9, 6);
  view.setUint32(IP_AT + 12, source.host);
  view.setUint32(IP_AT + 16, target.host);
  view.setUint16(IP_AT + 10, complement(sum16(frame.subarray(IP_AT, TCP_AT))));

  view.setUint16(TCP_AT, source.port);
  view.setUint16(TCP_AT + 2, target.port);
  view.setUint32(TCP_AT + 4, seq);
  view.setUint32(TCP_AT + 8, ack);
  view.setUint8(TCP_AT + 12, (TCP_BYTES / 4) << 4);
  view.setUint8(TCP_AT + 13, flags);
  view.setUint16(TCP_AT + 14, 0xffff);
  frame.set(payload, DATA_AT);
  view.setUint16(TCP_AT + 16, complement(sum16(frame.subarray(TCP_AT), pseudoHeaderSum(frame))));
  return frame;
}

/** RFC 9293 3.1: source, target, protocol 6 and TCP length are summed with the segment. */
const pseudoHeaderSum = (frame: Uint8Array): number =>
  sum16(frame.subarray(IP_AT + 12, IP_AT + 20), 6 + frame.length - TCP_AT);

/** Sum of 16-bit words, an odd last octet padded with 0 (RFC 1071); carries are folded by complement(). */
function sum16(octets: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < octets.length; i += 2) sum += ((octets[i] ?? 0) << 8) | (octets[i + 1] ?? 0);
  return sum;
}

function complement(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}
