import type { RunMeasures } from '../../reports/measureTypes.ts';
import type { ExpectationResult } from '../../reports/verdict.ts';
import type { Expectation } from '../../scenarios/expect.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import { durationMs, instantAt } from '../../scenarios/times.ts';
import { localDateTime, localParts } from '../../src/domain/time.ts';
import type { LogRecord } from '../../src/ports/records.ts';
import { checkDepartures, checkEnergy, checkRoom } from './appliances.ts';
import { checkDelivered, checkParticipation, checkShortfall } from './energy.ts';
import { type CommandLife, type Evidence, eventOfCommand, gather, inStorm, type SettingLife } from './evidence.ts';
import type { CheckContext, Judged } from './judged.ts';
import { breaches, firstBreach, missingSubject } from './never.ts';

/** Judges a run by the expectations of its scenario, from the run log and the measures alone. */
export function checkExpectations(run: {
  readonly scenario: Scenario;
  readonly records: Iterable<LogRecord>;
  readonly measures: RunMeasures;
}): ExpectationResult[] {
  const ctx: CheckContext = { scenario: run.scenario, measures: run.measures, evidence: gather(run.records) };
  return run.scenario.expect.map((x) => {
    const judged = judge(x, ctx);
    return { name: x.name ?? judged.expected, kind: x.kind, severity: x.severity, ...judged };
  });
}

function judge(x: Expectation, ctx: CheckContext): Judged {
  switch (x.kind) {
    case 'delivered':
      return checkDelivered(x, ctx);
    case 'participation':
      return checkParticipation(x, ctx);
    case 'shortfallAttributed':
      return checkShortfall(x, ctx);
    case 'never':
      return checkNever(x, ctx);
    case 'by':
      return checkBy(x, ctx);
    case 'dispatchedHours':
      return checkHours(x, ctx);
    case 'awarded':
      return checkAwarded(x, ctx);
    case 'commandsEnd':
      return checkCommands(x, ctx);
    case 'socPct':
      return checkSoc(x, ctx);
    case 'energy':
      return checkEnergy(x, ctx);
    case 'roomF':
      return checkRoom(x, ctx);
    case 'departureSocPct':
      return checkDepartures(x, ctx);
  }
}

function checkNever(x: Extract<Expectation, { kind: 'never' }>, { evidence, measures }: CheckContext): Judged {
  const expected = `never ${x.what}`;
  const missing = missingSubject(x.what, evidence, measures);
  if (missing !== null) {
    return {
      passed: false,
      expected,
      found: `nothing to look at: no ${missing}`,
      where: 'whole run',
      when: 'whole run',
    };
  }
  const found = breaches(x.what, evidence, measures);
  const first = firstBreach(found, evidence.timeZone);
  return { passed: found.length === 0, expected, found: first.what, where: first.where, when: first.when };
}

function checkBy(x: Extract<Expectation, { kind: 'by' }>, { scenario, evidence }: CheckContext): Judged {
  const afterMs = instantAt(scenario, x.after, 'after');
  const limitMs = afterMs + durationMs(x.within);
  const expected = `${x.what} within ${x.within} after ${localDateTime(afterMs, evidence.timeZone)}`;
  const doneMs = whenHolds(x, evidence, afterMs);
  const when = doneMs === null ? 'not in the run' : localDateTime(doneMs, evidence.timeZone);
  const found = doneMs === null ? 'it did not come to hold' : `${((doneMs - afterMs) / 1000).toFixed(1)} s after`;
  return { passed: doneMs !== null && doneMs <= limitMs, expected, found, where: x.siteId ?? 'whole run', when };
}

/** The first time at or after afterMs from which it holds; null if it never does. */
function whenHolds(x: Extract<Expectation, { kind: 'by' }>, e: Evidence, afterMs: number): number | null {
  switch (x.what) {
    case 'plant-safe':
    case 'plant-stopped': {
      const isReached = x.what === 'plant-safe' ? isSafe : isStopped;
      const states = e.ordered.flatMap((r) => (r.kind === 'plant' && r.siteId === x.siteId ? [r] : []));
      const before = states.filter((r) => r.atMs <= afterMs).pop();
      if (before !== undefined && isReached(before.state)) return afterMs;
      return states.find((r) => r.atMs > afterMs && isReached(r.state))?.atMs ?? null;
    }
    case 'link-restored':
      return (
        e.ordered.find(
          (r) => r.kind === 'field' && r.siteId === x.siteId && r.what === 'integrity-read' && r.atMs >= afterMs,
        )?.atMs ?? null
      );
    case 'all-commands-terminal': {
      const lives = [...e.commands.values(), ...e.settings.values()].filter((c) => c.acceptedMs < afterMs);
      return lives.length === 0
        ? null
        : latest(
            lives.map((c) => c.endedMs),
            afterMs,
          );
    }
    case 'enrolled': {
      const decided = new Map<string, number | null>();
      for (const r of e.ordered) {
        if (r.kind !== 'fact' || r.fact.type !== 'enrollment.changed') continue;
        const open = r.fact.to === 'candidate' || r.fact.to === 'eligible' || r.fact.to === 'submitted';
        decided.set(r.fact.enrollmentId, open ? null : r.atMs);
      }
      return decided.size === 0 ? null : latest([...decided.values()], afterMs);
    }
  }
}

const isStopped = (state: string): boolean => state === 'stopped';
const isSafe = (state: string): boolean => state === 'safe' || state === 'stopped';

const latest = (times: readonly (number | null)[], afterMs: number): number | null =>
  times.reduce<number | null>((max, t) => (max === null || t === null ? null : Math.max(max, t)), afterMs);

/** The hour of a local day by its end: 18:00 to 19:00 is hour ending 19. */
function hourEnding(atMs: number, timeZone: string): number {
  return localParts(atMs, timeZone).hour + 1;
}

function checkHours(x: Extract<Expectation, { kind: 'dispatchedHours' }>, { evidence: e }: CheckContext): Judged {
  const hours = new Set<number>();
  const isThere = x.programId === undefined ? e.programs.size > 0 : e.programs.has(x.programId);
  for (const r of e.ordered) {
    if (r.kind !== 'fact' || r.fact.type !== 'dispatch.planned') continue;
    const { eventId, periodStartMs, periodEndMs, plannedW } = r.fact.dispatch;
    const program = e.programs.get(e.events.get(eventId)?.programId ?? '');
    if (plannedW === 0 || periodEndMs <= periodStartMs || program === undefined) continue;
    if (x.programId === undefined || x.programId === program.programId)
      hours.add(hourEnding(periodStartMs, program.timeZone));
  }
  const found = [...hours].sort((a, b) => a - b);
  const wanted = [...x.equals].sort((a, b) => a - b);
  return {
    passed: isThere && found.join() === wanted.join(),
    expected: `dispatched in hours ending ${list(wanted)}`,
    found: isThere ? `hours ending ${list(found)}` : 'no such program',
    where: x.programId ?? 'all programs',
    when: 'whole run',
  };
}

const list = (xs: readonly (number | string)[]): string => (xs.length === 0 ? 'none' : xs.join(', '));

function checkAwarded(x: Extract<Expectation, { kind: 'awarded' }>, { evidence: e }: CheckContext): Judged {
  const words = (rows: readonly { hour: number; quantityKw: number }[]) =>
    list([...rows].sort((a, b) => a.hour - b.hour).map((r) => `HE${r.hour} ${r.quantityKw} kW`));
  const answers = e.awards.filter((a) => a.programId === x.programId);
  const rows = answers
    .filter((a) => a.awardedW > 0)
    .map((a) => ({ hour: hourEnding(a.startMs, e.timeZone), quantityKw: a.awardedW / 1000 }));
  const [taken, expected] = [words(rows), words(x.equals)];
  const found = answers.length === 0 ? 'no answer of the market' : taken;
  return { passed: found === expected, expected, found, where: x.programId, when: 'whole run' };
}

function checkCommands(x: Extract<Expectation, { kind: 'commandsEnd' }>, { evidence: e }: CheckContext): Judged {
  const settings = [...e.settings.values()].filter((life) => isMeant(x, e, life));
  const all = [...[...e.commands.values()].filter((life) => matches(x, e, life)), ...settings];
  const good = all.filter(
    (c) => c.outcome?.status === x.status && (x.reason === undefined || c.outcome.reason === x.reason),
  );
  const bad = all.find((c) => !good.includes(c));
  const share = all.length === 0 ? 0 : good.length / all.length;
  const how = x.reason === undefined ? x.status : `${x.status} (${x.reason})`;
  const example =
    bad === undefined ? '' : `; ${bad.command.commandId} of ${bad.command.deviceId}: ${outcomeWords(bad)}`;
  return {
    passed: all.length > 0 && share >= x.atLeastShare,
    expected: `at least ${Math.round(x.atLeastShare * 100)} % end ${how}`,
    found: all.length === 0 ? 'no command matches' : `${good.length} of ${all.length} commands${example}`,
    where:
      x.where.group ??
      x.where.slug ??
      x.where.eventId ??
      (x.where.stormActive === true ? 'devices in a storm' : 'all commands'),
    when: bad === undefined ? 'whole run' : localDateTime(bad.endedMs ?? e.endMs, e.timeZone),
  };
}

const outcomeWords = (c: Pick<CommandLife, 'outcome'>): string =>
  c.outcome === null ? 'not ended' : `${c.outcome.status} (${c.outcome.reason}) ${c.outcome.detail}`;

function matches(x: Extract<Expectation, { kind: 'commandsEnd' }>, e: Evidence, life: CommandLife): boolean {
  const { command } = life;
  const { group, eventId, stormActive, slug } = x.where;
  if (slug !== undefined) return false;
  if (group !== undefined && e.siteOfDevice.get(command.deviceId)?.group !== group) return false;
  if (eventId !== undefined && eventOfCommand(command) !== eventId) return false;
  if (stormActive === undefined) return true;
  const span = {
    startMs: Math.max(command.startMs, life.acceptedMs),
    endMs: Math.min(command.endMs, life.endedMs ?? command.endMs),
  };
  return inStorm(e, command.deviceId, span) === stormActive;
}

/** Settings of appliances know no events and no storms. */
function isMeant(x: Extract<Expectation, { kind: 'commandsEnd' }>, e: Evidence, { command }: SettingLife): boolean {
  const { group, eventId, stormActive, slug } = x.where;
  if (eventId !== undefined || stormActive !== undefined) return false;
  if (group !== undefined && e.appliances.get(command.deviceId)?.group !== group) return false;
  return slug === undefined || command.setting.slug === slug;
}

function checkSoc(x: Extract<Expectation, { kind: 'socPct' }>, { scenario, evidence: e }: CheckContext): Judged {
  const atMs = instantAt(scenario, x.at, 'at');
  let stored = 0;
  let usable = 0;
  for (const r of e.meters) {
    const site = e.sites.get(r.siteId);
    const atEnd = atMs === e.endMs && r.endMs === atMs;
    if (site?.group !== x.group || !(atEnd || (r.startMs <= atMs && atMs < r.endMs))) continue;
    stored += atEnd ? r.storedEndMj : r.storedStartMj;
    usable += site.usableMj;
  }
  const bounds = [x.atLeast === undefined ? '' : `≥ ${x.atLeast} %`, x.atMost === undefined ? '' : `≤ ${x.atMost} %`];
  const pct = usable === 0 ? Number.NaN : (100 * stored) / usable;
  return {
    passed: pct >= (x.atLeast ?? 0) && pct <= (x.atMost ?? 100),
    expected: `state of charge ${bounds.filter((b) => b !== '').join(' and ')}`,
    found: Number.isNaN(pct) ? 'no meter value at that time' : `${pct.toFixed(1)} %`,
    where: x.group,
    when: localDateTime(atMs, e.timeZone),
  };
}
