import type { RunMeasures } from '../../reports/measureTypes.ts';
import type { Expectation } from '../../scenarios/expect.ts';
import type { Approval } from '../../src/domain/safety.ts';
import { localClock, localDateTime } from '../../src/domain/time.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { LogRecord } from '../../src/ports/records.ts';
import { type Evidence, eventOfCommand } from './evidence.ts';

/** What must not happen at any time of a run. Each rule returns the breaches in order; none is a pass. */
export interface Breach {
  readonly atMs: EpochMs;
  readonly where: string;
  readonly what: string;
}

type NeverWhat = Extract<Expectation, { kind: 'never' }>['what'];
type Rule = (e: Evidence, m: RunMeasures) => Breach[];

export function breaches(what: NeverWhat, e: Evidence, m: RunMeasures): Breach[] {
  return RULES[what](e, m);
}

const RULES: Readonly<Record<NeverWhat, Rule>> = {
  'discharge-below-reserve': belowReserve,
  'storm-discharge': (e) =>
    e.meters
      .filter((r) => r.stormDischargeMj > 0)
      .map((r) => ({
        atMs: r.startMs,
        where: r.siteId,
        what: `${wh(r.stormDischargeMj)} discharged in an active storm`,
      })),
  'control-without-approval': withoutApproval,
  'control-before-read': beforeRead,
  'control-after-stop': afterStop,
  'not-enrolled-dispatch': notEnrolled,
  'opted-out-dispatch': optedOut,
  'dispatch-outside-window': outsideWindow,
  'power-above-limit': aboveLimit,
  'test-alert-acted': (e) =>
    e.ordered.flatMap((r) =>
      r.kind === 'alert' && r.acted && r.alert.status !== 'Actual'
        ? [{ atMs: r.atMs, where: r.alert.alertId, what: `an alert of status ${r.alert.status} was acted on` }]
        : [],
    ),
  'ledger-residual': openLedger,
};

interface Subject {
  readonly what: string;
  readonly isThere: (e: Evidence, m: RunMeasures) => boolean;
}

const METERED: Subject = { what: 'meter interval', isThere: (e) => e.meters.some((m) => e.sites.has(m.siteId)) };
const FIELD_SITE: Subject = {
  what: 'BESS site',
  isThere: (e) => [...e.sites.values()].some((s) => s.siteKind === 'bess'),
};
const OFFERED: Subject = { what: 'event', isThere: (e) => e.events.size > 0 };

/** What each rule watches. Where there is none of it, the rule has seen nothing and proves nothing. */
const SUBJECTS: Readonly<Record<NeverWhat, Subject>> = {
  'discharge-below-reserve': METERED,
  'storm-discharge': METERED,
  'control-without-approval': FIELD_SITE,
  'control-before-read': FIELD_SITE,
  'control-after-stop': FIELD_SITE,
  'not-enrolled-dispatch': OFFERED,
  'opted-out-dispatch': OFFERED,
  'dispatch-outside-window': {
    what: 'program with a price trigger',
    isThere: (e) => [...e.programs.values()].some((p) => p.trigger.kind === 'day-ahead-price'),
  },
  'power-above-limit': METERED,
  'test-alert-acted': { what: 'alert', isThere: (e) => e.ordered.some((r) => r.kind === 'alert') },
  'ledger-residual': { what: 'meter interval', isThere: (_, m) => m.ledger.intervals > 0 },
};

/** What a rule would have to look at and does not find; null when it is there. */
export function missingSubject(what: NeverWhat, e: Evidence, m: RunMeasures): string | null {
  const subject = SUBJECTS[what];
  return subject.isThere(e, m) ? null : subject.what;
}

const wh = (mj: number): string => `${(mj / 3_600_000).toFixed(1)} Wh`;

function belowReserve(e: Evidence): Breach[] {
  const reserve = new Map([...e.siteOfDevice.values()].map((s) => [s.siteId, s.reservePct]));
  const changes = e.ordered.filter((r) => r.kind === 'reserve');
  let next = 0;
  return e.meters.flatMap((r) => {
    for (let c = changes[next]; c !== undefined && c.atMs <= r.startMs; c = changes[++next]) {
      const site = e.siteOfDevice.get(c.deviceId);
      if (site !== undefined) reserve.set(site.siteId, c.reservePct);
    }
    const site = e.sites.get(r.siteId);
    if (site === undefined || r.dispatchedMj === 0) return [];
    // Standby loss goes on below the reserve; a discharge must stop above it.
    const floorMj = (site.usableMj * (reserve.get(r.siteId) ?? 0)) / 100 - r.standbyMj;
    if (r.storedEndMj >= floorMj || changedIn(changes, site.deviceId, r)) return [];
    return [
      { atMs: r.endMs, where: r.siteId, what: `${wh(floorMj - r.storedEndMj)} under the reserve after a dispatch` },
    ];
  });
}

function openLedger(e: Evidence, { ledger }: RunMeasures): Breach[] {
  const open = ledger.open.map((o) => ({
    atMs: o.startMs,
    where: o.siteId,
    what: `site residual ${o.siteMj} mJ, battery residual ${o.batteryMj} mJ`,
  }));
  if (ledger.applianceResidualMj === 0) return open;
  const what = `${ledger.applianceResidualMj} mJ between cars and thermostats and the registers of their sites`;
  return [...open, { atMs: e.endMs, where: 'appliances', what }];
}

const changedIn = (changes: readonly LogRecord[], deviceId: string, r: { startMs: EpochMs; endMs: EpochMs }): boolean =>
  changes.some((c) => c.kind === 'reserve' && c.deviceId === deviceId && c.atMs > r.startMs && c.atMs <= r.endMs);

function withoutApproval(e: Evidence): Breach[] {
  const approvals: Approval[] = [];
  const revisions = new Map<string, string>();
  return e.ordered.flatMap((r) => {
    if (r.kind === 'points-map') revisions.set(r.siteId, r.revision);
    if (r.kind === 'fact' && r.fact.type === 'site.control-approved') approvals.push(r.fact.approval);
    if (r.kind !== 'field' || r.what !== 'operate' || isStop(r.detail)) return [];
    const revision = revisions.get(r.siteId);
    const covered = approvals
      .filter((a) => a.siteId === r.siteId && a.approvedBy !== a.requestedBy)
      .some((a) => (revision ?? a.mapRevision) === a.mapRevision && a.fromMs <= r.atMs && r.atMs <= a.untilMs);
    return covered ? [] : [{ atMs: r.atMs, where: r.siteId, what: `${r.detail} without a valid approval` }];
  });
}

const isStop = (detail: string): boolean => detail.includes('stop');

function beforeRead(e: Evidence): Breach[] {
  const read = new Map<string, boolean>();
  return e.ordered.flatMap((r) => {
    if (r.kind === 'link') read.set(r.siteId, false);
    if (r.kind === 'field' && r.what === 'integrity-read') read.set(r.siteId, true);
    // A stop must not wait for a successful read.
    if (r.kind !== 'field' || r.what !== 'operate' || read.get(r.siteId) === true || isStop(r.detail)) return [];
    return [{ atMs: r.atMs, where: r.siteId, what: `${r.detail} before an integrity poll was complete` }];
  });
}

function afterStop(e: Evidence): Breach[] {
  const stopped = new Set<string>();
  return e.ordered.flatMap((r) => {
    if (r.kind === 'fact' && r.fact.type === 'undo.sent' && r.fact.what === 'emergency-stop') {
      const site = e.siteOfDevice.get(r.fact.deviceId);
      if (site !== undefined) stopped.add(site.siteId);
    }
    if (r.kind !== 'field' || r.what !== 'operate' || !stopped.has(r.siteId) || isStop(r.detail)) return [];
    return [{ atMs: r.atMs, where: r.siteId, what: `${r.detail} after the emergency stop` }];
  });
}

function notEnrolled(e: Evidence): Breach[] {
  const status = new Map<string, string>();
  return e.ordered.flatMap((r) => {
    if (r.kind !== 'fact') return [];
    const f = r.fact;
    if (f.type === 'enrollment.changed') status.set(`${f.programId}/${f.deviceId}`, f.to);
    if (f.type !== 'command.accepted') return [];
    const programId = e.events.get(eventOfCommand(f.command) ?? '')?.programId;
    if (programId === undefined) return [];
    const found = status.get(`${programId}/${f.command.deviceId}`);
    const what = `${f.command.commandId} for a device that is ${found ?? 'not enrolled'} in ${programId}`;
    return found === 'approved' ? [] : [{ atMs: r.atMs, where: f.command.deviceId, what }];
  });
}

function optedOut(e: Evidence): Breach[] {
  const out = new Set<string>();
  return e.ordered.flatMap((r) => {
    if (r.kind !== 'fact') return [];
    const f = r.fact;
    if (f.type === 'event.answered') {
      const key = `${f.eventId}/${f.resourceId}`;
      f.answer === 'opt-out' ? out.add(key) : out.delete(key);
    }
    if (f.type !== 'command.accepted' || !out.has(`${eventOfCommand(f.command)}/${f.command.deviceId}`)) return [];
    return [{ atMs: r.atMs, where: f.command.deviceId, what: `${f.command.commandId} after the owner opted out` }];
  });
}

function outsideWindow(e: Evidence): Breach[] {
  return e.ordered.flatMap((r) => {
    if (r.kind !== 'fact' || r.fact.type !== 'dispatch.planned') return [];
    const { eventId, periodStartMs, periodEndMs, plannedW } = r.fact.dispatch;
    const program = e.programs.get(e.events.get(eventId)?.programId ?? '');
    if (program?.trigger.kind !== 'day-ahead-price' || plannedW === 0 || periodEndMs <= periodStartMs) return [];
    const { window } = program.trigger;
    const clock = localClock(periodStartMs, program.timeZone);
    if (window.start <= clock && clock < window.end) return [];
    return [
      { atMs: periodStartMs, where: eventId, what: `dispatched at ${clock}, outside ${window.start}–${window.end}` },
    ];
  });
}

/** The mean over a meter interval is what is metered: a shorter excess does not show. */
function aboveLimit(e: Evidence): Breach[] {
  return e.meters.flatMap((r) => {
    const site = e.sites.get(r.siteId);
    if (site === undefined) return [];
    const ms = r.endMs - r.startMs;
    const over =
      r.dischargeMj > site.dischargeWMax * ms ? 'discharge' : r.chargeMj > site.chargeWMax * ms ? 'charge' : null;
    return over === null ? [] : [{ atMs: r.startMs, where: r.siteId, what: `mean ${over} above the battery's limit` }];
  });
}

export const firstBreach = (
  found: readonly Breach[],
  timeZone: string,
): { where: string; when: string; what: string } => {
  const b = found[0];
  if (b === undefined) return { where: 'whole run', when: 'whole run', what: 'nothing of the kind' };
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : '';
  return { where: b.where, when: localDateTime(b.atMs, timeZone), what: `${b.what}${more}` };
};
