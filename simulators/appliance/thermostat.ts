import {
  type ApplianceInput,
  celsiusOf,
  type FanMode,
  fahrenheitOf,
  TARGET_GAP_F_MIN,
  type ThermostatMode,
} from '../../src/domain/appliance.ts';
import { InvariantError, inputError, invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { PRIORITY } from '../../src/ports/clock.ts';
import type { SiteWeather } from '../site/siteWeather.ts';
import { THERMOSTAT_EVENTS, type ThermostatEvent, thermostatMachine } from './machine.ts';
import { type ModeTable, modeTable, regionOf } from './table.ts';
import {
  CIRCULATE_RATIO,
  checkHouse,
  ECO_F,
  equilibriumC,
  type HouseSpec,
  type Hvac,
  heatW,
  msUntil,
  REST_MS,
  roomAfter,
} from './thermal.ts';
import {
  Alarm,
  type ApplianceRegisters,
  type ApplianceSample,
  Modes,
  OFFLINE,
  type RoomRange,
  refused,
  TAKEN,
  type Taken,
  type Unit,
  type UnitHost,
} from './unit.ts';

/** A thermostat in a house (thermal.ts). It switches at the edges of a deadband around the target of its mode. */
export interface ThermostatDevice {
  readonly kind: 'thermostat';
  readonly deviceId: string;
  readonly house: HouseSpec;
  readonly mode: ThermostatMode;
  readonly fan: FanMode;
  /** [°F] */
  readonly heatTarget: number;
  readonly coolTarget: number;
  /** Of the room at the start [°F]. */
  readonly roomF: number;
}

interface ThermostatView {
  readonly mode: ThermostatMode;
  readonly hvac: 'ready' | 'heating' | 'cooling' | 'resting';
  readonly fan: FanMode;
  readonly online: boolean;
}

type EventType = ThermostatEvent['type'];
let compiled: { table: ModeTable<EventType>; views: ThermostatView[] } | undefined;

function thermostatTable(): { table: ModeTable<EventType>; views: ThermostatView[] } {
  if (compiled !== undefined) return compiled;
  const table = modeTable(thermostatMachine, THERMOSTAT_EVENTS);
  const views = table.states.map((value): ThermostatView => {
    const [hvac, running] = regionOf(value, 'hvac');
    return {
      mode: regionOf(value, 'mode')[0] as ThermostatMode,
      hvac: (hvac === 'running' ? running : hvac) as ThermostatView['hvac'],
      fan: regionOf(value, 'fan')[0] as FanMode,
      online: regionOf(value, 'connection')[0] === 'online',
    };
  });
  compiled = { table, views };
  return compiled;
}

const SET_EVENT = {
  off: 'SET_OFF',
  heat: 'SET_HEAT',
  cool: 'SET_COOL',
  auto: 'SET_AUTO',
  eco: 'SET_ECO',
} as const satisfies Record<ThermostatMode, EventType>;
const FAN_EVENT = {
  auto: 'FAN_AUTO',
  on: 'FAN_ON',
  off: 'FAN_OFF',
  circulate: 'FAN_CIRCULATE',
} as const satisfies Record<FanMode, EventType>;

interface Sky {
  readonly outdoorC: number;
  readonly ghiWPerM2: number;
  /** The end of the weather's interval. */
  readonly untilMs: EpochMs;
}

export class ThermostatUnit implements Unit {
  readonly deviceId: string;
  readonly kind = 'thermostat';
  readonly #host: UnitHost;
  readonly #house: HouseSpec;
  readonly #weather: SiteWeather;
  readonly #modes: Modes<EventType, ThermostatView>;
  readonly #next: Alarm;
  #timeMs: EpochMs;
  #heatTarget: number;
  #coolTarget: number;
  /** The last change of weather or HVAC: from here the room follows one curve. */
  #anchor: { atMs: EpochMs; roomC: number };
  /** Of the room since somebody last asked. */
  #range: { lowC: number; highC: number };
  #sky: Sky;
  #restedMs: EpochMs = 0;
  #hvacMj = 0;
  #fanMj = 0;
  #heatingMs = 0;
  #coolingMs = 0;
  #starts = 0;

  /** @throws InputError naming each field that is out of range, and weather that does not cover the start */
  constructor(device: ThermostatDevice, weather: SiteWeather, host: UnitHost) {
    checkHouse(device.house, device.deviceId);
    const { table, views } = thermostatTable();
    this.deviceId = device.deviceId;
    this.#host = host;
    this.#house = device.house;
    this.#weather = weather;
    this.#modes = new Modes(table, views);
    this.#next = new Alarm(host.scheduler, PRIORITY.physics);
    this.#timeMs = host.scheduler.nowMs();
    this.#heatTarget = device.heatTarget;
    this.#coolTarget = device.coolTarget;
    this.#anchor = { atMs: this.#timeMs, roomC: celsiusOf(device.roomF) };
    this.#range = { lowC: this.#anchor.roomC, highC: this.#anchor.roomC };
    this.#sky = this.#skyAt(this.#timeMs);
    this.#modes.send(SET_EVENT[device.mode]);
    this.#modes.send(FAN_EVENT[device.fan]);
    this.#plan();
  }

  /** @throws InputError when the weather does not reach that far */
  advance(toMs: EpochMs): void {
    while (this.#timeMs < toMs) {
      if (this.#timeMs >= this.#sky.untilMs) {
        this.#anchorHere();
        this.#sky = this.#skyAt(this.#timeMs);
      }
      const untilMs = Math.min(toMs, this.#sky.untilMs);
      this.#meter(untilMs - this.#timeMs);
      this.#timeMs = untilMs;
    }
  }

  apply(setting: ApplianceInput, cause: string): Taken {
    if (!this.#modes.view().online) return OFFLINE;
    this.#settle();
    switch (setting.slug) {
      case 'thermostat:set-operating-mode':
        return this.#setMode(setting.input, cause);
      case 'thermostat:set-fan-mode':
        this.#send(FAN_EVENT[setting.input.fanMode], cause);
        return TAKEN;
      case 'charger:set-operating-mode':
      case 'vehicle:set-operating-mode':
      case 'vehicle:set-charge-limit':
      case 'inverter:set-export-limit':
        throw new InvariantError(`${setting.slug} at the thermostat ${this.deviceId}`);
    }
  }

  setLink(online: boolean, cause: string): void {
    this.#settle();
    this.#send(online ? 'LINK_UP' : 'LINK_DOWN', cause);
  }

  isOnline(): boolean {
    return this.#modes.view().online;
  }

  modes() {
    return this.#modes.value();
  }

  registers(): ApplianceRegisters {
    return {
      kind: 'thermostat',
      hvacMj: this.#hvacMj,
      fanMj: this.#fanMj,
      heatingMs: this.#heatingMs,
      coolingMs: this.#coolingMs,
      starts: this.#starts,
    };
  }

  drawnW(): number {
    return this.#hvacW() + this.#fanW();
  }

  /** Between two anchors the room moves one way, so its extremes are at anchors or where it stands. */
  takeRoom(): RoomRange {
    const nowC = this.#roomC();
    const { lowC, highC } = this.#range;
    this.#range = { lowC: nowC, highC: nowC };
    const range = { nowC, lowC: Math.min(lowC, nowC), highC: Math.max(highC, nowC) };
    return { nowF: fahrenheitOf(nowC), lowF: fahrenheitOf(range.lowC), highF: fahrenheitOf(range.highC) };
  }

  sample(): ApplianceSample {
    const nowMs = this.#settle();
    const { mode, fan } = this.#modes.view();
    const hasHeat = mode !== 'cool' && mode !== 'off';
    const hasCool = mode !== 'heat' && mode !== 'off';
    const powerW = this.drawnW();
    return {
      state: {
        kind: 'thermostat',
        ambientTemperature: Math.round(fahrenheitOf(this.#roomC()) * 10) / 10,
        operatingMode: mode,
        heatTarget: hasHeat ? this.#heatTarget : null,
        coolTarget: hasCool ? this.#coolTarget : null,
        fanMode: fan,
        sampledAtMs: nowMs,
      },
      busW: powerW === 0 ? 0 : -powerW,
      gridMj: null,
    };
  }

  #setMode(input: Extract<ApplianceInput, { slug: 'thermostat:set-operating-mode' }>['input'], cause: string): Taken {
    const { operatingMode, heatTarget = this.#heatTarget, coolTarget = this.#coolTarget } = input;
    const two = operatingMode === 'auto' || operatingMode === 'eco';
    if (two && coolTarget - heatTarget < TARGET_GAP_F_MIN)
      return refused(`heat ${heatTarget} °F and cool ${coolTarget} °F are closer than ${TARGET_GAP_F_MIN} °F`);
    this.#heatTarget = heatTarget;
    this.#coolTarget = coolTarget;
    this.#send(SET_EVENT[operatingMode], cause);
    this.#plan();
    return TAKEN;
  }

  #hvac(): Hvac {
    const { hvac } = this.#modes.view();
    return hvac === 'heating' || hvac === 'cooling' ? hvac : 'off';
  }

  #hvacW(): number {
    const hvac = this.#hvac();
    return hvac === 'off' ? 0 : hvac === 'heating' ? this.#house.heatW : this.#house.coolW;
  }

  /** "auto" runs with the HVAC. A fan that is set off stays off, and the HVAC moves its heat without it: left out. */
  #fanW(): number {
    const { fanW } = this.#house;
    switch (this.#modes.view().fan) {
      case 'auto':
        return this.#hvac() === 'off' ? 0 : fanW;
      case 'on':
        return fanW;
      case 'circulate':
        return Math.round(fanW * CIRCULATE_RATIO);
      case 'off':
        return 0;
    }
  }

  #towardsC(): number {
    return equilibriumC(this.#house, this.#sky.outdoorC, heatW(this.#house, this.#hvac(), this.#sky.ghiWPerM2));
  }

  #roomC(): number {
    const { atMs, roomC } = this.#anchor;
    return roomAfter(this.#house, roomC, this.#towardsC(), this.#timeMs - atMs);
  }

  #anchorHere(): void {
    const roomC = this.#roomC();
    this.#anchor = { atMs: this.#timeMs, roomC };
    const { lowC, highC } = this.#range;
    this.#range = { lowC: Math.min(lowC, roomC), highC: Math.max(highC, roomC) };
  }

  #meter(ms: number): void {
    const hvac = this.#hvac();
    this.#hvacMj += this.#hvacW() * ms;
    this.#fanMj += this.#fanW() * ms;
    if (hvac === 'heating') this.#heatingMs += ms;
    if (hvac === 'cooling') this.#coolingMs += ms;
  }

  #settle(): EpochMs {
    this.#host.settle();
    const nowMs = this.#host.scheduler.nowMs();
    this.advance(nowMs);
    return nowMs;
  }

  /** @returns true when the state changed */
  #send(event: EventType, cause: string): boolean {
    const before = this.#modes.view().hvac;
    this.#anchorHere();
    if (!this.#modes.send(event)) return false;
    const { hvac } = this.#modes.view();
    if (hvac === 'resting' && before !== 'resting') this.#restedMs = this.#timeMs + REST_MS;
    if (before === 'ready' && (hvac === 'heating' || hvac === 'cooling')) this.#starts += 1;
    this.#host.note({ atMs: this.#timeMs, deviceId: this.deviceId, modes: this.#modes.value(), cause });
    this.#plan();
    this.#host.changed();
    return true;
  }

  /** Sets the timer for what comes next: the room at an edge of the deadband, the end of a rest, or new weather. */
  #plan(): void {
    const { hvac } = this.#modes.view();
    if (hvac === 'resting') {
      this.#next.set(this.#restedMs, () => this.#fire('RESTED', 'the compressor has rested'));
      return;
    }
    const { untilMs } = this.#sky;
    if (this.#timeMs >= untilMs) {
      // One ms into the next interval, so that the last interval may end with the run.
      this.#next.set(this.#timeMs + 1, () => this.#lookAgain());
      return;
    }
    const coming = hvac === 'ready' ? this.#start() : this.#reach(hvac);
    const dueMs = coming === null ? Number.POSITIVE_INFINITY : this.#timeMs + coming.inMs;
    if (coming !== null && dueMs <= untilMs) {
      this.#next.set(dueMs, () => this.#fire(coming.event, coming.cause));
      return;
    }
    if (hvac === 'ready' && this.#modes.view().mode === 'off') this.#next.clear();
    else this.#next.set(untilMs + 1, () => this.#lookAgain());
  }

  #lookAgain(): void {
    this.#settle();
    this.#plan();
  }

  #fire(event: EventType, cause: string): void {
    this.#settle();
    invariant(this.#send(event, cause), `${event} found nothing to change at ${this.deviceId}`);
  }

  #targets(): { heatC: number | null; coolC: number | null; bandC: number } {
    const { mode } = this.#modes.view();
    const wide = mode === 'eco' ? ECO_F : 0;
    const heats = this.#house.heatW > 0 && mode !== 'off' && mode !== 'cool';
    const cools = this.#house.coolW > 0 && mode !== 'off' && mode !== 'heat';
    return {
      heatC: heats ? celsiusOf(this.#heatTarget - wide) : null,
      coolC: cools ? celsiusOf(this.#coolTarget + wide) : null,
      bandC: (this.#house.deadbandF * 5) / 9 / 2,
    };
  }

  /** What will start the HVAC, in this weather. */
  #start(): Coming | null {
    const { heatC, coolC, bandC } = this.#targets();
    const fromC = this.#roomC();
    const towardsC = this.#towardsC();
    if (coolC !== null) {
      const targetC = coolC + bandC;
      const inMs = fromC >= targetC ? 0 : msUntil(this.#house, { fromC, towardsC, targetC });
      if (inMs !== null) return { event: 'TOO_WARM', inMs, cause: 'above the cool target' };
    }
    if (heatC !== null) {
      const targetC = heatC - bandC;
      const inMs = fromC <= targetC ? 0 : msUntil(this.#house, { fromC, towardsC, targetC });
      if (inMs !== null) return { event: 'TOO_COLD', inMs, cause: 'below the heat target' };
    }
    return null;
  }

  #reach(hvac: 'heating' | 'cooling'): Coming | null {
    const { heatC, coolC, bandC } = this.#targets();
    const fromC = this.#roomC();
    const towardsC = this.#towardsC();
    const edgeC = hvac === 'cooling' ? (coolC ?? fromC) - bandC : (heatC ?? fromC) + bandC;
    const isThere = hvac === 'cooling' ? fromC <= edgeC : fromC >= edgeC;
    const inMs = isThere ? 0 : msUntil(this.#house, { fromC, towardsC, targetC: edgeC });
    return inMs === null ? null : { event: 'REACHED', inMs, cause: 'at the target' };
  }

  /** @throws InputError when the weather does not reach that far, or has a value missing there */
  #skyAt(atMs: EpochMs): Sky {
    const { temperatureC, ghiWPerM2 } = this.#weather;
    const { startMs, stepMs } = temperatureC;
    const k = Math.floor((atMs - startMs) / stepMs);
    const outdoorC = temperatureC.values[k] ?? Number.NaN;
    const ghi = ghiWPerM2.values[k] ?? Number.NaN;
    const untilMs = startMs + (k + 1) * stepMs;
    if (Number.isFinite(outdoorC) && Number.isFinite(ghi)) return { outdoorC, ghiWPerM2: ghi, untilMs };
    throw inputError({
      source: 'appliance fleet',
      place: `weather of ${this.deviceId}`,
      value: `nothing at ${atMs - startMs} ms after its start`,
      expected: 'temperature and irradiance in every interval that is simulated',
    });
  }
}

interface Coming {
  readonly event: EventType;
  readonly inMs: number;
  readonly cause: string;
}
