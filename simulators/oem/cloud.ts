import { inputError, show } from '../../src/domain/errors.ts';
import { type EpochMs, MS_PER_DAY } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler } from '../../src/ports/clock.ts';
import type { DeviceControl, DeviceSample, FleetPort } from '../../src/ports/device.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';
import type { WeatherAlert } from '../../src/ports/series.ts';
import { BEHAVIOUR, type Behaviour } from './behaviour.ts';
import { createGate } from './gate.ts';
import { STORM_RULES, StormEngine, type StormVerdict } from './storm.ts';

/**
 * What the simulated clouds have in common. A cloud is an HTTP server as a value: `handle` answers at once, the wire
 * around it adds delay and loss. Behind it are
 * - uploads: each device sends a sample every telemetryPeriodMs, at its own offset; the API shows the last one, never
 *   the truth now;
 * - delivery: a command reaches its device after a drawn delay, or after retries, or never;
 * - storm mode (storm.ts);
 * - tokens, rate limits and quotas, counted in fixed UTC minutes and days.
 * Request bodies beyond BODY_CHARS_MAX are answered 413.
 */
export interface CloudDevice {
  /** Position in the fleet. */
  readonly device: number;
  readonly vendorDeviceId: string;
  /** UGC and SAME codes of where it stands. */
  readonly zones: readonly string[];
  readonly stormGuardEnabled: boolean;
  /** A program it is a member of from the start. */
  readonly enrolledIn?: string;
}

export interface CloudProgram {
  readonly programId: string;
}

export interface CloudCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly apiKey: string;
}

/** What happens inside the cloud and no API tells; for the run log. */
export interface CloudNote {
  readonly atMs: EpochMs;
  readonly device: number;
  readonly vendorDeviceId: string;
  readonly what: 'delivered' | 'delivery-failed' | 'swallowed' | 'storm-on' | 'storm-off';
  readonly detail: string;
}

export interface CloudOptions {
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  readonly fleet: FleetPort;
  readonly devices: readonly CloudDevice[];
  readonly behaviour?: Partial<Behaviour>;
  readonly credentials: CloudCredentials;
  readonly programs: readonly CloudProgram[];
  readonly onNote?: (note: CloudNote) => void;
}

export interface OemCloud {
  readonly oem: BatteryOem;
  readonly handle: HttpHandler;
  /** A weather alert came out; says whether this cloud will act on it. */
  alert(alert: WeatherAlert): StormVerdict;
  /** An alert ended early; noticed at the next poll. */
  alertOver(alertId: string): void;
  setBehaviour(change: Partial<Behaviour>): void;
  behaviour(): Behaviour;
  /** The owner leaves the commands of the program that are open now, and those to come until back in. */
  setOptOut(vendorDeviceId: string, out: boolean): void;
  /** Every token given out so far is refused from now on. */
  revokeTokens(): void;
  counts(): CloudCounts;
}

export interface CloudCounts {
  readonly requests: number;
  readonly throttled: number;
  readonly unauthorised: number;
  readonly tokens: number;
}

/** One device as its cloud knows it. */
export interface Seat {
  readonly device: number;
  readonly id: string;
  readonly zones: readonly string[];
  stormEnabled: boolean;
  readonly alerts: Set<string>;
  shown: DeviceSample | null;
  /** The reserve that the device has yet to hear of. */
  reservePct: number | null;
  /** Uploaded, but not yet to be seen. */
  coming: DeviceSample | null;
  comingMs: EpochMs;
  optedOut: boolean;
  day: number;
  dayCount: number;
  readonly draw: RandomStream;
  /** A stream of its own, so that the fault shifts nothing else. */
  readonly swallow: RandomStream;
}

export interface CloudBase {
  readonly seats: readonly Seat[];
  seat(vendorDeviceId: string): Seat | undefined;
  readonly storm: StormEngine<Seat>;
  behaviour(): Behaviour;
  setBehaviour(change: Partial<Behaviour>): void;
  counts(): CloudCounts;
  /** The last sample that the API may show. */
  sampleOf(seat: Seat): DeviceSample | null;
  /** False when the day's quota of the site is used up. */
  admitSite(seat: Seat): boolean;
  /** Answers 503, 413 and 429 before a dialect sees the request; null = go on. */
  admit(request: HttpRequest, errors: CloudErrors): HttpResponse | null;
  revokeTokens(): void;
  issueToken(): { readonly token: string; readonly lifetimeMs: number };
  isAuthorised(request: HttpRequest): boolean;
  /** Time from the cloud to the device, drawn. */
  drawDelayMs(seat: Seat): number;
  drawFailure(seat: Seat): boolean;
  send(seat: Seat, control: DeviceControl): 'taken' | 'offline';
  /** Tells the device the owner's reserve now. */
  tellReserve(seat: Seat, reservePct: number): 'taken' | 'offline';
  /** Has the device told the owner's reserve after the delay of a command, again and again while it is offline. */
  setReserve(seat: Seat, reservePct: number): void;
  note(seat: Seat, what: CloudNote['what'], detail: string): void;
}

export interface CloudErrors {
  down(): HttpResponse;
  tooLarge(): HttpResponse;
  tooMany(retryAfterS: number | null): HttpResponse;
}

export function createCloudBase(oem: BatteryOem, options: CloudOptions): CloudBase {
  const { scheduler, fleet } = options;
  let behaviour: Behaviour = checked({ ...BEHAVIOUR[oem], ...options.behaviour });
  const seats = options.devices.map((d) => makeSeat(oem, d, options.random));
  const byId = new Map(seats.map((s) => [s.id, s]));
  if (byId.size !== seats.length) {
    throw inputError({
      source: `${oem} cloud`,
      place: 'devices',
      value: 'a vendorDeviceId twice',
      expected: 'unique ids',
    });
  }
  const note: CloudBase['note'] = (seat, what, detail) =>
    options.onNote?.({ atMs: scheduler.nowMs(), device: seat.device, vendorDeviceId: seat.id, what, detail });
  const drawDelayMs = (seat: Seat): number => delayOf(seat.draw, behaviour);
  const storm = new StormEngine<Seat>({
    scheduler,
    rule: STORM_RULES[oem],
    seats,
    pollMs: () => behaviour.alertPollMs,
    leadMs: () => behaviour.stormLeadMs,
    changed: (seat, active, cause) => {
      note(seat, active ? 'storm-on' : 'storm-off', cause);
      pushStorm(seat, active, cause, drawDelayMs(seat));
    },
  });
  /** Tells the device, again and again while it is offline and the cloud still wants the same. */
  const pushStorm = (seat: Seat, active: boolean, cause: string, delayMs: number): void => {
    scheduler.at(
      scheduler.nowMs() + delayMs,
      () => {
        if (seat.alerts.size > 0 !== active) return;
        const taken = fleet.setStorm(seat.device, active, cause);
        if (taken === 'offline') pushStorm(seat, active, cause, behaviour.deliveryRetryMs);
      },
      PRIORITY.world,
    );
  };
  const tellReserve = (seat: Seat, reservePct: number): 'taken' | 'offline' => {
    const cause = `reserve ${reservePct} %`;
    if (!seat.swallow.chance(behaviour.swallowRatio)) return fleet.keepReserve(seat.device, reservePct, cause);
    note(seat, 'swallowed', cause);
    return 'taken';
  };
  /** The newest one only, and for RESERVE_RETRIES_MS. */
  const pushReserve = (seat: Seat, reservePct: number, delayMs: number, untilMs: EpochMs): void => {
    const attempt = (): void => {
      if (seat.reservePct !== reservePct) return;
      if (tellReserve(seat, reservePct) === 'taken') {
        seat.reservePct = null;
        return note(seat, 'delivered', `reserve ${reservePct} %`);
      }
      const retryMs = Math.max(1_000, behaviour.deliveryRetryMs);
      if (scheduler.nowMs() + retryMs <= untilMs) return pushReserve(seat, reservePct, retryMs, untilMs);
      seat.reservePct = null;
      note(seat, 'delivery-failed', `reserve ${reservePct} %`);
    };
    scheduler.at(scheduler.nowMs() + delayMs, attempt, PRIORITY.world);
  };
  startUploads(scheduler, fleet, seats, () => behaviour);
  const gate = createGate(scheduler, () => behaviour);
  return {
    seats,
    seat: (id) => byId.get(id),
    storm,
    behaviour: () => behaviour,
    setBehaviour: (change) => {
      behaviour = checked({ ...behaviour, ...change });
    },
    ...gate,
    sampleOf: (seat) => {
      if (seat.coming !== null && seat.comingMs <= scheduler.nowMs()) {
        seat.shown = seat.coming;
        seat.coming = null;
      }
      return seat.shown;
    },
    drawDelayMs,
    drawFailure: (seat) => seat.draw.chance(behaviour.deliveryFailureRatio),
    send: (seat, control) => {
      if (!seat.swallow.chance(behaviour.swallowRatio)) return fleet.control(seat.device, control);
      note(seat, 'swallowed', control.cause);
      return 'taken';
    },
    tellReserve,
    setReserve: (seat, reservePct) => {
      seat.reservePct = reservePct;
      pushReserve(seat, reservePct, drawDelayMs(seat), scheduler.nowMs() + RESERVE_RETRIES_MS);
    },
    note,
  };
}

/** A device that is offline hears of its reserve for so long; then the cloud gives it up. Assumed. */
const RESERVE_RETRIES_MS = MS_PER_DAY;

function delayOf(draw: RandomStream, b: Behaviour): number {
  const tail = draw.chance(b.commandTailRatio);
  const usualMs = b.commandDelayMsMin + (b.commandDelayMsMean > 0 ? draw.exponential(b.commandDelayMsMean) : 0);
  return Math.round(tail ? Math.max(usualMs, draw.uniform(0, b.commandTailMsMax)) : usualMs);
}

function makeSeat(oem: BatteryOem, d: CloudDevice, random: RandomSource): Seat {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(d.vendorDeviceId)) {
    throw inputError({
      source: `${oem} cloud`,
      place: 'devices.vendorDeviceId',
      value: show(d.vendorDeviceId),
      expected: '1 to 64 letters, digits, "-" or "_"',
    });
  }
  return {
    device: d.device,
    id: d.vendorDeviceId,
    zones: d.zones,
    stormEnabled: d.stormGuardEnabled,
    alerts: new Set(),
    shown: null,
    reservePct: null,
    coming: null,
    comingMs: 0,
    optedOut: false,
    day: -1,
    dayCount: 0,
    draw: random(`oem/${oem}/${d.vendorDeviceId}`),
    swallow: random(`oem/${oem}/${d.vendorDeviceId}/swallow`),
  };
}

/** The first sample is there from the start; the next ones come every period at an offset drawn per device. */
function startUploads(
  scheduler: Scheduler,
  fleet: FleetPort,
  seats: readonly Seat[],
  behaviour: () => Behaviour,
): void {
  const startedMs = scheduler.nowMs();
  for (const seat of seats) {
    const offsetMs = seat.draw.int(1, Math.max(1, behaviour().telemetryPeriodMs));
    const upload = (): void => {
      if (seat.coming !== null) seat.shown = seat.coming;
      seat.coming = fleet.isOnline(seat.device) ? fleet.sample(seat.device) : null;
      seat.comingMs = scheduler.nowMs() + behaviour().telemetryDelayMs;
      scheduler.at(scheduler.nowMs() + behaviour().telemetryPeriodMs, upload, PRIORITY.world);
    };
    scheduler.at(
      startedMs,
      () => {
        if (fleet.isOnline(seat.device)) seat.shown = fleet.sample(seat.device);
      },
      PRIORITY.meter,
    );
    scheduler.at(startedMs + offsetMs, upload, PRIORITY.world);
  }
}

/** @throws InputError naming the figure that is out of range */
export function checked(b: Behaviour): Behaviour {
  for (const [name, value] of Object.entries(b)) {
    if (typeof value === 'boolean' || value === null) continue;
    const isRatio = name.endsWith('Ratio') || name === 'throttleFactor';
    const ok = Number.isFinite(value) && value >= 0 && (!isRatio || value <= 1);
    if (ok) continue;
    throw inputError({
      source: 'cloud behaviour',
      place: name,
      value: show(value),
      expected: isRatio ? 'a number from 0 to 1' : 'a number ≥ 0',
    });
  }
  if (!(b.telemetryPeriodMs >= 1000)) {
    throw inputError({
      source: 'cloud behaviour',
      place: 'telemetryPeriodMs',
      value: show(b.telemetryPeriodMs),
      expected: 'at least 1000 ms',
    });
  }
  return b;
}
