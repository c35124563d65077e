import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply } from '../../src/core/apply.ts';
import { dryRun } from '../../src/core/dryRun.ts';
import { LATE_MS_MAX } from '../../src/core/schedules.ts';
import { restoreState, snapshotOf } from '../../src/core/snapshot.ts';
import { newState } from '../../src/core/state.ts';
import { type CalendarRule, occurrences, parseCron } from '../../src/domain/calendar.ts';
import { modeAt, modePeriods } from '../../src/domain/schedule.ts';
import { localDateTime, localParts } from '../../src/domain/time.ts';
import { Bench, batteryState, HOUR, MIN, T0 } from '../helpers/coreBench.ts';
import { dueAfter, stateText } from '../helpers/coreStory.ts';
import { expectFrozen } from '../helpers/frozen.ts';
import {
  automation,
  CHARGE,
  cron,
  DISCHARGE,
  EVERY_DAY,
  mode,
  modes,
  rule,
  schedule,
  toBattery,
} from '../helpers/ruleBench.ts';

/**
 * The calendar against a walk over every minute that asks only what the clock on the wall shows, and rules at work over
 * random wakings. Days are drawn around changes of daylight saving time of several kinds.
 */
const DAY = 24 * HOUR;

/** Zone and an instant some hours before its clocks change. */
const CHANGES: readonly { readonly zone: string; readonly fromMs: number }[] = [
  { zone: 'America/Los_Angeles', fromMs: Date.UTC(2024, 2, 10, 6) }, // 02:00 → 03:00
  { zone: 'America/Los_Angeles', fromMs: Date.UTC(2024, 10, 3, 5) }, // 02:00 → 01:00
  { zone: 'Europe/Oslo', fromMs: Date.UTC(2024, 2, 30, 21) },
  { zone: 'Europe/Oslo', fromMs: Date.UTC(2024, 9, 26, 21) },
  { zone: 'Australia/Lord_Howe', fromMs: Date.UTC(2024, 3, 6, 12) }, // half an hour back
  { zone: 'Australia/Lord_Howe', fromMs: Date.UTC(2024, 9, 5, 12) },
  { zone: 'Africa/Cairo', fromMs: Date.UTC(2024, 3, 25, 18) }, // midnight is left out
  { zone: 'Pacific/Apia', fromMs: Date.UTC(2011, 11, 30, 6) }, // a whole day is left out
  { zone: 'Asia/Kolkata', fromMs: Date.UTC(2024, 6, 1, 3) }, // no change
];

const change = fc.constantFrom(...CHANGES);
const field = (max: number) => fc.uniqueArray(fc.nat(max), { minLength: 1, maxLength: 4 });
const text = (values: readonly number[]) => [...values].sort((a, b) => a - b).join(',');

function ruleOf(expression: string): CalendarRule {
  const parsed = parseCron(expression);
  if (parsed.kind === 'bad') throw new Error(`${expression}: ${parsed.field}`);
  return parsed.rule;
}

interface Minute {
  readonly atMs: number;
  readonly clock: string;
}

const walked = new Map<string, readonly Minute[]>();

/** Every full minute of a span around a change with what the clock shows, as text that sorts by time. */
function walk({ zone, fromMs }: { zone: string; fromMs: number }, startMs: number, endMs: number): readonly Minute[] {
  const firstMs = fromMs - 2 * DAY;
  const key = `${zone} ${fromMs}`;
  const known =
    walked.get(key) ??
    Array.from({ length: (4 * DAY) / MIN }, (_, i) => firstMs + i * MIN).map((atMs) => ({
      atMs,
      clock: localDateTime(atMs, zone),
    }));
  walked.set(key, known);
  return known.slice((startMs - firstMs) / MIN, (endMs - firstMs) / MIN);
}

const two = (n: number) => `${n}`.padStart(2, '0');

describe('times of a calendar', () => {
  test('a time of day is the first minute at which the clock shows it or, for the first time, more', () => {
    fc.assert(
      fc.property(change, field(23), field(59), ({ zone, fromMs }, hours, minutes) => {
        const toMs = fromMs + 2 * DAY;
        const minutesSeen = walk({ zone, fromMs }, fromMs - 2 * DAY, toMs);
        const dates = new Set(minutesSeen.map((m) => m.clock.slice(0, 10)));
        // A day that is left out is a day of the calendar nevertheless.
        if (zone === 'Pacific/Apia') dates.add('2011-12-30');
        const expected = new Set<number>();
        for (const date of dates) {
          for (const h of hours) {
            for (const m of minutes) {
              const first = minutesSeen.find((x) => x.clock >= `${date} ${two(h)}:${two(m)}`);
              if (first !== undefined && first.atMs > fromMs) expected.add(first.atMs);
            }
          }
        }
        const rule_ = ruleOf(`${text(minutes)} ${text(hours)} * * *`);
        const found = occurrences({ rule: rule_, timeZone: zone, afterMs: fromMs, untilMs: toMs - MIN, max: 1_000 });
        expect(found).toEqual([...expected].sort((a, b) => a - b));
      }),
    );
  });

  test('what runs in every hour fires at each minute at which the clock shows it, both times if it does so twice', () => {
    fc.assert(
      fc.property(change, field(59), ({ zone, fromMs }, minutes) => {
        const toMs = fromMs + DAY;
        const shown = walk({ zone, fromMs }, fromMs + MIN, toMs).filter((m) =>
          minutes.includes(Number(m.clock.slice(14))),
        );
        const rule_ = ruleOf(`${text(minutes)} * * * *`);
        const found = occurrences({ rule: rule_, timeZone: zone, afterMs: fromMs, untilMs: toMs - MIN, max: 1_000 });
        expect(found).toEqual(shown.map((m) => m.atMs));
      }),
    );
  });

  test('days of month and week are those of the local date', () => {
    const draw = fc.record({ dom: field(27), dow: field(6), either: fc.boolean() });
    fc.assert(
      fc.property(change, draw, ({ zone, fromMs }, { dom, dow, either }) => {
        const days = dom.map((d) => d + 1);
        const expression = either ? `0 12 ${text(days)} * ${text(dow)}` : `0 12 * * ${text(dow)}`;
        const found = occurrences({
          rule: ruleOf(expression),
          timeZone: zone,
          afterMs: fromMs + 2 * DAY,
          untilMs: fromMs + 30 * DAY,
          max: 1_000,
        });
        const expected: number[] = [];
        for (let t = fromMs + 2 * DAY + MIN; t <= fromMs + 30 * DAY; t += MIN) {
          if (t % (30 * MIN) !== 0) continue;
          const p = localParts(t, zone);
          if (p.hour !== 12 || p.minute !== 0) continue;
          if (dow.includes(p.weekday % 7) || (either && days.includes(p.day))) expected.push(t);
        }
        expect(found).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  test('asking in parts gives the same as asking for all', () => {
    fc.assert(
      fc.property(change, field(23), fc.nat(2 * DAY), ({ zone, fromMs }, hours, cut) => {
        const all = { rule: ruleOf(`7 ${text(hours)} * * *`), timeZone: zone, max: 1_000 };
        const [afterMs, middle, untilMs] = [fromMs, fromMs + cut, fromMs + 3 * DAY];
        const parts = [
          ...occurrences({ ...all, afterMs, untilMs: middle }),
          ...occurrences({ ...all, afterMs: middle, untilMs }),
        ];
        expect(parts).toEqual(occurrences({ ...all, afterMs, untilMs }));
      }),
    );
  });
});

/** Wakings: how long the core sleeps each time, now and then for hours. */
const naps = fc.array(fc.oneof(fc.nat(10), fc.nat(300), fc.nat(3_000)), { minLength: 1, maxLength: 20 });

function sleep(b: Bench, min: number): void {
  b.nowMs += min * MIN;
  b.put({ kind: 'time' });
}

describe('schedules at work', () => {
  const EXPRESSIONS = ['* * * * *', '*/7 * * * *', '30 1-3 * * *', '0 0 * * *', '15 */2 * * *', '0 17 * * 1-5'];

  test('each time of a schedule is fired or missed, exactly once, and none is fired too late (S17, S18)', () => {
    fc.assert(
      fc.property(change, fc.constantFrom(...EXPRESSIONS), naps, ({ zone, fromMs }, expression, slept) => {
        const b = new Bench({ startMs: fromMs });
        b.device('tesla', 'e');
        schedule(b, { timing: cron(expression, zone) });
        for (const min of slept) sleep(b, min);
        const range = { afterMs: fromMs, untilMs: b.nowMs, max: 1_000_000 };
        const due = occurrences({ rule: ruleOf(expression), timeZone: zone, ...range });
        const fires = b.facts.flatMap(({ fact, atMs }) => (fact.type === 'schedule.fired' ? [{ fact, atMs }] : []));
        const times = fires.map(({ fact }) => fact.dueMs);
        expect(new Set(times).size).toBe(times.length);
        expect(times.filter((t) => !due.includes(t))).toEqual([]);
        for (const { fact, atMs } of fires) expect(atMs - fact.dueMs).toBeLessThanOrEqual(LATE_MS_MAX);
        const missed = b.factsOf('schedule.missed');
        expect(missed.some((m) => m.isMore && m.count < 1_000)).toBe(false);
        const counted = missed.reduce((sum, m) => sum + m.count, 0);
        if (!missed.some((m) => m.isMore)) expect(times.length + counted).toBe(due.length);
        // Never a burst: one firing a waking.
        expect(new Set(fires.map((f) => f.atMs)).size).toBe(fires.length);
      }),
    );
  });

  test('the mode last set by a device schedule that is woken in time is the one that its week says', () => {
    const rules = fc.uniqueArray(fc.nat(11), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(change, rules, ({ zone, fromMs }, slots) => {
        const b = new Bench({ startMs: fromMs });
        b.device('tesla', 'e');
        // Rules of two hours that begin at half past, so that edges lie in the changes.
        const of = slots.map((slot) => ({
          daysOfWeek: EVERY_DAY,
          startTime: `${two(slot * 2)}:30`,
          endTime: slot === 11 ? '00:30' : `${two(slot * 2 + 2)}:30`,
          deviceOperatingMode: mode(slot % 2 === 0 ? 'charge' : 'discharge'),
        }));
        modes(b, 'e', of, { timeZone: zone, defaultDeviceOperatingMode: mode('idle') });
        const s = b.core.state.schedules.get('sch-1')?.schedule;
        if (s?.kind !== 'device-modes') throw new Error('the schedule was refused');
        b.advance(2 * DAY);
        for (const edge of modePeriods(s, fromMs).flatMap((p) => [p.startMs, p.endMs])) {
          // At the instant it was made the default needs no command.
          if (edge <= fromMs || edge > fromMs + 2 * DAY - MIN) continue;
          const wanted = modeAt(s, edge).mode.input.operatingMode;
          const last = b.facts.findLast(({ fact, atMs }) => fact.type === 'command.accepted' && atMs <= edge)?.fact;
          expect(last?.type === 'command.accepted' ? last.command.input.operatingMode : null).toBe(wanted);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('what a schedule says of an instant goes by the first time that the clock shows it', () => {
    fc.assert(
      fc.property(change, fc.nat(22), ({ zone, fromMs }, hour) => {
        const of = { daysOfWeek: EVERY_DAY, startTime: `${two(hour)}:15`, endTime: `${two(hour + 1)}:45` };
        const s = {
          kind: 'device-modes' as const,
          scheduleId: 's',
          workspaceId: 'ws',
          deviceId: 'e',
          timeZone: zone,
          defaultDeviceOperatingMode: mode('idle'),
          rules: [{ ...of, deviceOperatingMode: mode('charge') }],
        };
        // The latest time of the clock so far: it does not go back when the clock does.
        let latest = '';
        for (const { atMs, clock } of walk({ zone, fromMs }, fromMs - HOUR * 3, fromMs + DAY)) {
          if (clock > latest) latest = clock;
          if (atMs < fromMs || atMs % (15 * MIN) !== 0) continue;
          const time = latest.slice(11);
          const isIn = of.startTime <= time && time < of.endTime;
          expect([clock, modeAt(s, atMs).mode.input.operatingMode]).toEqual([clock, isIn ? 'charge' : 'idle']);
        }
      }),
      { numRuns: 50 },
    );
  });
});

type Act =
  | { readonly kind: 'soc'; readonly device: number; readonly pct: number }
  | { readonly kind: 'price'; readonly values: readonly number[] }
  | { readonly kind: 'storm'; readonly device: number; readonly active: boolean }
  | { readonly kind: 'toggle'; readonly nth: number }
  | { readonly kind: 'event' }
  | { readonly kind: 'nap'; readonly min: number }
  | { readonly kind: 'wait'; readonly min: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constant('soc' as const), device: fc.nat(2), pct: fc.nat(100) }),
  fc.record({ kind: fc.constant('price' as const), values: fc.array(fc.nat(200), { maxLength: 12 }) }),
  fc.record({ kind: fc.constant('storm' as const), device: fc.nat(2), active: fc.boolean() }),
  fc.record({ kind: fc.constant('toggle' as const), nth: fc.nat(5) }),
  fc.record({ kind: fc.constant('event' as const) }),
  fc.record({ kind: fc.constant('nap' as const), min: fc.nat(200) }),
  fc.record({ kind: fc.constant('wait' as const), min: fc.nat(90) }),
);

const IDS = ['a', 'b', 'c'];

function play(acts: readonly Act[]): Bench {
  const b = new Bench();
  for (const [i, id] of IDS.entries()) b.device(i === 0 ? 'enphase' : 'tesla', id, { tags: ['home', 'program:dsgs'] });
  schedule(b, { tag: 'home', timing: cron('*/20 * * * *'), durationMs: 15 * MIN });
  schedule(b, { device: 'a', timing: cron('*/30 * * * *'), input: CHARGE, durationMs: 20 * MIN });
  modes(b, 'b', [{ daysOfWeek: EVERY_DAY, startTime: '15:30', endTime: '17:00' }]);
  const home = { kind: 'tag', tag: 'home' } as const;
  automation(b, { cooldownMs: 15 * MIN, firingsPerDayMax: 3 });
  automation(b, {
    when: { kind: 'price', node: 'NODE', market: 'day-ahead', comparison: 'above', usdPerMwh: 100 },
    target: home,
    action: { kind: 'command', command: toBattery(DISCHARGE), durationMs: 20 * MIN },
    conditions: [{ kind: 'telemetry', metric: 'chargePercentage', comparison: 'above', value: 40 }],
  });
  automation(b, { when: { kind: 'storm', watch: home, what: 'began' }, cooldownMs: 5 * MIN });
  for (const a of acts) perform(b, a);
  return b;
}

function perform(b: Bench, a: Act): void {
  const id = 'device' in a ? (IDS[a.device] ?? 'a') : 'a';
  switch (a.kind) {
    case 'soc':
      b.observe(id, { ...b.obedient(id), chargePercentage: a.pct });
      return;
    case 'storm':
      b.observe(id, { isStormModeActive: a.active });
      return;
    case 'price':
      b.put({
        kind: 'publish-prices',
        node: 'NODE',
        market: 'day-ahead',
        startMs: b.nowMs - (b.nowMs % HOUR),
        stepMs: HOUR,
        usdPerMwh: a.values,
      });
      return;
    case 'toggle': {
      const scheduleId = `sch-${a.nth + 1}`;
      const isActive = b.core.state.schedules.get(scheduleId)?.status === 'active';
      b.put({ kind: isActive ? 'pause-schedule' : 'resume-schedule', workspaceId: 'ws', scheduleId, actor: 'ana' });
      return;
    }
    case 'event':
      b.event(2_000, { inMs: 20 * MIN, forMs: 30 * MIN });
      return;
    case 'nap':
      sleep(b, a.min);
      return;
    case 'wait':
      b.advance(a.min * MIN);
  }
}

const acts = fc.array(act, { maxLength: 30 });

describe('rules over random stories', () => {
  test('the state is the fold of the facts, through a snapshot too, and what is still due is the same', () => {
    fc.assert(
      fc.property(acts, (list) => {
        const b = play(list);
        b.advance(0);
        let again = newState();
        b.facts.forEach(({ fact, atMs }, i) => {
          if (i === Math.floor(b.facts.length / 2)) again = restoreState(JSON.parse(JSON.stringify(snapshotOf(again))));
          apply(again, fact, atMs, b.settings);
        });
        expectFrozen(b.facts, { cut: Math.floor(b.facts.length / 2), settings: b.settings });
        expect(stateText(again)).toBe(stateText(b.core.state));
        expect(dueAfter(again, b.nowMs)).toEqual(dueAfter(b.core.state, b.nowMs));
      }),
    );
  });

  test('an automation keeps its rest and its number a day, and no chain is longer than three', () => {
    fc.assert(
      fc.property(acts, (list) => {
        const b = play(list);
        const last = new Map<string, number>();
        const perDay = new Map<string, number>();
        for (const { fact, atMs } of b.facts) {
          if (fact.type !== 'automation.triggered') continue;
          const automation_ = b.core.state.automations.get(fact.automationId)?.automation;
          const own = automation_?.target.kind === 'triggering-device' ? fact.subject : '';
          const key = `${fact.automationId} ${own}`;
          const before = last.get(key);
          if (before !== undefined) expect(atMs - before).toBeGreaterThanOrEqual(automation_?.cooldownMs ?? 0);
          last.set(key, atMs);
          perDay.set(`${key} ${fact.day}`, (perDay.get(`${key} ${fact.day}`) ?? 0) + 1);
          if (fact.automationId === 'aut-1') expect(perDay.get(`${key} ${fact.day}`)).toBeLessThanOrEqual(3);
          expect(fact.depth).toBeLessThanOrEqual(3);
        }
      }),
    );
  });

  test('neither a schedule nor an automation replaces a command of a dispatch', () => {
    fc.assert(
      fc.property(acts, (list) => {
        const b = play(list);
        const causes = new Map(b.factsOf('command.accepted').map(({ command }) => [command.commandId, command.cause]));
        for (const { commandId, outcome } of b.factsOf('command.ended')) {
          if (causes.get(commandId)?.kind !== 'dispatch' || outcome.status !== 'superseded') continue;
          const by = /replaced by (cmd-\d+)/.exec(outcome.detail)?.[1] ?? '';
          expect(causes.get(by)?.kind).toBe('dispatch');
        }
      }),
    );
  });

  test('the dry run over past samples fires when the automation at work does', () => {
    const sample = fc.record({ stepMin: fc.integer({ min: 1, max: 20 }), pct: fc.nat(40) });
    const draw = fc.record({
      samples: fc.array(sample, { maxLength: 40 }),
      forMin: fc.nat(15),
      hysteresis: fc.nat(10),
    });
    fc.assert(
      fc.property(draw, ({ samples, forMin, hysteresis }) => {
        const b = new Bench();
        b.device('tesla', 'e');
        const when = {
          kind: 'telemetry' as const,
          watch: { kind: 'all' as const },
          metric: 'chargePercentage' as const,
          comparison: 'below' as const,
          value: 20,
          forMs: forMin * MIN,
          hysteresis,
        };
        automation(b, { when });
        let atMs = T0;
        const past = samples.map(({ stepMin, pct }) => {
          atMs += stepMin * MIN;
          return { deviceId: 'e', state: batteryState(13_500, atMs, { chargePercentage: pct }) };
        });
        const { state, telemetry } = b.core;
        const { settings } = b;
        const tried = dryRun({ state, telemetry, settings, rule: rule({ when }), nowMs: T0, samples: past });
        for (const s of past) {
          b.advanceTo(s.state.sampledAtMs);
          b.put({ kind: 'telemetry', deviceId: 'e', state: s.state, online: true });
        }
        const did = b.factsOf('automation.triggered').map((f) => f.seen[0]?.atMs);
        expect(tried.firings.flatMap((f) => (f.why === null ? [f.atMs] : []))).toEqual(did);
      }),
    );
  });
});
