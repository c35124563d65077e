import type { CloudDevice, OemCloud } from '../../simulators/oem/cloud.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { Scheduler, TimerHandle } from '../../src/ports/clock.ts';
import type { DeviceControl, DeviceSample, FleetPort } from '../../src/ports/device.ts';
import type { HttpOutcome, HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import type { OemJob, OemReply, OemSession } from '../../src/ports/oem.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';

/**
 * A session and its cloud in virtual time. The wire between them is a function: it says for each request how long both
 * ways take and what is lost, so a test can aim a fault at one exchange.
 */
export const START_MS = Date.UTC(2024, 6, 10, 0, 0, 0);

interface Timer {
  readonly atMs: EpochMs;
  readonly priority: number;
  readonly seq: number;
  readonly fn: () => void;
}

/** Orders by time, priority, sequence; a binary heap. */
export class TestClock implements Scheduler {
  #nowMs: EpochMs;
  #seq = 0;
  readonly #heap: Timer[] = [];
  readonly #cancelled = new Set<TimerHandle>();
  constructor(nowMs: EpochMs) {
    this.#nowMs = nowMs;
  }
  nowMs(): EpochMs {
    return this.#nowMs;
  }
  at(atMs: EpochMs, fn: () => void, priority = 3): TimerHandle {
    this.#seq += 1;
    const timer: Timer = { atMs: Math.max(atMs, this.#nowMs), priority, seq: this.#seq, fn };
    let i = this.#heap.length;
    this.#heap.push(timer);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const above = this.#heap[up];
      if (above === undefined || !before(timer, above)) break;
      this.#heap[i] = above;
      i = up;
    }
    this.#heap[i] = timer;
    return this.#seq;
  }
  cancel(handle: TimerHandle): void {
    this.#cancelled.add(handle);
  }
  run(untilMs: EpochMs): void {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined || top.atMs > untilMs) break;
      this.#pop();
      if (this.#cancelled.delete(top.seq)) continue;
      this.#nowMs = top.atMs;
      top.fn();
    }
    this.#nowMs = untilMs;
  }
  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      let least = this.#heap[child];
      if (least === undefined) break;
      const right = this.#heap[child + 1];
      if (right !== undefined && before(right, least)) {
        child += 1;
        least = right;
      }
      if (!before(least, last)) break;
      this.#heap[i] = least;
      i = child;
    }
    this.#heap[i] = last;
  }
}

const before = (a: Timer, b: Timer): boolean =>
  a.atMs !== b.atMs ? a.atMs < b.atMs : a.priority !== b.priority ? a.priority < b.priority : a.seq < b.seq;

/** mulberry32 over a hash of seed and label. */
export function testRandom(seed: number): RandomSource {
  return (label) => {
    let state = seed | 0;
    for (let i = 0; i < label.length; i++) state = Math.imul(state ^ label.charCodeAt(i), 0x01000193) + 0x9e3779b9;
    const next = (): number => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    const stream: RandomStream = {
      next,
      int: (min, max) => min + Math.floor(next() * (max - min + 1)),
      uniform: (min, max) => min + next() * (max - min),
      normal: (mean, sd) => mean + sd * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
      exponential: (mean) => -mean * Math.log(1 - next()),
      chance: (p) => next() < p,
    };
    return stream;
  };
}

export interface ControlSeen {
  readonly atMs: EpochMs;
  readonly device: number;
  readonly control: DeviceControl;
}

/** Devices that log what they are told; a storm makes them deaf to it, as the real ones are. */
export class TestFleet implements FleetPort {
  readonly controls: ControlSeen[] = [];
  readonly storms: { readonly atMs: EpochMs; readonly device: number; readonly active: boolean }[] = [];
  readonly offline = new Set<number>();
  readonly storm = new Set<number>();
  readonly socPct = new Map<number, number>();
  readonly reservePct = new Map<number, number>();
  readonly #running = new Map<number, DeviceControl>();
  readonly #clock: TestClock;
  constructor(clock: TestClock) {
    this.#clock = clock;
  }
  /** What the device does by now. */
  powerW(device: number): number {
    const c = this.#running.get(device);
    if (c === undefined || this.storm.has(device) || (c.endMs !== null && this.#clock.nowMs() >= c.endMs)) return 0;
    const magnitude = Math.min(c.powerW ?? 5_000, 5_000);
    return c.mode === 'discharge' ? magnitude : c.mode === 'charge' ? -magnitude : 0;
  }
  isOnline(device: number): boolean {
    return !this.offline.has(device);
  }
  sample(device: number): DeviceSample {
    const powerW = this.powerW(device);
    const socPct = this.socPct.get(device) ?? 60;
    const inStorm = this.storm.has(device);
    return {
      state: {
        charge: 135 * socPct,
        chargePercentage: socPct,
        chargingState: powerW > 0 ? 'discharging' : powerW < 0 ? 'charging' : 'idle',
        chargeRate: powerW,
        backupReserve: this.reservePct.get(device) ?? 20,
        gridStatus: 'importing',
        gridPower: 1_000 - powerW,
        strategy: 'self_consumption',
        isStormModeEnabled: true,
        isStormModeActive: inStorm,
        sampledAtMs: this.#clock.nowMs(),
      },
      operation: inStorm ? 'storm' : powerW > 0 ? 'discharge' : powerW < 0 ? 'charge' : 'self-consumption',
      loadW: 1_000,
      pvW: 0,
      chargeWMax: 5_000,
      dischargeWMax: 5_000,
      usableWh: 13_500,
    };
  }
  control(device: number, control: DeviceControl): 'taken' | 'offline' {
    if (this.offline.has(device)) return 'offline';
    this.controls.push({ atMs: this.#clock.nowMs(), device, control });
    if (control.mode === 'reset') this.#running.delete(device);
    else this.#running.set(device, control);
    return 'taken';
  }
  keepReserve(device: number, reservePct: number): 'taken' | 'offline' {
    if (this.offline.has(device)) return 'offline';
    this.reservePct.set(device, reservePct);
    return 'taken';
  }
  setStorm(device: number, active: boolean): 'taken' | 'offline' {
    if (this.offline.has(device)) return 'offline';
    this.storms.push({ atMs: this.#clock.nowMs(), device, active });
    if (active) this.storm.add(device);
    else this.storm.delete(device);
    return 'taken';
  }
}

export interface Fate {
  /** From the session to the cloud; null = lost on the way. */
  readonly thereMs: number | null;
  /** Back; null = the answer is lost, the effect is not. */
  readonly backMs: number | null;
  /** Replaces the body (and says 200). */
  readonly garbage?: string;
  /** The request arrives twice. */
  readonly twice?: boolean;
}

export interface Exchange {
  readonly atMs: EpochMs;
  readonly request: HttpRequest;
  readonly status: number | null;
}

export const GOOD: Fate = { thereMs: 40, backMs: 40 };

export class OemPair {
  readonly clock: TestClock;
  readonly fleet: TestFleet;
  readonly cloud: OemCloud;
  readonly session: OemSession;
  readonly replies: { readonly atMs: EpochMs; readonly reply: OemReply }[] = [];
  /** What the session asked to keep, the newest last. */
  readonly kept: (string | null)[] = [];
  readonly exchanges: Exchange[] = [];
  wire: (request: HttpRequest, n: number) => Fate = () => GOOD;
  onReply: (reply: OemReply) => void = () => {};
  #sent = 0;
  #timerMs: EpochMs | null = null;

  constructor(parts: { clock: TestClock; fleet: TestFleet; cloud: OemCloud; session: OemSession }) {
    this.clock = parts.clock;
    this.fleet = parts.fleet;
    this.cloud = parts.cloud;
    this.session = parts.session;
  }

  submit(job: OemJob): void {
    this.session.submit(job, this.clock.nowMs());
    this.#flush();
  }

  /** Lets time pass. */
  run(ms: number): void {
    this.clock.run(this.clock.nowMs() + ms);
  }

  /** Submits and runs until the reply is there, at most `ms`. */
  ask(job: OemJob, ms = 600_000): OemReply {
    this.submit(job);
    const endMs = this.clock.nowMs() + ms;
    while (this.clock.nowMs() < endMs) {
      const found = this.replyTo(job.jobId);
      if (found !== undefined) return found;
      this.run(100);
    }
    throw new Error(`no reply to ${job.jobId} within ${ms} ms`);
  }

  replyTo(jobId: string): OemReply | undefined {
    return this.replies.find((r) => r.reply.jobId === jobId)?.reply;
  }

  posts(path: string): number {
    return this.exchanges.filter((e) => e.request.method === 'POST' && e.request.path.startsWith(path)).length;
  }

  #flush(): void {
    for (const reply of this.session.takeReplies()) {
      this.onReply(reply);
      if (reply.kind === 'kept') this.kept.push(reply.kept);
      else this.replies.push({ atMs: this.clock.nowMs(), reply });
    }
    for (const out of this.session.takeOutput()) this.#send(out.requestId, out.request, out.timeoutMs);
    const nextMs = this.session.nextTimeoutMs();
    if (nextMs === null || (this.#timerMs !== null && this.#timerMs <= nextMs)) return;
    this.#timerMs = nextMs;
    this.clock.at(nextMs, () => {
      this.#timerMs = null;
      this.session.timeout(this.clock.nowMs());
      this.#flush();
    });
  }

  #send(id: number, request: HttpRequest, timeoutMs: EpochMs): void {
    const fate = this.wire(request, this.#sent++);
    const nowMs = this.clock.nowMs();
    let open = true;
    const done = (outcome: HttpOutcome): void => {
      if (!open) return;
      open = false;
      const status = outcome.kind === 'lost' ? null : outcome.response.status;
      this.exchanges.push({ atMs: this.clock.nowMs(), request, status });
      this.session.receive(id, outcome, this.clock.nowMs());
      this.#flush();
    };
    this.clock.at(timeoutMs, () => done({ kind: 'lost' }));
    if (fate.thereMs === null) return;
    this.clock.at(nowMs + fate.thereMs, () => {
      const response = this.cloud.handle(request, this.clock.nowMs());
      if (fate.twice === true) this.cloud.handle(request, this.clock.nowMs());
      if (fate.backMs === null) return;
      const seen: HttpResponse =
        fate.garbage === undefined ? response : { status: 200, headers: {}, body: fate.garbage };
      this.clock.at(this.clock.nowMs() + fate.backMs, () => done({ kind: 'response', response: seen }));
    });
  }
}

export const CREDENTIALS = { clientId: 'partner', clientSecret: 'päss', apiKey: 'key-1' } as const;

export const devices = (count: number, change: Partial<CloudDevice> = {}): CloudDevice[] =>
  Array.from({ length: count }, (_, i) => ({
    device: i,
    vendorDeviceId: String(1000 + i),
    zones: i % 2 === 0 ? ['CAC071'] : ['CAC037'],
    stormGuardEnabled: true,
    enrolledIn: 'prog-1',
    ...change,
  }));

type ControlJob = Extract<OemJob, { kind: 'control' }>;

export const controlJob = (jobId: string, change: Partial<ControlJob> = {}): ControlJob => ({
  kind: 'control',
  jobId,
  vendorDeviceId: '1000',
  route: 'grid_services',
  mode: 'discharge',
  mayExport: true,
  powerW: 3_000,
  startMs: START_MS + 600_000,
  endMs: START_MS + 4_200_000,
  reservePctMin: 20,
  reservePctMax: 100,
  notAfterMs: START_MS + 900_000,
  ...change,
});
