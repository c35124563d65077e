import fc from 'fast-check';
import { createEnphaseCloud } from '../../simulators/oem/enphase.ts';
import { createSolaredgeCloud } from '../../simulators/oem/solaredge.ts';
import { createTeslaCloud } from '../../simulators/oem/tesla.ts';
import type { TimedCommand } from '../../simulators/oem/timed.ts';
import { createOemSession } from '../../src/oem/index.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import { CREDENTIALS, devices, type Fate, OemPair, START_MS, TestClock, TestFleet, testRandom } from './oemPair.ts';

/**
 * Promises under a bad network: delays up to the request's time-out and beyond, lost requests, lost answers, 429, tokens
 * revoked, garbage. A lost request is drawn as lost for good: sendOnce relies on SETTLE_MS being longer than what a
 * request given up can still linger, so delays stay below 20 s here.
 */
export const OEMS: readonly BatteryOem[] = ['enphase', 'solaredge', 'tesla'];
export const oemId = fc.constantFrom(...OEMS);

export const fate: fc.Arbitrary<Fate> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ thereMs: fc.integer({ min: 1, max: 400 }), backMs: fc.integer({ min: 1, max: 400 }) }),
  },
  { weight: 1, arbitrary: fc.record({ thereMs: fc.constant(null), backMs: fc.constant(null) }) },
  { weight: 2, arbitrary: fc.record({ thereMs: fc.integer({ min: 1, max: 20_000 }), backMs: fc.constant(null) }) },
  {
    weight: 1,
    arbitrary: fc.record({ thereMs: fc.integer({ min: 1, max: 20_000 }), backMs: fc.integer({ min: 1, max: 20_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      thereMs: fc.constant(50),
      backMs: fc.constant(50),
      garbage: fc.oneof(
        fc.constantFrom('', '{}', '[]', 'null', '<html>', '{"access_token":1}', '{"event_id":5}'),
        fc.json(),
      ),
    }),
  },
);

/** Troubles of the cloud, at times after the start. */
export const trouble = fc.record({
  atMs: fc.integer({ min: 0, max: 300_000 }),
  what: fc.constantFrom('throttle' as const, 'free' as const, 'revoke' as const, 'down' as const, 'up' as const),
});

export type Trouble = typeof trouble extends fc.Arbitrary<infer T> ? T : never;

export function plan({ clock, cloud }: OemPair, troubles: readonly Trouble[]): void {
  for (const t of troubles) {
    clock.at(START_MS + t.atMs, () => {
      if (t.what === 'throttle') cloud.setBehaviour({ throttleFactor: 0 });
      else if (t.what === 'free') cloud.setBehaviour({ throttleFactor: 1 });
      else if (t.what === 'revoke') cloud.revokeTokens();
      else cloud.setBehaviour({ down: t.what === 'down' });
    });
  }
}

export interface World {
  readonly p: OemPair;
  readonly commands: (site: string) => readonly TimedCommand[];
}

/** A cloud that delivers what it took, with three sites, and a session with it. */
export function world(oem: BatteryOem): World {
  const clock = new TestClock(START_MS);
  const fleet = new TestFleet(clock);
  const options = {
    scheduler: clock,
    random: testRandom(7),
    fleet,
    devices: devices(3),
    behaviour: { deliveryFailureRatio: 0, commandTailRatio: 0 },
    credentials: CREDENTIALS,
    programs: [{ programId: 'prog-1' }],
  };
  const session = createOemSession(oem, CREDENTIALS);
  if (oem === 'enphase') {
    const cloud = createEnphaseCloud(options);
    return { p: new OemPair({ clock, fleet, cloud, session }), commands: cloud.events };
  }
  if (oem === 'solaredge') {
    const cloud = createSolaredgeCloud(options);
    return { p: new OemPair({ clock, fleet, cloud, session }), commands: cloud.profiles };
  }
  return { p: new OemPair({ clock, fleet, cloud: createTeslaCloud(options), session }), commands: () => [] };
}
