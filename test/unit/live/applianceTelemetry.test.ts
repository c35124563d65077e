import { expect, test } from 'vitest';
import type { ApplianceState } from '../../../src/domain/appliance.ts';
import { openTelemetry } from '../../../src/live/host/telemetry.ts';
import { batteryState } from '../../helpers/coreBench.ts';

const NOW = Date.UTC(2024, 6, 10, 22);
const shown = (sampledAtMs: number, coolTarget: number | null = 74): ApplianceState => ({
  kind: 'thermostat',
  ambientTemperature: 72.5,
  operatingMode: 'cool',
  heatTarget: null,
  coolTarget,
  fanMode: 'auto',
  sampledAtMs,
});

test('states of devices that are no batteries come back as they were, the newest so many, each once', () => {
  const store = openTelemetry(':memory:', () => NOW);
  const states = [3, 2, 1].map((n) => shown(NOW - n * 60_000, n === 2 ? null : 74));
  for (const state of [...states, ...states]) store.addApplianceState('house', state);
  store.addApplianceState('other', shown(NOW));
  const range = { fromMs: NOW - 600_000, toMs: NOW };
  expect(store.applianceStates('house', { ...range, limit: 10 })).toEqual(states);
  expect(store.applianceStates('house', { ...range, limit: 2 })).toEqual(states.slice(1));
  expect(store.applianceStates('house', { fromMs: NOW - 120_000, toMs: NOW - 60_000, limit: 10 })).toEqual([states[1]]);
  expect(store.states('house', { ...range, limit: 10 })).toEqual([]);
  store.close();
});

test('windows are made of what chargers, vehicles and inverters said as well, and of what is unknown nothing is', () => {
  const HOUR = 3_600_000;
  const store = openTelemetry(':memory:', () => NOW);
  const plug = { chargingState: 'charging', isPluggedIn: true, chargerVoltage: 240, chargerCurrent: 30 } as const;
  const charger = (sampledAtMs: number, chargerWattage: number): ApplianceState => {
    return { kind: 'charger', ...plug, chargerWattage, sampledAtMs };
  };
  store.addApplianceState('wall', charger(NOW - 2 * HOUR, 7_000));
  store.addApplianceState('wall', charger(NOW - HOUR, Number.NaN));
  store.addApplianceState('wall', charger(NOW - HOUR / 2, 2_000));
  store.addState('battery', batteryState(10_000, NOW - HOUR, { chargeRate: -1_000 }));
  store.addApplianceState('house', shown(NOW - HOUR));
  const range = { fromMs: NOW - 2 * HOUR, toMs: NOW };
  const deviceIds = ['wall', 'battery', 'house'];
  const found = store.windows({ deviceIds, metric: 'consumption', range, windowMs: HOUR });
  expect(found).toEqual([
    { deviceId: 'wall', startMs: NOW - 2 * HOUR, value: 7_000, knownMs: HOUR },
    { deviceId: 'wall', startMs: NOW - HOUR, value: 1_000, knownMs: HOUR / 2 },
    { deviceId: 'battery', startMs: NOW - HOUR, value: 1_000, knownMs: HOUR },
  ]);
  store.close();
});
