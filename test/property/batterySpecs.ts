import fc from 'fast-check';
import type { BatterySpec } from '../../simulators/battery/physics.ts';

/** Batteries of any size, efficiency and fill. Units: Wh, W, ppm. */
export const specs: fc.Arbitrary<BatterySpec> = fc
  .record({
    usableWh: fc.integer({ min: 20, max: 20_000 }),
    chargeWMax: fc.integer({ min: 0, max: 10_000 }),
    dischargeWMax: fc.integer({ min: 0, max: 10_000 }),
    chargePpm: fc.integer({ min: 500_000, max: 1_000_000 }),
    dischargePpm: fc.integer({ min: 500_000, max: 1_000_000 }),
    standbyW: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 })),
    storedPct: fc.integer({ min: 0, max: 100 }),
  })
  .map(({ chargePpm, dischargePpm, storedPct, ...rest }) => ({
    ...rest,
    chargeRatio: chargePpm / 1e6,
    dischargeRatio: dischargePpm / 1e6,
    storedWh: (rest.usableWh * storedPct) / 100,
  }));
