import { describe, expect, test } from 'vitest';
import type { MasterEvent } from '../../../src/dnp3/master/config.ts';
import { MasterSession } from '../../../src/dnp3/master/session.ts';
import type { OutstationConfig } from '../../../src/dnp3/outstation/config.ts';
import type { Control } from '../../../src/dnp3/outstation/controls.ts';
import { OutstationSession } from '../../../src/dnp3/outstation/session.ts';
import { Pair } from './pair.ts';

const ADDRESSES = { master: 1, outstation: 10 };
const LATCH_ON: Control = {
  kind: 'crob',
  index: 23,
  operation: 3,
  tripClose: 'none',
  count: 1,
  onMs: 0,
  offMs: 0,
};

function makePair(outstation: Partial<OutstationConfig> = {}, answer: (c: Control) => number = () => 0) {
  const operated: Control[] = [];
  const b = new OutstationSession({
    localAddress: ADDRESSES.outstation,
    remoteAddress: ADDRESSES.master,
    points: [
      { kind: 'BI', index: 4, eventClass: 1 },
      { kind: 'AI', index: 48, eventClass: 2, value: 700 },
      { kind: 'AI', index: 537, eventClass: 2 },
      { kind: 'CTR', index: 0, eventClass: 3 },
    ],
    onControl: (step, control) => {
      const status = answer(control);
      if (step === 'operate' && status === 0) operated.push(control);
      return status;
    },
    ...outstation,
  });
  const a = new MasterSession({
    localAddress: ADDRESSES.master,
    remoteAddress: ADDRESSES.outstation,
    known: (kind, index) => kind !== 'CTR' && index < 1000,
  });
  return { pair: new Pair(a, b), operated };
}

const functions = (pair: Pair): number[] => pair.crossed.filter((c) => c.from === 'a').map((c) => c.octets[12] ?? -1);
const ends = (events: readonly MasterEvent[]) => events.filter((e) => e.kind === 'command-ended');

describe('master and outstation on one clock', () => {
  test('start-up: disable, confirm the null response, clear restart, integrity, enable', () => {
    const { pair } = makePair();
    pair.connect();
    expect(functions(pair)).toEqual([21, 0, 2, 1, 20]);
    const events = pair.a.takeEvents();
    expect(events.filter((e) => e.kind === 'integrity-complete')).toHaveLength(1);
    expect(pair.a.integrityComplete).toBe(true);
  });

  test('a value changed at the outstation arrives unasked and is confirmed', () => {
    const { pair } = makePair();
    pair.connect();
    pair.a.takeEvents();
    pair.b.update('AI', 48, { value: 650, flags: 1, timeMs: pair.nowMs }, pair.nowMs);
    pair.advance(200);
    const values = pair.a.takeEvents().flatMap((e) => (e.kind === 'measurements' ? e.values : []));
    expect(values).toMatchObject([{ kind: 'AI', index: 48, value: 650, source: 'unsolicited' }]);
    expect(pair.b.events.size).toBe(0);
  });

  test('values outside the map are counted and dropped', () => {
    const { pair } = makePair();
    pair.connect();
    expect(pair.a.droppedValues).toBe(1);
  });

  test('select before operate executes once and reports success', () => {
    const { pair, operated } = makePair();
    pair.connect();
    pair.a.command({ id: 'x', urgent: false, steps: [{ mode: 'select-operate', controls: [LATCH_ON] }] }, pair.nowMs);
    pair.settle();
    expect(operated).toEqual([LATCH_ON]);
    expect(ends(pair.a.takeEvents())).toEqual([{ kind: 'command-ended', id: 'x', outcome: { kind: 'operated' } }]);
  });

  test('a refusal carries the status by name', () => {
    const { pair, operated } = makePair({}, () => 7);
    pair.connect();
    pair.a.command({ id: 'x', urgent: false, steps: [{ mode: 'direct', controls: [LATCH_ON] }] }, pair.nowMs);
    pair.settle();
    expect(operated).toEqual([]);
    const outcome = ends(pair.a.takeEvents())[0];
    expect(outcome).toMatchObject({ outcome: { kind: 'refused' } });
    expect(JSON.stringify(outcome)).toContain('local');
  });

  test('a control without answer is an unknown outcome and is not sent again', () => {
    const { pair } = makePair();
    pair.connect();
    pair.blackHole = true;
    const before = pair.a.takeEvents().length;
    pair.a.command({ id: 'x', urgent: false, steps: [{ mode: 'direct', controls: [LATCH_ON] }] }, pair.nowMs);
    pair.advance(30_000);
    const events = pair.a.takeEvents();
    expect(before).toBeGreaterThan(0);
    expect(events.filter((e) => e.kind === 'control-sent')).toHaveLength(1);
    expect(ends(events)).toMatchObject([{ outcome: { kind: 'unknown' } }]);
  });

  test('no command leaves before the integrity poll of this connection; an urgent one does', () => {
    const { pair } = makePair();
    pair.connect();
    pair.cut();
    pair.crossed.length = 0;
    pair.a.connected(pair.nowMs);
    pair.a.command({ id: 'late', urgent: false, steps: [{ mode: 'direct', controls: [LATCH_ON] }] }, pair.nowMs);
    expect(pair.a.takeEvents().filter((e) => e.kind === 'control-sent')).toEqual([]);
    pair.a.command({ id: 'stop', urgent: true, steps: [{ mode: 'direct', controls: [LATCH_ON] }] }, pair.nowMs);
    expect(pair.a.takeEvents().filter((e) => e.kind === 'control-sent')).toMatchObject([{ id: 'stop' }]);
  });

  test('a command asked for while the start-up runs goes after the integrity poll', () => {
    const { pair, operated } = makePair();
    pair.connect();
    pair.cut();
    pair.crossed.length = 0;
    const command = () =>
      pair.a.command({ id: 'x', urgent: false, steps: [{ mode: 'direct', controls: [LATCH_ON] }] }, pair.nowMs);
    const connect = pair.a.connected.bind(pair.a);
    pair.a.connected = (nowMs) => {
      connect(nowMs);
      command();
    };
    pair.connect();
    const order = functions(pair);
    expect(operated).toHaveLength(1);
    expect(order.indexOf(5)).toBeGreaterThan(order.indexOf(1));
  });

  test('an unsolicited response that comes twice is confirmed twice and delivered once', () => {
    const { pair } = makePair();
    pair.connect();
    pair.a.takeEvents();
    pair.b.update('AI', 48, { value: 1, flags: 1, timeMs: pair.nowMs }, pair.nowMs);
    pair.advance(200);
    const last = pair.crossed.filter((c) => c.from === 'b').at(-1);
    pair.crossed.length = 0;
    // The transport sequence plays no part in a fragment of one segment.
    if (last !== undefined) pair.a.receive(last.octets, pair.nowMs);
    pair.settle();
    const values = pair.a.takeEvents().flatMap((e) => (e.kind === 'measurements' ? e.values : []));
    expect(values).toHaveLength(1);
    expect(functions(pair)).toEqual([0]);
  });

  test('an answer with another sequence number is no answer', () => {
    const { pair } = makePair();
    pair.connect();
    pair.a.takeEvents();
    const dropped = pair.a.droppedFragments;
    const old = pair.crossed.filter((c) => c.from === 'b').at(-1);
    pair.blackHole = true;
    pair.a.command({ id: 'x', urgent: false, steps: [{ mode: 'direct', controls: [LATCH_ON] }] }, pair.nowMs);
    if (old !== undefined) pair.a.receive(old.octets, pair.nowMs);
    expect(pair.a.droppedFragments).toBe(dropped + 1);
    expect(ends(pair.a.takeEvents())).toEqual([]);
  });

  test('silence is asked about and then told as a dead link; octets heard again start the reads anew', () => {
    const { pair } = makePair();
    pair.connect();
    pair.a.takeEvents();
    pair.blackHole = true;
    pair.advance(70_000);
    expect(pair.a.takeEvents().some((e) => e.kind === 'link-dead')).toBe(true);
    expect(pair.a.integrityComplete).toBe(false);
    pair.blackHole = false;
    pair.advance(70_000);
    const kinds = pair.a.takeEvents().map((e) => e.kind);
    expect(kinds).toContain('link-alive');
    expect(kinds).toContain('integrity-complete');
  });

  test('unsolicited data that is not confirmed comes again with the same octets, and no event is lost', () => {
    const { pair } = makePair();
    pair.connect();
    pair.a.takeEvents();
    pair.blackHole = true;
    pair.b.update('BI', 4, { value: 1, flags: 1, timeMs: pair.nowMs }, pair.nowMs);
    pair.advance(1_000);
    pair.blackHole = false;
    pair.advance(6_000);
    const values = pair.a.takeEvents().flatMap((e) => (e.kind === 'measurements' ? e.values : []));
    expect(values).toMatchObject([{ kind: 'BI', index: 4, value: 1 }]);
  });

  test('an outstation that asks for the time gets the time', () => {
    const { pair } = makePair({ needTime: true });
    pair.connect();
    expect(pair.b.takeEvents()).toContainEqual({ kind: 'clock-set', timeMs: pair.nowMs });
  });

  test('a lost event buffer makes the master read everything again', () => {
    const { pair } = makePair({ eventsMax: () => 2 });
    pair.connect();
    pair.a.takeEvents();
    for (const value of [1, 2, 3, 4]) pair.b.update('AI', 537, { value, flags: 1, timeMs: pair.nowMs }, pair.nowMs);
    pair.advance(10_000);
    const events = pair.a.takeEvents();
    expect(events.filter((e) => e.kind === 'integrity-complete')).toHaveLength(1);
  });
});
