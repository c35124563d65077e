import { inputError } from '../../src/domain/errors.ts';

/**
 * Reads classic capture files (draft-ietf-opsawg-pcap) and puts TCP streams together.
 *
 * A file is a header of 24 octets (magic, version, longest packet, link type) and packets of 16 octets of time and
 * lengths with what was captured. The magic tells the byte order and whether time counts in micro- or nanoseconds.
 * Link types understood: Ethernet with VLAN tags, BSD loopback, raw IP, Linux cooked. IPv4 and IPv6 without extension
 * headers; fragments of IP are passed over and counted, as is everything that is not TCP.
 *
 * Streams: each direction of a connection delivers octets in the order of their sequence numbers. What was sent again is
 * delivered once, what came early waits. A hole is given up when `EARLY_OCTETS_MAX` wait behind it or the capture ends;
 * the reader of the stream then finds its next frame by itself. A SYN begins anew.
 */
export interface PcapPacket {
  /** Number in the file, from 1. */
  readonly number: number;
  /** [µs since 1970] */
  readonly atUs: number;
  readonly octets: Uint8Array;
}

export interface PcapFile {
  readonly linkType: number;
  readonly packets: readonly PcapPacket[];
}

export interface TcpChunk {
  readonly number: number;
  readonly atUs: number;
  /** "192.168.10.9:45524" */
  readonly from: string;
  readonly to: string;
  readonly octets: Uint8Array;
}

export interface TcpStreams {
  /** In the order in which their octets could be delivered. */
  readonly chunks: readonly TcpChunk[];
  /** Packets that are no TCP over IP, by reason. */
  readonly passedOver: Readonly<Record<string, number>>;
  /** Octets missing from the capture. */
  readonly missing: number;
}

const MAGICS = new Map([
  [0xa1b2c3d4, { little: false, perSecond: 1e6 }],
  [0xd4c3b2a1, { little: true, perSecond: 1e6 }],
  [0xa1b23c4d, { little: false, perSecond: 1e9 }],
  [0x4d3cb2a1, { little: true, perSecond: 1e9 }],
]);
const PCAPNG = 0x0a0d0d0a;
const FILE_HEADER = 24;
const PACKET_HEADER = 16;
const EARLY_OCTETS_MAX = 1 << 20;

const viewOf = (octets: Uint8Array): DataView => new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

export function isPcap(octets: Uint8Array): boolean {
  if (octets.length < 4) return false;
  const magic = viewOf(octets).getUint32(0);
  return MAGICS.has(magic) || magic === PCAPNG;
}

/** @throws InputError when it is no classic capture, or one of a link type that is not understood */
export function readPcap(octets: Uint8Array, source: string): PcapFile {
  const view = viewOf(octets);
  const form = octets.length < FILE_HEADER ? undefined : MAGICS.get(view.getUint32(0));
  if (form === undefined) {
    const isNg = octets.length >= 4 && view.getUint32(0) === PCAPNG;
    const expected = isNg ? 'a classic capture; editcap -F pcap makes one of it' : 'a classic capture file (pcap)';
    throw inputError({ source, place: 'its first octets', value: isNg ? 'pcapng' : 'no pcap', expected });
  }
  const linkType = view.getUint32(20, form.little) & 0xffff;
  if (!LINK_TYPES.has(linkType)) {
    const expected = `one of ${[...LINK_TYPES].map(([n, t]) => `${n} (${t.name})`).join(', ')}`;
    throw inputError({ source, place: 'link type', value: String(linkType), expected });
  }
  const packets: PcapPacket[] = [];
  let at = FILE_HEADER;
  while (at + PACKET_HEADER <= octets.length) {
    const seconds = view.getUint32(at, form.little);
    const parts = view.getUint32(at + 4, form.little);
    const length = view.getUint32(at + 8, form.little);
    at += PACKET_HEADER;
    const atUs = seconds * 1e6 + Math.floor((parts * 1e6) / form.perSecond);
    packets.push({ number: packets.length + 1, atUs, octets: octets.subarray(at, at + length) });
    at += length;
  }
  return { linkType, packets };
}

interface LinkType {
  readonly name: string;
  /** Where the IP header begins; null when the packet is no IP. */
  readonly ipAt: (view: DataView) => number | null;
}

const LINK_TYPES = new Map<number, LinkType>([
  [0, { name: 'BSD loopback', ipAt: () => 4 }],
  [1, { name: 'Ethernet', ipAt: ethernetIpAt }],
  [101, { name: 'raw IP', ipAt: () => 0 }],
  [113, { name: 'Linux cooked', ipAt: () => 16 }],
  [228, { name: 'raw IPv4', ipAt: () => 0 }],
  [276, { name: 'Linux cooked 2', ipAt: () => 20 }],
]);

function ethernetIpAt(view: DataView): number | null {
  let at = 12;
  // 802.1Q and 802.1ad tags, at most two.
  for (let tags = 0; tags < 2 && at + 6 <= view.byteLength; tags++) {
    const type = view.getUint16(at);
    if (type !== 0x8100 && type !== 0x88a8) break;
    at += 4;
  }
  if (at + 2 > view.byteLength) return null;
  const type = view.getUint16(at);
  return type === 0x0800 || type === 0x86dd ? at + 2 : null;
}

interface TcpSegment {
  readonly from: string;
  readonly to: string;
  readonly seq: number;
  readonly syn: boolean;
  readonly octets: Uint8Array;
}

const TCP = 6;

function tcpOf(octets: Uint8Array, link: LinkType): TcpSegment | string {
  const view = viewOf(octets);
  const ip = link.ipAt(view);
  if (ip === null || ip + 20 > octets.length) return 'no IP';
  const version = view.getUint8(ip) >>> 4;
  if (version === 6) return tcp6Of(octets, view, ip);
  if (version !== 4) return 'no IP';
  if ((view.getUint16(ip + 6) & 0x3fff) !== 0) return 'fragment of IP';
  if (view.getUint8(ip + 9) !== TCP) return 'no TCP';
  const tcp = ip + (view.getUint8(ip) & 0x0f) * 4;
  const total = view.getUint16(ip + 2);
  // A length of 0 is what a network card that cuts segments itself leaves in a capture.
  const end = total === 0 ? octets.length : Math.min(octets.length, ip + total);
  const dotted = (at: number): string => octets.subarray(at, at + 4).join('.');
  return segmentOf(octets.subarray(0, end), view, tcp, dotted(ip + 12), dotted(ip + 16));
}

function tcp6Of(octets: Uint8Array, view: DataView, ip: number): TcpSegment | string {
  if (ip + 40 > octets.length || view.getUint8(ip + 6) !== TCP) return 'no TCP';
  const end = Math.min(octets.length, ip + 40 + view.getUint16(ip + 4));
  const groups = (at: number): string =>
    `[${Array.from({ length: 8 }, (_, i) => view.getUint16(at + 2 * i).toString(16)).join(':')}]`;
  return segmentOf(octets.subarray(0, end), view, ip + 40, groups(ip + 8), groups(ip + 24));
}

function segmentOf(octets: Uint8Array, view: DataView, tcp: number, from: string, to: string): TcpSegment | string {
  if (tcp + 20 > octets.length) return 'cut short';
  const data = tcp + (view.getUint8(tcp + 12) >>> 4) * 4;
  return {
    from: `${from}:${view.getUint16(tcp)}`,
    to: `${to}:${view.getUint16(tcp + 2)}`,
    seq: view.getUint32(tcp + 4),
    syn: (view.getUint8(tcp + 13) & 0x02) !== 0,
    octets: octets.subarray(Math.min(data, octets.length)),
  };
}

interface Early {
  readonly packet: PcapPacket;
  readonly segment: TcpSegment;
}

interface Flow {
  next: number | null;
  early: Early[];
  earlyOctets: number;
}

/** Signed distance of sequence numbers, which wrap at 2^32. */
const ahead = (seq: number, of: number): number => (seq - of) | 0;

export function tcpStreams(file: PcapFile): TcpStreams {
  const link = LINK_TYPES.get(file.linkType);
  const chunks: TcpChunk[] = [];
  const passedOver: Record<string, number> = {};
  const flows = new Map<string, Flow>();
  let missing = 0;
  const deliver = (flow: Flow, { packet, segment }: Early): void => {
    const known = flow.next === null ? 0 : -ahead(segment.seq, flow.next);
    const octets = segment.octets.subarray(Math.max(0, known));
    if (octets.length === 0) return;
    flow.next = (segment.seq + segment.octets.length) >>> 0;
    chunks.push({ number: packet.number, atUs: packet.atUs, from: segment.from, to: segment.to, octets });
  };
  const drain = (flow: Flow, overHoles: boolean): void => {
    flow.early.sort((a, b) => ahead(a.segment.seq, b.segment.seq));
    for (let first = flow.early[0]; first !== undefined; first = flow.early[0]) {
      const hole = flow.next === null ? 0 : ahead(first.segment.seq, flow.next);
      if (hole > 0 && !overHoles) return;
      missing += Math.max(0, hole);
      flow.early.shift();
      flow.earlyOctets -= first.segment.octets.length;
      deliver(flow, first);
    }
  };
  for (const packet of file.packets) {
    const segment = link === undefined ? 'no IP' : tcpOf(packet.octets, link);
    if (typeof segment === 'string') {
      passedOver[segment] = (passedOver[segment] ?? 0) + 1;
      continue;
    }
    const key = `${segment.from}>${segment.to}`;
    const flow = flows.get(key) ?? { next: null, early: [], earlyOctets: 0 };
    flows.set(key, flow);
    if (segment.syn) {
      drain(flow, true);
      flow.next = (segment.seq + 1) >>> 0;
      continue;
    }
    if (segment.octets.length === 0) continue;
    flow.early.push({ packet, segment });
    flow.earlyOctets += segment.octets.length;
    drain(flow, flow.earlyOctets > EARLY_OCTETS_MAX);
  }
  for (const flow of flows.values()) drain(flow, true);
  return { chunks, passedOver, missing };
}
