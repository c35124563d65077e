import { crcDnp } from '../../src/dnp3/link/crc.ts';
import { encodeFrame } from '../../src/dnp3/link/frame.ts';
import type { MasterSession } from '../../src/dnp3/master/session.ts';
import { Stack } from '../../src/dnp3/stack.ts';
import { hex, octets } from '../unit/dnp3/hex.ts';

/**
 * Hostile input: the 98 cases that were run against opendnp3 3.1.2 (after Project Robus, ICS advisories, and own ones),
 * with the reaction wanted of us. Where it differs from opendnp3's on purpose, `better` says how.
 */
export interface OutstationCase {
  readonly id: string;
  readonly what: string;
  readonly send: (peer: Stack) => Uint8Array[];
  /** The start of each answer, application octets; IIN1 80 = restart, IIN2 01 function 02 object 04 parameter. */
  readonly answers: readonly string[];
  /** Controls that reached the application. */
  readonly operated?: number;
  readonly better?: string;
}
export interface MasterCase {
  readonly id: string;
  readonly what: string;
  readonly before?: (session: MasterSession, nowMs: number) => void;
  readonly send: (peer: Stack) => Uint8Array[];
  /** Values delivered. */
  readonly values: number;
  /** Octets answered, at most; a confirm is 15. */
  readonly sent: readonly [min: number, max: number];
  readonly dropped?: number;
  readonly better?: string;
}

export const peerOf = (role: 'master' | 'outstation'): Stack => {
  const [localAddress, remoteAddress] = role === 'master' ? [1, 10] : [10, 1];
  return new Stack({ role, localAddress, remoteAddress, interOctetMs: 1000, fragmentOctetsMax: 4096 });
};

const apps =
  (...fragments: string[]) =>
  (peer: Stack): Uint8Array[] => {
    for (const f of fragments) peer.sendFragment(octets(f));
    return peer.takeOutput();
  };
const raw =
  (...parts: (string | Uint8Array)[]) =>
  (): Uint8Array[] =>
    parts.map((p) => (typeof p === 'string' ? octets(p) : p));
const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
const two = (n: number): string => n.toString(16).padStart(2, '0');
const repeat = (text: string, n: number): string => times(n, () => text).join('');

const frame = (app: string, over: Partial<Parameters<typeof encodeFrame>[0]> = {}): Uint8Array =>
  encodeFrame({
    fromMaster: true,
    primary: true,
    fcb: false,
    fcvOrDfc: false,
    functionCode: 4,
    destination: 10,
    source: 1,
    userData: octets(app),
    ...over,
  });
const fromOutstation = { fromMaster: false, destination: 1, source: 10 } as const;
const spoilt = (whole: Uint8Array, at: number): Uint8Array => whole.map((o, i) => (i === at ? o ^ 0xff : o));
/** A header whose CRC is right and whose length is not. */
function shortHeader(length: number): Uint8Array {
  const head = octets(`05 64 ${two(length)} C4 0A 00 01 00`);
  const crc = crcDnp(head);
  return Uint8Array.of(...head, crc & 0xff, crc >> 8);
}
/** Octets of any value, the same in each run. */
function noise(count: number): Uint8Array {
  const out = new Uint8Array(count);
  for (let i = 0, x = 0x9e3779b9; i < count; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    out[i] = x & 0xff;
  }
  return out;
}

/** Transport octet and class 0 read. */
const READ = 'C0 C0 01 3C 01 06';
const CROB = '03 01 00 00 00 00 00 00 00 00';
const UNSOLICITED = 'F5 82 00 00 20 01 28 01 00 00 00 01 00 00 00 00';

export const OUTSTATION_CASES: readonly OutstationCase[] = [
  { id: 'L01', what: 'bad start octets', send: raw('06 65 05 C0 0A 00 01 00 11 22'), answers: [] },
  {
    id: 'L02',
    what: 'a false start before a good frame',
    send: raw(`05 64 05 05 64 ${hex(frame(READ))}`),
    answers: ['c08180'],
  },
  { id: 'L03', what: 'length 0, CRC right', send: raw(shortHeader(0)), answers: [] },
  { id: 'L04', what: 'length 4, CRC right', send: raw(shortHeader(4)), answers: [] },
  {
    id: 'L05',
    what: 'a frame of length 255 cut short, a good one behind it, then silence',
    send: raw(frame(READ, { userData: new Uint8Array(250) }).slice(0, 60), frame(READ)),
    answers: ['c08180'],
    better: 'opendnp3 loses the good frame',
  },
  { id: 'L06', what: 'header CRC wrong', send: raw(spoilt(frame(READ), 8)), answers: [] },
  { id: 'L07', what: 'body CRC wrong', send: raw(spoilt(frame(READ), 16)), answers: [] },
  { id: 'L08', what: 'user data without an octet', send: raw(frame('')), answers: [] },
  { id: 'L09', what: 'a transport octet alone', send: raw(frame('C0')), answers: [] },
  {
    id: 'L10',
    what: 'confirmed data before a reset',
    send: raw(frame(READ, { functionCode: 3, fcvOrDfc: true, fcb: true })),
    answers: [],
  },
  { id: 'L11', what: 'a reserved function', send: raw(frame(READ, { functionCode: 11 })), answers: [] },
  { id: 'L12', what: 'FCV on unconfirmed data', send: raw(frame(READ, { fcvOrDfc: true })), answers: [] },
  {
    id: 'L13',
    what: 'DIR says that it comes from an outstation',
    send: raw(frame(READ, { fromMaster: false })),
    answers: [],
  },
  { id: 'L14', what: 'reset link with user data', send: raw(frame(READ, { functionCode: 0 })), answers: [] },
  {
    id: 'L15',
    what: 'an acknowledge nobody waits for',
    send: raw(frame('', { primary: false, functionCode: 0 })),
    answers: [],
  },
  {
    id: 'L16',
    what: 'a broadcast link status request',
    send: raw(frame('', { functionCode: 9, destination: 0xffff })),
    answers: [],
  },
  { id: 'L17', what: 'the self-address', send: raw(frame(READ, { destination: 0xfffc })), answers: [] },
  { id: 'L18', what: 'a broadcast address as source', send: raw(frame(READ, { source: 0xffff })), answers: [] },
  { id: 'L19', what: '64 KiB of 05', send: raw(new Uint8Array(65_536).fill(5)), answers: [] },
  {
    id: 'L20',
    what: 'a good read octet by octet',
    send: () => [...frame(READ)].map((o) => Uint8Array.of(o)),
    answers: ['c08180'],
  },
  { id: 'T01', what: 'a continuation without a start', send: raw(frame('80 C0 01 3C 01 06')), answers: [] },
  { id: 'T02', what: 'a gap in the sequence', send: raw(frame('40 C0 01'), frame('82 3C 01 06')), answers: [] },
  {
    id: 'T03',
    what: 'a new start in the middle',
    send: raw(frame('40 C0 01'), frame('C1 C0 01 3C 01 06')),
    answers: ['c08180'],
  },
  {
    id: 'T04',
    what: 'forty segments without an end',
    send: raw(...times(40, (i) => frame(`${two(i === 0 ? 0x40 : i)}${repeat('00', 249)}`))),
    answers: [],
  },
  {
    id: 'T05',
    what: '200 starts without an end',
    send: raw(...times(200, (i) => frame(`${two(0x40 | (i & 63))}${repeat('00', 249)}`))),
    answers: [],
  },
  { id: 'A01', what: 'one octet', send: apps('C0'), answers: [] },
  { id: 'A02', what: 'unknown function 70', send: apps('C0 70'), answers: ['c0818001'] },
  {
    id: 'A03',
    what: 'a response sent to an outstation',
    send: apps('C0 81 00 00'),
    answers: [],
    better: 'opendnp3 answers it',
  },
  { id: 'A04', what: 'a request that asks for a confirm', send: apps('E0 01 3C 01 06'), answers: [] },
  { id: 'A05', what: 'an unsolicited read', send: apps('D0 01 3C 01 06'), answers: [] },
  { id: 'A06', what: 'a request of more fragments', send: apps('80 01 3C 01 06'), answers: [] },
  { id: 'A07', what: 'a header cut short', send: apps('C0 01 3C'), answers: ['c0818004'] },
  { id: 'A08', what: 'a range that ends before it starts', send: apps('C0 01 1E 01 00 05 00'), answers: ['c0818004'] },
  {
    id: 'A09',
    what: 'a range of four octets, 0 to FFFFFFFF',
    send: apps('C0 01 01 00 02 00 00 00 00 FF FF FF FF'),
    answers: ['c0818004'],
  },
  { id: 'A10', what: 'a count of four octets', send: apps('C0 01 02 00 09 FF FF FF FF'), answers: ['c0818004'] },
  { id: 'A11', what: '65535 times to write and none there', send: apps('C0 02 32 01 08 FF FF'), answers: ['c0818004'] },
  { id: 'A12', what: 'unknown qualifier', send: apps('C0 01 3C 01 3F'), answers: ['c0818004'] },
  { id: 'A13', what: 'unknown group 99', send: apps('C0 01 63 00 06'), answers: ['c0818002'] },
  { id: 'A14', what: 'device attributes', send: apps('C0 01 00 FE 00 00 00'), answers: ['c0818002'] },
  { id: 'A15', what: 'read of a control object', send: apps('C0 01 0C 01 06'), answers: ['c0818002'] },
  { id: 'A16', what: 'select of a static object', send: apps('C0 03 01 02 17 01 00 81'), answers: ['c0818004'] },
  { id: 'A17', what: 'direct operate of "all"', send: apps('C0 05 0C 01 06'), answers: ['c0818004'] },
  { id: 'A18', what: 'no control', send: apps('C0 05 0C 01 28 00 00'), answers: ['c0818004'] },
  {
    id: 'A19',
    what: '65535 controls, one there',
    send: apps(`C0 05 0C 01 28 FF FF 00 00 ${CROB} 00`),
    answers: ['c0818004'],
  },
  {
    id: 'A20',
    what: 'reserved operation and trip-close',
    send: apps('C0 05 0C 01 28 01 00 00 00 CF 01 00 00 00 00 00 00 00 00 00'),
    answers: ['c08180040c012801000000cf01000000000000000004'],
  },
  {
    id: 'A21',
    what: 'a control whose status is 127 on the way in: the status is ours to fill',
    send: apps(`C0 05 0C 01 28 01 00 00 00 ${CROB} 7F`),
    answers: ['c08180000c0128010000000301000000000000000000'],
    operated: 1,
  },
  {
    id: 'A22',
    what: 'one index twice in a request: both, in order',
    send: apps(`C0 05 0C 01 28 02 00 00 00 ${CROB} 00 00 00 ${CROB} 00`),
    answers: ['c08180000c0128020000000301'],
    operated: 2,
  },
  {
    id: 'A23',
    what: 'a setpoint that is NaN: status 3',
    send: apps('C0 05 29 03 28 01 00 00 00 00 00 C0 7F 00'),
    answers: ['c0818000290328010000000000c07f03'],
    better: 'opendnp3 passes it on and reports success',
  },
  {
    id: 'A24',
    what: 'an infinite setpoint: status 3',
    send: apps('C0 05 29 03 28 01 00 00 00 00 00 80 7F 00'),
    answers: ['c0818000290328010000000000807f03'],
    better: 'opendnp3 passes it on and reports success',
  },
  {
    id: 'A25',
    what: 'a setpoint of 1e308: status 12',
    send: apps('C0 05 29 04 28 01 00 00 00 A0 C8 EB 85 F3 CC E1 7F 00'),
    answers: ['c081800029042801000000a0c8eb85f3cce17f0c'],
    better: 'opendnp3 passes it on and reports success',
  },
  {
    id: 'A26',
    what: 'operate without select: status 2',
    send: apps(`C0 04 0C 01 28 01 00 00 00 ${CROB} 00`),
    answers: ['c08180000c0128010000000301000000000000000002'],
  },
  {
    id: 'A27',
    what: 'select with sequence 0, operate with sequence 5: status 2',
    send: apps(`C0 03 0C 01 28 01 00 00 00 ${CROB} 00`, `C5 04 0C 01 28 01 00 00 00 ${CROB} 00`),
    answers: ['c08180000c0128010000000301000000000000000000', 'c58180000c0128010000000301000000000000000002'],
  },
  { id: 'A28', what: 'write of another indication', send: apps('C0 02 50 01 00 04 04 00'), answers: ['c0818004'] },
  {
    id: 'A29',
    what: 'indications 0 to 65535 without octets',
    send: apps('C0 02 50 01 01 00 00 FF FF'),
    answers: ['c0818004'],
  },
  {
    id: 'A30',
    what: 'the clock to 2^48 - 1 ms, the year 10889',
    send: apps('C0 02 32 01 07 01 FF FF FF FF FF FF'),
    answers: ['c0818004'],
    better: 'opendnp3 takes it',
  },
  {
    id: 'A31',
    what: 'write of a common time',
    send: apps('C0 02 33 01 07 01 00 00 00 00 00 00'),
    answers: ['c0818001'],
  },
  {
    id: 'A32',
    what: 'octet strings of no octets, 0 to 65535',
    send: apps('C0 02 6E 00 01 00 00 FF FF'),
    answers: ['c0818004'],
  },
  { id: 'A33', what: 'static read by count 65535', send: apps('C0 01 01 02 08 FF FF'), answers: ['c0818004'] },
  { id: 'A34', what: '600 class headers', send: apps(`C0 01 ${repeat('3C0206', 600)}`), answers: ['c0818004'] },
  {
    id: 'A35',
    what: 'all analogs 680 times',
    send: apps(`C0 01 ${repeat('1E0006', 680)}`),
    answers: ['c0818004'],
    better: 'opendnp3 answers with 680 times the database',
  },
  { id: 'A36', what: 'a request of 2049 octets', send: apps(`C0 01 ${repeat('3C0206', 682)}00`), answers: [] },
  {
    id: 'A37',
    what: 'a file of 65535 octets, none there',
    send: apps('C0 19 46 05 5B 01 FF FF'),
    answers: ['c0818001'],
  },
  { id: 'A38', what: 'an authentication challenge', send: apps('C0 20 78 01 5B 01 00 00'), answers: ['c0818001'] },
  { id: 'A39', what: 'enable unsolicited of class 0', send: apps('C0 14 3C 01 06'), answers: ['c0818001'] },
  { id: 'A40', what: 'cold restart with objects behind it', send: apps('C0 0D 3C 01 06'), answers: ['c0818004'] },
  {
    id: 'A41',
    what: 'direct operate without response, broadcast',
    send: raw(frame(`C0 C0 06 0C 01 28 01 00 00 00 ${CROB} 00`, { destination: 0xffff })),
    answers: [],
    better: 'opendnp3 executes it',
  },
  {
    id: 'A42',
    what: 'confirms nobody waits for',
    send: apps(...times(16, (i) => `C${i.toString(16)} 00`)),
    answers: [],
  },
  {
    id: 'A43',
    what: 'the same sequence with another request',
    send: apps('C0 01 3C 01 06', 'C0 01 3C 02 06'),
    answers: ['c08180000102', 'c0818000'],
  },
  {
    id: 'A44',
    what: '200 reads in one write: 200 answers',
    send: (peer) => {
      for (const i of times(200, (n) => n)) peer.sendFragment(octets(`C${(i % 16).toString(16)} 01 3C 01 06`));
      const all = peer.takeOutput();
      return [Uint8Array.from(all.flatMap((o) => [...o]))];
    },
    answers: times(200, (i) => `c${(i % 16).toString(16)}81`),
    better: 'opendnp3 answers 10',
  },
  { id: 'A45', what: 'freeze of an analog', send: apps('C0 07 1E 00 06'), answers: ['c0818004'] },
  {
    id: 'A46',
    what: 'assign class to points that are not there',
    send: apps('C0 16 3C 02 06 01 00 01 00 00 FF FF'),
    answers: ['c0818004'],
  },
];

export const MASTER_CASES: readonly MasterCase[] = [
  {
    id: 'M01',
    what: 'the Robus classic: g1v0 over 0 to FFFFFFFF',
    send: apps('F5 82 00 00 01 00 02 00 00 00 00 FF FF FF FF'),
    values: 0,
    sent: [0, 0],
  },
  {
    id: 'M02',
    what: '65536 bits and no octets',
    send: apps('F5 82 00 00 01 01 01 00 00 FF FF'),
    values: 0,
    sent: [0, 0],
  },
  {
    id: 'M03',
    what: 'a control object under a range of one octet',
    send: apps('F5 82 00 00 0C 01 00 00 00'),
    values: 0,
    sent: [0, 0],
  },
  {
    id: 'M04',
    what: 'a measured NaN is delivered as it is',
    send: apps('F5 82 00 00 1E 05 00 00 00 01 00 00 C0 7F'),
    values: 1,
    sent: [15, 15],
  },
  {
    id: 'M05',
    what: 'an event of the year 10889',
    send: apps('F5 82 00 00 20 07 28 01 00 00 00 01 00 00 00 00 FF FF FF FF FF FF'),
    values: 1,
    sent: [15, 15],
  },
  {
    id: 'M06',
    what: 'index 65535',
    send: apps('F5 82 00 00 20 01 28 01 00 FF FF 01 00 00 00 00'),
    values: 0,
    sent: [15, 15],
    dropped: 1,
  },
  {
    id: 'M07',
    what: '60 000 indices never seen before',
    send: apps(
      ...times(300, (f) => {
        const points = times(200, (i) => 10 + f * 200 + i).map((n) => `${two(n & 255)}${two(n >> 8)}81`);
        return `F${(f % 16).toString(16)} 82 00 00 02 01 28 C8 00 ${points.join('')}`;
      }),
    ),
    values: 0,
    sent: [4500, 4500],
    dropped: 60_000,
    better: 'opendnp3 delivers them all',
  },
  {
    id: 'M08',
    what: 'an answer nobody asked for',
    send: apps('C9 81 00 00 1E 01 00 00 00 01 00 00 00 00'),
    values: 0,
    sent: [0, 0],
  },
  {
    id: 'M09',
    what: 'an answer with another sequence while one is awaited',
    before: (session, nowMs) => session.readClasses({ id: 'r', classes: [0] }, nowMs),
    send: apps('CE 81 00 00 1E 01 00 00 00 01 00 00 00 00'),
    values: 0,
    sent: [0, 0],
  },
  { id: 'M10', what: 'an answer that does not start', send: apps('49 81 00 00'), values: 0, sent: [0, 0] },
  { id: 'M11', what: 'three octets', send: apps('F5 82 00'), values: 0, sent: [0, 0] },
  { id: 'M12', what: 'one stray octet', send: apps('F5 82 00 00 01'), values: 0, sent: [0, 0] },
  { id: 'M13', what: 'an authentication response', send: apps('C5 83 00 00'), values: 0, sent: [0, 0] },
  { id: 'M14', what: 'a request from an outstation', send: apps('C5 01 3C 01 06'), values: 0, sent: [0, 0] },
  {
    id: 'M15',
    what: 'an octet string of no octets',
    send: apps('F5 82 00 00 6F 00 28 01 00 00 00'),
    values: 0,
    sent: [0, 0],
  },
  { id: 'M16', what: 'no objects', send: apps('F5 82 00 00 20 01 28 00 00'), values: 0, sent: [0, 0] },
  { id: 'M17', what: 'unsolicited without CON', send: apps(`D5${UNSOLICITED.slice(2)}`), values: 0, sent: [0, 0] },
  { id: 'M18', what: 'unsolicited without UNS', send: apps(`E5${UNSOLICITED.slice(2)}`), values: 0, sent: [0, 0] },
  {
    id: 'M19',
    what: '500 repeats: one delivered, all confirmed',
    send: apps(...times(500, () => UNSOLICITED)),
    values: 1,
    sent: [7500, 7500],
    better: 'opendnp3 delivers 500',
  },
  {
    id: 'M20',
    what: 'unsolicited in more fragments',
    send: apps(`B5${UNSOLICITED.slice(2)}`),
    values: 0,
    sent: [0, 0],
  },
  {
    id: 'M21',
    what: 'a common time of 2^48 - 1 and an event 65535 ms later',
    send: apps('F5 82 00 00 33 01 07 01 FF FF FF FF FF FF 02 03 28 01 00 00 00 81 FF FF'),
    values: 1,
    sent: [15, 15],
  },
  {
    id: 'M22',
    what: 'relative time without a base',
    send: apps('F5 82 00 00 02 03 28 01 00 00 00 81 FF FF'),
    values: 1,
    sent: [15, 15],
  },
  {
    id: 'M23',
    what: 'DIR says that it comes from a master',
    send: raw(frame(`C0 ${UNSOLICITED}`, { ...fromOutstation, fromMaster: true })),
    values: 0,
    sent: [0, 0],
  },
  // A confirm, and the first of the reactions: the others wait for its answer.
  { id: 'M24', what: 'all indications set', send: apps('F5 82 FF FF'), values: 0, sent: [15, 40] },
  {
    id: 'M25',
    what: 'the restart bit in a hundred unsolicited responses',
    send: apps(...times(100, (i) => `F${(i % 16).toString(16)} 82 80 00`)),
    values: 0,
    sent: [1500, 1540],
  },
  {
    id: 'M26',
    what: 'segments without an end',
    send: raw(...times(100, (i) => frame(`${two(i === 0 ? 0x40 : i & 63)}${repeat('00', 249)}`, fromOutstation))),
    values: 0,
    sent: [0, 0],
  },
  { id: 'M27', what: '4 MB of noise', send: () => times(64, () => noise(65_536)), values: 0, sent: [0, 0] },
];
