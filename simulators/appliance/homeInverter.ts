import type { ApplianceInput } from '../../src/domain/appliance.ts';
import { gridStatusOf } from '../../src/domain/battery.ts';
import { InvariantError } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { Fleet } from '../battery/fleet.ts';
import { type InverterView, inverterTable } from './inverter.ts';
import type { InverterEvent } from './machine.ts';
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

/** The PV inverter of a home whose bus a battery fleet keeps: it shows that bus, and its export limit acts there. */
export interface HomeInverterDevice {
  readonly kind: 'home-inverter';
  readonly deviceId: string;
  /** Position of the home in the battery fleet. */
  readonly home: number;
}

/** What it needs of the fleet. */
export type HomeBuses = Pick<Fleet, 'sample' | 'registers' | 'advance' | 'setExportLimit'>;

export class HomeInverterUnit implements Unit {
  readonly deviceId: string;
  readonly kind = 'inverter';
  readonly #home: number;
  readonly #buses: HomeBuses;
  readonly #host: UnitHost;
  readonly #modes: Modes<InverterEvent['type'], InverterView>;
  #limitW: number | null = null;

  constructor(device: HomeInverterDevice, buses: HomeBuses, host: UnitHost) {
    const { table, views } = inverterTable();
    this.deviceId = device.deviceId;
    this.#home = device.home;
    this.#buses = buses;
    this.#host = host;
    this.#modes = new Modes(table, views);
  }

  advance(toMs: EpochMs): void {
    this.#buses.advance(this.#home, toMs);
  }

  apply(setting: ApplianceInput, cause: string): Taken {
    if (!this.#modes.view().online) return OFFLINE;
    if (setting.slug !== 'inverter:set-export-limit')
      throw new InvariantError(`${setting.slug} at the inverter ${this.deviceId}`);
    const { powerW } = setting.input;
    this.#buses.setExportLimit(this.#home, powerW);
    const changes = powerW !== this.#limitW;
    this.#limitW = powerW;
    if (this.#modes.send(powerW === null ? 'UNLIMIT' : 'LIMIT') || changes) this.#note(cause);
    return TAKEN;
  }

  setLink(online: boolean, cause: string): void {
    if (this.#modes.send(online ? 'LINK_UP' : 'LINK_DOWN')) this.#note(cause);
  }

  isOnline(): boolean {
    return this.#modes.view().online;
  }

  modes() {
    return this.#modes.value();
  }

  registers(): ApplianceRegisters {
    const { pvMj, curtailedMj, loadMj, importMj, exportMj } = this.#buses.registers(this.#home);
    return { kind: 'inverter', pvMj, curtailedMj, loadMj, importMj, exportMj };
  }

  drawnW(): number {
    return 0;
  }

  takeRoom(): null {
    return null;
  }

  sample(): ApplianceSample {
    const { state, pvW } = this.#buses.sample(this.#home);
    const { importMj, exportMj } = this.#buses.registers(this.#home);
    const gridW = state.gridPower ?? 0;
    return {
      state: {
        kind: 'inverter',
        power: pvW,
        gridStatus: gridStatusOf(gridW),
        gridPower: gridW,
        gridEnergy: null,
        exportLimit: this.#modes.view().limited ? this.#limitW : null,
        sampledAtMs: state.sampledAtMs,
      },
      busW: pvW,
      gridMj: importMj - exportMj,
    };
  }

  #note(cause: string): void {
    const atMs = this.#host.scheduler.nowMs();
    this.#host.note({ atMs, deviceId: this.deviceId, modes: this.#modes.value(), cause });
  }
}
