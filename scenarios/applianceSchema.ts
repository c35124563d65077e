import { z } from 'zod';
import { FAN_MODES, TARGET_F_MAX, TARGET_F_MIN, THERMOSTAT_MODES } from '../src/domain/appliance.ts';
import * as s from './scalars.ts';

/**
 * What homes have beside their battery: a vehicle with its charger, a thermostat, an inverter that can be told a limit.
 * Their power is in the home's meter. A figure that is left out is the simulator's own (USUAL_EV, COMMUTER, USUAL_HOUSE),
 * assumed there.
 */
const which = {
  count: z
    .exactOptional(s.whole('how many homes of the group', { min: 1, max: 200_000, example: 10 }))
    .describe('the first so many homes have one; this or `share`'),
  share: z.exactOptional(s.share()).describe('this share of the homes, drawn; neither: all of them'),
  tags: z.array(s.id('a tag')).max(20).default([]).describe('on top of the tags of the group'),
};
const minutes = (max: number, example: number) => s.quantity('minutes', { min: 0, max, example });
const fahrenheit = (example: number) => s.quantity('°F', { min: TARGET_F_MIN, max: TARGET_F_MAX, example });

const DRIVES = 'a share from 0.01 to 1, like 0.85 for 85 %';

const pattern = z
  .strictObject({
    depart: s.clock().default('07:30'),
    departSdMin: minutes(1_440, 45).default(45).describe('standard deviation'),
    arrive: s.clock().default('17:45').describe('a time before `depart` is on the next day'),
    arriveSdMin: minutes(1_440, 75).default(75),
    usedKwh: s.quantity('kWh', { min: 0, max: 1000, example: 9 }).default(9).describe('driven on such a day'),
    usedSdKwh: s.quantity('kWh', { min: 0, max: 1000, example: 3.5 }).default(3.5),
    drivesShare: z
      .number({ error: DRIVES })
      .min(0.01, { error: DRIVES })
      .max(1, { error: DRIVES })
      .default(0.85)
      .describe('of the days'),
  })
  .describe('Leaves and comes back once a day, drawn for each car.');

const sessionsFile = z
  .strictObject({
    path: s.path(),
    firstDay: z
      .exactOptional(s.day())
      .describe('local day of the file that stands for the first day of the run; absent: its first'),
  })
  .describe(
    'Charging sessions as ACN data has them (CSV: session, station, arrival_utc, departure_utc, energy_kwh, max_kw): the k-th station is the k-th car.',
  );

export const ev = z
  .strictObject({
    ...which,
    reachedAs: s
      .oneOf(['vehicle', 'charger'])
      .default('vehicle')
      .describe('what is connected: the car, which tells its charge and takes a limit, or the charger on the wall'),
    capacityKwh: z.exactOptional(s.positive('kWh', { max: 1000, example: 75 })),
    chargerKwMax: z.exactOptional(s.positive('kW', { max: 1000, example: 7.2 })),
    vehicleKwMax: z.exactOptional(s.positive('kW', { max: 1000, example: 11 })),
    chargeRatio: z.exactOptional(s.efficiency()).describe('AC to battery'),
    taperFromPct: z.exactOptional(s.pct()).describe('charge at which the power begins to fall'),
    socPct: s.socAtStart(),
    chargeLimitPct: s.pct().default(80).describe("the owner's"),
    visits: pattern.prefault({}),
    sessionsFile: z.exactOptional(sessionsFile).describe('instead of `visits`'),
  })
  .describe('A car and the charger it stands at. Named "<group>-0001-ev" and so on.');

const house = z
  .strictObject({
    leakWPerK: z.exactOptional(s.positive('W per kelvin', { max: 100_000, example: 250 })),
    capacityWhPerK: z.exactOptional(s.positive('Wh per kelvin', { max: 10_000_000, example: 5000 })),
    gainsW: z.exactOptional(s.quantity('W', { min: 0, max: 1_000_000, example: 500 })),
    solarApertureM2: z.exactOptional(s.quantity('m²', { min: 0, max: 1000, example: 2 })),
    coolKw: z.exactOptional(s.quantity('kW', { min: 0, max: 1000, example: 3 })).describe('electric; 0: has none'),
    heatKw: z.exactOptional(s.quantity('kW', { min: 0, max: 1000, example: 3 })).describe('electric; 0: has none'),
    coolCop: z.exactOptional(s.positive('(heat per electric energy)', { max: 100, example: 3.2 })),
    heatCop: z.exactOptional(s.positive('(heat per electric energy)', { max: 100, example: 3 })),
    fanW: z.exactOptional(s.quantity('W', { min: 0, max: 100_000, example: 300 })),
    deadbandF: z.exactOptional(s.positive('°F', { max: 20, example: 1 })),
  })
  .describe('One room with one resistance and one capacity.');

export const thermostat = z
  .strictObject({
    ...which,
    mode: s.oneOf(THERMOSTAT_MODES).default('cool'),
    fan: s.oneOf(FAN_MODES).default('auto'),
    heatTargetF: fahrenheit(68).default(68),
    coolTargetF: fahrenheit(75).default(75),
    targetSpreadF: s
      .quantity('°F (half the width of a uniform draw, the same for both targets)', { min: 0, max: 10, example: 1 })
      .default(0),
    roomF: z
      .exactOptional(s.quantity('°F', { min: -60, max: 140, example: 74 }))
      .describe('at the start; absent: at the target of the mode'),
    house: house.prefault({}),
    houseSpread: s.share().default(0.2).describe('relative standard deviation of leak and capacity between houses'),
  })
  .describe(
    'A thermostat and the house it heats or cools. Named "<group>-0001-thermostat". The load of the group is then without cooling.',
  );

export const inverter = z
  .strictObject(which)
  .describe('The PV inverter of the home as a device of its own. Named "<group>-0001-inverter".');
