import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTerminal } from '../../src/domain/command.ts';
import { MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import { Bench, HOUR } from '../helpers/coreBench.ts';
import { type HomeOptions, HomesRig } from '../helpers/homesRig.ts';

/** What is asked, and what really flows: the meters and batteries of the simulated homes are the truth. */
const home = fc.record<HomeOptions>({
  oem: fc.constantFrom('enphase', 'solaredge', 'tesla'),
  loadW: fc.integer({ min: 100, max: 3_000 }),
  pvW: fc.integer({ min: 0, max: 4_000 }),
  batteryW: fc.integer({ min: 1_000, max: 11_500 }),
  socPct: fc.integer({ min: 30, max: 95 }),
  reservePct: fc.integer({ min: 5, max: 30 }),
  strategy: fc.constantFrom('self_consumption', 'time_of_use', 'backup'),
});

/** Whole watts: what a meter shows of a balance of three. */
const ROUNDING_W = 3;

describe('what is asked without grid interaction', () => {
  const input = fc.record(
    {
      operatingMode: fc.constantFrom('discharge' as const, 'charge' as const, 'idle' as const),
      enableGridInteraction: fc.constant(false),
      minimumBatteryReserve: fc.integer({ min: 0, max: 60 }),
      powerShare: fc.double({ min: 0.1, max: 1, noNaN: true }),
    },
    { requiredKeys: ['operatingMode', 'enableGridInteraction'] },
  );

  it('never lets a battery export, whoever made it', () => {
    let served = 0;
    fc.assert(
      fc.property(
        fc.array(home, { minLength: 1, maxLength: 3 }),
        fc.array(input, { minLength: 3, maxLength: 3 }),
        (homes, inputs) => {
          const rig = new HomesRig(homes);
          const ids = homes.map(({ batteryW }, i) => {
            const { powerShare, ...asked } = inputs[i] ?? { operatingMode: 'discharge', enableGridInteraction: false };
            const powerW = powerShare === undefined ? {} : { powerW: Math.round(powerShare * batteryW) };
            return rig.command(i, { ...asked, ...powerW });
          });
          const startMs = rig.clock.nowMs();
          const covers = homes.map(() => true);
          rig.run(2 * MS_PER_HOUR, () => {
            const sinceMs = rig.clock.nowMs() - startMs;
            homes.forEach((_, i) => {
              if (rig.batteryW(i) > 0) expect(rig.gridW(i)).toBeGreaterThanOrEqual(-ROUNDING_W);
              const isCovered = rig.batteryW(i) > 0 && rig.gridW(i) <= ROUNDING_W;
              if (sinceMs > 2 * MS_PER_MIN && sinceMs < MS_PER_HOUR && !isCovered) covers[i] = false;
            });
          });
          ids.forEach((id, i) => {
            const entry = rig.core.state.commands.get(id);
            if (entry?.command.input.operatingMode !== 'discharge' || covers[i] !== true) return;
            expect([id, entry.outcome?.reason]).toEqual([id, 'effect_seen']);
            served += 1;
          });
        },
      ),
      { numRuns: 100 },
    );
    // Not an empty truth: many homes were served.
    expect(served).toBeGreaterThan(5);
  });
});

describe('the rating of a transformer', () => {
  const ask = fc.record({
    who: fc.nat({ max: 3 }),
    operatingMode: fc.constantFrom('discharge' as const, 'charge' as const),
    powerShare: fc.option(fc.double({ min: 0.1, max: 1, noNaN: true }), { nil: null }),
    waitMin: fc.integer({ min: 0, max: 30 }),
  });

  it('is kept by what the homes really do, whatever is asked of them', () => {
    let refused = 0;
    let taken = 0;
    fc.assert(
      fc.property(
        fc.array(
          home.map((h) => ({ ...h, pvW: 0, oem: h.oem === 'enphase' ? ('tesla' as const) : h.oem })),
          { minLength: 1, maxLength: 4 },
        ),
        fc.array(ask, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 15_000 }),
        (homes, asks, roomW) => {
          const ratingVa = homes.reduce((sum, h) => sum + h.loadW, 0) + roomW;
          const rig = new HomesRig(homes);
          rig.put({
            kind: 'set-transformer',
            transformer: {
              transformerId: 'tr',
              workspaceId: 'ws',
              name: 'tr',
              feederId: null,
              ratingVa,
              siteIds: homes.map((_, i) => `site-${i}`),
              powerFactorAssumed: 1,
            },
            actor: 'ana',
          });
          const look = () => {
            const totalW = homes.reduce((sum, _, i) => sum + rig.gridW(i), 0);
            expect(Math.abs(totalW)).toBeLessThanOrEqual(ratingVa + homes.length * ROUNDING_W);
          };
          for (const { who, operatingMode, powerShare, waitMin } of asks) {
            const i = who % homes.length;
            const batteryW = homes[i]?.batteryW ?? 0;
            const powerW = powerShare === null ? {} : { powerW: Math.round(powerShare * batteryW) };
            const id = rig.command(i, { operatingMode, enableGridInteraction: true, ...powerW }, 30 * MS_PER_MIN);
            if (id.startsWith('cmd-')) taken += 1;
            else refused += 1;
            rig.run(waitMin * MS_PER_MIN, look);
          }
          rig.run(MS_PER_HOUR, look);
        },
      ),
      { numRuns: 40 },
    );
    expect(refused).toBeGreaterThan(10);
    expect(taken).toBeGreaterThan(10);
  });
});

describe('a command with a power', () => {
  it('succeeded only if about that much was measured; more is no success', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('discharge' as const, 'charge' as const),
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: -5_000, max: 5_000 }),
        (operatingMode, powerW, seenW) => {
          const b = new Bench();
          b.device('solaredge', 's');
          const id = b.command('s', { operatingMode, powerW });
          b.run(b.nowMs + 2 * HOUR, () => ({ chargeRate: operatingMode === 'charge' ? -seenW : seenW }));
          const outcome = b.outcome(id);
          expect(outcome !== null && isTerminal(outcome.status)).toBe(true);
          const isAbout = seenW >= 0.9 * powerW && seenW <= Math.max(1.1 * powerW, powerW + 50);
          expect(outcome?.status === 'succeeded').toBe(isAbout);
          if (seenW > Math.max(1.1 * powerW, powerW + 50)) expect(outcome?.reason).toBe('effect_exceeded');
        },
      ),
    );
  });
});
