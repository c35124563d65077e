import { describe, expect, test } from 'vitest';
import { encodeFrame } from '../../src/dnp3/link/frame.ts';
import { MasterSession } from '../../src/dnp3/master/session.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import { Stack } from '../../src/dnp3/stack.ts';
import { hex, octets } from '../unit/dnp3/hex.ts';

/**
 * Hostile input after the cases that were run against opendnp3 3.1.2 (Project Robus, ICS advisories, own): each is
 * followed by a link status request on the same connection, which must be answered. Where we differ from opendnp3 on
 * purpose the case says so.
 */
const link = (role: 'master' | 'outstation'): Stack => {
  const [localAddress, remoteAddress] = role === 'master' ? [1, 10] : [10, 1];
  return new Stack({ role, localAddress, remoteAddress, interOctetMs: 1000, fragmentOctetsMax: 4096 });
};

function attackOutstation(send: (peer: Stack) => Uint8Array[]) {
  const operated: Control[] = [];
  const session = new OutstationSession({
    localAddress: 10,
    remoteAddress: 1,
    unsolicited: false,
    points: [
      { kind: 'BI', index: 0, eventClass: 1 },
      { kind: 'AI', index: 0, eventClass: 2 },
      { kind: 'AOS', index: 0, eventClass: 0 },
    ],
    onControl: (step, control) => {
      if (step === 'operate') operated.push(control);
      return 0;
    },
  });
  session.connected(0);
  const peer = link('master');
  const answers: string[] = [];
  const collect = (nowMs: number) => {
    for (const out of session.takeOutput()) {
      for (const i of peer.receive(out, nowMs)) answers.push(i.kind === 'fragment' ? hex(i.octets) : 'link status');
    }
  };
  for (const octetsSent of send(peer)) session.receive(octetsSent, 0);
  collect(0);
  session.timeout(5000);
  collect(5000);
  const app = [...answers];
  peer.requestLinkStatus();
  for (const out of peer.takeOutput()) session.receive(out, 5000);
  collect(5000);
  expect(answers.at(-1)).toBe('link status');
  return { app: app.filter((a) => a !== 'link status'), operated, session };
}

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

const userData = (app: string, over: Partial<Parameters<typeof encodeFrame>[0]> = {}): Uint8Array =>
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
const READ_CLASS0 = 'C0 C0 01 3C 01 06';
const repeat = (text: string, n: number): string => Array.from({ length: n }, () => text).join('');

/** name, what is sent, the start of each answer. IIN1 is 80 (restart) throughout; IIN2: 01 function, 02 object, 04 parameter. */
const OUTSTATION: readonly (readonly [string, (peer: Stack) => Uint8Array[], readonly string[]])[] = [
  ['L01 bad start octets', raw('06 65 05 C0 0A 00 01 00 11 22'), []],
  ['L02 a false start before a good frame', raw(`05 64 05 05 64 ${hex(userData(READ_CLASS0))}`), ['c08180']],
  ['L03 length 0', raw('05 64 00 C4 0A 00 01 00 00 00'), []],
  [
    'L05 a frame cut short, then silence, then a good one (opendnp3 loses it)',
    raw(userData(READ_CLASS0, { userData: new Uint8Array(250) }).slice(0, 60), userData(READ_CLASS0)),
    ['c08180'],
  ],
  ['L08 user data without an octet', raw(userData('')), []],
  ['L09 a transport octet alone', raw(userData('C0')), []],
  ['L10 confirmed data before a reset', raw(userData(READ_CLASS0, { functionCode: 3, fcvOrDfc: true, fcb: true })), []],
  ['L11 a reserved function', raw(userData(READ_CLASS0, { functionCode: 11 })), []],
  ['L12 FCV on unconfirmed data', raw(userData(READ_CLASS0, { fcvOrDfc: true })), []],
  ['L13 a frame that claims to come from an outstation', raw(userData(READ_CLASS0, { fromMaster: false })), []],
  ['L14 reset link with user data', raw(userData(READ_CLASS0, { functionCode: 0 })), []],
  ['L15 an acknowledge nobody waits for', raw(userData('', { primary: false, functionCode: 0 })), []],
  ['L16 a broadcast link status request', raw(userData('', { functionCode: 9, destination: 0xffff })), []],
  ['L17 the self-address', raw(userData(READ_CLASS0, { destination: 0xfffc })), []],
  ['L18 a broadcast address as source', raw(userData(READ_CLASS0, { source: 0xffff })), []],
  ['L19 64 KiB of 05', raw(new Uint8Array(65_536).fill(5)), []],
  ['L20 a good read octet by octet', () => [...userData(READ_CLASS0)].map((o) => Uint8Array.of(o)), ['c08180']],
  ['T01 a continuation without a start', raw(userData('80 C0 01 3C 01 06')), []],
  ['T02 a gap in the sequence', raw(userData('40 C0 01'), userData('82 3C 01 06')), []],
  ['T03 a new start in the middle', raw(userData('40 C0 01'), userData('C1 C0 01 3C 01 06')), ['c08180']],
  [
    'T04 forty segments without an end',
    raw(
      ...Array.from({ length: 40 }, (_, i) =>
        userData(`${(i === 0 ? 0x40 : i).toString(16).padStart(2, '0')}${repeat('00', 249)}`),
      ),
    ),
    [],
  ],
  ['A01 one octet', apps('C0'), []],
  ['A02 unknown function', apps('C0 70'), ['c0818001']],
  ['A03 a response sent to an outstation', apps('C0 81 00 00'), []],
  ['A04 a request that asks for a confirm', apps('E0 01 3C 01 06'), []],
  ['A05 an unsolicited read', apps('D0 01 3C 01 06'), []],
  ['A06 a request of more fragments', apps('80 01 3C 01 06'), []],
  ['A07 a header cut short', apps('C0 01 3C'), ['c0818004']],
  ['A08 a range that ends before it starts', apps('C0 01 1E 01 00 05 00'), ['c0818004']],
  ['A09 a range of four octets', apps('C0 01 01 00 02 00 00 00 00 FF FF FF FF'), ['c0818004']],
  ['A10 a count of four octets', apps('C0 01 02 00 09 FF FF FF FF'), ['c0818004']],
  ['A11 65535 times and none there', apps('C0 02 32 01 08 FF FF'), ['c0818004']],
  ['A12 unknown qualifier', apps('C0 01 3C 01 3F'), ['c0818004']],
  ['A13 unknown group', apps('C0 01 63 00 06'), ['c0818002']],
  ['A15 read of a control object', apps('C0 01 0C 01 06'), ['c0818002']],
  ['A16 select of a static object', apps('C0 03 01 02 17 01 00 81'), ['c0818004']],
  ['A17 direct operate of all', apps('C0 05 0C 01 06'), ['c0818004']],
  ['A18 no control', apps('C0 05 0C 01 28 00 00'), ['c0818004']],
  ['A19 65535 controls, one there', apps('C0 05 0C 01 28 FF FF 00 00 03 01 00 00 00 00 00 00 00 00 00'), ['c0818004']],
  [
    'A20 reserved operation and trip-close',
    apps('C0 05 0C 01 28 01 00 00 00 CF 01 00 00 00 00 00 00 00 00 00'),
    ['c08180040c0128010000'],
  ],
  [
    'A23 NaN setpoint (opendnp3 passes it on): status 3',
    apps('C0 05 29 03 28 01 00 00 00 00 00 C0 7F 00'),
    ['c0818000290328010000000000c07f03'],
  ],
  [
    'A24 infinite setpoint (opendnp3 passes it on): status 3',
    apps('C0 05 29 03 28 01 00 00 00 00 00 80 7F 00'),
    ['c0818000290328010000000000807f03'],
  ],
  [
    'A26 operate without select',
    apps('C0 04 0C 01 28 01 00 00 00 03 01 00 00 00 00 00 00 00 00 00'),
    ['c08180000c0128010000000301000000000000000002'],
  ],
  ['A28 write of another indication', apps('C0 02 50 01 00 04 04 00'), ['c0818004']],
  ['A29 indications 0 to 65535 without octets', apps('C0 02 50 01 01 00 00 FF FF'), ['c0818004']],
  ['A30 the year 10889 (opendnp3 takes it)', apps('C0 02 32 01 07 01 FF FF FF FF FF FF'), ['c0818004']],
  ['A31 write of a common time', apps('C0 02 33 01 07 01 00 00 00 00 00 00'), ['c0818001']],
  ['A34 600 class headers', apps(`C0 01 ${repeat('3C0206', 600)}`), ['c0818004']],
  ['A36 a request of 2049 octets', apps(`C0 01 ${repeat('3C0206', 682)}00`), []],
  ['A39 enable unsolicited of class 0', apps('C0 14 3C 01 06'), ['c0818001']],
  ['A40 cold restart with objects behind it', apps('C0 0D 3C 01 06'), ['c0818004']],
  [
    'A41 broadcast direct operate (opendnp3 executes it)',
    raw(userData('C0 C0 06 0C 01 28 01 00 00 00 03 01 00 00 00 00 00 00 00 00 00', { destination: 0xffff })),
    [],
  ],
  ['A42 confirms nobody waits for', apps(...Array.from({ length: 16 }, (_, i) => `C${i.toString(16)} 00`)), []],
  ['A45 freeze of an analog', apps('C0 07 1E 00 06'), ['c0818004']],
  ['A46 assign class', apps('C0 16 3C 02 06 01 00 01 00 00 FF FF'), ['c0818001']],
];

describe('hostile input to the outstation', () => {
  for (const [name, send, answers] of OUTSTATION) {
    test(name, () => {
      const { app, operated } = attackOutstation(send);
      expect(app.map((a, i) => a.slice(0, answers[i]?.length))).toEqual(answers);
      expect(operated).toEqual([]);
    });
  }

  test('A44 200 reads in one write are answered one by one, no more than there were', () => {
    const reads = Array.from({ length: 200 }, (_, i) => `C${(i % 16).toString(16)} 01 3C 01 06`);
    const { app } = attackOutstation(apps(...reads));
    expect(app.length).toBe(200);
  });
});

function attackMaster(fragments: readonly string[]) {
  const session = new MasterSession({ localAddress: 1, remoteAddress: 10, known: (_, index) => index < 10 });
  const outstation = new OutstationSession({
    localAddress: 10,
    remoteAddress: 1,
    points: [{ kind: 'AI', index: 0, eventClass: 1 }],
    onControl: () => 0,
  });
  outstation.connected(0);
  session.connected(0);
  for (let n = 0; n < 50; n++) {
    for (const out of outstation.takeOutput()) session.receive(out, 0);
    for (const out of session.takeOutput()) outstation.receive(out, 0);
  }
  session.takeEvents();
  const peer = link('outstation');
  for (const f of fragments) peer.sendFragment(octets(f));
  for (const out of peer.takeOutput()) session.receive(out, 10);
  const values = session.takeEvents().flatMap((e) => (e.kind === 'measurements' ? e.values : []));
  const sent = session.takeOutput().reduce((n, o) => n + o.length, 0);
  peer.requestLinkStatus();
  for (const out of peer.takeOutput()) session.receive(out, 20);
  const health = session.takeOutput().flatMap((out) => peer.receive(out, 20));
  expect(health.some((h) => h.kind === 'link-status')).toBe(true);
  return { values, sent, dropped: session.droppedValues };
}

/** name, fragments, values delivered, octets answered (a confirm is 15). */
const MASTER: readonly (readonly [string, readonly string[], number, number])[] = [
  ['M01 the Robus classic: g1v0 over 0 to FFFFFFFF', ['F5 82 00 00 01 00 02 00 00 00 00 FF FF FF FF'], 0, 0],
  ['M02 65536 bits and no octets', ['F5 82 00 00 01 01 01 00 00 FF FF'], 0, 0],
  ['M03 a control object in a response', ['F5 82 00 00 0C 01 00 00 00'], 0, 0],
  ['M04 NaN as a measured value is delivered as it is', ['F5 82 00 00 1E 05 00 00 00 01 00 00 C0 7F'], 1, 15],
  ['M06 index 65535 is not in the map', ['F5 82 00 00 20 01 28 01 00 FF FF 01 00 00 00 00'], 0, 15],
  ['M08 an answer nobody asked for', ['C9 81 00 00 1E 01 00 00 00 01 00 00 00 00'], 0, 0],
  ['M10 an answer that does not start', ['49 81 00 00'], 0, 0],
  ['M11 three octets', ['F5 82 00'], 0, 0],
  ['M12 one stray octet', ['F5 82 00 00 01'], 0, 0],
  ['M13 authentication response', ['C5 83 00 00'], 0, 0],
  ['M14 a request from an outstation', ['C5 01 3C 01 06'], 0, 0],
  ['M15 an octet string of no octets', ['F5 82 00 00 6F 00 28 01 00 00 00'], 0, 0],
  ['M16 no objects', ['F5 82 00 00 20 01 28 00 00'], 0, 0],
  ['M17 unsolicited without confirm', ['D5 82 00 00 20 01 28 01 00 00 00 01 00 00 00 00'], 0, 0],
  ['M18 unsolicited without UNS', ['E5 82 00 00 20 01 28 01 00 00 00 01 00 00 00 00'], 0, 0],
  [
    'M19 500 repeats: one delivered, all confirmed (opendnp3 delivers 500)',
    Array.from({ length: 500 }, () => 'F5 82 00 00 20 01 28 01 00 00 00 01 00 00 00 00'),
    1,
    7500,
  ],
  ['M20 unsolicited in more fragments', ['B5 82 00 00 20 01 28 01 00 00 00 01 00 00 00 00'], 0, 0],
  ['M22 relative time without a base', ['F5 82 00 00 02 03 28 01 00 00 00 81 FF FF'], 1, 15],
];

describe('hostile input to the master', () => {
  for (const [name, fragments, values, sent] of MASTER) {
    test(name, () => {
      const got = attackMaster(fragments);
      expect([got.values.length, got.sent]).toEqual([values, sent]);
    });
  }

  test('unsolicited data before the integrity poll is neither taken nor confirmed, so that the outstation keeps it', () => {
    const session = new MasterSession({ localAddress: 1, remoteAddress: 10, known: () => true });
    session.connected(0);
    session.takeOutput();
    const peer = link('outstation');
    peer.sendFragment(octets('F5 82 00 00 20 01 28 01 00 00 00 01 00 00 00 00'));
    for (const out of peer.takeOutput()) session.receive(out, 10);
    expect(session.takeOutput()).toEqual([]);
    expect(session.takeEvents()).toEqual([]);
  });

  test('M07 60 000 points outside the map are counted and kept nowhere', () => {
    const fragments = Array.from({ length: 300 }, (_, f) => {
      const objects = Array.from({ length: 200 }, (_, i) => {
        const index = 10 + f * 200 + i;
        return `${(index & 255).toString(16).padStart(2, '0')}${(index >> 8).toString(16).padStart(2, '0')}81`;
      });
      return `F${(f % 16).toString(16)} 82 00 00 02 01 28 C8 00 ${objects.join('')}`;
    });
    const { values, dropped } = attackMaster(fragments);
    expect(values).toEqual([]);
    expect(dropped).toBe(60_000);
  });

  test('M25 the restart bit in a hundred unsolicited responses makes no storm', () => {
    const { sent } = attackMaster(Array.from({ length: 100 }, (_, i) => `F${(i % 16).toString(16)} 82 80 00`));
    // A hundred confirms of 15 octets, and one request.
    expect(sent).toBeLessThanOrEqual(100 * 15 + 40);
  });
});
