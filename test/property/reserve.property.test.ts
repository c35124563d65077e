import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import { BatteryRig } from '../helpers/batteryRig.ts';

/** What people ask of one battery at a Tesla site, whose reserve is the owner's and the controls' alike. */
const act = fc.oneof(
  fc.record({ kind: fc.constant('reserve' as const), pct: fc.integer({ min: 0, max: 100 }) }),
  fc.record({
    kind: fc.constant('mode' as const),
    mode: fc.constantFrom('charge' as const, 'discharge' as const, 'idle' as const),
  }),
  fc.record({ kind: fc.constant('stop' as const) }),
  fc.record({ kind: fc.constant('restart' as const) }),
  fc.record({ kind: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 40 }) }),
);

interface Settings {
  readonly reservePct: number;
  readonly price: string;
  readonly mode: string;
  readonly exportRule: string;
}

const settings = (r: BatteryRig): Settings =>
  'settings' in r.cloud ? (r.cloud.settings as (id: string) => Settings)('1000') : expect.fail('no Tesla cloud');

describe('the reserve of an owner', () => {
  it('is never spent by a discharge, and is what stands when all is over, through stops and restarts', () => {
    fc.assert(
      fc.property(fc.array(act, { minLength: 1, maxLength: 12 }), (acts) => {
        const r = new BatteryRig('tesla');
        r.run(MS_PER_MIN);
        let ownPct = settings(r).reservePct;
        for (const a of acts) {
          if (a.kind === 'reserve') {
            const id = r.setReserve(a.pct);
            r.run(10_000);
            if (r.core.state.applianceCommands.get(id)?.vendorRef != null) ownPct = a.pct;
          } else if (a.kind === 'mode') r.setMode(a.mode, 20 * MS_PER_MIN);
          else if (a.kind === 'restart') r.restart();
          else if (a.kind === 'wait') r.run(a.minutes * MS_PER_MIN);
          else {
            r.put({ kind: 'emergency-stop', deviceId: 'b', actor: 'ana' });
            r.run(10_000);
            r.put({ kind: 'request-release', deviceId: 'b', by: 'ana' });
            r.put({ kind: 'confirm-release', deviceId: 'b', by: 'bob' });
          }
          r.run(10_000);
          const { price, reservePct } = settings(r);
          if (price === 'peak') expect(reservePct).toBeGreaterThanOrEqual(ownPct);
        }
        r.run(2 * MS_PER_HOUR);
        expect(settings(r)).toMatchObject({ reservePct: ownPct, price: 'own', exportRule: 'pv_only' });
        expect(r.core.state.devices.get('b')?.kept).toBeNull();
        expect(r.folded().state).toEqual(r.core.state);
      }),
      { numRuns: 60 },
    );
  });
});
