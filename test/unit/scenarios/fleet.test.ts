import { describe, expect, it } from 'vitest';
import { CATALOGUE, MODEL_IDS } from '../../../scenarios/catalogue.ts';
import { defineScenario } from '../../../scenarios/define.ts';
import { batteryOf, bessDeviceId, findDevice, homeDeviceId } from '../../../scenarios/fleet.ts';
import { readScenario } from '../../../scenarios/read.ts';
import type { ScenarioInput } from '../../../scenarios/schema.ts';
import { SMALL_SCENARIO } from '../../helpers/scenarioText.ts';

const small = readScenario({ text: SMALL_SCENARIO, source: 'small.yaml' });

describe('the catalogue', () => {
  it('can be named in full in a scenario', () => {
    expect([...MODEL_IDS].sort()).toEqual(Object.keys(CATALOGUE).sort());
  });

  it('says of each figure where it comes from, and marks what was not read as such', () => {
    for (const model of Object.values(CATALOGUE)) {
      const { name: _name, oem: _oem, ...figures } = model;
      for (const { value, provenance } of Object.values(figures)) {
        expect(value).toBeGreaterThan(0);
        expect(provenance.source.length).toBeGreaterThan(5);
      }
    }
    expect(CATALOGUE['powerwall-3'].dischargeKwMax).toMatchObject({ value: 11.5, provenance: { standing: 'read' } });
    expect(CATALOGUE['solaredge-home-battery'].usableKwh.provenance.standing).toBe('memory');
  });
});

describe('the fleet', () => {
  it('gives a home the sum of its units', () => {
    const group = small.fleet.homes[0];
    if (group === undefined) throw new Error('no group');
    const expected = { usableKwh: 27, chargeKwMax: 10, dischargeKwMax: 23, roundTripRatio: 0.89, standbyW: 30 };
    expect(batteryOf({ ...group, unitsPerHome: 2 })).toEqual(expected);
  });

  it('finds exactly the devices that it has', () => {
    expect(homeDeviceId('homes-b', 2)).toBe('homes-b-0003');
    expect(findDevice(small.fleet, 'homes-b-0003')).toMatchObject({ kind: 'home', index: 2 });
    expect(findDevice(small.fleet, bessDeviceId('site-a'))).toMatchObject({ kind: 'bess' });
    for (const name of ['homes-b-0004', 'homes-b-0000', 'homes-b-3', 'homes-b-00003', 'homes-c-0001', 'site-a']) {
      expect(findDevice(small.fleet, name)).toBeNull();
    }
  });
});

describe('defineScenario', () => {
  const input: ScenarioInput = {
    version: 1,
    name: 'script',
    title: 'From a script',
    description: 'One home.',
    seed: 1,
    start: '2024-07-10T00:00',
    timeZone: 'UTC',
    duration: '1h',
    fleet: {
      homes: [
        { group: 'g', count: 1, oem: 'tesla', model: 'powerwall-3', socPct: { mean: 50 }, load: { dailyKwh: 20 } },
      ],
    },
    weather: { kind: 'synthetic', latitudeDeg: 0, longitudeDeg: 0, temperatureMinC: 20, temperatureMaxC: 30 },
    market: { node: 'N', dayAhead: { kind: 'synthetic', baseUsdPerMwh: 1, peakUsdPerMwh: 2, peakHour: 19 } },
  };

  it('fills in the defaults of a script', () => {
    expect(defineScenario(input)).toMatchObject({ seed: '1', controlPeriod: '5min', programs: [], expect: [] });
  });

  it('names the field that is wrong', () => {
    expect(() => defineScenario({ ...input, timeZone: 'Mars/Olympus' })).toThrow(
      'scenario "script": timeZone: found "Mars/Olympus", expected an IANA time zone like "America/Los_Angeles".',
    );
  });
});
