import { defineScenario } from '../../scenarios/define.ts';
import type { Scenario } from '../../scenarios/schema.ts';

/** A day of a thousand homes behind three clouds, with a price-called event in the evening. */
export function fleetDay(homes: number): Scenario {
  const third = Math.floor(homes / 3);
  const common = {
    socPct: { mean: 60, spread: 15 },
    reservePct: 20,
    pvKw: 6,
    load: { dailyKwh: 24 },
    zones: ['CAC071'],
  };
  return defineScenario({
    version: 1,
    name: `bench-${homes}-homes`,
    title: `${homes} homes, 24 h at one-minute physics, core, clouds and polling in the loop`,
    description: 'Measures how long a simulated day takes.',
    seed: 1,
    start: '2024-07-10T00:00',
    timeZone: 'America/Los_Angeles',
    duration: '24h',
    fleet: {
      homes: [
        {
          group: 'bench-enphase',
          count: homes - 2 * third,
          oem: 'enphase',
          model: 'iq-battery-5p',
          unitsPerHome: 3,
          ...common,
        },
        { group: 'bench-solaredge', count: third, oem: 'solaredge', model: 'solaredge-home-battery', ...common },
        { group: 'bench-tesla', count: third, oem: 'tesla', model: 'powerwall-3', ...common },
      ],
    },
    weather: { kind: 'synthetic', latitudeDeg: 34.05, longitudeDeg: -117.6, temperatureMinC: 18, temperatureMaxC: 34 },
    market: {
      node: 'DLAP_SCE-APND',
      dayAhead: { kind: 'synthetic', baseUsdPerMwh: 45, peakUsdPerMwh: 400, peakHour: 19 },
    },
    programs: [
      {
        programId: 'bench-program',
        name: 'Price threshold',
        trigger: { kind: 'day-ahead-price', thresholdUsdPerMwh: 200, window: { start: '16:00', end: '21:00' } },
        nominatedKw: homes,
        paymentUsdPerKwh: 2,
        provenance: { source: 'made up for the benchmark', standing: 'assumed' },
        groups: ['bench-enphase', 'bench-solaredge', 'bench-tesla'],
      },
    ],
    expect: [{ kind: 'never', what: 'ledger-residual' }],
  });
}
