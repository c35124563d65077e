import { describe, expect, test } from 'vitest';
import { MasterSession } from '../../src/dnp3/master/session.ts';
import type { OutstationConfig } from '../../src/dnp3/outstation/config.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import { hex, octets } from '../unit/dnp3/hex.ts';
import { MASTER_CASES, type MasterCase, OUTSTATION_CASES, type OutstationCase, peerOf } from './dnp3-hostile-cases.ts';

/** Each case is followed by a health check on the same session: a link status request, and a read or an event. */
function attackOutstation(send: OutstationCase['send'], config: Partial<OutstationConfig> = {}) {
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
    ...config,
  });
  session.connected(0);
  const peer = peerOf('master');
  const collect = (nowMs: number): string[] =>
    session
      .takeOutput()
      .flatMap((out) => peer.receive(out, nowMs))
      .map((i) => (i.kind === 'fragment' ? hex(i.octets) : 'link status'));
  for (const part of send(peer)) session.receive(part, 0);
  const answers = collect(0);
  session.timeout(5_000);
  answers.push(...collect(5_000));
  const operatedThen = operated.length;
  peer.requestLinkStatus();
  peer.sendFragment(octets('CF 01 1E 00 06'));
  for (const out of peer.takeOutput()) session.receive(out, 6_000);
  const health = collect(6_000);
  expect(health[0], 'link status afterwards').toBe('link status');
  expect(health[1]?.slice(0, 4), 'a read afterwards').toBe('cf81');
  expect(health[1]?.slice(8, 18)).toBe('1e01000000');
  return { answers: answers.filter((a) => a !== 'link status'), operated: operatedThen, session };
}

function startedMaster() {
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
  expect(session.integrityComplete).toBe(true);
  session.takeEvents();
  return session;
}

const valuesOf = (session: MasterSession) =>
  session.takeEvents().flatMap((e) => (e.kind === 'measurements' ? e.values : []));

function attackMaster(c: MasterCase) {
  const session = startedMaster();
  c.before?.(session, 10);
  session.takeOutput();
  const peer = peerOf('outstation');
  for (const out of c.send(peer)) session.receive(out, 10);
  const values = valuesOf(session);
  const sent = session.takeOutput().reduce((n, o) => n + o.length, 0);
  const { droppedValues } = session;
  session.timeout(4_000);
  session.takeOutput();
  peer.requestLinkStatus();
  // An event with a sequence and value of its own.
  peer.sendFragment(octets('F9 82 00 00 20 01 28 01 00 07 00 01 2A 00 00 00'));
  for (const out of peer.takeOutput()) session.receive(out, 4_000);
  const health = session.takeOutput().flatMap((out) => peer.receive(out, 4_000));
  expect(
    health.some((h) => h.kind === 'link-status'),
    'link status afterwards',
  ).toBe(true);
  expect(
    health.some((h) => h.kind === 'fragment' && hex(h.octets) === 'd900'),
    'a confirm afterwards',
  ).toBe(true);
  expect(valuesOf(session)).toMatchObject([{ kind: 'AI', index: 7, value: 42 }]);
  return { values: values.length, sent, dropped: droppedValues };
}

describe('hostile input to the outstation', () => {
  test.each(OUTSTATION_CASES)('$id $what', ({ send, answers, operated }) => {
    const got = attackOutstation(send);
    expect(got.answers.map((a, i) => a.slice(0, answers[i]?.length))).toEqual(answers);
    expect(got.operated).toBe(operated ?? 0);
  });
});

describe('hostile input to the master', () => {
  test.each(MASTER_CASES)('$id $what', (c) => {
    const got = attackMaster(c);
    expect([got.values, got.dropped]).toEqual([c.values, c.dropped ?? 0]);
    expect(got.sent).toBeGreaterThanOrEqual(c.sent[0]);
    expect(got.sent).toBeLessThanOrEqual(c.sent[1]);
  });
});

test('all 98 cases stand in the table, each once', () => {
  const ids = [...OUTSTATION_CASES, ...MASTER_CASES].map((c) => c.id);
  const numbered = (letter: string, n: number) =>
    Array.from({ length: n }, (_, i) => letter + String(i + 1).padStart(2, '0'));
  expect(ids).toEqual([...numbered('L', 20), ...numbered('T', 5), ...numbered('A', 46), ...numbered('M', 27)]);
  expect(ids.length).toBe(98);
});

const caseOf = (id: string): OutstationCase['send'] => {
  const found = OUTSTATION_CASES.find((c) => c.id === id);
  if (found === undefined) throw new Error(`no case ${id}`);
  return found.send;
};

describe('six weaknesses seen in opendnp3, handled', () => {
  test('1: a setpoint that is NaN, infinite or too large for a float never reaches the application', () => {
    for (const id of ['A23', 'A24', 'A25']) expect(attackOutstation(caseOf(id)).operated).toBe(0);
  });

  test('2: a control sent to a broadcast address is refused and told, unless the configuration takes it', () => {
    const got = attackOutstation(caseOf('A41'));
    expect(got.operated).toBe(0);
    expect(got.session.takeEvents()).toContainEqual({ kind: 'broadcast-refused', functionCode: 6 });
    expect(attackOutstation(caseOf('A41'), { broadcastControls: true }).operated).toBe(1);
  });

  test('3: a clock beyond the year 2100 is a parameter error and the clock is not set; 2100 itself is taken', () => {
    const got = attackOutstation(caseOf('A30'));
    expect(got.session.takeEvents().filter((e) => e.kind === 'clock-set')).toEqual([]);
    const ok = attackOutstation((peer) => {
      peer.sendFragment(octets('C0 02 32 01 07 01 00 D8 C3 2C BB 03'));
      return peer.takeOutput();
    });
    expect(ok.session.takeEvents()).toContainEqual({ kind: 'clock-set', timeMs: 4_102_444_800_000 });
  });

  test('4: pipelined reads are all answered, also those that wait for an unsolicited response; beyond the limit it is told', () => {
    expect(attackOutstation(caseOf('A44')).answers.length).toBe(200);
    const pipelined = (reads: number) => {
      const session = new OutstationSession({
        localAddress: 10,
        remoteAddress: 1,
        points: [{ kind: 'AI', index: 0, eventClass: 1 }],
        onControl: () => 0,
      });
      const peer = peerOf('master');
      session.connected(0);
      session.takeOutput();
      for (let i = 0; i < reads; i++) peer.sendFragment(octets(`C${(i % 16).toString(16)} 01 3C 01 06`));
      for (const out of peer.takeOutput()) session.receive(out, 0);
      expect(session.takeOutput(), 'all wait for the confirm of the null response').toEqual([]);
      peer.sendFragment(octets('D0 00'));
      for (const out of peer.takeOutput()) session.receive(out, 0);
      const answers = session.takeOutput().flatMap((out) => peer.receive(out, 0)).length;
      const dropped = session.takeEvents().filter((e) => e.kind === 'request-dropped').length;
      return { answers, dropped };
    };
    expect(pipelined(200)).toEqual({ answers: 200, dropped: 0 });
    expect(pipelined(300)).toEqual({ answers: 256, dropped: 44 });
  });

  test('5: a frame cut short does not swallow the good one behind it', () => {
    expect(attackOutstation(caseOf('L05')).answers.length).toBe(1);
  });

  test('6: the master keeps to its map and delivers a repeated unsolicited response once', () => {
    for (const c of MASTER_CASES.filter((m) => m.id === 'M07' || m.id === 'M19')) {
      expect(attackMaster(c)).toMatchObject({ values: c.values, dropped: c.dropped ?? 0 });
    }
  });
});

test('unsolicited data before the integrity poll is neither taken nor confirmed, so that the outstation keeps it', () => {
  const session = new MasterSession({ localAddress: 1, remoteAddress: 10, known: () => true });
  session.connected(0);
  session.takeOutput();
  const peer = peerOf('outstation');
  peer.sendFragment(octets('F5 82 00 00 20 01 28 01 00 00 00 01 00 00 00 00'));
  for (const out of peer.takeOutput()) session.receive(out, 10);
  expect(session.takeOutput()).toEqual([]);
  expect(session.takeEvents()).toEqual([]);
});

test('an outstation whose indications are all set for an hour gets few requests, each sort ever more seldom', () => {
  const session = startedMaster();
  const peer = peerOf('outstation');
  let requests = 0;
  let nowMs = 10;
  peer.sendFragment(octets('F5 82 FF FF'));
  for (const out of peer.takeOutput()) session.receive(out, nowMs);
  for (let steps = 0; steps < 10_000 && nowMs < 3_600_000; steps++) {
    for (const i of session.takeOutput().flatMap((out) => peer.receive(out, nowMs))) {
      if (i.kind === 'link-status') continue;
      const isRequest = i.kind === 'fragment' && i.octets[1] !== 0;
      if (!isRequest) continue;
      requests += 1;
      peer.sendFragment(Uint8Array.of(0xc0 | ((i.octets[0] ?? 0) & 15), 0x81, 0xff, 0xff));
    }
    const answers = peer.takeOutput();
    for (const out of answers) session.receive(out, nowMs);
    if (answers.length === 0) {
      nowMs = Math.max(nowMs, Math.min(session.nextTimeoutMs() ?? 3_600_000, 3_600_000));
      session.timeout(nowMs);
    }
  }
  expect(nowMs).toBe(3_600_000);
  expect(requests).toBeGreaterThan(60);
  expect(requests).toBeLessThan((4 * 3600) / 10);
  console.info(`all indications set for an hour: ${requests} requests`);
});
