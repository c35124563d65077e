import type { MasterEvent } from '../dnp3/master/config.ts';
import type { Measurement } from '../dnp3/master/measurements.ts';
import { MasterSession } from '../dnp3/master/session.ts';
import type { CommandOutcome } from '../dnp3/master/tasks.ts';
import { type Approval, leaveToControl, leaveToSet, modeOf, type SiteSafety } from '../domain/safety.ts';
import type { EpochMs } from '../domain/units.ts';
import type { FieldEvent, FieldJob, FieldReply, FieldSession } from '../ports/field.ts';
import type { ConnectorConfig } from './config.ts';
import {
  type ControlMode,
  type NamedStep,
  rawPoint,
  releaseSteps,
  replyOf,
  setpointSteps,
  stopSteps,
  TARGET_STEP,
} from './controls.ts';
import { type About, type Active, earliest, type OperateIntent, pushKept, type Setpoint } from './jobs.ts';
import { engineering, enrich, isLocal, normalise, PointTable } from './normalise.ts';
import { type PointMap, pointMap } from './pointMap.ts';
import { eventPollMs } from './polls.ts';
import { nextW, RAMP_STEP_MS, turnMs, wantedW } from './ramp.ts';
import { ReserveOrder } from './reserve.ts';
import { STOPPED, StopLatch } from './stopLatch.ts';

/**
 * The connector of one utility-scale site: jobs of the core in, DNP3 out; points in, normalised battery out.
 *
 * Control. A setpoint is AGC: AO145 reversion timeout [s], AO146 active power target [W], then select and operate of
 * BO23 enable. AGC is taken and not charge/discharge mode (AO92, AO93, BO18) because its target is in watts, as the core
 * thinks, and not in tenths of a percent of a WMax that may change under it; a site without AGC gets the other. The whole
 * sequence is repeated every third of the site's watchdog while the window is open, so that two beats may be lost; it is
 * idempotent, and it enables the mode again after the plant fell to its safe state. When the window closes and no other
 * setpoint came within RELEASE_GRACE_MS, the mode is set off. Where the site has a ramp limit a setpoint is reached, and
 * left, in steps (ramp.ts). The reserve: reserve.ts.
 *
 * Safety. Every beat passes the gate of domain/safety.ts; without configuration or approval nothing leaves. Until the
 * integrity poll of a connection is complete no control leaves. Local or lockout at the site holds beats back. So does a
 * watchdog that is not alive: when nothing fresh was heard for the watchdog's time, the plant is or will be in its safe
 * state and our picture of it is old; the next fresh answer lets the beats go on. Events are asked for three times in the
 * watchdog's time. A site may want a new command after its link was lost: then the setpoint ends with the link. The
 * emergency stop (BO2) is the exception to all of this: it takes the site off, needs no leave,
 * leaves at once, drops every setpoint and is repeated until it is answered; after it nothing else leaves, and setpoints
 * are refused, until the site was seen to return to service.
 *
 * Link. A 'link' event with up = false while the owner holds the connection open says that nobody answers (a half-open
 * connection): the owner should close it and open a new one.
 */
const RELEASE_GRACE_MS = 2_000;

export class FieldConnector implements FieldSession {
  readonly master: MasterSession;
  /** The points of this site, for a log and a reader. */
  readonly map: PointMap;
  private readonly mode: ControlMode;
  private readonly pollMs: number | undefined;
  private readonly table = new PointTable();
  private safety: SiteSafety | null;
  private approvals: readonly Approval[];
  private linkUp = false;
  private readOnce = false;
  private transportUp = false;
  /** When something fresh was last heard of the site. */
  private heardMs = Number.NEGATIVE_INFINITY;
  private active: Active | null = null;
  /** A setpoint that was ended before its time and goes down to 0 W; the release waits for it. */
  private easing: Active | null = null;
  /** The setpoint given last on this connection [W]; null = none. */
  private givenW: number | null = null;
  /** Under a ramp limit no setpoint leaves before. */
  private stepFreeMs: EpochMs = Number.NEGATIVE_INFINITY;
  /** Waiting to give the site back; jobId null when no job asked for it. */
  private releasing: { readonly jobId: string | null; readonly dueMs: EpochMs } | null = null;
  private readonly stop = new StopLatch();
  private readonly reserve: ReserveOrder;
  /** A beat is due and waits for something fresh of the site. */
  private waitsForNews = false;
  private readonly intents: OperateIntent[] = [];
  private readonly events: FieldEvent[] = [];
  private commandCount = 0;
  private readonly jobOf = new Map<string, About>();

  /** @throws InputError for a points map that cannot be used */
  constructor(config: ConnectorConfig) {
    const map = pointMap(config.siteId, config.pointsMap);
    this.map = map;
    this.safety = config.safety;
    this.approvals = config.approvals;
    this.mode = config.controlMode ?? 'agc';
    const wanted = new Set(map.points.map((p) => `${p.type}${p.index}`));
    this.pollMs = config.pollMs;
    this.reserve = new ReserveOrder(map, (reply) => this.reply(reply));
    this.master = new MasterSession({
      localAddress: config.addresses.master,
      remoteAddress: config.addresses.outstation,
      known: (kind, index) => wanted.has(`${kind === 'AOS' ? 'AO' : kind === 'BOS' ? 'BO' : kind}${index}`),
      eventPollMs: eventPollMs(config.safety, config.pollMs),
    });
  }

  /** New safety configuration or approvals; a setpoint that they no longer cover ends at once and the site is released. */
  configure(safety: SiteSafety | null, approvals: readonly Approval[], nowMs: EpochMs): void {
    this.safety = safety;
    this.approvals = approvals;
    this.master.pollEventsEvery(eventPollMs(safety, this.pollMs), nowMs);
    if (this.active !== null) this.checkLeave(this.active, nowMs);
    this.work(nowMs);
  }

  connected(nowMs: EpochMs): void {
    this.transportUp = true;
    this.forget();
    this.master.connected(nowMs);
    this.drain(nowMs);
    this.stop.hurry(nowMs);
    this.setLink(true);
    this.work(nowMs);
  }

  disconnected(nowMs: EpochMs): void {
    this.transportUp = false;
    this.master.disconnected(nowMs);
    this.drain(nowMs);
    this.lose(nowMs);
    this.setLink(false);
  }

  receive(octets: Uint8Array, nowMs: EpochMs): void {
    this.master.receive(octets, nowMs);
    this.work(nowMs);
  }

  submit(job: FieldJob, nowMs: EpochMs): void {
    switch (job.kind) {
      case 'setpoint':
        this.takeSetpoint(job, nowMs);
        break;
      case 'release':
        this.takeRelease(job.jobId, nowMs);
        break;
      case 'reserve':
        this.reserve.take(job, this.stop.holds ? STOPPED : null);
        break;
      case 'emergency-stop':
        this.takeStop(job.jobId, nowMs);
        break;
    }
    this.work(nowMs);
  }

  timeout(nowMs: EpochMs): void {
    this.master.timeout(nowMs);
    this.work(nowMs);
  }

  nextTimeoutMs(): EpochMs | null {
    const times: (number | null)[] = [this.master.nextTimeoutMs(), this.reserve.endMs];
    if (this.active !== null) {
      times.push(this.active.job.endMs);
      if (!this.active.underWay && this.mayControl() && !this.waitsForNews) times.push(this.active.beatDueMs);
    }
    if (this.releasing !== null && this.mayControl() && this.easing?.underWay !== true) {
      times.push(this.easing?.beatDueMs ?? this.releasing.dueMs);
    }
    if (this.transportUp) times.push(this.stop.dueMs);
    return earliest(times);
  }

  takeOutput(): Uint8Array[] {
    return this.master.takeOutput();
  }

  takeEvents(): FieldEvent[] {
    return this.events.splice(0);
  }

  /** Controls that left since the last call, in order. */
  takeIntents(): OperateIntent[] {
    return this.intents.splice(0);
  }

  /** What was known of the site is void until it is read again. */
  private forget(): void {
    this.table.clear();
    this.readOnce = false;
    this.givenW = null;
  }

  /** The link is lost. A site that wants a new command, or a new approval, after that is not taken up where it was left. */
  private lose(nowMs: EpochMs): void {
    if (this.active === null || (this.safety?.afterReconnect ?? 'resume') === 'resume') return;
    const followed = this.active.beats > 0;
    this.dropSetpoint('the link was lost: the site wants a new command after that');
    if (followed) this.askRelease(null, nowMs);
  }

  private emit(event: FieldEvent): void {
    pushKept(this.events, event);
  }

  private reply(reply: FieldReply | null): void {
    if (reply !== null) this.emit({ kind: 'reply', reply });
  }

  private setLink(up: boolean): void {
    if (up !== this.linkUp) this.emit({ kind: 'link', up });
    this.linkUp = up;
  }

  /** The picture is whole, the site lets itself be controlled from afar, and no stop stands in the way. */
  private mayControl(): boolean {
    return this.master.integrityComplete && !isLocal(this.table, this.map) && !this.stop.holds;
  }

  /** The site was heard within its watchdog's time: it follows, or can be made to. */
  private isAlive(nowMs: EpochMs): boolean {
    const timeoutMs = this.safety?.watchdog.timeoutMs;
    return timeoutMs !== undefined && nowMs - this.heardMs < timeoutMs;
  }

  private takeSetpoint(job: Setpoint, nowMs: EpochMs): void {
    const { jobId, powerW, startMs, endMs } = job;
    if (this.stop.holds) return this.reply({ kind: 'refused', jobId, why: STOPPED });
    const leave = this.leaveFor(powerW, startMs, endMs);
    if (leave.kind === 'refused') return this.reply({ kind: 'refused', jobId, why: leave.why });
    if (endMs <= nowMs) return this.reply({ kind: 'refused', jobId, why: 'its window is over' });
    this.dropSetpoint('replaced by a newer setpoint');
    // One that starts later leaves the one before the time to go down.
    if (this.easing === null || startMs <= nowMs) this.askRelease(null, null);
    this.active = {
      job,
      beatDueMs: Math.max(nowMs, startMs, this.stepFreeMs),
      beats: 0,
      underWay: false,
      answered: false,
    };
  }

  /** Ends the active setpoint; who still waits for an answer gets one. */
  private dropSetpoint(why: string): void {
    const active = this.active;
    this.active = null;
    this.master.cancel((id) => this.jobOf.get(id)?.job === 'setpoint', why);
    if (active === null || active.answered) return;
    const { jobId } = active.job;
    this.reply(active.beats === 0 ? { kind: 'refused', jobId, why } : { kind: 'unknown', jobId, why });
  }

  private takeRelease(jobId: string, nowMs: EpochMs): void {
    if (this.stop.holds) return this.reply({ kind: 'refused', jobId, why: 'the site is stopped: it follows nothing' });
    const easing = this.toEase(nowMs);
    this.dropSetpoint('released');
    this.askRelease(jobId, nowMs);
    this.easing = easing;
  }

  /** What has to go down before the site is given back; null where nothing was given, or no ramp is set. */
  private toEase(nowMs: EpochMs): Active | null {
    if (this.easing !== null || this.active === null) return this.easing;
    const hasRamp = this.safety?.rampWPerS !== undefined && this.givenW !== null && this.givenW !== 0;
    return hasRamp
      ? { ...this.active, beatDueMs: Math.max(nowMs, this.stepFreeMs), underWay: false, answered: true }
      : null;
  }

  private takeStop(jobId: string, nowMs: EpochMs): void {
    const why = 'the site is being stopped';
    this.dropSetpoint(why);
    this.askRelease(null, null);
    this.reserve.drop(why);
    // A release or a reserve may wait in the master's queue: after the stop nothing else leaves.
    this.master.cancel((id) => ['release', 'reserve'].includes(this.jobOf.get(id)?.job ?? ''), why);
    this.stop.take(jobId, nowMs);
  }

  /** One release waits at a time; a job whose release is taken back gets its answer. @param dueMs null = none */
  private askRelease(jobId: string | null, dueMs: EpochMs | null): void {
    const before = this.releasing?.jobId ?? null;
    this.releasing = dueMs === null ? null : { jobId, dueMs };
    this.easing = null;
    if (before !== null) this.reply({ kind: 'refused', jobId: before, why: 'replaced by a newer job' });
  }

  private release(jobId: string, nowMs: EpochMs): void {
    this.releasing = null;
    this.givenW = null;
    this.send({ jobId, job: 'release', text: 'release, stop following' }, releaseSteps(this.map, this.mode), nowMs);
  }

  private work(nowMs: EpochMs): void {
    this.drain(nowMs);
    const stopId = this.transportUp ? this.stop.leaving(nowMs) : null;
    if (stopId !== null) {
      this.send({ jobId: stopId, job: 'emergency-stop', text: 'emergency-stop' }, stopSteps(this.map), nowMs);
    }
    const active = this.active;
    if (active !== null && nowMs >= active.job.endMs) {
      const followed = active.beats > 0;
      this.dropSetpoint('its window ended before it could be sent');
      if (followed) this.askRelease(null, nowMs + RELEASE_GRACE_MS);
    }
    if (this.mayControl()) this.controlDue(nowMs);
    const order = this.reserve.leaving(this.mayControl() && this.isAlive(nowMs), this.leaveToSet(nowMs), nowMs);
    if (order !== null) this.send(order.about, order.steps, nowMs);
    this.drain(nowMs);
  }

  private controlDue(nowMs: EpochMs): void {
    const { active, releasing } = this;
    if (active !== null && !active.underWay && nowMs >= active.beatDueMs) {
      this.waitsForNews = !this.isAlive(nowMs);
      if (this.waitsForNews) return;
      if (this.easing !== null) this.askRelease(null, null);
      this.beat(active, nowMs);
    } else if (this.easing !== null) this.ease(this.easing, nowMs);
    else if (releasing !== null && nowMs >= releasing.dueMs) this.release(releasing.jobId ?? '', nowMs);
  }

  /** One step down; at 0 W, or without leave for the next step, the site is given back. */
  private ease(easing: Active, nowMs: EpochMs): void {
    if (easing.underWay || nowMs < easing.beatDueMs) return;
    const mode = modeOf(easing.job.powerW);
    const fromW = this.fromW();
    const powerW = nextW({ fromW, toW: 0, rampWPerS: this.safety?.rampWPerS }, () => true);
    if (fromW !== 0 && this.isAlive(nowMs) && this.leaveFor(powerW, nowMs, nowMs, mode).kind === 'granted') {
      return this.give(easing, powerW, nowMs);
    }
    this.easing = null;
    if (this.releasing !== null) this.release(this.releasing.jobId ?? '', nowMs);
  }

  /** Where the way to a setpoint begins: what was given last, else what the site measures [W]; unknown counts as 0. */
  private fromW(): number {
    const measured = engineering(this.table, this.map, 'activePower');
    return this.givenW ?? (Number.isFinite(measured) ? Math.round(measured) : 0);
  }

  private leaveFor(powerW: number, startMs: EpochMs, endMs: EpochMs, mode = modeOf(powerW)) {
    const { safety, approvals } = this;
    const mapRevision = this.map.fullRevision;
    return leaveToControl({ safety, approvals, mapRevision, powerW, startMs, endMs, mode });
  }

  private leaveToSet(atMs: EpochMs) {
    const { safety, approvals, map } = this;
    return leaveToSet({ safety, approvals, mapRevision: map.fullRevision, atMs });
  }

  /** Asks the gate again: an approval may have ended, a limit may have changed. Giving the site back needs no leave. */
  private checkLeave(active: Active, nowMs: EpochMs): boolean {
    const leave = this.leaveFor(active.job.powerW, nowMs, nowMs);
    if (leave.kind === 'granted') return true;
    this.dropSetpoint(leave.why);
    if (active.beats > 0) this.askRelease(null, nowMs);
    return false;
  }

  private beat(active: Active, nowMs: EpochMs): void {
    if (!this.checkLeave(active, nowMs)) return;
    const { job } = active;
    const rampWPerS = this.safety?.rampWPerS;
    const way = { fromW: this.fromW(), toW: wantedW(job, rampWPerS, nowMs), rampWPerS };
    const mode = modeOf(job.powerW);
    const powerW = nextW(way, (w) => this.leaveFor(w, nowMs, nowMs, w === 0 ? mode : modeOf(w)).kind === 'granted');
    this.give(active, powerW, nowMs);
    if (rampWPerS === undefined) return;
    const isThere = powerW === job.powerW;
    const turnsMs = Math.max(nowMs + RAMP_STEP_MS, turnMs(job, rampWPerS, nowMs));
    active.beatDueMs = isThere ? Math.min(active.beatDueMs, turnsMs) : nowMs + RAMP_STEP_MS;
  }

  private give(active: Active, powerW: number, nowMs: EpochMs): void {
    const { jobId } = active.job;
    const timeoutMs = this.safety?.watchdog.timeoutMs;
    if (timeoutMs === undefined) return;
    const beatMs = active === this.easing ? RAMP_STEP_MS : Math.max(1_000, Math.floor(timeoutMs / 3));
    active.beatDueMs = nowMs + beatMs;
    const limitW = Math.abs(engineering(this.table, this.map, powerW >= 0 ? 'dischargeWMax' : 'chargeWMax'));
    if (this.mode === 'charge-discharge' && !(limitW > 0)) {
      return this.dropSetpoint('the site does not say its maximum power, of which a target is a percentage');
    }
    active.underWay = true;
    active.beats += 1;
    const text = `setpoint ${Math.round(powerW)} W`;
    const select = this.safety?.directOperate === false;
    const steps = setpointSteps(this.map, { mode: this.mode, powerW, timeoutMs, limitW, select });
    this.send({ jobId, job: 'setpoint', text, powerW }, steps, nowMs);
  }

  private send(about: Omit<About, 'names'>, steps: readonly NamedStep[], nowMs: EpochMs): void {
    this.commandCount += 1;
    const id = `${about.job}#${this.commandCount}`;
    this.jobOf.set(id, { ...about, names: steps.map((s) => s.name) });
    this.master.command({ id, steps: steps.map((s) => s.step), urgent: about.job === 'emergency-stop' }, nowMs);
  }

  private drain(nowMs: EpochMs): void {
    let fresh = false;
    for (const event of this.master.takeEvents()) {
      fresh = this.onMaster(event, nowMs) || fresh;
    }
    if (!fresh) return;
    this.heardMs = nowMs;
    this.waitsForNews = false;
    if (!this.master.integrityComplete) return;
    this.stop.watch(engineering(this.table, this.map, 'stopped'));
    const state = normalise(this.table, this.map, nowMs);
    const site = enrich(this.table, this.map, nowMs);
    this.emit({ kind: 'state', state, local: isLocal(this.table, this.map), site });
  }

  /** @returns whether the picture of the site is fresh now */
  private onMaster(event: MasterEvent, nowMs: EpochMs): boolean {
    switch (event.kind) {
      case 'measurements':
        this.onValues(event.values, nowMs);
        return true;
      case 'integrity-complete':
        this.setLink(true);
        this.emit({ kind: 'integrity-read' });
        // The first one of a connection lets a setpoint go on at once; later ones do not hurry the beats.
        if (!this.readOnce && this.active !== null) {
          this.active.beatDueMs = Math.max(nowMs, this.active.job.startMs, this.stepFreeMs);
        }
        this.readOnce = true;
        return true;
      case 'polled':
        return true;
      case 'restarted':
        if (this.readOnce) this.lose(nowMs);
        this.forget();
        return false;
      case 'link-dead':
        this.lose(nowMs);
        this.forget();
        this.setLink(false);
        return false;
      case 'link-alive':
        this.setLink(true);
        return false;
      case 'control-sent':
        this.onSent(event, nowMs);
        return false;
      case 'command-ended':
        this.onEnded(event.id, event.outcome, nowMs);
        return false;
      case 'task-failed':
        return false;
    }
  }

  private onValues(values: readonly Measurement[], nowMs: EpochMs): void {
    const points = values.flatMap((m) => rawPoint(m, nowMs) ?? []);
    for (const point of points) this.table.set(point);
    this.emit({ kind: 'points', points });
  }

  private onSent(event: Extract<MasterEvent, { kind: 'control-sent' }>, atMs: EpochMs): void {
    const about = this.jobOf.get(event.id);
    if (about === undefined || event.phase === 'select') return;
    if (about.powerW !== undefined && event.step === TARGET_STEP) {
      this.givenW = about.powerW;
      if (this.safety?.rampWPerS !== undefined) this.stepFreeMs = atMs + RAMP_STEP_MS;
    }
    const detail = about.job === 'setpoint' ? `${about.text}: ${about.names[event.step] ?? ''}` : about.text;
    pushKept(this.intents, { atMs, jobId: about.jobId, job: about.job, detail });
  }

  private onEnded(id: string, outcome: CommandOutcome, nowMs: EpochMs): void {
    const about = this.jobOf.get(id);
    this.jobOf.delete(id);
    if (about === undefined) return;
    const { jobId } = about;
    switch (about.job) {
      case 'setpoint':
        return this.onBeatEnded(jobId, outcome);
      case 'release':
      case 'reserve':
        if (jobId !== '') this.reply(replyOf(jobId, outcome));
        return;
      case 'emergency-stop':
        return this.reply(this.stop.ended(replyOf(jobId, outcome), nowMs));
    }
  }

  /** The first answer is told; a beat without answer leaves the job to the next one. */
  private onBeatEnded(jobId: string, outcome: CommandOutcome): void {
    if (this.easing?.job.jobId === jobId) this.easing.underWay = false;
    const active = this.active;
    if (active === null || active.job.jobId !== jobId) return;
    active.underWay = false;
    if (active.answered || (outcome.kind !== 'operated' && outcome.kind !== 'refused')) return;
    active.answered = true;
    this.reply(replyOf(jobId, outcome));
    // A site that refuses the first beat is not asked again and again.
    if (outcome.kind === 'refused') this.active = null;
  }
}
