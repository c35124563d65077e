import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IIN2 } from '../../src/dnp3/app/control.ts';
import type { DataKind } from '../../src/dnp3/app/objects.ts';
import { parseFragment } from '../../src/dnp3/app/parse.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import { MasterSession } from '../../src/dnp3/master/session.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import { Reassembler } from '../../src/dnp3/transport/reassembler.ts';
import { Pair } from '../unit/dnp3/pair.ts';

/**
 * A master and an outstation through random weather: values change, messages get lost or come twice, the link falls
 * silent or is cut, commands and requests are given. What must hold at the end is what DNP3 promises.
 */
const INDICES = [0, 1, 2, 300];
const CLASSES = [1, 2, 3] as const;
const KINDS = ['BI', 'DBI', 'AI', 'CTR'] as const;
const SETTLE_MS = 400_000;

/** After each step octets cross so many times at the same instant, so that the next step may fall between two fragments. */
const ROUNDS_MAX = 6;

type Step = { rounds: number } & What;
type What =
  | { kind: 'update'; type: (typeof KINDS)[number] | 'OCT'; index: number; value: number }
  | { kind: 'cut' | 'silent' | 'connect' | 'command' | 'direct' | 'freeze' }
  | { kind: 'read'; classes: (0 | 1 | 2 | 3)[] }
  | { kind: 'faults'; faults: ('pass' | 'lose' | 'twice')[] }
  | { kind: 'wait'; ms: number };

const what: fc.Arbitrary<What> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      type: fc.constantFrom(...KINDS, 'OCT' as const),
      index: fc.constantFrom(...INDICES),
      value: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('cut' as const, 'silent' as const, 'connect' as const, 'freeze' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      classes: fc.subarray([0 as const, 1 as const, 2 as const, 3 as const], { minLength: 1 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('command' as const, 'direct' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('faults' as const),
      faults: fc.array(fc.constantFrom('pass' as const, 'lose' as const, 'twice' as const), { maxLength: 12 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 20_000 }) }) },
);

const step: fc.Arbitrary<Step> = fc
  .tuple(what, fc.integer({ min: 0, max: ROUNDS_MAX }))
  .map(([w, rounds]) => ({ ...w, rounds }));

class World {
  readonly pair: Pair;
  readonly operated: Control[] = [];
  readonly view = new Map<string, number>();
  readonly strings = new Map<number, string>();
  readonly outcomes = new Map<string, string>();
  /** Events as "kind index time" (times are unique), and how many messages had arrived when each was made. */
  readonly made = new Map<string, number>();
  readonly seen = new Set<string>();
  commands = 0;
  requests = 0;
  private count = 0;

  constructor(eventsMax: number) {
    const b = new OutstationSession({
      localAddress: 10,
      remoteAddress: 1,
      points: [
        // Points of one kind are of different classes, so that a read takes newer events and leaves older ones.
        ...KINDS.flatMap((kind) => INDICES.map((index) => ({ kind, index, eventClass: CLASSES[index % 3] ?? 1 }))),
        ...INDICES.map((index) => ({ kind: 'FCTR' as const, index, eventClass: 2 as const })),
        ...INDICES.map((index) => ({ kind: 'OCT' as const, index, eventClass: 3 as const })),
      ],
      eventsMax: () => eventsMax,
      fragmentOctetsMax: 100,
      onControl: (phase, control) => {
        if (phase === 'operate') this.operated.push(control);
        return 0;
      },
    });
    const a = new MasterSession({
      localAddress: 1,
      remoteAddress: 10,
      known: () => true,
      knownOctets: () => true,
      eventPollMs: 30_000,
    });
    this.pair = new Pair(a, b);
    this.pair.connect();
  }

  run(s: Step): void {
    const { pair } = this;
    const id = String(this.commands + this.requests);
    switch (s.kind) {
      case 'update':
        this.update(s.type, s.index, s.value);
        break;
      case 'faults':
        pair.faults.push(...s.faults);
        break;
      case 'cut':
        pair.cut();
        break;
      case 'silent':
        pair.blackHole = true;
        break;
      case 'connect':
        this.reconnect();
        break;
      case 'wait':
        pair.advance(s.ms);
        break;
      case 'read':
        this.requests += 1;
        pair.a.readClasses({ id, classes: s.classes }, pair.nowMs);
        break;
      case 'freeze':
        this.requests += 1;
        pair.a.freeze({ id, clear: false, acknowledged: true }, pair.nowMs);
        break;
      case 'command':
      case 'direct': {
        this.commands += 1;
        const mode = s.kind === 'direct' ? 'direct' : 'select-operate';
        const controls: Control[] = [{ kind: 'analog', index: this.commands, value: this.commands }];
        pair.a.command({ id, urgent: false, steps: [{ mode, controls }] }, pair.nowMs);
      }
    }
    pair.exchange(s.rounds);
    this.look();
  }

  /** The weather ends, and time passes. The connection is only made anew where it was cut: a lasting one must do as well. */
  settle(): void {
    this.pair.faults = [];
    this.pair.blackHole = false;
    if (!this.pair.isUp) this.pair.connect();
    this.pair.settle();
    this.pair.advance(SETTLE_MS);
    this.look();
  }

  /** How many messages had arrived when a loss of events was told the last time; -1 = never. */
  overflowToldAt(): number {
    const parser = new LinkParser(1e9);
    const reassembler = new Reassembler();
    return this.pair.crossed.findLastIndex(({ from, octets }) => {
      if (from === 'a') return false;
      const fragments = parser.push(octets, 0).flatMap((f) => reassembler.push(f.userData, 1) ?? []);
      return fragments.some((f) => ((parseFragment(f)?.iin?.second ?? 0) & IIN2.overflow) !== 0);
    });
  }

  private reconnect(): void {
    this.pair.cut();
    this.pair.blackHole = false;
    this.pair.connect();
  }

  private update(kind: DataKind, index: number, value: number): void {
    const { b, nowMs } = this.pair;
    this.count += 1;
    const timeMs = nowMs + this.count;
    const octets = Uint8Array.of(65 + value, 66);
    const before = b.events.size + b.events.lost;
    b.update(kind, index, { value: kind === 'BI' ? value & 1 : value, flags: 1, timeMs, octets }, nowMs);
    if (b.events.size + b.events.lost > before && kind !== 'OCT') {
      this.made.set(`${kind} ${index} ${timeMs}`, this.pair.crossed.length);
    }
  }

  private look(): void {
    for (const n of this.pair.a.takeNotices()) {
      if (n.kind === 'measurements') {
        for (const m of n.values) {
          this.view.set(`${m.kind} ${m.index}`, m.value);
          if (m.source !== 'static') this.seen.add(`${m.kind} ${m.index} ${m.timeMs}`);
        }
      }
      if (n.kind === 'octet-strings') for (const s of n.values) this.strings.set(s.index, s.octets.join());
      if (n.kind === 'command-ended' || n.kind === 'request-ended') {
        expect(this.outcomes.has(n.id), `${n.id} ends once`).toBe(false);
        this.outcomes.set(n.id, n.outcome.kind);
      }
    }
  }
}

const through = (steps: readonly Step[], eventsMax: number): World => {
  const world = new World(eventsMax);
  for (const s of steps) world.run(s);
  world.settle();
  return world;
};
const weather = fc.array(step, { maxLength: 60 });
const RUNS = { numRuns: 400 };

describe('a master and an outstation through loss, duplication, silence and new connections', () => {
  test('once all is quiet the master sees what the outstation holds', () => {
    fc.assert(
      fc.property(weather, fc.integer({ min: 1, max: 8 }), (steps, eventsMax) => {
        const { pair, view, strings } = through(steps, eventsMax);
        for (const kind of [...KINDS, 'FCTR'] as const) {
          for (const p of pair.b.database.all(kind)) expect(view.get(`${kind} ${p.index}`)).toBe(p.current.value);
        }
        for (const p of pair.b.database.all('OCT')) expect(strings.get(p.index)).toBe(p.current.octets?.join());
      }),
      RUNS,
    );
  });

  test('no event is lost unless IIN2.3 said so, and then no more than the outstation dropped', () => {
    fc.assert(
      fc.property(weather, fc.integer({ min: 2, max: 12 }), (steps, eventsMax) => {
        const world = through(steps, eventsMax);
        const missing = [...world.made].filter(([e]) => !world.seen.has(e));
        expect(missing.length).toBeLessThanOrEqual(world.pair.b.events.lost);
        const told = world.overflowToldAt();
        for (const [event, madeAt] of missing) expect(told, event).toBeGreaterThanOrEqual(madeAt);
        expect(world.pair.b.events.size).toBe(0);
      }),
      RUNS,
    );
  });

  test('no control is executed twice, each command and request ends once, and its outcome is true', () => {
    fc.assert(
      fc.property(weather, (steps) => {
        const { operated, outcomes, commands, requests } = through(steps, 8);
        const executed = operated.map((c) => c.index);
        expect(new Set(executed).size).toBe(executed.length);
        expect(outcomes.size).toBe(commands + requests);
        const sent = new Set<number>(executed);
        let number = 0;
        for (const [i, s] of steps.filter((x) => IS_ASKED.includes(x.kind)).entries()) {
          if (s.kind !== 'command' && s.kind !== 'direct') continue;
          number += 1;
          const outcome = outcomes.get(String(i));
          if (outcome === 'operated') expect(sent.has(number)).toBe(true);
          if (outcome === 'not-sent' || outcome === 'refused') expect(sent.has(number)).toBe(false);
        }
      }),
      RUNS,
    );
  });
});

const IS_ASKED: readonly Step['kind'][] = ['command', 'direct', 'read', 'freeze'];
