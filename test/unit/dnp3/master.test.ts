import { describe, expect, test } from 'vitest';
import { Agenda } from '../../../src/dnp3/master/agenda.ts';
import type { MasterConfig, MasterNotice } from '../../../src/dnp3/master/config.ts';
import { Hold } from '../../../src/dnp3/master/hold.ts';
import { MasterSession } from '../../../src/dnp3/master/session.ts';
import type { CommandStep } from '../../../src/dnp3/master/tasks.ts';
import type { OutstationConfig } from '../../../src/dnp3/outstation/config.ts';
import type { Control } from '../../../src/dnp3/outstation/controls.ts';
import { OutstationSession } from '../../../src/dnp3/outstation/session.ts';
import { Stack } from '../../../src/dnp3/stack.ts';
import { hex, octets } from './hex.ts';
import { Pair } from './pair.ts';

function makePair(outstation: Partial<OutstationConfig> = {}, master: Partial<MasterConfig> = {}) {
  const operated: Control[] = [];
  const b = new OutstationSession({
    localAddress: 10,
    remoteAddress: 1,
    points: [
      { kind: 'BI', index: 4, eventClass: 1 },
      { kind: 'AI', index: 0, eventClass: 2, value: 700, deadband: 3 },
      { kind: 'AI', index: 1, eventClass: 2, value: 701 },
      { kind: 'AI', index: 300, eventClass: 2, value: 702 },
      { kind: 'CTR', index: 0, eventClass: 3, value: 9 },
      { kind: 'FCTR', index: 0, eventClass: 3 },
      { kind: 'OCT', index: 0, eventClass: 1, octets: octets('41 42') },
      { kind: 'OCT', index: 1, eventClass: 1, octets: octets('43') },
    ],
    onControl: (step, control) => {
      if (step === 'operate') operated.push(control);
      return 0;
    },
    ...outstation,
  });
  const a = new MasterSession({
    localAddress: 1,
    remoteAddress: 10,
    known: () => true,
    knownOctets: (index) => index === 0,
    ...master,
  });
  return { pair: new Pair(a, b), operated };
}

const started = (...args: Parameters<typeof makePair>) => {
  const made = makePair(...args);
  made.pair.connect();
  made.pair.a.takeNotices();
  made.pair.b.takeEvents();
  return made;
};
/** Function codes of the master's requests, confirms left out. */
const functions = (pair: Pair): number[] =>
  pair.crossed
    .filter((c) => c.from === 'a')
    .map((c) => c.octets[12] ?? -1)
    .filter((f) => f !== 0);
const notices = (pair: Pair): MasterNotice[] => {
  pair.settle();
  return pair.a.takeNotices();
};
const ends = (all: readonly MasterNotice[]) =>
  all.flatMap((n) => (n.kind === 'request-ended' || n.kind === 'command-ended' ? [[n.id, n.outcome.kind]] : []));
const values = (all: readonly MasterNotice[]) =>
  all.flatMap((n) => (n.kind === 'measurements' ? n.values.map((v) => [v.kind, v.index, v.value]) : []));

describe('requests of the owner', () => {
  test('readRange: a range, single indices and all, in one request; the values come before its end', () => {
    const { pair } = started();
    pair.a.readRange(
      {
        id: 'r',
        objects: [
          { group: 30, variation: 1, select: { kind: 'range', start: 0, stop: 1 } },
          { group: 30, variation: 0, select: { kind: 'indices', indices: [300] } },
          { group: 1, variation: 2, select: { kind: 'all' } },
        ],
      },
      pair.nowMs,
    );
    const all = notices(pair);
    expect(values(all)).toEqual([
      ['AI', 0, 700],
      ['AI', 1, 701],
      ['AI', 300, 702],
      ['BI', 4, 0],
    ]);
    expect(all.at(-1)).toEqual({ kind: 'request-ended', id: 'r', request: 'read-range', outcome: { kind: 'done' } });
  });

  test('readRange of points that are not all there: what is there comes, and the end says parameter error', () => {
    const { pair } = started();
    pair.a.readRange(
      { id: 'r', objects: [{ group: 30, variation: 1, select: { kind: 'range', start: 1, stop: 5 } }] },
      pair.nowMs,
    );
    const all = notices(pair);
    expect(values(all)).toEqual([['AI', 1, 701]]);
    expect(all.at(-1)).toMatchObject({ outcome: { kind: 'refused', why: 'parameter error' } });
  });

  test('readRange by count takes the oldest event only', () => {
    const { pair } = started({}, { unsolicitedClasses: [] });
    for (const index of [1, 0]) pair.b.update('AI', index, { value: 5, flags: 1, timeMs: 0 }, pair.nowMs);
    pair.a.readRange(
      { id: 'r', objects: [{ group: 32, variation: 1, select: { kind: 'count', count: 1 } }] },
      pair.nowMs,
    );
    const all = notices(pair);
    const end = all.findIndex((n) => n.kind === 'request-ended');
    expect(values(all.slice(0, end))).toEqual([['AI', 1, 5]]);
  });

  test('readClasses asks for events before class 0, whatever the order named', () => {
    const { pair } = started({}, { unsolicitedClasses: [] });
    pair.b.update('BI', 4, { value: 1, flags: 1, timeMs: 0 }, pair.nowMs);
    pair.crossed.length = 0;
    pair.a.readClasses({ id: 'c', classes: [0, 1] }, pair.nowMs);
    const all = notices(pair);
    expect(hex(pair.crossed[0]?.octets.slice(12, 19) ?? new Uint8Array(0))).toBe('013c02063c0106');
    expect(values(all)[0]).toEqual(['BI', 4, 1]);
    expect(values(all).length).toBe(1 + 6);
    expect(ends(all)).toEqual([['c', 'done']]);
  });

  test('octet strings of the map are told, others dropped and counted', () => {
    const { pair } = started();
    const before = pair.a.droppedValues;
    pair.a.readRange({ id: 'o', objects: [{ group: 110, variation: 0, select: { kind: 'all' } }] }, pair.nowMs);
    expect(notices(pair)).toContainEqual({
      kind: 'octet-strings',
      values: [{ index: 0, octets: Uint8Array.of(0x41, 0x42), source: 'static' }],
    });
    expect(pair.a.droppedValues).toBe(before + 1);
  });

  test('timeSync over a LAN writes the moment the first octets left', () => {
    const { pair } = started({}, { timeSync: false });
    pair.a.timeSync({ id: 't', method: 'lan' }, pair.nowMs);
    expect(ends(notices(pair))).toEqual([['t', 'done']]);
    expect(functions(pair).slice(-2)).toEqual([24, 2]);
    expect(pair.b.takeEvents()).toContainEqual({ kind: 'clock-set', timeMs: pair.nowMs });
  });

  test('timeSync over a slow line adds half the way there and back', () => {
    const { pair } = started({}, { timeSync: false });
    pair.a.timeSync({ id: 't', method: 'non-lan' }, pair.nowMs);
    const [request] = pair.a.takeOutput();
    pair.nowMs += 200;
    if (request !== undefined) pair.b.receive(request, pair.nowMs);
    const [answer] = pair.b.takeOutput();
    pair.nowMs += 300;
    if (answer !== undefined) pair.a.receive(answer, pair.nowMs);
    expect(ends(notices(pair))).toEqual([['t', 'done']]);
    expect(pair.b.takeEvents()).toContainEqual({ kind: 'clock-set', timeMs: pair.nowMs + 250 });
  });

  test.each([
    ['cold', 13],
    ['warm', 14],
  ] as const)('restart %s: the end tells how long; the start-up runs again', (how, code) => {
    const { pair } = started({ restartMs: 70_000 });
    pair.a.restart({ id: 'x', how }, pair.nowMs);
    const all = notices(pair);
    expect(all).toContainEqual({
      kind: 'request-ended',
      id: 'x',
      request: 'restart',
      outcome: { kind: 'done', restartMs: 70_000 },
    });
    pair.advance(6_000);
    const after = functions(pair);
    expect(after).toContain(code);
    expect(after.slice(-4)).toEqual([2, 21, 1, 20]);
  });

  test('assignClass and freeze reach the outstation; a freeze without response ends as sent', () => {
    const { pair } = started({}, { unsolicitedClasses: [] });
    pair.a.assignClass(
      { id: 'a', assignments: [{ points: 'AI', select: { kind: 'range', start: 0, stop: 1 }, eventClass: 0 }] },
      pair.nowMs,
    );
    pair.a.freeze({ id: 'f', clear: false, acknowledged: true }, pair.nowMs);
    pair.a.freeze(
      { id: 'g', clear: true, acknowledged: false, select: { kind: 'range', start: 0, stop: 0 } },
      pair.nowMs,
    );
    expect(ends(notices(pair))).toEqual([
      ['a', 'done'],
      ['f', 'done'],
      ['g', 'sent'],
    ]);
    expect(pair.b.database.all('AI').map((p) => p.eventClass)).toEqual([0, 0, 2]);
    expect(pair.b.database.get('FCTR', 0)?.current.value).toBe(9);
    expect(pair.b.database.get('CTR', 0)?.current.value).toBe(0);
    expect(functions(pair).filter((f) => f > 6 && f !== 21)).toEqual([22, 7, 10]);
  });

  test('writeDeadbands writes, and g34 reads them back', () => {
    const { pair } = started();
    pair.a.writeDeadbands({ id: 'w', deadbands: [{ index: 0, deadband: 12.5 }] }, pair.nowMs);
    pair.a.readRange(
      { id: 'r', objects: [{ group: 34, variation: 3, select: { kind: 'range', start: 0, stop: 0 } }] },
      pair.nowMs,
    );
    const all = notices(pair);
    expect(ends(all)).toEqual([
      ['w', 'done'],
      ['r', 'done'],
    ]);
    expect(all).toContainEqual({ kind: 'deadbands', values: [{ index: 0, deadband: 12.5 }] });
  });

  test.each([
    ['a range that ends before it starts', { kind: 'range', start: 5, stop: 1 }],
    ['an index above 65535', { kind: 'indices', indices: [65_536] }],
    ['more indices than a fragment holds', { kind: 'indices', indices: Array.from({ length: 1100 }, (_, i) => i) }],
  ] as const)('%s is not sent', (_, select) => {
    const { pair } = started();
    pair.crossed.length = 0;
    pair.a.readRange({ id: 'r', objects: [{ group: 30, variation: 0, select }] }, pair.nowMs);
    expect(ends(notices(pair))).toEqual([['r', 'not-sent']]);
    expect(pair.crossed).toEqual([]);
  });

  test('the queue is bounded, and what waits when the link goes down is told as not sent', () => {
    const { pair } = started({}, { requestsMax: 2 });
    pair.blackHole = true;
    for (const id of ['a', 'b', 'c', 'd']) pair.a.readClasses({ id, classes: [0] }, pair.nowMs);
    expect(ends(pair.a.takeNotices())).toEqual([['d', 'not-sent']]);
    pair.cut();
    expect(ends(pair.a.takeNotices())).toEqual([
      ['a', 'no-answer'],
      ['b', 'not-sent'],
      ['c', 'not-sent'],
    ]);
    pair.a.restart({ id: 'e', how: 'cold' }, pair.nowMs);
    expect(ends(pair.a.takeNotices())).toEqual([['e', 'not-sent']]);
  });

  test('one that stays without answer ends so and is not repeated; the next one goes', () => {
    const { pair } = started();
    pair.blackHole = true;
    pair.a.readClasses({ id: 'a', classes: [0] }, pair.nowMs);
    pair.advance(5_000);
    pair.blackHole = false;
    pair.a.readClasses({ id: 'b', classes: [0] }, pair.nowMs);
    expect(ends(notices(pair))).toEqual([
      ['a', 'no-answer'],
      ['b', 'done'],
    ]);
  });

  test('commands go before requests that wait', () => {
    const { pair } = started();
    pair.crossed.length = 0;
    for (const id of ['a', 'b']) pair.a.readClasses({ id, classes: [0] }, pair.nowMs);
    pair.a.command(
      { id: 'x', urgent: false, steps: [{ mode: 'direct', controls: [{ kind: 'analog', index: 1, value: 2 }] }] },
      pair.nowMs,
    );
    expect(ends(notices(pair)).map(([id]) => id)).toEqual(['a', 'x', 'b']);
  });

  test('cancel takes back what waits and ends what is under way', () => {
    const { pair } = started();
    for (const id of ['a', 'b', 'c']) pair.a.readClasses({ id, classes: [0] }, pair.nowMs);
    pair.a.cancel((id) => id !== 'c', 'no longer wanted');
    expect(ends(notices(pair))).toEqual([
      ['a', 'no-answer'],
      ['b', 'not-sent'],
      ['c', 'done'],
    ]);
  });

  test('takeEvents leaves out ends of requests and strings', () => {
    const { pair } = started();
    pair.a.readClasses({ id: 'a', classes: [0] }, pair.nowMs);
    pair.settle();
    expect(new Set(pair.a.takeEvents().map((e) => e.kind))).toEqual(new Set(['measurements']));
  });
});

describe('commands without response', () => {
  test('are executed, and end as unknown since nobody can know', () => {
    const { pair, operated } = started();
    const step: CommandStep = { mode: 'direct-no-ack', controls: [{ kind: 'analog', index: 1, value: 2 }] };
    pair.a.command({ id: 'x', urgent: false, steps: [step, step] }, pair.nowMs);
    expect(ends(notices(pair))).toEqual([['x', 'unknown']]);
    expect(functions(pair).slice(-2)).toEqual([6, 6]);
    expect(operated.length).toBe(2);
  });
});

describe('start-up and reactions', () => {
  test('classes configured are assigned before the integrity poll', () => {
    const { pair } = makePair({}, { assignments: [{ points: 'AI', select: { kind: 'all' }, eventClass: 1 }] });
    pair.connect();
    expect(functions(pair)).toEqual([21, 2, 22, 1, 20]);
    expect(pair.b.database.all('AI').map((p) => p.eventClass)).toEqual([1, 1, 1]);
  });

  test('the time is set by measuring the delay where so configured', () => {
    const { pair } = makePair({ needTime: true }, { timeSyncMethod: 'non-lan' });
    pair.connect();
    expect(functions(pair)).toEqual([21, 2, 1, 23, 2, 20]);
    expect(pair.b.takeEvents()).toContainEqual({ kind: 'clock-set', timeMs: pair.nowMs });
  });

  test('a poll that fails is tried again after a pause that doubles up to a minute', () => {
    const { pair } = makePair({}, { keepAliveMs: 1e9 });
    pair.connect();
    pair.crossed.length = 0;
    const sent: number[] = [];
    // Answers link status requests and nothing else.
    const receive = pair.b.receive.bind(pair.b);
    pair.b.receive = (octetsIn, nowMs) => {
      if (octetsIn.length <= 10) return receive(octetsIn, nowMs);
      if (octetsIn[12] === 1) sent.push(nowMs);
    };
    const startMs = pair.nowMs + 3_600_000;
    pair.advance(3_600_000 + 240_000);
    const gaps = sent.map((t, i) => t - (sent[i - 1] ?? startMs));
    // Five seconds of waiting each, and pauses of 5, 10, 20, 40, 60, 60 s.
    expect(gaps.slice(0, 7)).toEqual([0, 10_000, 15_000, 25_000, 45_000, 65_000, 65_000]);
  });

  test('classes that are not sent unasked are polled when indications tell of events', () => {
    const { pair } = started({}, { unsolicitedClasses: [1] });
    pair.b.update('AI', 0, { value: 5, flags: 1, timeMs: 0 }, pair.nowMs);
    pair.b.update('BI', 4, { value: 1, flags: 1, timeMs: 0 }, pair.nowMs);
    pair.advance(3_000);
    expect(values(pair.a.takeNotices())).toEqual([
      ['BI', 4, 1],
      ['AI', 0, 5],
    ]);
  });

  test('an overflow told at the end of an integrity poll of several fragments makes another one', () => {
    const run = (answers: readonly string[]): (number | undefined)[] => {
      const a = new MasterSession({ localAddress: 1, remoteAddress: 10, known: () => true, unsolicitedClasses: [] });
      const peer = new Stack({
        role: 'outstation',
        localAddress: 10,
        remoteAddress: 1,
        interOctetMs: 1000,
        fragmentOctetsMax: 2048,
      });
      const exchange = (answer: string): (number | undefined)[] => {
        peer.sendFragment(octets(answer));
        for (const out of peer.takeOutput()) a.receive(out, 0);
        return a.takeOutput().map((out) => out[12]);
      };
      a.connected(0);
      a.takeOutput();
      // Disable unsolicited is answered; the integrity poll follows with sequence 1.
      expect(exchange('C0 81 00 00')).toEqual([1]);
      const sent = answers.flatMap(exchange);
      expect(a.integrityComplete).toBe(true);
      return sent;
    };
    // The first fragment is confirmed; then a read, or none.
    expect(run(['A1 81 00 00', '42 81 00 08'])).toEqual([0, 1]);
    expect(run(['A1 81 00 00', '42 81 00 00'])).toEqual([0]);
    // In one fragment the values are of the very moment at which the loss was told.
    expect(run(['C1 81 00 08'])).toEqual([]);
  });

  test('an overflow that stays set asks for the next integrity poll only after the hold', () => {
    const agenda = new Agenda({ localAddress: 1, remoteAddress: 10, known: () => true, unsolicitedClasses: [] });
    const idle = { commands: 'none', requests: false } as const;
    const overflow = { first: 0, second: 0x08 };
    agenda.connected(0);
    agenda.disabledUnsolicited();
    agenda.integrityRead(0, false);
    agenda.react(overflow, 1_000);
    expect(agenda.next(1_000, idle, false)).toEqual({ kind: 'integrity' });
    agenda.integrityRead(1_000, false);
    agenda.react(overflow, 1_001);
    expect(agenda.next(5_999, idle, false)).toBeNull();
    expect(agenda.nextMs(idle, false)).toBe(6_000);
    expect(agenda.next(6_000, idle, false)).toEqual({ kind: 'integrity' });
  });

  test('Hold: fires once in its time, doubles when it fires again soon, and forgets after a quiet time', () => {
    const hold = new Hold(5, 20);
    expect(hold.readyMs()).toBe(Number.NEGATIVE_INFINITY);
    const readies = [0, 5, 15, 35, 55, 200].map((t) => {
      hold.fired(t);
      return hold.readyMs() - t;
    });
    expect(readies).toEqual([5, 10, 20, 20, 20, 5]);
  });
});
