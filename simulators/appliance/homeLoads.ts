import { invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { HomeLoads } from '../battery/fleetInput.ts';
import type { Unit } from './unit.ts';

/**
 * Chargers and thermostats as loads at the buses of homes. The bus knows their power only as whole W that are held for a
 * stretch of time; a vehicle that tapers has none. So it holds the mean of the coming stretch, and at the stretch's end
 * asks their own registers what it really was: the bus then has their energy to the mJ, and the sum over a site's devices
 * equals what the site metered.
 */
export class BusLoads implements HomeLoads {
  readonly evW: Float64Array;
  readonly hvacW: Float64Array;
  readonly #units: Unit[][];
  readonly #sinceMs: Float64Array;
  /** Their registers when the running stretch began [mJ]. */
  readonly #evMj: Float64Array;
  readonly #hvacMj: Float64Array;

  constructor(homes: number, startMs: EpochMs) {
    this.evW = new Float64Array(homes);
    this.hvacW = new Float64Array(homes);
    this.#units = Array.from({ length: homes }, () => []);
    this.#sinceMs = new Float64Array(homes).fill(startMs);
    this.#evMj = new Float64Array(homes);
    this.#hvacMj = new Float64Array(homes);
  }

  /** Hangs a device on the bus of home i; its registers stand at 0. */
  add(i: number, unit: Unit): void {
    const units = this.#units[i];
    invariant(units !== undefined, `no home ${i} to hang ${unit.deviceId} on`);
    units.push(unit);
  }

  has(i: number): boolean {
    return (this.#units[i]?.length ?? 0) > 0;
  }

  settle(i: number, atMs: EpochMs, untilMs: EpochMs): { readonly evMj: number; readonly hvacMj: number } {
    let [evMj, hvacMj, evW, hvacW] = [0, 0, 0, 0];
    for (const unit of this.#units[i] ?? []) {
      unit.advance(atMs);
      const registers = unit.registers();
      if (registers.kind === 'ev') {
        evMj += registers.chargeMj;
        evW += unit.drawnW(untilMs);
      } else if (registers.kind === 'thermostat') {
        hvacMj += registers.hvacMj + registers.fanMj;
        hvacW += unit.drawnW(untilMs);
      }
    }
    const ms = atMs - (this.#sinceMs[i] ?? atMs);
    const beyond = {
      evMj: evMj - (this.#evMj[i] ?? 0) - (this.evW[i] ?? 0) * ms,
      hvacMj: hvacMj - (this.#hvacMj[i] ?? 0) - (this.hvacW[i] ?? 0) * ms,
    };
    this.#evMj[i] = evMj;
    this.#hvacMj[i] = hvacMj;
    this.#sinceMs[i] = atMs;
    this.evW[i] = evW;
    this.hvacW[i] = hvacW;
    return beyond;
  }
}
