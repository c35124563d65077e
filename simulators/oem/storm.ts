import type { Provenance } from '../../src/domain/program.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler } from '../../src/ports/clock.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import type { WeatherAlert } from '../../src/ports/series.ts';

/**
 * The storm mode of a cloud. It reads the weather alerts at intervals; an alert that is on its list and covers the
 * zone of a device puts the device into storm mode until the alert is over: the battery charges up and follows no grid
 * command, although the cloud goes on accepting commands for it.
 *
 *   alert known ──next poll, and not earlier than onset − lead──> active ──end, cancel (at a poll) or replaced──> over
 *
 * Only status "Actual" acts (CAP 1.2, 3.2.1: Exercise, System, Test and Draft are not to be acted on by the public).
 * Left out: the owner's opting out of one alert; per-type switches.
 */
export interface StormRule {
  /** Event names that trigger, lower case; null = any event of a triggering severity. */
  readonly events: readonly string[] | null;
  /** Words that rule an event out, lower case. */
  readonly exceptWords: readonly string[];
  readonly severities: readonly WeatherAlert['severity'][];
  readonly provenance: Provenance;
}

const ANY_SEVERITY: StormRule['severities'] = ['Extreme', 'Severe', 'Moderate', 'Minor', 'Unknown'];
const NWS_LIST = [
  'severe thunderstorm warning',
  'tornado warning',
  'high wind warning',
  'winter storm warning',
  'ice storm warning',
  'blizzard warning',
  'snow squall warning',
  'wind chill warning',
  'red flag warning',
  'wind advisory',
  'hurricane warning',
];

export const STORM_RULES: Readonly<Record<BatteryOem, StormRule>> = {
  enphase: {
    events: null,
    exceptWords: ['heat', 'air quality', 'freeze', 'frost', 'fog'],
    severities: ['Extreme', 'Severe'],
    provenance: {
      source: 'Enphase: "a severe weather condition alert is issued"; which events is not said, heat left out by us',
      standing: 'assumed',
    },
  },
  solaredge: {
    events: NWS_LIST,
    exceptWords: [],
    severities: ANY_SEVERITY,
    provenance: { source: 'no list found; the one of Tesla Storm Watch is used', standing: 'assumed' },
  },
  tesla: {
    events: NWS_LIST,
    exceptWords: [],
    severities: ANY_SEVERITY,
    provenance: { source: 'Tesla Storm Watch, NWS events as listed by lightwavesolar', standing: 'secondary' },
  },
};

/** Why an alert does or does not act; null = it acts. */
export function refusalOf(rule: StormRule, alert: WeatherAlert): string | null {
  if (alert.status !== 'Actual') return `status is ${alert.status}, only Actual acts`;
  if (alert.messageType !== 'Alert' && alert.messageType !== 'Update') return `message type is ${alert.messageType}`;
  const event = alert.event.toLowerCase();
  if (rule.events !== null && !rule.events.includes(event)) return `"${alert.event}" is not on the trigger list`;
  const word = rule.exceptWords.find((w) => event.includes(w));
  if (word !== undefined) return `"${alert.event}" is left out by the word "${word}"`;
  if (!rule.severities.includes(alert.severity)) return `severity is ${alert.severity}`;
  return null;
}

export interface StormSeat {
  readonly zones: readonly string[];
  stormEnabled: boolean;
  /** Ids of the alerts that hold it in storm mode now. */
  readonly alerts: Set<string>;
}

export interface StormVerdict {
  readonly acted: boolean;
  readonly why: string;
}

interface KnownAlert<S> {
  readonly event: string;
  readonly seats: readonly S[];
  readonly timers: number[];
  begun: boolean;
}

/** At most this many alerts are held; beyond it a new one is not acted on, and the verdict says so. */
const ALERTS_MAX = 1_000;

export interface StormOptions<S extends StormSeat> {
  readonly scheduler: Scheduler;
  readonly rule: StormRule;
  readonly seats: readonly S[];
  readonly pollMs: () => number;
  readonly leadMs: () => number;
  /** Called when the set of alerts of a seat becomes empty or ceases to be. */
  readonly changed: (seat: S, active: boolean, cause: string) => void;
}

export class StormEngine<S extends StormSeat> {
  readonly #o: StormOptions<S>;
  readonly #startedMs: EpochMs;
  readonly #byZone: ReadonlyMap<string, readonly S[]>;
  readonly #known = new Map<string, KnownAlert<S>>();

  constructor(options: StormOptions<S>) {
    this.#o = options;
    this.#startedMs = options.scheduler.nowMs();
    this.#byZone = indexByZone(options.seats);
  }

  alert(alert: WeatherAlert): StormVerdict {
    if (alert.messageType === 'Cancel' && alert.status === 'Actual') return this.#cancelBy(alert);
    const refusal = refusalOf(this.#o.rule, alert);
    if (refusal !== null) return { acted: false, why: refusal };
    if (this.#known.has(alert.alertId)) return { acted: false, why: 'already known' };
    const seats = seatsIn(this.#byZone, alert.zones);
    const enabled = seats.filter((s) => s.stormEnabled).length;
    if (enabled === 0) return { acted: false, why: 'no device with storm mode enabled in its zones' };
    const startMs = Math.max(this.#nextPollMs(), alert.onsetMs - this.#o.leadMs());
    if (startMs >= alert.endMs) return { acted: false, why: 'over before the cloud would have acted' };
    if (this.#known.size >= ALERTS_MAX) return { acted: false, why: `${ALERTS_MAX} alerts are held already` };
    this.#take(alert, seats, startMs);
    return { acted: true, why: `"${alert.event}" triggers; ${enabled} devices in its zones` };
  }

  /** Ends an alert at the next poll; false when it is not held. */
  over(alertId: string, why = 'is over'): boolean {
    if (!this.#known.has(alertId)) return false;
    this.#o.scheduler.at(this.#nextPollMs(), () => this.#finish(alertId, why), PRIORITY.world);
    return true;
  }

  /** The owner switched storm mode off or on. */
  enable(seat: S, enabled: boolean): void {
    seat.stormEnabled = enabled;
    if (!enabled && seat.alerts.size > 0) {
      seat.alerts.clear();
      this.#o.changed(seat, false, 'the owner switched storm mode off');
    }
    if (!enabled) return;
    for (const [alertId, entry] of this.#known) {
      if (entry.begun && entry.seats.includes(seat)) this.#hold(alertId, entry.event, seat);
    }
  }

  #nextPollMs(): EpochMs {
    const pollMs = Math.max(1, this.#o.pollMs());
    return this.#startedMs + Math.ceil((this.#o.scheduler.nowMs() - this.#startedMs) / pollMs) * pollMs;
  }

  #cancelBy(alert: WeatherAlert): StormVerdict {
    const ended = alert.references.filter((id) => this.over(id, `was cancelled by ${alert.alertId}`));
    return { acted: ended.length > 0, why: `cancels ${ended.length} alerts acted on` };
  }

  #take(alert: WeatherAlert, seats: readonly S[], startMs: EpochMs): void {
    const { alertId, event, endMs, references } = alert;
    const entry: KnownAlert<S> = { event, seats, timers: [], begun: false };
    const start = (): void => {
      entry.begun = true;
      for (const seat of seats) this.#hold(alertId, event, seat);
      for (const id of references) this.#finish(id, `was replaced by ${alertId}`);
    };
    entry.timers.push(this.#o.scheduler.at(startMs, start, PRIORITY.world));
    entry.timers.push(this.#o.scheduler.at(endMs, () => this.#finish(alertId, 'is over'), PRIORITY.world));
    this.#known.set(alertId, entry);
  }

  #hold(alertId: string, event: string, seat: S): void {
    if (!seat.stormEnabled || seat.alerts.has(alertId)) return;
    seat.alerts.add(alertId);
    if (seat.alerts.size === 1) this.#o.changed(seat, true, `${event} (${alertId})`);
  }

  #finish(alertId: string, why: string): void {
    const entry = this.#known.get(alertId);
    if (entry === undefined) return;
    this.#known.delete(alertId);
    for (const timer of entry.timers) this.#o.scheduler.cancel(timer);
    for (const seat of entry.seats) {
      if (seat.alerts.delete(alertId) && seat.alerts.size === 0) this.#o.changed(seat, false, `${alertId} ${why}`);
    }
  }
}

function indexByZone<S extends StormSeat>(seats: readonly S[]): Map<string, S[]> {
  const byZone = new Map<string, S[]>();
  for (const seat of seats) {
    for (const zone of seat.zones) {
      const list = byZone.get(zone);
      if (list === undefined) byZone.set(zone, [seat]);
      else list.push(seat);
    }
  }
  return byZone;
}

function seatsIn<S>(byZone: ReadonlyMap<string, readonly S[]>, zones: readonly string[]): S[] {
  const found = new Set<S>();
  for (const zone of zones) for (const seat of byZone.get(zone) ?? []) found.add(seat);
  return [...found];
}
