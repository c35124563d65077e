import { describe, expect, test } from 'vitest';
import { STANDARD_MAP } from '../../../src/domain/pointsMap.ts';
import { enrich, isLocal, normalise, PointTable } from '../../../src/field/normalise.ts';
import { pointMap } from '../../../src/field/pointMap.ts';
import type { RawPoint } from '../../../src/ports/field.ts';
import { START_MS } from './bench.ts';

const AN2018 = pointMap('yard', STANDARD_MAP);
const NOW = START_MS;
const GOOD = 0x01;

/** A battery of 4 MWh at 65.5 %, discharging 250 kW, reserve 20 %, all points good. */
const WHOLE: readonly (readonly [RawPoint['type'], number, number])[] = [
  ['AI', 17, 4_100_000],
  ['AI', 18, 4_000_000],
  ['AI', 47, 660],
  ['AI', 48, 655],
  ['AI', 161, 200],
  ['AI', 537, 250_000],
  ['BI', 10, 0],
  ['BI', 11, 0],
  ['BI', 18, 0],
  ['BI', 19, 1],
  ['BI', 20, 0],
  ['BI', 27, 1],
];

function table(change: Readonly<Record<string, { value?: number; flags?: number } | null>> = {}): PointTable {
  const t = new PointTable();
  for (const [type, index, value] of WHOLE) {
    const other = change[`${type}${index}`];
    if (other === null) continue;
    const flags = other?.flags ?? GOOD;
    t.set({ type, index, value: other?.value ?? value, flags, atMs: NOW, timeQuality: 'received', source: 'static' });
  }
  return t;
}
const of = (change?: Parameters<typeof table>[0]) => normalise(table(change), AN2018, NOW);

describe('raw points to the normalised battery', () => {
  test('a whole, good table', () => {
    expect(of()).toEqual({
      charge: 2_620_000,
      chargePercentage: 65.5,
      chargingState: 'discharging',
      chargeRate: 250_000,
      backupReserve: 20,
      gridStatus: 'unknown',
      gridPower: null,
      strategy: 'unknown',
      isStormModeEnabled: false,
      isStormModeActive: false,
      sampledAtMs: NOW,
    });
  });

  const UNKNOWN: readonly (readonly [
    string,
    Parameters<typeof table>[0],
    'charge' | 'chargeRate' | 'backupReserve' | 'chargePercentage',
  ])[] = [
    ['power is missing', { AI537: null }, 'chargeRate'],
    ['power is offline', { AI537: { flags: 0 } }, 'chargeRate'],
    ['communication to the meter is lost', { AI537: { flags: 0x05 } }, 'chargeRate'],
    ['power is over range', { AI537: { flags: 0x21 } }, 'chargeRate'],
    ['the reserve is missing', { AI161: null }, 'backupReserve'],
    ['both states of charge are missing', { AI47: null, AI48: null }, 'chargePercentage'],
    ['the capacity is in amp-hours', { BI27: { value: 0 } }, 'charge'],
    ['the unit of the capacity is not known', { BI27: null }, 'charge'],
    ['the capacity is missing', { AI18: null }, 'charge'],
  ];
  for (const [name, change, field] of UNKNOWN) {
    test(`${name}: ${field} is unknown, not 0`, () => expect(of(change)[field]).toBeNaN());
  }

  test('without a usable state of charge the actual one counts, with its own capacity', () => {
    expect(of({ AI48: null })).toMatchObject({ chargePercentage: 66, charge: 2_706_000 });
  });

  test('a contradiction of state points falls back on the sign of power', () => {
    expect(of({ BI18: { value: 1 } }).chargingState).toBe('discharging');
    expect(of({ BI20: { value: 1 }, AI537: { value: -1 } }).chargingState).toBe('charging');
    expect(of({ BI19: { value: 0 }, AI537: { value: -1 } }).chargingState).toBe('charging');
    expect(of({ BI19: null, AI537: null }).chargingState).toBe('unknown');
  });

  test('a local or lockout switch that is on or unknown means local', () => {
    expect(isLocal(table(), AN2018)).toBe(false);
    expect(isLocal(table({ BI10: { value: 1 } }), AN2018)).toBe(true);
    expect(isLocal(table({ BI11: null }), AN2018)).toBe(true);
  });
});

const counted = pointMap('yard', { revision: 'AN2018-001', overrides: { totalEnergy: { index: 2, unit: 'kWh' } } });

function withCounter(value: number, flags = GOOD): PointTable {
  const t = table();
  t.set({ type: 'CTR', index: 2, value, flags, atMs: NOW, timeQuality: 'received', source: 'static' });
  return t;
}

describe('a site that counts its energy', () => {
  test('its counter is the charge, whatever the capacity says', () => {
    expect(normalise(withCounter(2_500), counted, NOW)).toMatchObject({ charge: 2_500_000, chargePercentage: 65.5 });
  });

  test('a counter in doubt is not replaced by capacity × state of charge', () => {
    expect(normalise(withCounter(2_500, 0x05), counted, NOW).charge).toBeNaN();
    expect(normalise(withCounter(2_500, 0x41), counted, NOW).charge).toBeNaN();
    expect(normalise(table(), counted, NOW).charge).toBeNaN();
  });

  test('a counter that rolled over once still counts', () => {
    expect(normalise(withCounter(2_500, 0x21), counted, NOW).charge).toBe(2_500_000);
  });
});

describe('units and signs of a site', () => {
  const odd = pointMap('yard', {
    revision: 'AN2018-001',
    overrides: { activePower: { sign: -1, unit: 'kW', scale: 0.1 }, usableCapacity: { unit: 'kWh' } },
  });

  test('a site that counts charging as positive is turned, with its state by the sign of what is true here', () => {
    const t = table({ AI537: { value: 2_500 }, AI18: { value: 4_000 }, BI19: { value: 0 } });
    expect(normalise(t, odd, NOW)).toMatchObject({
      chargeRate: -250_000,
      chargingState: 'charging',
      charge: 2_620_000,
    });
  });

  test('a unit of its own needs no BI27, and amp-hours as a unit are no energy', () => {
    const t = table({ BI27: { value: 0 }, AI18: { value: 4_000 } });
    expect(normalise(t, odd, NOW).charge).toBe(2_620_000);
    const ah = pointMap('yard', { revision: 'AN2018-001', overrides: { usableCapacity: { unit: 'Ah' } } });
    expect(normalise(table(), ah, NOW).charge).toBeNaN();
  });
});

describe('what a site says beyond the normalised battery', () => {
  const MORE: readonly (readonly [RawPoint['type'], number, number])[] = [
    ['AI', 32, 2_000_000],
    ['AI', 33, -1_500_000],
    ['AI', 43, 1_900_000],
    ['AI', 44, 0],
    ['AI', 162, 950],
    ['AI', 536, 59_980],
    ['AI', 541, -30_000],
    ['AI', 553, 124_512],
    ['BI', 0, 0],
    ['BI', 6, 1],
    ['BI', 8, 1],
  ];
  const rich = table();
  for (const [type, index, value] of MORE) {
    rich.set({ type, index, value, flags: GOOD, atMs: NOW, timeQuality: 'received', source: 'static' });
  }

  test('limits are magnitudes, measured values scaled, alarms named, and what is missing is null', () => {
    expect(enrich(rich, AN2018, NOW)).toMatchObject({
      chargeWMax: 1_500_000,
      dischargeWMax: 2_000_000,
      availableChargeW: 0,
      availableDischargeW: 1_900_000,
      maximumReservePct: 95,
      voltageV: 12_451.2,
      dcVoltageV: null,
      frequencyHz: 59.98,
      reactivePowerVar: -30_000,
      alarms: ['soc-too-low', 'internal-temperature-high'],
      sampledAtMs: NOW,
    });
  });

  test('an alarm that was not read is unknown, not off', () => {
    const { alarmsUnknown } = enrich(rich, AN2018, NOW);
    expect(alarmsUnknown).toContain('soc-depleted');
    expect(alarmsUnknown).not.toContain('communication-error');
  });
});
