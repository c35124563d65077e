import { describe, expect, it } from 'vitest';
import { randomSource } from '../../../harness/kernel/random.ts';
import { USUAL_EV } from '../../../simulators/appliance/evPhysics.ts';
import { flowOf } from '../../../simulators/appliance/inverter.ts';
import { REST_MS, USUAL_HOUSE } from '../../../simulators/appliance/thermal.ts';
import { COMMUTER, dailyVisits } from '../../../simulators/appliance/visits.ts';
import type { ApplianceInput, VehicleState } from '../../../src/domain/appliance.ts';
import { localParts } from '../../../src/domain/time.ts';
import { whToMj } from '../../../src/domain/units.ts';
import { PRIORITY } from '../../../src/ports/clock.ts';
import { ev, HOT_DAY, HOUR, inverter, MINUTE, START_MS, thermostat, weatherOf, world } from './world.ts';

const charging = (operatingMode: 'start-charging' | 'stop-charging'): ApplianceInput => ({
  slug: 'vehicle:set-operating-mode',
  input: { operatingMode },
});
const limit = (chargeLimit: number): ApplianceInput => ({ slug: 'vehicle:set-charge-limit', input: { chargeLimit } });
const cool = (coolTarget: number): ApplianceInput => ({
  slug: 'thermostat:set-operating-mode',
  input: { operatingMode: 'cool', coolTarget },
});

describe('a vehicle', () => {
  const vehicle = (w: ReturnType<typeof world>): VehicleState => w.fleet.sample(0).state as VehicleState;

  it('comes home emptier, charges by itself up to its limit, and says when it will be there', () => {
    const w = world([ev()]);
    w.to(HOUR);
    expect(vehicle(w)).toMatchObject({
      chargingState: 'charging',
      isPluggedIn: true,
      chargerWattage: 7_200,
      charge: 20_000,
    });
    const dueMs = vehicle(w).chargeCompletionDateMs ?? 0;
    // 40 kWh at 7.2 kW AC and 90 %: 6.17 h.
    expect((dueMs - START_MS - HOUR) / HOUR).toBeCloseTo(40 / (7.2 * 0.9), 3);
    w.to(dueMs - START_MS - 1);
    expect(vehicle(w)).toMatchObject({ chargingState: 'charging', chargeCompletedAtMs: null });
    w.to(dueMs - START_MS);
    expect(vehicle(w)).toMatchObject({ chargingState: 'idle', chargePercentage: 80, chargeCompletedAtMs: dueMs });
    w.to(10 * HOUR);
    expect(vehicle(w)).toMatchObject({ isPluggedIn: false, chargerVoltage: 0 });
    expect(w.notes.map((n) => n.cause)).toEqual(['plugged in', 'charge limit reached', 'unplugged']);
  });

  it('stops when told, starts again when told, and its bus power is negative while it charges', () => {
    const w = world([ev()]);
    w.to(2 * HOUR);
    expect(w.fleet.sample(0).busW).toBe(-7_200);
    expect(w.fleet.apply(0, charging('stop-charging'), 'c1')).toEqual({ kind: 'taken' });
    w.to(3 * HOUR);
    expect(w.fleet.sample(0)).toMatchObject({ busW: 0, state: { chargingState: 'idle', charge: 26_480 } });
    w.fleet.apply(0, charging('start-charging'), 'c2');
    expect(w.fleet.sample(0).busW).toBe(-7_200);
  });

  it('charges by itself again in the session after one that was stopped', () => {
    const stay = (h: number) => ({ arriveMs: START_MS + h * HOUR, departMs: START_MS + (h + 2) * HOUR, usedWh: 1_000 });
    const w = world([ev({ visits: { list: [stay(1), stay(5)] } })]);
    w.to(1.5 * HOUR);
    w.fleet.apply(0, charging('stop-charging'), 'c1');
    w.to(2.5 * HOUR);
    expect(vehicle(w).chargingState).toBe('idle');
    w.to(5.5 * HOUR);
    expect(vehicle(w).chargingState).toBe('charging');
  });

  it('refuses start and stop while it is away, and takes a limit', () => {
    const w = world([ev()]);
    w.to(MINUTE);
    expect(w.fleet.apply(0, charging('start-charging'), 'c')).toEqual({
      kind: 'refused',
      why: 'no vehicle is plugged in',
    });
    expect(w.fleet.apply(0, limit(50), 'c')).toEqual({ kind: 'taken' });
    w.to(9 * HOUR - 1);
    expect(vehicle(w).chargePercentage).toBe(50);
  });

  it('goes on when its limit is raised and ends at once when it is lowered below its store', () => {
    const w = world([ev({ chargeLimitPct: 40 })]);
    w.to(4 * HOUR);
    expect(vehicle(w)).toMatchObject({ chargePercentage: 40, chargingState: 'idle' });
    w.fleet.apply(0, limit(60), 'up');
    expect(vehicle(w).chargingState).toBe('charging');
    w.to(5 * HOUR);
    const { charge } = vehicle(w);
    w.fleet.apply(0, limit(10), 'down');
    expect(vehicle(w)).toMatchObject({ chargingState: 'idle', charge });
    w.to(6 * HOUR);
    expect(vehicle(w)).toMatchObject({ chargingState: 'idle', charge });
  });

  it('hears nothing while it is offline and goes on as it was', () => {
    const w = world([ev()]);
    w.to(2 * HOUR);
    w.fleet.setLink(0, false);
    expect(w.fleet.apply(0, charging('stop-charging'), 'c')).toEqual({ kind: 'offline' });
    w.to(3 * HOUR);
    expect(w.fleet.sample(0).busW).toBe(-7_200);
  });

  it('that must leave too early is short of what its next trip takes, to the mJ', () => {
    const list = [
      { arriveMs: START_MS, departMs: START_MS + HOUR, usedWh: 30_000 },
      { arriveMs: START_MS + 2 * HOUR, departMs: START_MS + 3 * HOUR, usedWh: 10_000 },
    ];
    const w = world([ev({ visits: { list } })]);
    w.to(2 * HOUR);
    expect(w.fleet.registers(0)).toMatchObject({ shortMj: whToMj(10_000 - 6_480), storedMj: 0 });
  });

  it('refuses commands of another kind of device', () => {
    const w = world([ev({ kind: 'charger' })]);
    w.to(2 * HOUR);
    expect(w.fleet.apply(0, limit(50), 'c')).toMatchObject({ kind: 'refused' });
    expect(w.fleet.apply(0, charging('stop-charging'), 'c')).toMatchObject({ kind: 'refused' });
    expect(w.fleet.sample(0).state).toMatchObject({ kind: 'charger', chargingState: 'charging' });
  });
});

describe('a daily pattern', () => {
  const visits = (label: string) =>
    dailyVisits({
      pattern: COMMUTER,
      draw: randomSource('s')(label),
      startMs: START_MS,
      timeZone: 'America/Los_Angeles',
      place: 'pattern',
    });

  it('begins at home, keeps stays apart, and comes near its means over a year', () => {
    const source = visits('a');
    const stays = Array.from({ length: 310 }, () => source.next()).filter((v) => v !== null);
    expect(stays[0]).toMatchObject({ arriveMs: START_MS, usedWh: 0 });
    stays.forEach((v, k) => {
      expect(v.departMs).toBeGreaterThan(v.arriveMs);
      if (k > 0) expect(v.arriveMs).toBeGreaterThan(stays[k - 1]?.departMs ?? 0);
    });
    const mean = stays.slice(1).reduce((sum, v) => sum + v.usedWh, 0) / (stays.length - 1);
    const days = ((stays.at(-1)?.departMs ?? 0) - START_MS) / (24 * HOUR);
    console.info(`commuter: ${stays.length} trips in ${Math.round(days)} days, ${Math.round(mean)} Wh a trip`);
    expect(Math.abs(mean - COMMUTER.usedWh)).toBeLessThan(600);
    const minuteOf = (atMs: number): number => {
      const { hour, minute } = localParts(atMs, 'America/Los_Angeles');
      return hour * 60 + minute;
    };
    const departs = stays.map((v) => minuteOf(v.departMs));
    expect(Math.abs(departs.reduce((a, b) => a + b, 0) / departs.length - COMMUTER.departMin)).toBeLessThan(10);
    expect(Math.abs(stays.length / days - COMMUTER.drivesRatio)).toBeLessThan(0.06);
  });

  it('is its own for each device and the same for the same label', () => {
    const take = (label: string) => {
      const source = visits(label);
      return [source.next(), source.next(), source.next()];
    };
    expect(take('a')).toEqual(take('a'));
    expect(take('a')).not.toEqual(take('b'));
  });

  it('that never leaves is refused, because one stay says it better', () => {
    expect(() => world([ev({ visits: { pattern: { ...COMMUTER, drivesRatio: 0 } } })])).toThrow(
      /devices\[0\]\.visits\.pattern\.drivesRatio: found 0, expected a number in 0\.01\.\.1/,
    );
  });

  it('refuses stays that overlap, with their place', () => {
    const list = [
      { arriveMs: START_MS, departMs: START_MS + HOUR, usedWh: 0 },
      { arriveMs: START_MS + HOUR - 1, departMs: START_MS + 2 * HOUR, usedWh: 0 },
    ];
    expect(() => world([ev({ visits: { list } })])).toThrow(/devices\[0\]\.visits\.list\[1\]/);
  });
});

describe('a thermostat', () => {
  it('keeps the room within its deadband on a hot day, with rests between its runs', () => {
    const w = world([thermostat()]);
    const rooms: number[] = [];
    for (let m = 1; m < 1_440; m++) {
      const look = (): void => {
        const { state } = w.fleet.sample(0);
        if (state.kind === 'thermostat') rooms.push(state.ambientTemperature);
      };
      w.kernel.at(START_MS + m * MINUTE, look, PRIORITY.check);
    }
    w.to(24 * HOUR);
    expect(Math.max(...rooms)).toBeLessThanOrEqual(75.2); // half a degree of deadband, and what a rest lets in
    expect(Math.min(...rooms.slice(400))).toBeGreaterThanOrEqual(73.4);
    const hvac = w.notes.map((n) => ({ atMs: n.atMs, cause: n.cause }));
    hvac.forEach((n, k) => {
      if (n.cause === 'the compressor has rested') expect(n.atMs - (hvac[k - 1]?.atMs ?? 0)).toBe(REST_MS);
    });
    const stops = hvac.filter((n) => n.cause === 'at the target');
    for (const stop of stops) {
      const start = hvac.find((n) => n.atMs > stop.atMs && n.cause === 'above the cool target');
      if (start !== undefined) expect(start.atMs - stop.atMs).toBeGreaterThanOrEqual(REST_MS);
    }
    expect(hvac.filter((n) => n.cause === 'the compressor has rested').length).toBeGreaterThanOrEqual(stops.length - 1);
    const registers = w.fleet.registers(0);
    console.info('thermostat day:', registers);
    expect(registers).toMatchObject({ heatingMs: 0 });
    if (registers.kind !== 'thermostat') throw new Error('no thermostat');
    expect(registers.starts).toBeGreaterThan(5);
    expect(registers.hvacMj).toBe(registers.coolingMs * USUAL_HOUSE.coolW);
    expect(registers.fanMj).toBe(registers.coolingMs * USUAL_HOUSE.fanW);
  });

  it('follows the weather from hour to hour when it is off', () => {
    const w = world([thermostat({ mode: 'off', roomF: 68 })], { weather: weatherOf([0, 40, 40], [0, 0, 500]) });
    w.to(3 * HOUR);
    const { state } = w.fleet.sample(0);
    // τ 20 h; towards 2 °C, 42 °C and, with 1 kW of sun, 46 °C, an hour each.
    const k = Math.exp(-1 / 20);
    const [first, second] = [2 + 18 * k, 42 - (42 - (2 + 18 * k)) * k];
    const expectedC = 46 - (46 - second) * k;
    expect(first).toBeLessThan(20);
    expect(state.kind === 'thermostat' && state.ambientTemperature).toBeCloseTo((expectedC * 9) / 5 + 32, 1);
  });

  it('never runs on a day in balance (cf. GridLAB-D test_HVAC balanced day: 0 kWh)', () => {
    const house = { ...USUAL_HOUSE, gainsW: 0 };
    const w = world([thermostat({ house, mode: 'auto', roomF: 68 })], { weather: weatherOf(HOT_DAY.map(() => 20)) });
    w.to(48 * HOUR);
    expect(w.fleet.registers(0)).toMatchObject({ hvacMj: 0, fanMj: 0, starts: 0 });
  });

  it('heats on a cold day in auto, and shows only the target of a mode that has one', () => {
    const w = world([thermostat({ mode: 'auto', roomF: 66 })], { weather: weatherOf(HOT_DAY.map(() => -5)) });
    expect(w.fleet.sample(0).state).toMatchObject({ heatTarget: 66, coolTarget: 74 });
    w.to(24 * HOUR);
    const registers = w.fleet.registers(0);
    // Steady state: 250 W/K · 23.9 K less 500 W of gains over COP 3 = 1.8 kW.
    if (registers.kind !== 'thermostat') throw new Error('no thermostat');
    expect(registers.hvacMj / 24 / HOUR).toBeGreaterThan(1_700);
    expect(registers.hvacMj / 24 / HOUR).toBeLessThan(2_000);
    w.fleet.apply(0, { slug: 'thermostat:set-operating-mode', input: { operatingMode: 'heat' } }, 'c');
    expect(w.fleet.sample(0).state).toMatchObject({ operatingMode: 'heat', heatTarget: 66, coolTarget: null });
  });

  it('refuses targets of auto that are too close, and keeps what it had', () => {
    const w = world([thermostat({ mode: 'auto' })]);
    const close: ApplianceInput = {
      slug: 'thermostat:set-operating-mode',
      input: { operatingMode: 'auto', coolTarget: 70, heatTarget: 68 },
    };
    expect(w.fleet.apply(0, close, 'c')).toMatchObject({
      kind: 'refused',
      why: expect.stringContaining('closer than 3'),
    });
    expect(w.fleet.sample(0).state).toMatchObject({ coolTarget: 74, heatTarget: 66 });
  });

  it('uses less in eco than in cool, nothing in off, and runs its fan as told', () => {
    const energy = (mode: 'off' | 'cool' | 'eco'): number => {
      const w = world([thermostat({ mode })]);
      w.to(24 * HOUR);
      const r = w.fleet.registers(0);
      return r.kind === 'thermostat' ? r.hvacMj : Number.NaN;
    };
    expect(energy('off')).toBe(0);
    expect(energy('eco')).toBeGreaterThan(0);
    expect(energy('eco')).toBeLessThan(energy('cool'));
    const w = world([thermostat({ mode: 'off', fan: 'on' })]);
    w.to(HOUR);
    w.fleet.apply(0, { slug: 'thermostat:set-fan-mode', input: { fanMode: 'circulate' } }, 'c');
    w.to(2 * HOUR);
    w.fleet.apply(0, { slug: 'thermostat:set-fan-mode', input: { fanMode: 'off' } }, 'c');
    w.to(3 * HOUR);
    expect(w.fleet.registers(0)).toMatchObject({ fanMj: (300 + 100) * HOUR });
  });

  it('says which weather it lacks when a run goes beyond it', () => {
    const w = world([thermostat()], { weather: weatherOf([30, 30]) });
    w.to(2 * HOUR);
    expect(() => w.to(3 * HOUR)).toThrow(/weather of house: found nothing at 7200000 ms after its start/);
  });
});

describe('a hundred houses that are set back 4 °F from 16:00 to 19:00', () => {
  /** Mean power of the fleet in each hour [W]. */
  function hourly(event: boolean): number[] {
    const houses = Array.from({ length: 100 }, (_, i) => {
      const house = { ...USUAL_HOUSE, leakWPerK: 180 + 2 * i, capacityWhPerK: 4_000 + 20 * ((i * 37) % 100) };
      return thermostat({ deviceId: `h${i}`, house, roomF: 74 + (i % 10) / 10 });
    });
    const w = world(houses);
    const tell = (target: number) => () => {
      for (let i = 0; i < 100; i++) w.fleet.apply(i, cool(target), 'event');
    };
    if (event) w.kernel.at(START_MS + 16 * HOUR, tell(78), PRIORITY.wire);
    if (event) w.kernel.at(START_MS + 19 * HOUR, tell(74), PRIORITY.wire);
    const out: number[] = [];
    let before = 0;
    for (let h = 1; h <= 30; h++) {
      w.to(h * HOUR);
      let sum = 0;
      for (let i = 0; i < 100; i++) {
        const r = w.fleet.registers(i);
        if (r.kind === 'thermostat') sum += r.hvacMj;
      }
      out.push((sum - before) / HOUR);
      before = sum;
    }
    return out;
  }
  const plain = hourly(false);
  const shed = hourly(true);

  it('shed nearly all at first, less later, and pay back when they are set back: the snap-back', () => {
    const kw = (h: number) => Math.round(((plain[h] ?? 0) - (shed[h] ?? 0)) / 100) / 10;
    console.info(
      'shed by hour 16..23 [kW]:',
      [16, 17, 18, 19, 20, 21, 22, 23].map(kw).join(' '),
      'of',
      Math.round((plain[16] ?? 0) / 1000),
    );
    expect(shed.slice(0, 16)).toEqual(plain.slice(0, 16));
    expect(kw(16)).toBeGreaterThan(0.8 * ((plain[16] ?? 0) / 1000));
    expect(kw(18)).toBeLessThan(kw(16));
    expect(kw(19)).toBeLessThan(-0.3 * ((plain[19] ?? 0) / 1000));
  });
});

describe('an inverter', () => {
  it('exports what the home leaves over, up to the limit, and curtails the rest', () => {
    expect(flowOf({ loadW: 500, sunW: 4_000 }, null)).toMatchObject({ pvW: 4_000, gridW: -3_500 });
    expect(flowOf({ loadW: 500, sunW: 4_000 }, 1_000)).toMatchObject({ pvW: 1_500, gridW: -1_000 });
    expect(flowOf({ loadW: 500, sunW: 4_000 }, 0)).toMatchObject({ pvW: 500, gridW: 0 });
    expect(flowOf({ loadW: 500, sunW: 300 }, 0)).toMatchObject({ pvW: 300, gridW: 200 });
  });

  it('keeps a limit from the ms it is set to the ms it is lifted', () => {
    const w = world([inverter()]);
    const set = (powerW: number | null) => () =>
      w.fleet.apply(0, { slug: 'inverter:set-export-limit', input: { powerW } }, 'c');
    w.kernel.at(START_MS + 12 * HOUR + 1, set(1_000));
    w.kernel.at(START_MS + 13 * HOUR, set(null));
    w.to(12 * HOUR);
    const before = w.fleet.registers(0);
    w.to(13 * HOUR);
    const after = w.fleet.registers(0);
    if (before.kind !== 'inverter' || after.kind !== 'inverter') throw new Error('no inverter');
    // Hour 12: sun 5000 W, load 700 W.
    expect(after.exportMj - before.exportMj).toBe(4_300 * 1 + 1_000 * (HOUR - 1));
    expect(after.curtailedMj).toBe(3_300 * (HOUR - 1));
    expect(w.fleet.sample(0).state).toMatchObject({ exportLimit: null, gridStatus: 'exporting' });
  });
});

describe('an author of a fleet', () => {
  it('is told of every wrong field, of ids used twice, and of weather that is missing', () => {
    const bad = (): unknown =>
      world([ev({ storedWh: 90_000 }), thermostat({ coolTarget: 67 }), inverter({ pvProfile: 4 }), ev()], {
        weather: undefined as never,
      });
    expect(bad).toThrow(/devices\[0\]\.storedWh: found 90000/);
    expect(bad).toThrow(/devices\[1\]\.coolTarget: found 67, expected a number in 69\.\.95/);
    expect(bad).toThrow(/devices\[2\]\.pvProfile/);
    expect(bad).toThrow(/devices\[3\]\.deviceId: found "car"/);
    expect(bad).toThrow(/weather: found nothing/);
    expect(() => world([ev({ spec: { ...USUAL_EV, cutoffRatio: 0 } })])).toThrow(/car\.cutoffRatio/);
  });
});
