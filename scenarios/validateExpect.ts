import { COUNTERFACTUAL_ENERGY, type Expectation } from './expect.ts';
import { type Findings, listed, type Path, type RunTimes } from './findings.ts';
import type { Scenario } from './schema.ts';
import { durationMs } from './times.ts';
import { eventIdsOf, groupsOf, siteIdsOf } from './validateSteps.ts';

/** What an expectation refers to must exist, and it must be able to fail. */
export function validateExpectations(scenario: Scenario, times: RunTimes, findings: Findings): void {
  for (const [i, expectation] of scenario.expect.entries()) {
    const path = ['expect', i];
    validateReferences(scenario, expectation, path, findings);
    validateOne(scenario, expectation, { times, findings, path });
  }
}

function validateReferences(scenario: Scenario, expectation: Expectation, path: Path, findings: Findings): void {
  const { programId, eventId, group, siteId } = namesIn(expectation);
  const programs = scenario.programs.map((p) => p.programId);
  const members = [...groupsOf(scenario), ...siteIdsOf(scenario)];
  const at = expectation.kind === 'commandsEnd' ? [...path, 'where'] : path;
  findings.reference([...path, 'programId'], programId, 'a program', programs);
  findings.reference([...at, 'eventId'], eventId, 'a dispatch', eventIdsOf(scenario));
  findings.reference([...at, 'group'], group, 'a group of homes or a BESS site', members);
  findings.reference([...path, 'siteId'], siteId, 'a BESS site', siteIdsOf(scenario));
  if (programId !== undefined && eventId !== undefined) {
    findings.add([...path, 'eventId'], eventId, 'either programId or eventId, not both');
  }
}

interface Names {
  readonly kind?: string;
  readonly programId?: string;
  readonly eventId?: string;
  readonly group?: string;
  readonly siteId?: string;
}

const namesIn = (expectation: Expectation): Names =>
  expectation.kind === 'commandsEnd' ? expectation.where : expectation;

interface Place {
  readonly times: RunTimes;
  readonly findings: Findings;
  readonly path: Path;
}

function validateOne(scenario: Scenario, e: Expectation, { times, findings, path }: Place): void {
  switch (e.kind) {
    case 'delivered': {
      if (e.during !== undefined) {
        times.span([...path, 'during'], e.during);
        times.onIntervals([...path, 'during'], e.during);
        if (e.baseline === 'ten-in-ten') {
          findings.add(
            [...path, 'baseline'],
            e.baseline,
            'counterfactual: the 10-in-10 baseline is known for whole events only',
          );
        }
      }
      const { atLeastRatio, atMostRatio, atLeastKwh } = e;
      return validateBounds({ atLeastRatio, atMostRatio, atLeastKwh }, [atLeastRatio, atMostRatio], path, findings);
    }
    case 'socPct':
      times.at([...path, 'at'], e.at);
      return validateBounds({ atLeast: e.atLeast, atMost: e.atMost }, [e.atLeast, e.atMost], path, findings);
    case 'energy':
      validateSpan(e, { times, findings, path });
      if (e.measure === 'saved' && !COUNTERFACTUAL_ENERGY.includes(e.what)) {
        findings.add([...path, 'what'], e.what, `for "saved" one of ${COUNTERFACTUAL_ENERGY.join(', ')}`);
      }
      validateSubject(scenario, e, { times, findings, path });
      return validateBounds(
        { atLeastKwh: e.atLeastKwh, atMostKwh: e.atMostKwh },
        [e.atLeastKwh, e.atMostKwh],
        path,
        findings,
      );
    case 'roomF':
      validateSpan(e, { times, findings, path });
      validateSubject(scenario, e, { times, findings, path });
      return validateBounds({ atLeast: e.atLeast, atMost: e.atMost }, [e.atLeast, e.atMost], path, findings);
    case 'departureSocPct':
      times.span(path, e);
      return validateSubject(scenario, e, { times, findings, path });
    case 'by':
      return validateBy(e, { times, findings, path });
    case 'dispatchedHours':
      return findings.unique(
        e.equals.map((hour, i) => ({ path: [...path, 'equals', i], name: String(hour) })),
        'hour',
      );
    case 'awarded': {
      findings.unique(
        e.equals.map(({ hour }, i) => ({ path: [...path, 'equals', i, 'hour'], name: String(hour) })),
        'hour',
      );
      const bidders = scenario.programs.filter((p) => p.trigger.kind === 'day-ahead-award').map((p) => p.programId);
      if (scenario.programs.some((p) => p.programId === e.programId)) {
        findings.reference([...path, 'programId'], e.programId, 'a program that bids', bidders);
      }
      return;
    }
    case 'participation':
    case 'never':
    case 'commandsEnd':
    case 'shortfallAttributed':
      return;
    default:
      return e satisfies never;
  }
}

/** Registers are read at the edges of meter intervals. */
function validateSpan(e: { readonly from: string; readonly until: string }, { times, path }: Place): void {
  times.span(path, e);
  times.onIntervals(path, e);
}

/** There must be a device that the expectation is about. */
function validateSubject(
  { fleet }: Scenario,
  e: Extract<Expectation, { kind: 'energy' | 'roomF' | 'departureSocPct' }>,
  { findings, path }: Place,
): void {
  const field = e.kind === 'roomF' ? 'thermostat' : e.kind === 'departureSocPct' ? 'ev' : FIELD_OF[e.what];
  const having = field === undefined ? [] : fleet.homes.filter((g) => g[field] !== undefined).map((g) => g.group);
  if (field === undefined || having.some((g) => e.group === undefined || e.group === g)) return;
  const expected = `a group of homes with "${field}": ${listed(having)}`;
  findings.add(e.group === undefined ? path : [...path, 'group'], e.group, expected);
}

const FIELD_OF: Readonly<Record<string, 'ev' | 'thermostat' | undefined>> = { ev: 'ev', hvac: 'thermostat' };

function validateBounds(
  bounds: Readonly<Record<string, number | undefined>>,
  [min, max]: readonly [number | undefined, number | undefined],
  path: Path,
  findings: Findings,
): void {
  const names = Object.keys(bounds);
  if (names.every((name) => bounds[name] === undefined)) {
    findings.add(path, undefined, `at least one of ${names.join(', ')}`);
  }
  if (min !== undefined && max !== undefined && max < min) {
    const name = names.find((n) => n.startsWith('atMost')) ?? 'atMost';
    findings.add([...path, name], max, `at least the lower bound (${min})`);
  }
}

function validateBy(e: Extract<Expectation, { kind: 'by' }>, { times, findings, path }: Place): void {
  const needsSite = e.what === 'plant-safe' || e.what === 'plant-stopped' || e.what === 'link-restored';
  if (needsSite && e.siteId === undefined)
    findings.add(path, undefined, `siteId, the BESS site that ${e.what} is about`);
  if (!needsSite && e.siteId !== undefined) findings.add([...path, 'siteId'], e.siteId, `no siteId for ${e.what}`);
  const afterMs = times.at([...path, 'after'], e.after);
  if (afterMs !== null && afterMs + durationMs(e.within) > times.endMs) {
    findings.add([...path, 'within'], e.within, 'a deadline within the run');
  }
}
