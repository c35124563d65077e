import { expect, test } from 'vitest';
import type { ApplianceState } from '../../../src/domain/appliance.ts';
import { openTelemetry } from '../../../src/live/host/telemetry.ts';

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
