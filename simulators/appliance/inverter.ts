import type { ApplianceInput } from '../../src/domain/appliance.ts';
import { gridStatusOf } from '../../src/domain/battery.ts';
import { InvariantError, inputError } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { INVERTER_EVENTS, type InverterEvent, inverterMachine } from './machine.ts';
import { type ModeTable, modeTable, regionOf } from './table.ts';
import {
  type ApplianceRegisters,
  type ApplianceSample,
  Modes,
  OFFLINE,
  TAKEN,
  type Taken,
  type Unit,
  type UnitHost,
} from './unit.ts';

/**
 * A PV inverter behind a home's meter, with an export limit. Power is constant within a step of the profiles:
 *
 *   grid = load − pv   (+ import, − export);   pv = min(sun, load + limit) while a limit stands
 *
 * so a limit of 0 leaves the home its own sun, and what would pass the meter beyond the limit is curtailed, at once and
 * to the watt (real ones take seconds; assumed). Registers are whole mJ: sun = pv + curtailed, load + export = pv +
 * import.
 */
export interface InverterDevice {
  readonly kind: 'inverter';
  readonly deviceId: string;
  /** Rows of the profiles and what they are multiplied with: nameplate, whole, ≥ 0 [W]; a factor. */
  readonly pvProfile: number;
  readonly pvW: number;
  readonly loadProfile: number;
  readonly loadScale: number;
}

/** Steps of equal length from startMs; shared by many homes. */
export interface PowerProfiles {
  readonly startMs: EpochMs;
  readonly stepMs: number;
  /** [W] before scaling. */
  readonly load: readonly (Int32Array | Float64Array)[];
  /** At the inverter's terminals [W per W nameplate]. */
  readonly pv: readonly Float64Array[];
}

export interface InverterView {
  readonly limited: boolean;
  readonly online: boolean;
}

type EventType = InverterEvent['type'];
let compiled: { table: ModeTable<EventType>; views: InverterView[] } | undefined;

export function inverterTable(): { table: ModeTable<EventType>; views: InverterView[] } {
  if (compiled !== undefined) return compiled;
  const table = modeTable(inverterMachine, INVERTER_EVENTS);
  const views = table.states.map((value): InverterView => {
    const limited = regionOf(value, 'output')[0] === 'limited';
    return { limited, online: regionOf(value, 'connection')[0] === 'online' };
  });
  compiled = { table, views };
  return compiled;
}

/** What flows at one moment, whole W. */
export interface InverterFlow {
  readonly loadW: number;
  /** What the sun offers, and what of it reaches the bus. */
  readonly sunW: number;
  readonly pvW: number;
  /** + import */
  readonly gridW: number;
}

/** @param exportLimitW  null = none */
export function flowOf({ loadW, sunW }: { loadW: number; sunW: number }, exportLimitW: number | null): InverterFlow {
  const pvW = exportLimitW === null ? sunW : Math.min(sunW, loadW + exportLimitW);
  return { loadW, sunW, pvW, gridW: loadW - pvW };
}

export class InverterUnit implements Unit {
  readonly deviceId: string;
  readonly kind = 'inverter';
  readonly #device: InverterDevice;
  readonly #profiles: PowerProfiles;
  readonly #host: UnitHost;
  readonly #modes: Modes<EventType, InverterView>;
  #timeMs: EpochMs;
  #limitW: number | null = null;
  #pvMj = 0;
  #curtailedMj = 0;
  #loadMj = 0;
  #importMj = 0;
  #exportMj = 0;

  constructor(device: InverterDevice, profiles: PowerProfiles, host: UnitHost) {
    const { table, views } = inverterTable();
    this.deviceId = device.deviceId;
    this.#device = device;
    this.#profiles = profiles;
    this.#host = host;
    this.#modes = new Modes(table, views);
    this.#timeMs = host.scheduler.nowMs();
  }

  /** @throws InputError when the profiles do not reach that far */
  advance(toMs: EpochMs): void {
    const { startMs, stepMs } = this.#profiles;
    while (this.#timeMs < toMs) {
      const step = Math.floor((this.#timeMs - startMs) / stepMs);
      const untilMs = Math.min(toMs, startMs + (step + 1) * stepMs);
      this.#meter(this.#flow(step), untilMs - this.#timeMs);
      this.#timeMs = untilMs;
    }
  }

  apply(setting: ApplianceInput, cause: string): Taken {
    if (!this.#modes.view().online) return OFFLINE;
    if (setting.slug !== 'inverter:set-export-limit')
      throw new InvariantError(`${setting.slug} at the inverter ${this.deviceId}`);
    this.#settle();
    const { powerW } = setting.input;
    const changes = powerW !== this.#limitW;
    this.#limitW = powerW;
    if (!this.#modes.send(powerW === null ? 'UNLIMIT' : 'LIMIT') && !changes) return TAKEN;
    this.#note(cause);
    return TAKEN;
  }

  setLink(online: boolean, cause: string): void {
    this.#settle();
    if (this.#modes.send(online ? 'LINK_UP' : 'LINK_DOWN')) this.#note(cause);
  }

  isOnline(): boolean {
    return this.#modes.view().online;
  }

  modes() {
    return this.#modes.value();
  }

  registers(): ApplianceRegisters {
    return {
      kind: 'inverter',
      pvMj: this.#pvMj,
      curtailedMj: this.#curtailedMj,
      loadMj: this.#loadMj,
      importMj: this.#importMj,
      exportMj: this.#exportMj,
    };
  }

  drawnW(): number {
    return 0;
  }

  takeRoom(): null {
    return null;
  }

  sample(): ApplianceSample {
    const nowMs = this.#settle();
    const { startMs, stepMs } = this.#profiles;
    const last = (this.#profiles.load[this.#device.loadProfile]?.length ?? 0) - 1;
    const { pvW, gridW } = this.#flow(Math.min(last, Math.floor((nowMs - startMs) / stepMs)));
    return {
      state: {
        kind: 'inverter',
        power: pvW,
        gridStatus: gridStatusOf(gridW),
        gridPower: gridW,
        gridEnergy: null,
        exportLimit: this.#modes.view().limited ? this.#limitW : null,
        sampledAtMs: nowMs,
      },
      busW: pvW,
      gridMj: this.#importMj - this.#exportMj,
    };
  }

  #flow(step: number): InverterFlow {
    const { loadProfile, loadScale, pvProfile, pvW } = this.#device;
    const load = this.#profiles.load[loadProfile]?.[step];
    const sun = this.#profiles.pv[pvProfile]?.[step];
    if (load === undefined || sun === undefined) {
      throw inputError({
        source: 'appliance fleet',
        place: `profiles of ${this.deviceId}`,
        value: `nothing in step ${step}`,
        expected: 'load and PV in every step that is simulated',
      });
    }
    return flowOf(
      { loadW: Math.round(load * loadScale), sunW: Math.round(sun * pvW) },
      this.#modes.view().limited ? this.#limitW : null,
    );
  }

  #meter({ loadW, sunW, pvW, gridW }: InverterFlow, ms: number): void {
    this.#loadMj += loadW * ms;
    this.#pvMj += pvW * ms;
    this.#curtailedMj += (sunW - pvW) * ms;
    if (gridW > 0) this.#importMj += gridW * ms;
    else this.#exportMj += -gridW * ms;
  }

  #settle(): EpochMs {
    const nowMs = this.#host.scheduler.nowMs();
    this.advance(nowMs);
    return nowMs;
  }

  #note(cause: string): void {
    this.#host.note({ atMs: this.#timeMs, deviceId: this.deviceId, modes: this.#modes.value(), cause });
  }
}
