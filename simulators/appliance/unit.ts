import type { ApplianceInput, ApplianceKind, ApplianceState } from '../../src/domain/appliance.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { Scheduler, TimerHandle } from '../../src/ports/clock.ts';
import { type ModeTable, type ModeValue, step } from './table.ts';

/** What every simulated device is to the fleet. Time is advanced lazily and exactly; kernel timers stand at each event. */
export interface Unit {
  readonly deviceId: string;
  readonly kind: ApplianceKind;
  /** Moves it up to toMs; a time already reached changes nothing. */
  advance(toMs: EpochMs): void;
  apply(input: ApplianceInput, cause: string): Taken;
  setLink(online: boolean, cause: string): void;
  isOnline(): boolean;
  sample(): ApplianceSample;
  /** As they stand where it was last advanced to. */
  registers(): ApplianceRegisters;
  /**
   * Mean AC power that it draws from where it stands to untilMs, or to the next change that it sees coming, whichever is
   * first, whole [W]; an inverter draws none.
   */
  drawnW(untilMs: EpochMs): number;
  /** The room where it was last advanced to, and its extremes since this was last asked; null for what has no room. */
  takeRoom(): RoomRange | null;
  modes(): ModeValue;
}

/** [°F] */
export interface RoomRange {
  readonly nowF: number;
  readonly lowF: number;
  readonly highF: number;
}

/** "taken" says that the device follows it from now on; a refusal by the device carries its reason. */
export type Taken =
  | { readonly kind: 'taken' }
  | { readonly kind: 'offline' }
  | { readonly kind: 'refused'; readonly why: string };

export interface ApplianceSample {
  /** gridEnergy is null here: who uploads knows since when. */
  readonly state: ApplianceState;
  /** True AC power at the site's bus, + into it [W]; a thermostat's cloud never learns it. */
  readonly busW: number;
  /** Import less export at the site's meter so far [mJ]; null where there is no meter. */
  readonly gridMj: number | null;
}

/** Cumulative, whole mJ, each metered for itself. */
export type ApplianceRegisters =
  | {
      readonly kind: 'ev';
      /** AC energy taken = intoMj + lossMj. */
      readonly chargeMj: number;
      readonly lossMj: number;
      /** Into the store; stored = stored at the start + intoMj − drivenMj. */
      readonly intoMj: number;
      readonly drivenMj: number;
      /** What trips would have needed and the store did not hold. */
      readonly shortMj: number;
      readonly storedMj: number;
    }
  | {
      readonly kind: 'thermostat';
      readonly hvacMj: number;
      readonly fanMj: number;
      readonly heatingMs: number;
      readonly coolingMs: number;
      readonly starts: number;
    }
  | {
      readonly kind: 'inverter';
      /** load + export = pv + import; what the sun offered = pv + curtailed. */
      readonly pvMj: number;
      readonly curtailedMj: number;
      readonly loadMj: number;
      readonly importMj: number;
      readonly exportMj: number;
    };

/** A change of mode, for the run log. */
export interface ApplianceNote {
  readonly atMs: EpochMs;
  readonly deviceId: string;
  readonly modes: ModeValue;
  readonly cause: string;
}

export interface UnitHost {
  readonly scheduler: Scheduler;
  readonly note: (note: ApplianceNote) => void;
  /** Called before it moves to now: the bus it hangs on goes first, with the power that it drew until now. */
  readonly settle: () => void;
  /** Called when the power it draws may have changed. */
  readonly changed: () => void;
}

export const TAKEN: Taken = { kind: 'taken' };
export const OFFLINE: Taken = { kind: 'offline' };
export const refused = (why: string): Taken => ({ kind: 'refused', why });

/** The state of one device in its table, with what the rest of it needs to know of a state, worked out once per table. */
export class Modes<E extends string, V> {
  readonly #table: ModeTable<E>;
  readonly #views: readonly V[];
  #state = 0;

  constructor(table: ModeTable<E>, views: readonly V[]) {
    this.#table = table;
    this.#views = views;
  }

  /** @returns true when the state changed */
  send(event: E): boolean {
    const from = this.#state;
    this.#state = step(this.#table, from, event);
    return this.#state !== from;
  }

  view(): V {
    return this.#views[this.#state] as V;
  }

  value(): ModeValue {
    return this.#table.states[this.#state] ?? '';
  }
}

/** One timer of a device: setting it anew forgets the one before. */
export class Alarm {
  readonly #scheduler: Scheduler;
  readonly #priority: number;
  #handle: TimerHandle | null = null;

  constructor(scheduler: Scheduler, priority: number) {
    this.#scheduler = scheduler;
    this.#priority = priority;
  }

  set(atMs: EpochMs, fn: () => void): void {
    this.clear();
    this.#handle = this.#scheduler.at(
      atMs,
      () => {
        this.#handle = null;
        fn();
      },
      this.#priority,
    );
  }

  clear(): void {
    if (this.#handle !== null) this.#scheduler.cancel(this.#handle);
    this.#handle = null;
  }
}
