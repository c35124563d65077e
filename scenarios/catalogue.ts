import type { Provenance } from '../src/domain/program.ts';

/**
 * Batteries that a home group can name instead of writing out their figures. Each figure says where it comes from:
 * "read" was seen on the maker's page, "secondary" on somebody else's, "memory" was checked nowhere, "assumed" is a
 * choice of this project. Only makers whose cloud is simulated are listed.
 */
export interface Figure {
  readonly value: number;
  readonly provenance: Provenance;
}

export interface HardwareModel {
  readonly name: string;
  readonly oem: 'enphase' | 'solaredge' | 'tesla';
  readonly usableKwh: Figure;
  readonly chargeKwMax: Figure;
  readonly dischargeKwMax: Figure;
  /** AC to AC, both ways. */
  readonly roundTripRatio: Figure;
  readonly standbyW: Figure;
}

const figure = (value: number, standing: Provenance['standing'], source: string): Figure => ({
  value,
  provenance: { source, standing },
});

const POWERWALL_3 = 'Tesla Powerwall 3 datasheet (UK) and cleanenergyreviews.info, opening read';
const STANDBY = figure(15, 'assumed', 'no published figure found; order of magnitude of a hybrid inverter at rest');
const sameAsDischarge = (value: number): Figure => figure(value, 'assumed', 'taken equal to the discharge rating');
const memory = (value: number): Figure => figure(value, 'memory', 'not checked against a datasheet');

export const CATALOGUE = {
  'powerwall-3': {
    name: 'Tesla Powerwall 3',
    oem: 'tesla',
    usableKwh: figure(13.5, 'read', POWERWALL_3),
    chargeKwMax: figure(5, 'read', POWERWALL_3),
    dischargeKwMax: figure(11.5, 'read', `${POWERWALL_3}; 11.04 kW in the UK`),
    roundTripRatio: figure(0.89, 'read', `${POWERWALL_3}; solar to battery to home`),
    standbyW: STANDBY,
  },
  'iq-battery-5p': {
    name: 'Enphase IQ Battery 5P',
    oem: 'enphase',
    usableKwh: figure(5, 'secondary', 'reseller pages'),
    chargeKwMax: sameAsDischarge(3.84),
    dischargeKwMax: figure(3.84, 'secondary', 'reseller pages'),
    roundTripRatio: memory(0.9),
    standbyW: STANDBY,
  },
  'iq-battery-10c': {
    name: 'Enphase IQ Battery 10C',
    oem: 'enphase',
    usableKwh: memory(10),
    chargeKwMax: sameAsDischarge(7.08),
    dischargeKwMax: memory(7.08),
    roundTripRatio: memory(0.9),
    standbyW: STANDBY,
  },
  'solaredge-home-battery': {
    name: 'SolarEdge Home Battery',
    oem: 'solaredge',
    usableKwh: memory(9.7),
    chargeKwMax: sameAsDischarge(5),
    dischargeKwMax: memory(5),
    roundTripRatio: memory(0.945),
    standbyW: STANDBY,
  },
} as const satisfies Record<string, HardwareModel>;

export type ModelId = keyof typeof CATALOGUE;

export const MODEL_IDS = [
  'powerwall-3',
  'iq-battery-5p',
  'iq-battery-10c',
  'solaredge-home-battery',
] as const satisfies readonly ModelId[];

/** One battery unit in plain figures. */
export interface BatterySpec {
  readonly usableKwh: number;
  readonly chargeKwMax: number;
  readonly dischargeKwMax: number;
  readonly roundTripRatio: number;
  readonly standbyW: number;
}

export function batteryOfModel(model: ModelId): BatterySpec {
  const m: HardwareModel = CATALOGUE[model];
  return {
    usableKwh: m.usableKwh.value,
    chargeKwMax: m.chargeKwMax.value,
    dischargeKwMax: m.dischargeKwMax.value,
    roundTripRatio: m.roundTripRatio.value,
    standbyW: m.standbyW.value,
  };
}
