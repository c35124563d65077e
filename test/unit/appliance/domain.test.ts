import { describe, expect, it } from 'vitest';
import {
  APPLIANCE_COMMANDS,
  type ApplianceInput,
  busPowerW,
  type ChargerState,
  celsiusOf,
  commandsOf,
  effectOf,
  fahrenheitOf,
  isApplianceSlug,
  type ThermostatState,
  type VehicleState,
} from '../../../src/domain/appliance.ts';

const CHARGER: ChargerState = {
  kind: 'charger',
  chargingState: 'charging',
  isPluggedIn: true,
  chargerVoltage: 240,
  chargerCurrent: 30,
  chargerWattage: 7_200,
  sampledAtMs: 0,
};
const VEHICLE: VehicleState = {
  ...CHARGER,
  kind: 'vehicle',
  charge: 30_000,
  chargePercentage: 40,
  chargeCompletionDateMs: null,
  chargeCompletedAtMs: null,
  chargeLimit: 80,
  range: 100,
  latitude: null,
  longitude: null,
};
const THERMOSTAT: ThermostatState = {
  kind: 'thermostat',
  ambientTemperature: 75,
  operatingMode: 'cool',
  heatTarget: null,
  coolTarget: 78,
  fanMode: 'auto',
  sampledAtMs: 0,
};
const IDLE = { chargingState: 'idle', chargerWattage: 0 } as const;

describe('the table of commands', () => {
  it('has each slug under its own name, with the device in front of the colon', () => {
    for (const [key, c] of Object.entries(APPLIANCE_COMMANDS)) {
      expect(c.slug).toBe(key);
      expect(key.split(':')[0]).toBe(c.deviceKind);
      expect(c.fields.length).toBeGreaterThan(0);
    }
    expect(commandsOf('vehicle').map((c) => c.slug)).toEqual([
      'vehicle:set-operating-mode',
      'vehicle:set-charge-limit',
    ]);
  });

  it('calls assumed what no page describes', () => {
    const assumed = Object.values(APPLIANCE_COMMANDS).filter((c) => c.provenance.standing !== 'read');
    expect(assumed.map((c) => [c.slug, c.provenance.standing])).toEqual([['inverter:set-export-limit', 'assumed']]);
  });

  it('does not take an inherited name for a slug', () => {
    expect(isApplianceSlug('toString')).toBe(false);
    expect(isApplianceSlug('thermostat:set-fan-mode')).toBe(true);
  });
});

describe('power at the bus', () => {
  it('is negative for what charges, positive for the sun, and unknown for a thermostat', () => {
    expect(busPowerW(CHARGER)).toBe(-7_200);
    expect(Object.is(busPowerW({ ...CHARGER, ...IDLE }), 0)).toBe(true);
    expect(busPowerW(THERMOSTAT)).toBeNull();
  });
});

describe('the effect of a command', () => {
  const charge = (operatingMode: 'start-charging' | 'stop-charging', kind: 'charger' | 'vehicle'): ApplianceInput =>
    kind === 'charger'
      ? { slug: 'charger:set-operating-mode', input: { operatingMode } }
      : { slug: 'vehicle:set-operating-mode', input: { operatingMode } };
  const start = charge('start-charging', 'vehicle');
  const cool = (coolTarget: number): ApplianceInput => ({
    slug: 'thermostat:set-operating-mode',
    input: { operatingMode: 'cool', coolTarget, heatTarget: 60 },
  });

  it.each([
    ['a stop at what does not charge', charge('stop-charging', 'charger'), { ...CHARGER, ...IDLE }, 'seen'],
    ['a stop at what charges', charge('stop-charging', 'charger'), CHARGER, 'not-seen'],
    ['a start at what charges', start, VEHICLE, 'seen'],
    ['a start at a vehicle with room', start, { ...VEHICLE, ...IDLE }, 'not-seen'],
    ['a start at a full vehicle', start, { ...VEHICLE, ...IDLE, chargePercentage: 80 }, 'open'],
    ['a start at a vehicle that is away', start, { ...VEHICLE, ...IDLE, isPluggedIn: false }, 'not-seen'],
    ['a start at a charger that gives nothing', charge('start-charging', 'charger'), { ...CHARGER, ...IDLE }, 'open'],
    ['a start at an unknown state', start, { ...VEHICLE, chargingState: 'unknown' }, 'open'],
    ['a limit that stands', { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 80 } }, VEHICLE, 'seen'],
    ['a limit that does not', { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 70 } }, VEHICLE, 'not-seen'],
    ['a target, and another that the mode hides', cool(78), THERMOSTAT, 'seen'],
    ['a target kept in half degrees Celsius', cool(78.3), THERMOSTAT, 'seen'],
    ['another target', cool(74), THERMOSTAT, 'not-seen'],
    ['a fan', { slug: 'thermostat:set-fan-mode', input: { fanMode: 'on' } }, THERMOSTAT, 'not-seen'],
    ['a command to another kind of device', start, CHARGER, 'not-seen'],
  ] as const)('of %s is told from the state', (_what, setting, state, expected) => {
    expect(effectOf(setting, state)).toBe(expected);
  });

  it('of an export limit is told from the limit, none included', () => {
    const roof = {
      kind: 'inverter',
      power: 0,
      gridStatus: 'idle',
      gridPower: 0,
      gridEnergy: null,
      sampledAtMs: 0,
    } as const;
    const none: ApplianceInput = { slug: 'inverter:set-export-limit', input: { powerW: null } };
    expect(effectOf(none, { ...roof, exportLimit: null })).toBe('seen');
    expect(effectOf(none, { ...roof, exportLimit: 0 })).toBe('not-seen');
  });
});

describe('temperatures', () => {
  it('turn into each other', () => {
    expect(celsiusOf(212)).toBe(100);
    expect(fahrenheitOf(-40)).toBe(-40);
  });
});
