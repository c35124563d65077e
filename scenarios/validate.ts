import { TARGET_GAP_F_MIN } from '../src/domain/appliance.ts';
import { InputError, nearestName } from '../src/domain/errors.ts';
import { mapProblems } from '../src/domain/pointsMap.ts';
import { isTimeZone, localParts } from '../src/domain/time.ts';
import { MS_PER_DAY, MS_PER_MIN } from '../src/domain/units.ts';
import { CATALOGUE } from './catalogue.ts';
import type { Issue } from './check.ts';
import { Findings, type Path, RunTimes } from './findings.ts';
import { APPLIANCES } from './fleet.ts';
import type { Bess, HomeGroup, Scenario, ScenarioProgram } from './schema.ts';
import { durationMs, startMsOf } from './times.ts';
import { validateExpectations } from './validateExpect.ts';
import { validateFaults, validateTimeline } from './validateSteps.ts';

const RUN_MS_MAX = 31 * MS_PER_DAY;
const DEVICES_MAX = 200_000;

/** What the fields of a scenario say about each other. Lists everything that is wrong, in the order of the document. */
export function validate(scenario: Scenario): Issue[] {
  const findings = new Findings();
  const clockIsRight = validateClock(scenario, findings);
  validateFleet(scenario, findings);
  validateWorld(scenario, findings);
  for (const [i, program] of scenario.programs.entries()) {
    validateProgram(scenario, program, ['programs', i], findings);
  }
  findings.unique(
    scenario.programs.map((p, i) => ({ path: ['programs', i, 'programId'], name: p.programId })),
    'program',
  );
  if (!clockIsRight) return findings.issues;
  const times = new RunTimes(scenario, findings);
  for (const [i, bess] of scenario.fleet.bess.entries()) {
    if (bess.approval !== null) times.span(['fleet', 'bess', i, 'approval'], bess.approval);
  }
  validateTimeline(scenario, times, findings);
  validateFaults(scenario, times, findings);
  validateExpectations(scenario, times, findings);
  return findings.issues;
}

/** Start, length and periods; without them no other time has a meaning, so the rest waits. */
function validateClock(scenario: Scenario, findings: Findings): boolean {
  const { start, timeZone, duration, controlPeriod, meterInterval } = scenario;
  const before = findings.issues.length;
  if (!isTimeZone(timeZone)) {
    const near = nearestName(timeZone, Intl.supportedValuesOf('timeZone'));
    findings.add(['timeZone'], timeZone, 'an IANA time zone like "America/Los_Angeles"', near);
    return false;
  }
  const intervalMs = durationMs(meterInterval);
  try {
    const startMs = startMsOf(scenario);
    const onBoundary =
      startMs % MS_PER_MIN === 0 && localParts(startMs, timeZone).minute % (intervalMs / MS_PER_MIN) === 0;
    if (!onBoundary) findings.add(['start'], start, `a time at which a meter interval of ${meterInterval} begins`);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    for (const problem of error.problems) findings.add(['start'], start, problem.expected);
  }
  const lengthMs = durationMs(duration);
  if (lengthMs <= 0 || lengthMs > RUN_MS_MAX || lengthMs % intervalMs !== 0) {
    findings.add(
      ['duration'],
      duration,
      `a whole number of meter intervals of ${meterInterval}, more than 0, at most 31d`,
    );
  }
  const periodMs = durationMs(controlPeriod);
  if (periodMs < 1000 || intervalMs % periodMs !== 0) {
    findings.add(
      ['controlPeriod'],
      controlPeriod,
      `at least 1s, and a whole part of the meter interval of ${meterInterval}`,
    );
  }
  return findings.issues.length === before;
}

function validateFleet({ fleet }: Scenario, findings: Findings): void {
  const { homes, bess } = fleet;
  const perHome = (g: HomeGroup): number => 1 + APPLIANCES.filter((f) => g[f] !== undefined).length;
  const devices = homes.reduce((sum, g) => sum + g.count * perHome(g), bess.length);
  if (devices === 0) findings.add(['fleet'], fleet, 'at least one group of homes or one BESS site');
  if (devices > DEVICES_MAX) findings.add(['fleet'], `${devices} devices`, `at most ${DEVICES_MAX} devices in a run`);
  findings.unique(
    [
      ...homes.map((g, i) => ({ path: ['fleet', 'homes', i, 'group'], name: g.group })),
      ...bess.map((b, i) => ({ path: ['fleet', 'bess', i, 'siteId'], name: b.siteId })),
    ],
    'group or site',
  );
  for (const [i, group] of homes.entries()) validateGroup(group, ['fleet', 'homes', i], findings);
  for (const [i, site] of bess.entries()) validateBess(site, homes, ['fleet', 'bess', i], findings);
}

function validateGroup(group: HomeGroup, path: Path, findings: Findings): void {
  findings.exactlyOne(path, { model: group.model, battery: group.battery });
  if (group.model !== undefined && CATALOGUE[group.model].oem !== group.oem) {
    const { name, oem } = CATALOGUE[group.model];
    findings.add([...path, 'model'], group.model, `a battery of ${group.oem}; ${name} belongs to oem ${oem}`);
  }
  validateAppliances(group, path, findings);
}

function validateAppliances(group: HomeGroup, path: Path, findings: Findings): void {
  for (const field of APPLIANCES) {
    const { count, share } = group[field] ?? {};
    if (count !== undefined && share !== undefined) {
      findings.add([...path, field], 'count and share', 'either count or share');
    }
    if (count !== undefined && count > group.count) {
      findings.add([...path, field, 'count'], count, `at most the ${group.count} homes of the group`);
    }
  }
  const { thermostat: t, inverter } = group;
  if (t !== undefined && t.coolTargetF - t.heatTargetF < TARGET_GAP_F_MIN) {
    const expected = `at least ${TARGET_GAP_F_MIN} °F above heatTargetF (${t.heatTargetF})`;
    findings.add([...path, 'thermostat', 'coolTargetF'], t.coolTargetF, expected);
  }
  if (inverter !== undefined && group.pvKw === 0) {
    findings.add([...path, 'inverter'], 'an inverter', 'homes with PV: pvKw above 0');
  }
}

function validateBess(site: Bess, homes: readonly HomeGroup[], path: Path, findings: Findings): void {
  if (durationMs(site.watchdog) < 1000) findings.add([...path, 'watchdog'], site.watchdog, 'at least 1s');
  for (const { place, value, expected, didYouMean } of mapProblems(site.pointsMap)) {
    findings.add([...path, 'pointsMap', ...place], value, expected, didYouMean);
  }
  const clash = homes.find((g) => site.siteId.startsWith(`${g.group}-`) && /-[0-9]{4,6}(-site)?$/.test(site.siteId));
  if (clash !== undefined) {
    findings.add([...path, 'siteId'], site.siteId, `a name that cannot be a home of the group ${clash.group}`);
  }
}

function validateWorld({ weather, alertFiles }: Scenario, findings: Findings): void {
  if (weather.kind === 'synthetic' && weather.temperatureMaxC < weather.temperatureMinC) {
    const expected = `at least temperatureMinC (${weather.temperatureMinC})`;
    findings.add(['weather', 'temperatureMaxC'], weather.temperatureMaxC, expected);
  }
  findings.unique(
    alertFiles.map((name, i) => ({ path: ['alertFiles', i], name })),
    'file',
  );
}

function validateProgram(scenario: Scenario, program: ScenarioProgram, path: Path, findings: Findings): void {
  const { trigger, groups, bids } = program;
  const members = [...scenario.fleet.homes.map((g) => g.group), ...scenario.fleet.bess.map((b) => b.siteId)];
  for (const [i, name] of groups.entries()) {
    findings.reference([...path, 'groups', i], name, 'a group of homes or a BESS site', members);
  }
  findings.unique(
    groups.map((name, i) => ({ path: [...path, 'groups', i], name })),
    'group',
  );
  if (trigger.kind === 'day-ahead-price') {
    const { start, end } = trigger.window;
    const place = [...path, 'trigger', 'window'];
    if (!start.endsWith(':00')) findings.add([...place, 'start'], start, 'a full hour: day-ahead prices are hourly');
    if (!end.endsWith(':00')) findings.add([...place, 'end'], end, 'a full hour: day-ahead prices are hourly');
    if (end <= start) findings.add([...place, 'end'], end, `a clock time after start (${start})`);
  }
  const needsBids = trigger.kind === 'day-ahead-award';
  if (needsBids !== bids.length > 0) {
    const expected = needsBids
      ? 'at least one bid: the trigger is day-ahead-award'
      : 'no bids: the trigger is not day-ahead-award';
    findings.add([...path, 'bids'], bids.length === 0 ? bids : `${bids.length} bids`, expected);
  }
  validateBids(bids, [...path, 'bids'], findings);
}

/** A curve: prices rise and quantities do not fall, so that one clearing price takes one quantity. */
function validateBids(bids: ScenarioProgram['bids'], path: Path, findings: Findings): void {
  findings.unique(
    bids.map((bid, i) => ({ path: [...path, i, 'hour'], name: String(bid.hour) })),
    'hour with a bid',
  );
  for (const [i, { steps }] of bids.entries()) {
    for (const [k, step] of steps.entries()) {
      const last = steps[k - 1];
      if (last === undefined) continue;
      const place = [...path, i, 'steps', k];
      if (step.priceUsdPerMwh <= last.priceUsdPerMwh) {
        const expected = `more than the price of the step before (${last.priceUsdPerMwh})`;
        findings.add([...place, 'priceUsdPerMwh'], step.priceUsdPerMwh, expected);
      }
      if (step.quantityKw < last.quantityKw) {
        findings.add(
          [...place, 'quantityKw'],
          step.quantityKw,
          `at least the quantity of the step before (${last.quantityKw})`,
        );
      }
    }
  }
}
