import fc from 'fast-check';
import { expect, test } from 'vitest';
import { restoreState, snapshotOf } from '../../src/core/snapshot.ts';
import type { ApplianceInput } from '../../src/domain/appliance.ts';
import { ApplianceRig, PERIOD } from '../helpers/applianceRig.ts';
import { canonical } from '../helpers/coreBench.ts';
import { expectFrozen } from '../helpers/frozen.ts';
import { HOUR, MINUTE } from '../unit/appliance/world.ts';

/** Stories of people, devices, a lossy wire and crashes, over the real session and the simulated cloud. */
type Act =
  | { readonly kind: 'command'; readonly what: number; readonly inMin: number; readonly forMin: number }
  | { readonly kind: 'cancel'; readonly nth: number }
  | { readonly kind: 'link'; readonly device: number; readonly online: boolean }
  | { readonly kind: 'crash'; readonly beforeMin: number }
  | { readonly kind: 'wait'; readonly min: number };

const ORDERS: readonly { readonly deviceId: string; readonly setting: ApplianceInput }[] = [
  { deviceId: 'car', setting: { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 60 } } },
  { deviceId: 'car', setting: { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 70 } } },
  { deviceId: 'car', setting: { slug: 'vehicle:set-operating-mode', input: { operatingMode: 'stop-charging' } } },
  { deviceId: 'wall', setting: { slug: 'charger:set-operating-mode', input: { operatingMode: 'start-charging' } } },
  { deviceId: 'house', setting: { slug: 'thermostat:set-fan-mode', input: { fanMode: 'on' } } },
  { deviceId: 'roof', setting: { slug: 'inverter:set-export-limit', input: { powerW: 500 } } },
];

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    kind: fc.constant('command' as const),
    what: fc.nat(ORDERS.length - 1),
    inMin: fc.constantFrom(0, 0, 30),
    forMin: fc.constantFrom(0, 0, 3, 45),
  }),
  fc.record({ kind: fc.constant('cancel' as const), nth: fc.nat(3) }),
  fc.record({ kind: fc.constant('link' as const), device: fc.nat(3), online: fc.boolean() }),
  fc.record({ kind: fc.constant('crash' as const), beforeMin: fc.nat(2) }),
  fc.record({ kind: fc.constant('wait' as const), min: fc.nat(30) }),
);

const story = fc.record({
  acts: fc.array(act, { maxLength: 12 }),
  seed: fc.nat(1_000).map(String),
  lossPct: fc.constantFrom(0, 10, 40),
});

function play({ acts, seed, lossPct }: { acts: readonly Act[]; seed: string; lossPct: number }): ApplianceRig {
  const ratio = lossPct / 100;
  const link = { requestLossRatio: ratio, replyLossRatio: ratio, duplicateRatio: ratio, delayMeanMs: 500 };
  const r = new ApplianceRig({ seed, link, behaviour: { deliveryFailureRatio: ratio, swallowRatio: ratio / 2 } });
  r.run(PERIOD + 1);
  for (const a of acts) {
    perform(r, a);
    guardOpen(r);
  }
  return r;
}

function perform(r: ApplianceRig, a: Act): void {
  switch (a.kind) {
    case 'command': {
      const order = ORDERS[a.what];
      if (order === undefined) return;
      const window = { inMs: a.inMin * MINUTE, ...(a.forMin === 0 ? {} : { forMs: a.forMin * MINUTE }) };
      r.command(order.deviceId, order.setting, window);
      return r.run(1_000);
    }
    case 'cancel':
      r.cancel([...r.core.state.applianceCommands.keys()].at(-1 - a.nth) ?? 'cmd-0');
      return;
    case 'link':
      return r.world.fleet.setLink(a.device, a.online);
    case 'crash':
      r.mute = a.beforeMin > 0;
      r.run(a.beforeMin * MINUTE);
      return r.restart();
    case 'wait':
      return r.run(a.min * MINUTE);
  }
}

/** At most one command per device and slug has not ended, and it is the one that the device has as open. */
function guardOpen(r: ApplianceRig): void {
  const open = [...r.core.state.applianceCommands.values()].filter((e) => e.outcome === null);
  const names = open.map((e) => `${e.command.deviceId}/${e.command.setting.slug}`);
  expect(new Set(names).size).toBe(names.length);
  for (const { command } of open) {
    const entry = r.core.state.appliances.get(command.deviceId);
    expect(entry?.open.get(command.setting.slug)).toBe(command.commandId);
  }
}

test('every accepted command ends once, whatever is lost, comes twice or crashes', () => {
  let commands = 0;
  fc.assert(
    fc.property(story, (s) => {
      const r = play(s);
      for (let i = 0; i < 4; i++) r.world.fleet.setLink(i, true);
      r.run(6 * HOUR);
      const ended = r.facts.flatMap(({ fact }) => (fact.type === 'appliance.command-ended' ? [fact.commandId] : []));
      expect(ended.toSorted()).toEqual(
        r
          .accepted()
          .map((c) => c.commandId)
          .toSorted(),
      );
      expect(new Set(ended).size).toBe(ended.length);
      for (const { restores } of r.core.state.appliances.values()) expect([...restores.keys()]).toEqual([]);
      commands += ended.length;
    }),
    { numRuns: 60 },
  );
  expect(commands).toBeGreaterThan(60);
});

test('a job has at most one effect, and its order at the cloud stands there once', () => {
  fc.assert(
    fc.property(story, (s) => {
      const r = play(s);
      r.run(HOUR);
      for (const id of ['v-car', 'v-wall', 'v-house', 'v-roof']) {
        const orders = r.cloud.orders(id);
        const tokens = orders.map((o) => o.body.clientToken);
        expect(new Set(tokens).size).toBe(tokens.length);
        expect(Math.max(0, ...orders.map((o) => o.effects))).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 60 },
  );
});

test('the state is the fold of the facts, and a snapshot of it folds on alike', () => {
  fc.assert(
    fc.property(story, (s) => {
      const r = play(s);
      const bare = (state: object): string =>
        canonical(Object.fromEntries(Object.entries(state).filter(([name]) => name !== 'agenda')));
      expect(bare(r.folded().state)).toBe(bare(r.core.state));
      expectFrozen(r.facts, { cut: Math.floor(r.facts.length / 2), settings: r.settings });
      const back = restoreState(JSON.parse(JSON.stringify(snapshotOf(r.core.state))));
      expect(bare(back)).toBe(bare(r.core.state));
      expect(back.agenda.nextMs()).toBe(r.core.nextTimeoutMs());
    }),
    { numRuns: 60 },
  );
});
