import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../../harness/kernel/kernel.ts';
import { randomSource } from '../../../harness/kernel/random.ts';
import { PcapWriter } from '../../../harness/wire/pcap.ts';
import { BytePipe, type PipeBehaviour } from '../../../harness/wire/pipe.ts';

interface Packet {
  readonly atUs: number;
  readonly source: string;
  readonly target: string;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly data: Uint8Array;
}

/** A reader of its own, with the checksums computed another way than the writer does: one's complement addition by step. */
function readPcap(file: Uint8Array): Packet[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  expect([view.getUint32(0), view.getUint16(4), view.getUint16(6), view.getUint32(20)]).toEqual([0xa1b2c3d4, 2, 4, 1]);
  const packets: Packet[] = [];
  for (let at = 24; at < file.length; ) {
    const length = view.getUint32(at + 8);
    expect(view.getUint32(at + 12)).toBe(length);
    const frame = file.subarray(at + 16, at + 16 + length);
    packets.push(readFrame(frame, view.getUint32(at) * 1e6 + view.getUint32(at + 4)));
    at += 16 + length;
  }
  return packets;
}

function readFrame(frame: Uint8Array, atUs: number): Packet {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  expect([view.getUint16(12), view.getUint8(14), view.getUint8(23)]).toEqual([0x0800, 0x45, 6]);
  expect(view.getUint16(16)).toBe(frame.length - 14);
  expect(onesSum(frame.subarray(14, 34))).toBe(0xffff);
  const tcpLength = frame.length - 34;
  const pseudo = [...frame.subarray(26, 34), 0, 6, tcpLength >> 8, tcpLength & 0xff];
  expect(onesSum(Uint8Array.from([...pseudo, ...frame.subarray(34)]))).toBe(0xffff);
  const address = (at: number, portAt: number): string =>
    `${frame.subarray(at, at + 4).join('.')}:${view.getUint16(portAt)}`;
  return {
    atUs,
    source: address(26, 34),
    target: address(30, 36),
    seq: view.getUint32(38),
    ack: view.getUint32(42),
    flags: view.getUint8(47),
    data: frame.subarray(34 + (view.getUint8(46) >> 4) * 4),
  };
}

function onesSum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) {
    sum += (octets[i] ?? 0) * 256 + (octets[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

const START_MS = Date.UTC(2024, 6, 10, 1, 2, 3, 456);

function capture(
  play: (pipe: BytePipe, run: (ms: number) => void) => void,
  behaviour: Partial<PipeBehaviour> = {},
  bytesMax = 1e9,
) {
  const kernel = new Kernel({ startMs: START_MS });
  const parts: Uint8Array[] = [];
  const writer = new PcapWriter({ write: (octets) => parts.push(octets), bytesMax });
  const pipe = new BytePipe({
    scheduler: kernel,
    random: randomSource('pcap'),
    name: 'p',
    behaviour: { delayMs: 7, ...behaviour },
    onSegment: writer.tap(),
  });
  play(pipe, (ms) => kernel.run(kernel.nowMs() + ms));
  return { writer, file: new Uint8Array(Buffer.concat(parts)) };
}

const octets = (n: number, first = 0): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (first + i) & 0xff);

describe('a capture read back', () => {
  test('has the handshake, both directions, right numbers and virtual times', () => {
    const { file, writer } = capture((pipe, run) => {
      pipe.open();
      run(100);
      pipe.a.send(octets(5));
      run(100);
      pipe.b.send(octets(3, 50));
      run(100);
      pipe.a.close();
      run(100);
    });
    const packets = readPcap(file);
    const [client, server] = ['10.77.0.1:49152', '10.77.1.1:20000'];
    const isn = { a: packets[0]?.seq ?? -1, b: packets[1]?.seq ?? -1 };
    const brief = packets.map((p) => {
      const [mine, theirs] = p.source === client ? [isn.a, isn.b] : [isn.b, isn.a];
      expect([p.source, p.target].sort()).toEqual([client, server].sort());
      const ack = (p.flags & 0x10) === 0 ? '-' : p.ack - theirs;
      return `${p.source === client ? 'a' : 'b'} ${p.flags.toString(16)} ${p.seq - mine} ${ack} ${p.data.length} +${p.atUs - START_MS * 1000}`;
    });
    expect(brief).toEqual([
      'a 2 0 - 0 +0',
      'b 12 0 1 0 +7000',
      'a 10 1 1 0 +14000',
      'a 18 1 1 5 +100000',
      'b 18 1 6 3 +200000',
      'a 11 6 4 0 +300000',
      'b 11 4 7 0 +307000',
    ]);
    expect([writer.packets, writer.dropped]).toEqual([7, 0]);
  });

  test('what is longer than a segment is split, and the parts join to what was sent', () => {
    const { file } = capture((pipe, run) => {
      pipe.open();
      run(100);
      pipe.b.send(octets(5000));
      run(100);
    });
    const data = readPcap(file).filter((p) => p.data.length > 0);
    expect(data.map((p) => p.data.length)).toEqual([1460, 1460, 1460, 620]);
    expect(new Uint8Array(Buffer.concat(data.map((p) => p.data)))).toEqual(octets(5000));
    expect(data.map((p) => p.seq - (data[0]?.seq ?? 0))).toEqual([0, 1460, 2920, 4380]);
  });

  test('what was lost is in it and is not acknowledged; the next connection has the next port', () => {
    const { file } = capture((pipe, run) => {
      pipe.open();
      run(100);
      pipe.cut();
      pipe.a.send(octets(10));
      pipe.b.send(octets(4));
      pipe.mend();
      pipe.open();
      pipe.b.send(octets(6));
      run(100);
    });
    const packets = readPcap(file);
    const lost = packets.filter((p) => p.data.length > 0);
    expect(lost.map((p) => p.data.length)).toEqual([10, 4, 6]);
    expect([lost[1]?.ack, lost[2]?.ack]).toEqual([lost[0]?.seq, lost[0]?.seq]);
    expect(lost[2]?.target).toBe('10.77.0.1:49152');
    expect(new Set(packets.map((p) => p.source))).toEqual(
      new Set(['10.77.0.1:49152', '10.77.0.1:49153', '10.77.1.1:20000']),
    );
  });

  test('at its size limit packets are dropped and counted, and the file stays readable', () => {
    const { file, writer } = capture(
      (pipe, run) => {
        pipe.open();
        run(100);
        for (let i = 0; i < 50; i++) pipe.a.send(octets(100));
      },
      {},
      2000,
    );
    expect(file.length).toBeLessThanOrEqual(2000);
    expect(readPcap(file).length).toBe(writer.packets);
    expect(writer.packets + writer.dropped).toBe(53);
  });
});

const DATA = '../shared/data/dnp3/iti_full_exchange.expected.json';
test.skipIf(!existsSync(DATA))(
  `the octets of a real exchange pass through pipe and capture unchanged (${DATA})`,
  () => {
    const frames = JSON.parse(readFileSync(DATA, 'utf8')) as { dport: number; payload_hex: string }[];
    const sides = frames.map((f) => ({
      from: f.dport === 20000 ? ('a' as const) : ('b' as const),
      octets: Buffer.from(f.payload_hex, 'hex'),
    }));
    expect(sides.length).toBeGreaterThan(10);
    const { file } = capture(
      (pipe, run) => {
        pipe.open();
        run(100);
        for (const { from, octets: payload } of sides) {
          pipe[from].send(payload);
          run(50);
        }
      },
      { chopBytesMax: 9 },
    );
    const packets = readPcap(file);
    for (const from of ['a', 'b'] as const) {
      const sent = Buffer.concat(sides.filter((s) => s.from === from).map((s) => s.octets));
      const captured = packets.filter((p) => p.target.endsWith(':20000') === (from === 'a')).map((p) => p.data);
      expect(Buffer.concat(captured).toString('hex')).toBe(sent.toString('hex'));
    }
  },
);
