import type { Bess, Scenario } from '../../scenarios/schema.ts';
import { durationMs } from '../../scenarios/times.ts';
import { createRtac } from '../../simulators/rtac/rtac.ts';
import type { SiteRegisters } from '../../simulators/site/meter.ts';
import { kwToW } from '../../src/domain/units.ts';
import { FieldConnector } from '../../src/field/connector.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../../src/ports/clock.ts';
import type { FieldEvent, FieldJob } from '../../src/ports/field.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { LogBody } from '../../src/ports/records.ts';
import { BytePipe, type Segment } from '../wire/pipe.ts';
import { FieldLog } from './fieldLog.ts';
import { approvalOf } from './setUp.ts';
import { specOf } from './spec.ts';

/**
 * A utility-scale site in the world: the connector (our master), the RTAC (the outstation) and the TCP connection
 * between them, which this file opens and opens again.
 */
export interface FieldSite {
  start(): void;
  submit(job: FieldJob): void;
  registers(): SiteRegisters;
  /** The network goes silent; nobody is told. */
  cut(): void;
  restore(): void;
  /** The master falls silent: it says and hears nothing, and its connection stays up. */
  hang(): void;
  resume(): void;
  degrade(to: { readonly delayMs: number; readonly chopBytesMax: number } | null): void;
}

/** A utility's field network. Assumed. */
const NETWORK = { delayMs: 15, jitterMs: 10, chopBytesMax: 0 } as const;
const ADDRESSES = { master: 1, outstation: 10 } as const;
/** Wait before the next try, doubled up to the limit. */
const REDIAL_MS_MIN = 1_000;
const REDIAL_MS_MAX = 60_000;
const JOBS_MAX = 100;

export interface FieldSiteRequest {
  readonly scenario: Scenario;
  readonly bess: Bess;
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  readonly record: (body: LogBody) => void;
  readonly onEvent: (event: FieldEvent) => void;
  readonly tapOf?: (siteId: string) => (segment: Segment) => void;
}

export function createFieldSite(request: FieldSiteRequest): FieldSite {
  return new Site(request);
}

class Site implements FieldSite {
  readonly #r: FieldSiteRequest;
  readonly #pipe: BytePipe;
  readonly #rtac;
  readonly #connector: FieldConnector;
  #wake: { readonly handle: TimerHandle; readonly atMs: number } | null = null;
  #redial: TimerHandle | null = null;
  #redialMs = REDIAL_MS_MIN;
  #linkUp = false;
  #hung = false;
  /** Jobs that wait for a silent master; more than JOBS_MAX are refused. */
  #waiting: FieldJob[] = [];
  readonly #log: FieldLog;

  constructor(r: FieldSiteRequest) {
    this.#r = r;
    const { bess, scheduler, random, scenario } = r;
    const { siteId } = bess;
    const tap = r.tapOf?.(siteId);
    const taps = tap === undefined ? {} : { onSegment: tap };
    this.#pipe = new BytePipe({ scheduler, random, name: siteId, behaviour: NETWORK, ...taps });
    this.#rtac = createRtac(rtacConfig(bess), scheduler);
    this.#connector = new FieldConnector({
      siteId,
      safety: safetyOf(bess),
      approvals: bess.approval === null ? [] : [approvalOf(scenario, bess, bess.approval)],
      pointsMap: bess.pointsMap,
      addresses: ADDRESSES,
    });
    this.#log = new FieldLog(siteId, this.#connector.map, r.record);
    this.#rtac.onPlantChange(({ state, powerW, cause }) => r.record({ kind: 'plant', siteId, state, powerW, cause }));
    this.#rtac.onOutput(() => this.#sendFromRtac());
    this.#attach();
  }

  start(): void {
    this.#log.begin();
    this.#pipe.open();
  }

  submit(job: FieldJob): void {
    if (this.#hung) return this.#keep(job);
    this.#connector.submit(job, this.#r.scheduler.nowMs());
    this.#pump();
  }

  #keep(job: FieldJob): void {
    const { jobId } = job;
    if (this.#waiting.length < JOBS_MAX) this.#waiting.push(job);
    else this.#tell({ kind: 'reply', reply: { kind: 'refused', jobId, why: 'the connector takes no more jobs' } });
  }

  hang(): void {
    this.#hung = true;
    this.#arm();
  }

  resume(): void {
    this.#hung = false;
    this.#connector.timeout(this.#r.scheduler.nowMs());
    for (const job of this.#waiting.splice(0)) this.#connector.submit(job, this.#r.scheduler.nowMs());
    this.#pump();
  }

  registers(): SiteRegisters {
    const p = this.#rtac.registers(this.#r.scheduler.nowMs());
    return { ...p, loadMj: 0, pvMj: 0, stormMs: 0, stormDischargeMj: 0 };
  }

  cut(): void {
    this.#pipe.cut();
  }

  restore(): void {
    this.#pipe.mend();
  }

  degrade(to: { readonly delayMs: number; readonly chopBytesMax: number } | null): void {
    this.#pipe.setBehaviour(
      to === null ? NETWORK : { delayMs: NETWORK.delayMs + to.delayMs, chopBytesMax: to.chopBytesMax },
    );
  }

  #attach(): void {
    const now = () => this.#r.scheduler.nowMs();
    this.#pipe.a.attach({
      onOpen: () => {
        this.#redialMs = REDIAL_MS_MIN;
        this.#connector.connected(now());
        this.#pump();
      },
      onClose: () => {
        this.#connector.disconnected(now());
        this.#pump();
        this.#dialLater();
      },
      onData: (octets) => {
        if (this.#hung) return;
        this.#connector.receive(octets, now());
        this.#pump();
      },
    });
    this.#pipe.b.attach({
      onOpen: () => this.#rtac.connected(now()),
      onClose: () => this.#rtac.disconnected(now()),
      onData: (octets) => this.#rtac.receive(octets, now()),
    });
  }

  #sendFromRtac(): void {
    for (const octets of this.#rtac.takeOutput()) this.#pipe.b.send(octets);
  }

  /** Everything the connector has to say: octets out, events to the core, intents to the log, the next timer. */
  #pump(): void {
    if (this.#hung) return;
    const { siteId } = this.#r.bess;
    for (const { detail } of this.#connector.takeIntents()) {
      this.#r.record({ kind: 'field', siteId, what: 'operate', detail });
    }
    for (const octets of this.#connector.takeOutput()) this.#pipe.a.send(octets);
    for (const event of this.#connector.takeEvents()) this.#tell(event);
    this.#arm();
  }

  #tell(event: FieldEvent): void {
    const { record, onEvent, bess } = this.#r;
    const { siteId } = bess;
    if (event.kind === 'link') this.#onLink(event.up);
    if (event.kind === 'integrity-read')
      record({ kind: 'field', siteId, what: 'integrity-read', detail: 'point table complete' });
    if (event.kind === 'reply') {
      const { reply } = event;
      record({ kind: 'field', siteId, what: reply.kind, detail: 'why' in reply ? reply.why : reply.jobId });
    }
    const nowMs = this.#r.scheduler.nowMs();
    if (event.kind === 'state') this.#log.state(event, nowMs);
    if (event.kind === 'points') this.#log.points(event.points, nowMs);
    else onEvent(event);
  }

  /** A link that died while the connection stands is half-open: it is closed and dialled anew. */
  #onLink(up: boolean): void {
    if (up !== this.#linkUp) this.#r.record({ kind: 'link', siteId: this.#r.bess.siteId, up });
    this.#linkUp = up;
    if (up || !this.#pipe.a.connected()) return;
    this.#pipe.a.close();
    this.#dialLater();
  }

  #dialLater(): void {
    if (this.#redial !== null) return;
    const { scheduler } = this.#r;
    this.#redial = scheduler.at(
      scheduler.nowMs() + this.#redialMs,
      () => {
        this.#redial = null;
        this.#pipe.open();
      },
      PRIORITY.wire,
    );
    this.#redialMs = Math.min(this.#redialMs * 2, REDIAL_MS_MAX);
  }

  #arm(): void {
    const { scheduler } = this.#r;
    const atMs = this.#hung ? null : this.#connector.nextTimeoutMs();
    if (this.#wake !== null && this.#wake.atMs === atMs) return;
    if (this.#wake !== null) scheduler.cancel(this.#wake.handle);
    this.#wake = atMs === null ? null : { atMs, handle: scheduler.at(atMs, () => this.#onWake(), PRIORITY.wire) };
  }

  #onWake(): void {
    this.#wake = null;
    this.#connector.timeout(this.#r.scheduler.nowMs());
    this.#pump();
  }
}

function rtacConfig(b: Bess) {
  return {
    siteId: b.siteId,
    addresses: ADDRESSES,
    battery: specOf(b, b.socPct),
    reservePct: b.reservePct,
    rampWPerS: kwToW(b.rampKwPerS),
    watchdogMs: durationMs(b.watchdog),
    pointsMap: b.pointsMap,
  };
}

function safetyOf(b: Bess) {
  if (b.safety === null) return null;
  return {
    watchdog: { timeoutMs: durationMs(b.watchdog) },
    chargeWMax: kwToW(b.safety.chargeKwMax),
    dischargeWMax: kwToW(b.safety.dischargeKwMax),
  };
}
