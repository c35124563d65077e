import fc from 'fast-check';
import type { AgendaItem } from '../../src/core/agenda.ts';
import type { CoreState } from '../../src/core/state.ts';
import { isTerminal } from '../../src/domain/command.ts';
import { type Answer, Bench, canonical, HOUR, type Make, MIN, PROGRAM } from './coreBench.ts';

/** A random story for the core: what people, devices, clouds and time do, in an order that fast-check can shrink. */
export type Act =
  | {
      readonly kind: 'command';
      readonly device: number;
      readonly mode: number;
      readonly inMin: number;
      readonly forMin: number;
      readonly grid: boolean;
    }
  | { readonly kind: 'cancel'; readonly nth: number }
  | {
      readonly kind: 'observe';
      readonly device: number;
      readonly storm: boolean;
      readonly online: boolean;
      readonly socPct: number;
      readonly obeys: boolean;
    }
  | { readonly kind: 'event'; readonly targetW: number; readonly inMin: number; readonly forMin: number }
  | { readonly kind: 'cancel-event'; readonly nth: number }
  | { readonly kind: 'opt'; readonly nth: number; readonly out: boolean }
  /** A meter data provider brings an hour of a site's meter, or of its battery's. */
  | {
      readonly kind: 'read';
      readonly device: number;
      readonly ofSite: boolean;
      readonly hoursAgo: number;
      readonly wh: number;
    }
  | { readonly kind: 'link'; readonly up: boolean }
  | { readonly kind: 'wait'; readonly min: number }
  /** Devices report and obey for a while. */
  | { readonly kind: 'live'; readonly min: number };

export const DEVICES: readonly { readonly id: string; readonly make: Make }[] = [
  { id: 'a', make: 'enphase' },
  { id: 'b', make: 'enphase' },
  { id: 's', make: 'solaredge' },
  { id: 't', make: 'tesla' },
  { id: 'x', make: 'dnp3' },
];
const MODES = ['charge', 'discharge', 'idle', 'reset'] as const;
const ANSWERS: readonly Answer[] = [
  'accept',
  'accept',
  'accept',
  'refuse-grid',
  'refuse',
  'lose',
  'not-sent',
  'silent',
];

const device = fc.nat(DEVICES.length - 1);
export const story: fc.Arbitrary<{ acts: Act[]; answers: number[] }> = fc.record({
  acts: fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('command' as const),
        device,
        mode: fc.nat(3),
        inMin: fc.nat(60),
        forMin: fc.integer({ min: 1, max: 90 }),
        grid: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('cancel' as const), nth: fc.nat(9) }),
      fc.record({
        kind: fc.constant('observe' as const),
        device,
        storm: fc.boolean(),
        online: fc.boolean(),
        socPct: fc.integer({ min: 0, max: 100 }),
        obeys: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant('event' as const),
        targetW: fc.nat(25_000),
        inMin: fc.integer({ min: -10, max: 40 }),
        forMin: fc.integer({ min: 11, max: 90 }),
      }),
      fc.record({ kind: fc.constant('cancel-event' as const), nth: fc.nat(2) }),
      fc.record({ kind: fc.constant('opt' as const), nth: fc.nat(2), out: fc.boolean() }),
      fc.record({
        kind: fc.constant('read' as const),
        device,
        ofSite: fc.boolean(),
        hoursAgo: fc.integer({ min: 1, max: 100 }),
        wh: fc.integer({ min: -5_000, max: 5_000 }),
      }),
      fc.record({ kind: fc.constant('link' as const), up: fc.boolean() }),
      fc.record({ kind: fc.constant('wait' as const), min: fc.nat(45) }),
      fc.record({ kind: fc.constant('live' as const), min: fc.integer({ min: 1, max: 45 }) }),
    ),
    { maxLength: 25 },
  ),
  answers: fc.array(fc.nat(ANSWERS.length - 1), { minLength: 1, maxLength: 12 }),
});

/** Plays a story; with twice, everything that comes in over a wire comes in twice. */
export function play({ acts, answers }: { acts: readonly Act[]; answers: readonly number[] }, twice = false): Bench {
  let n = 0;
  const drawn = new Map<string, Answer>();
  const b = new Bench({
    answer: (job) => {
      const known = drawn.get(job.jobId) ?? ANSWERS[answers[n++ % answers.length] ?? 0] ?? 'accept';
      drawn.set(job.jobId, known);
      return known;
    },
  });
  b.twice = twice;
  for (const { id, make } of DEVICES) b.device(make, id, { usableWh: 20_000 });
  b.put({ kind: 'register-resource', resourceId: 'r', partnerId: 'p', programId: PROGRAM, deviceIds: ['a', 't'] });
  for (const act of acts) perform(b, act);
  return b;
}

function perform(b: Bench, act: Act): void {
  const commandId = (nth: number) => [...b.core.state.commands.keys()].at(-1 - nth) ?? 'cmd-0';
  const eventId = (nth: number) => [...b.core.state.events.keys()].at(-1 - nth) ?? 'evt-0';
  switch (act.kind) {
    case 'command':
      b.command(
        DEVICES[act.device]?.id ?? '',
        { operatingMode: MODES[act.mode] ?? 'idle', enableGridInteraction: act.grid },
        { inMs: act.inMin * MIN, forMs: act.forMin * MIN },
      );
      return;
    case 'cancel':
      b.put({ kind: 'cancel-command', commandId: commandId(act.nth), actor: 'ana' });
      return;
    case 'observe': {
      const id = DEVICES[act.device]?.id ?? '';
      const does = act.storm ? { chargeRate: -1_000 } : act.obeys ? b.obedient(id) : { chargeRate: 0 };
      b.observe(id, { ...does, chargePercentage: act.socPct, isStormModeActive: act.storm }, act.online);
      return;
    }
    case 'event':
      b.event(act.targetW, { inMs: act.inMin * MIN, forMs: act.forMin * MIN });
      return;
    case 'cancel-event':
      b.put({ kind: 'cancel-event', eventId: eventId(act.nth), by: 'ops' });
      return;
    case 'opt':
      b.put({
        kind: 'answer-event',
        eventId: eventId(act.nth),
        resourceId: 'r',
        answer: act.out ? 'opt-out' : 'opt-in',
        by: 'p',
      });
      return;
    case 'read': {
      const id = DEVICES[act.device]?.id ?? '';
      const of = { siteId: `site-${id}`, deviceId: act.ofSite ? null : id };
      const startMs = (Math.floor(b.nowMs / HOUR) - act.hoursAgo) * HOUR;
      b.put({ kind: 'meter-readings', blocks: [{ ...of, startMs, stepMs: HOUR, energyWh: [act.wh] }] });
      return;
    }
    case 'link':
      b.link('x', act.up);
      return;
    case 'wait':
      b.advance(act.min * MIN);
      return;
    case 'live':
      b.run(b.nowMs + act.min * MIN);
  }
}

/** Lets faults end and time pass until every window is over. */
export function heal(b: Bench): void {
  b.answer = () => 'accept';
  b.link('x', true);
  b.run(b.nowMs + 6 * HOUR, (id) => b.obedient(id), 15 * MIN);
}

/** Everything but the agenda, as text. */
export const stateText = (state: CoreState): string => canonical({ ...state, agenda: null });

/**
 * What is still due after an instant, in order. Empties the agenda. Left out: whether something was heard of a device, which
 * puts itself back by what telemetry says, and after a restart begins anew.
 */
export function dueAfter(state: CoreState, nowMs: number): AgendaItem[] {
  while (state.agenda.takeDue(nowMs) !== null);
  const items: AgendaItem[] = [];
  for (let item = state.agenda.takeDue(9e15); item !== null; item = state.agenda.takeDue(9e15))
    if (item.kind !== 'silence-check') items.push(item);
  return items;
}

export const openCommands = (b: Bench): string[] =>
  [...b.core.state.commands].flatMap(([id, c]) => (isTerminal(c.status) ? [] : [id]));
