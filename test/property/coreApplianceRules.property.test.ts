import fc from 'fast-check';
import { expect, test } from 'vitest';
import { restoreState, snapshotOf } from '../../src/core/snapshot.ts';
import type { Order } from '../../src/domain/order.ts';
import { ApplianceRig, PERIOD } from '../helpers/applianceRig.ts';
import { canonical } from '../helpers/coreBench.ts';
import { automation, cron, EVERY_DAY, modes, schedule } from '../helpers/ruleBench.ts';
import { HOUR, MINUTE } from '../unit/appliance/world.ts';

/** Schedules and automations over chargers, vehicles and thermostats, with people in between, a lossy wire and crashes. */
type Act =
  | { readonly kind: 'command'; readonly what: number; readonly forMin: number }
  | { readonly kind: 'link'; readonly device: number; readonly online: boolean }
  | { readonly kind: 'crash'; readonly beforeMin: number }
  | { readonly kind: 'wait'; readonly min: number };

const stop = { slug: 'vehicle:set-operating-mode', input: { operatingMode: 'stop-charging' } } as const;
const start = { slug: 'vehicle:set-operating-mode', input: { operatingMode: 'start-charging' } } as const;
const off = { slug: 'charger:set-operating-mode', input: { operatingMode: 'stop-charging' } } as const;
const cool = (coolTarget: number) =>
  ({ slug: 'thermostat:set-operating-mode', input: { operatingMode: 'cool', coolTarget } }) as const;
const ORDERS = [
  { deviceId: 'car', setting: start },
  { deviceId: 'wall', setting: off },
  { deviceId: 'house', setting: cool(70) },
] as const;

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    kind: fc.constant('command' as const),
    what: fc.nat(ORDERS.length - 1),
    forMin: fc.constantFrom(0, 0, 25),
  }),
  fc.record({ kind: fc.constant('link' as const), device: fc.nat(3), online: fc.boolean() }),
  fc.record({ kind: fc.constant('crash' as const), beforeMin: fc.nat(20) }),
  fc.record({ kind: fc.constant('wait' as const), min: fc.nat(45) }),
);
const story = fc.record({
  acts: fc.array(act, { maxLength: 12 }),
  seed: fc.nat(1_000).map(String),
  lossPct: fc.constantFrom(0, 10, 40),
});
type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;

function rules(r: ApplianceRig): void {
  const everyHour = (minute: string) => cron(`${minute} * * * *`);
  const timed = (o: { readonly tag?: string; readonly device?: string }, minute: string, command: Order) =>
    schedule(r, { ...o, timing: everyHour(minute), command, durationMs: 15 * MINUTE });
  timed({ tag: 'all' }, '*/20', off);
  timed({ device: 'wall' }, '*/30', off);
  schedule(r, { tag: 'all', timing: everyHour('10'), command: cool(78), durationMs: null });
  const night = { daysOfWeek: EVERY_DAY, startTime: '00:40', endTime: '02:00', deviceOperatingMode: cool(80) };
  modes(r, 'house', [night], { defaultDeviceOperatingMode: cool(74) });
  for (const [is, command] of [
    ['charging', stop],
    ['idle', start],
  ] as const) {
    automation(r, {
      when: { kind: 'state', watch: { kind: 'tag', tag: 'all' }, field: 'chargingState', is, forMs: 0 },
      action: { kind: 'command', command, durationMs: null },
      cooldownMs: 5 * MINUTE,
    });
  }
}

function play({ acts, seed, lossPct }: Story): ApplianceRig {
  const ratio = lossPct / 100;
  const link = { requestLossRatio: ratio, replyLossRatio: ratio, duplicateRatio: ratio, delayMeanMs: 500 };
  const r = new ApplianceRig({ seed, link, behaviour: { deliveryFailureRatio: ratio, swallowRatio: ratio / 2 } });
  r.run(PERIOD + 1);
  rules(r);
  for (const a of acts) perform(r, a);
  r.run(HOUR);
  return r;
}

function perform(r: ApplianceRig, a: Act): void {
  switch (a.kind) {
    case 'command': {
      const order = ORDERS[a.what];
      if (order === undefined) return;
      r.command(order.deviceId, order.setting, a.forMin === 0 ? {} : { forMs: a.forMin * MINUTE });
      return;
    }
    case 'link':
      return r.world.fleet.setLink(a.device, a.online);
    case 'crash':
      r.mute = a.beforeMin > 10;
      r.run(a.beforeMin * MINUTE);
      return r.restart();
    case 'wait':
      return r.run(a.min * MINUTE);
  }
}

test('no time of a schedule is carried out twice, and each says what became of it', () => {
  let firings = 0;
  fc.assert(
    fc.property(story, (s) => {
      const r = play(s);
      const due = r.facts.flatMap(({ fact }) =>
        fact.type === 'schedule.fired' && fact.edge !== 'continued' ? [`${fact.scheduleId} ${fact.dueMs}`] : [],
      );
      expect(new Set(due).size).toBe(due.length);
      firings += due.length;
      const ids = new Set([...r.core.state.applianceCommands.keys()]);
      for (const { fact } of r.facts) {
        if (fact.type === 'schedule.fired' && fact.result.kind === 'command') {
          expect(ids.has(fact.result.commandId)).toBe(true);
        }
      }
    }),
    { numRuns: 40 },
  );
  expect(firings).toBeGreaterThan(200);
});

test('automations that chase one another stop after three in a row on a device', () => {
  let deepest = 0;
  fc.assert(
    fc.property(story, (s) => {
      const depths = play(s).facts.flatMap(({ fact }) => (fact.type === 'automation.triggered' ? [fact.depth] : []));
      deepest = Math.max(deepest, ...depths);
      expect(Math.max(1, ...depths)).toBeLessThanOrEqual(3);
    }),
    { numRuns: 40 },
  );
  expect(deepest).toBe(3);
});

test('the state is the fold of the facts, and a snapshot of it folds on alike', () => {
  fc.assert(
    fc.property(story, (s) => {
      const r = play(s);
      const bare = (state: object): string =>
        canonical(Object.fromEntries(Object.entries(state).filter(([name]) => name !== 'agenda')));
      expect(bare(r.folded().state)).toBe(bare(r.core.state));
      const back = restoreState(JSON.parse(JSON.stringify(snapshotOf(r.core.state))));
      expect(bare(back)).toBe(bare(r.core.state));
      expect(back.agenda.nextMs()).toBe(r.core.nextTimeoutMs());
    }),
    { numRuns: 40 },
  );
});
