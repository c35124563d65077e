import type { PlantChange, RtacConfig } from '../../../simulators/rtac/config.ts';
import { createRtac, type Rtac } from '../../../simulators/rtac/rtac.ts';
import { type PointsMapConfig, STANDARD_MAP } from '../../../src/domain/pointsMap.ts';
import type { Approval, SiteSafety } from '../../../src/domain/safety.ts';
import type { ConnectorConfig } from '../../../src/field/config.ts';
import { FieldConnector } from '../../../src/field/connector.ts';
import type { Scheduler } from '../../../src/ports/clock.ts';
import type { FieldEvent } from '../../../src/ports/field.ts';

/** A clock that stands at each deadline, in order of time and of scheduling. */
export class TestClock implements Scheduler {
  private now: number;
  private next = 1;
  private readonly timers = new Map<number, { atMs: number; fn: () => void }>();

  constructor(startMs: number) {
    this.now = startMs;
  }
  nowMs(): number {
    return this.now;
  }
  at(atMs: number, fn: () => void): number {
    const handle = this.next++;
    this.timers.set(handle, { atMs: Math.max(atMs, this.now), fn });
    return handle;
  }
  cancel(handle: number): void {
    this.timers.delete(handle);
  }
  run(untilMs: number): void {
    for (let n = 0; n < 1_000_000; n++) {
      const due = [...this.timers]
        .filter(([, t]) => t.atMs <= untilMs)
        .sort(([h, a], [k, b]) => a.atMs - b.atMs || h - k)[0];
      if (due === undefined) {
        this.now = untilMs;
        return;
      }
      this.timers.delete(due[0]);
      this.now = due[1].atMs;
      due[1].fn();
    }
    throw new Error('the timers never end');
  }
}

export const START_MS = Date.UTC(2024, 6, 10, 18);
export const ADDRESSES = { master: 1, outstation: 10 };
export const SAFETY: SiteSafety = { watchdog: { timeoutMs: 30_000 }, chargeWMax: 2_000_000, dischargeWMax: 1_500_000 };
export const APPROVAL: Approval = {
  approvalId: 'a1',
  siteId: 'yard',
  requestedBy: 'control-room',
  approvedBy: 'shift-lead',
  fromMs: START_MS,
  untilMs: START_MS + 24 * 3_600_000,
  chargeWMax: 1_000_000,
  dischargeWMax: 1_200_000,
  mapRevision: 'AN2018-001',
};

export const RTAC: RtacConfig = {
  siteId: 'yard',
  addresses: ADDRESSES,
  battery: {
    usableWh: 4_000_000,
    chargeWMax: 2_000_000,
    dischargeWMax: 2_000_000,
    chargeRatio: 0.94,
    dischargeRatio: 0.94,
    standbyW: 4_000,
    storedWh: 3_600_000,
  },
  reservePct: 10,
  rampWPerS: 200_000,
  watchdogMs: 30_000,
};

/** Connector and site on one clock; the wire delays every octet by a millisecond. */
export class Bench {
  readonly clock = new TestClock(START_MS);
  readonly connector: FieldConnector;
  readonly rtac: Rtac;
  readonly events: { atMs: number; event: FieldEvent }[] = [];
  readonly plant: PlantChange[] = [];
  readonly intents: string[] = [];
  /** The run in one list, for order. */
  readonly log: string[] = [];
  private open = false;
  private silent = false;
  private hung = false;
  /** When each intent left, and when the connector last woke. */
  readonly intentTimes: number[] = [];
  wokeMs = 0;
  private timer: { handle: number; atMs: number } | null = null;

  constructor(
    part: {
      safety?: SiteSafety | null;
      approvals?: readonly Approval[];
      rtac?: Partial<RtacConfig>;
      /** Of both ends. */
      pointsMap?: PointsMapConfig;
      connector?: Partial<ConnectorConfig>;
    } = {},
  ) {
    const pointsMap = part.pointsMap ?? STANDARD_MAP;
    this.connector = new FieldConnector({
      siteId: 'yard',
      safety: part.safety === undefined ? SAFETY : part.safety,
      approvals: part.approvals ?? [APPROVAL],
      pointsMap,
      addresses: ADDRESSES,
      ...part.connector,
    });
    this.rtac = createRtac({ ...RTAC, pointsMap, ...part.rtac }, this.clock);
    this.rtac.onPlantChange((c) => {
      this.plant.push(c);
      this.log.push(`plant ${c.state} ${c.powerW}`);
    });
    this.rtac.onOutput(() => this.pump());
  }

  get nowMs(): number {
    return this.clock.nowMs();
  }

  connect(): void {
    this.open = true;
    this.silent = false;
    this.rtac.connected(this.nowMs);
    this.connector.connected(this.nowMs);
    this.pump();
  }

  /** Both ends are told. */
  cut(): void {
    this.open = false;
    this.connector.disconnected(this.nowMs);
    this.rtac.disconnected(this.nowMs);
    this.pump();
  }

  /** Nobody is told. */
  goSilent(): void {
    this.silent = true;
  }

  /** The connector stands still for a while: no timer, no octet in or out; the connection stays. */
  hang(ms: number): void {
    this.hung = true;
    this.clock.run(this.nowMs + ms);
  }

  /** It could go on, and nothing has called it yet. */
  unfreeze(): void {
    this.hung = false;
    this.schedule();
  }

  wake(): void {
    this.hung = false;
    this.wokeMs = this.nowMs;
    this.connector.timeout(this.nowMs);
    this.pump();
  }

  pump(): void {
    if (this.hung) {
      this.rtac.takeOutput();
      return;
    }
    for (const octets of this.connector.takeOutput()) this.carry(() => this.rtac.receive(octets, this.nowMs));
    for (const octets of this.rtac.takeOutput()) this.carry(() => this.connector.receive(octets, this.nowMs));
    // Controls first, as a driver may do it: even so a read must show before what it allows.
    for (const i of this.connector.takeIntents()) {
      this.intents.push(i.detail);
      this.intentTimes.push(this.nowMs);
      this.log.push(`operate ${i.detail}`);
    }
    for (const event of this.connector.takeEvents()) {
      this.events.push({ atMs: this.nowMs, event });
      if (event.kind === 'link') this.log.push(`link ${event.up ? 'up' : 'down'}`);
      if (event.kind === 'integrity-read') this.log.push('integrity-read');
      if (event.kind === 'reply') this.log.push(event.reply.kind);
    }
    this.schedule();
  }

  private carry(deliver: () => void): void {
    if (!this.open || this.silent) return;
    this.clock.at(this.nowMs + 1, () => {
      if (!this.open || this.silent || this.hung) return;
      deliver();
      this.pump();
    });
  }

  private schedule(): void {
    const next = this.connector.nextTimeoutMs();
    if (this.timer?.atMs === next) return;
    if (this.timer !== null) this.clock.cancel(this.timer.handle);
    this.timer = null;
    if (next === null) return;
    const handle = this.clock.at(next, () => {
      this.timer = null;
      if (this.hung) return;
      this.connector.timeout(this.nowMs);
      this.pump();
    });
    this.timer = { handle, atMs: next };
  }

  run(ms: number): void {
    this.clock.run(this.nowMs + ms);
  }

  setpoint(jobId: string, powerW: number, minutes: number): void {
    const startMs = this.nowMs;
    this.connector.submit({ kind: 'setpoint', jobId, powerW, startMs, endMs: startMs + minutes * 60_000 }, this.nowMs);
    this.pump();
  }

  replies(): string[] {
    return this.events.flatMap(({ event }) =>
      event.kind === 'reply'
        ? [`${event.reply.jobId} ${event.reply.kind}${'why' in event.reply ? `: ${event.reply.why}` : ''}`]
        : [],
    );
  }

  lastState() {
    return this.events.flatMap(({ event }) => (event.kind === 'state' ? [event] : [])).at(-1);
  }
}
