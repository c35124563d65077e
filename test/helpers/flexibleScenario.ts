import { readScenario } from '../../scenarios/read.ts';
import type { Scenario } from '../../scenarios/schema.ts';

/** Three homes with everything beside their batteries, for tests that break one line of it or run it. */
export const FLEXIBLE = `version: 1
name: flexible
title: Homes with cars, thermostats and inverters
description: Three homes.
seed: 11
start: "2024-07-10T12:00"
timeZone: America/Los_Angeles
duration: 12h
fleet:
  homes:
    - group: homes
      count: 3
      oem: tesla
      model: powerwall-3
      socPct: { mean: 60 }
      load: { dailyKwh: 12 }
      pvKw: 5
      tags: [all]
      ev:
        count: 2
        socPct: { mean: 40 }
        visits: { depart: "23:00", departSdMin: 0, arrive: "22:00", drivesShare: 1 }
        tags: [cars]
      thermostat: { coolTargetF: 74, heatTargetF: 66, tags: [rooms] }
      inverter: {}
weather: { kind: synthetic, latitudeDeg: 34, longitudeDeg: -117, temperatureMinC: 22, temperatureMaxC: 40 }
market:
  node: NODE-1
  dayAhead: { kind: synthetic, baseUsdPerMwh: 40, peakUsdPerMwh: 300, peakHour: 19 }
timeline:
  - { at: "13:00", kind: set, tag: cars, slug: "vehicle:set-charge-limit", input: { chargeLimit: 40 }, duration: 2h }
  - { at: "16:00", kind: set, deviceId: homes-0001-thermostat, slug: "thermostat:set-fan-mode", input: { fanMode: on } }
  - { at: "12:30", kind: set, tag: all, slug: "inverter:set-export-limit", input: { powerW: 0 }, duration: 4h }
expect:
  - { kind: energy, what: ev, group: homes, from: "13:15", until: "15:00", atMostKwh: 1 }
  - { kind: roomF, from: "14:00", until: "20:00", atMost: 76 }
  - { kind: departureSocPct, atLeast: 70 }
  - { kind: never, what: ledger-residual }
`;

export const flexible = (from = '', to = ''): Scenario => {
  if (!FLEXIBLE.includes(from)) throw new Error(`the scenario has no ${from}`);
  return readScenario({ text: FLEXIBLE.replace(from, to), source: 'flexible.yaml' });
};
