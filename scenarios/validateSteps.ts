import { APPLIANCE_COMMANDS, TARGET_GAP_F_MIN } from '../src/domain/appliance.ts';
import { nearestName } from '../src/domain/errors.ts';
import type { EpochMs } from '../src/domain/units.ts';
import { type Findings, listed, type Path, type RunTimes } from './findings.ts';
import { APPLIANCES, applianceKindOf, applianceTags, findDevice } from './fleet.ts';
import type { Scenario } from './schema.ts';
import type { ScenarioFault, TimelineStep } from './steps.ts';
import { durationMs } from './times.ts';

type Step<K extends TimelineStep['kind']> = Extract<TimelineStep, { kind: K }>;

/** The event ids that a timeline makes; events that a price or an award calls get theirs in the run. */
export const eventIdsOf = (scenario: Scenario): string[] =>
  scenario.timeline.flatMap((step) => (step.kind === 'dispatch' ? [step.eventId] : []));

export function validateTimeline(scenario: Scenario, times: RunTimes, findings: Findings): void {
  const entries = scenario.timeline.map((step, i) => ({ step, i }));
  findings.unique(
    entries.flatMap(({ step, i }) =>
      step.kind === 'dispatch' ? [{ path: ['timeline', i, 'eventId'], name: step.eventId }] : [],
    ),
    'event',
  );
  findings.unique(
    entries.flatMap(({ step, i }) =>
      step.kind === 'alert' ? [{ path: ['timeline', i, 'alertId'], name: step.alertId }] : [],
    ),
    'alert',
  );
  for (const [i, step] of scenario.timeline.entries()) {
    const path = ['timeline', i];
    const atMs = times.at([...path, 'at'], step.at);
    validateStep({ scenario, times, findings, path, atMs }, step);
  }
  validateOverlaps(scenario, times, findings);
}

interface Place {
  readonly scenario: Scenario;
  readonly times: RunTimes;
  readonly findings: Findings;
  readonly path: Path;
  readonly atMs: EpochMs | null;
}

function validateStep(place: Place, step: TimelineStep): void {
  const { scenario, findings, path } = place;
  switch (step.kind) {
    case 'dispatch':
      return validateDispatch(place, step);
    case 'alert':
      return validateAlert(place, step);
    case 'cancelEvent':
      return findings.reference([...path, 'eventId'], step.eventId, 'a dispatch', eventIdsOf(scenario));
    case 'answer':
      return validateAnswer(place, step);
    case 'command':
      return validateCommand(place, step);
    case 'set':
      return validateSet(place, step);
    case 'setReserve':
      findings.exactlyOne(path, { group: step.group, deviceId: step.deviceId });
      return validateTarget(place, step);
    case 'emergencyStop':
      return findings.reference([...path, 'siteId'], step.siteId, 'a BESS site', siteIdsOf(scenario));
    default:
      return step satisfies never;
  }
}

export const groupsOf = (scenario: Scenario): string[] => scenario.fleet.homes.map((g) => g.group);
export const siteIdsOf = (scenario: Scenario): string[] => scenario.fleet.bess.map((b) => b.siteId);

function validateDispatch({ scenario, times, findings, path, atMs }: Place, step: Step<'dispatch'>): void {
  const programs = scenario.programs.map((p) => p.programId);
  findings.reference([...path, 'programId'], step.programId, 'a program', programs);
  const intervalMs = durationMs(scenario.meterInterval);
  const lengthMs = durationMs(step.duration);
  if (lengthMs <= 0 || lengthMs % intervalMs !== 0) {
    const expected = `a whole number of meter intervals of ${scenario.meterInterval}, more than 0`;
    findings.add([...path, 'duration'], step.duration, expected);
  }
  if (atMs === null) return;
  if ((atMs - times.startMs) % intervalMs !== 0) {
    findings.add([...path, 'at'], step.at, `a time at which a meter interval of ${scenario.meterInterval} begins`);
  }
  if (atMs + lengthMs > times.endMs) {
    findings.add([...path, 'duration'], step.duration, `an event that ends within the run of ${scenario.duration}`);
  }
}

function validateAlert({ scenario, times, findings, path, atMs }: Place, step: Step<'alert'>): void {
  const onsetMs = step.onset === undefined ? atMs : times.at([...path, 'onset'], step.onset);
  const untilMs = times.at([...path, 'until'], step.until);
  if (onsetMs !== null && untilMs !== null && untilMs <= onsetMs) {
    findings.add([...path, 'until'], step.until, `a time after the hazard begins (${step.onset ?? step.at})`);
  }
  const own = Number(path[1]);
  const earlier = scenario.timeline.slice(0, own).flatMap((s) => (s.kind === 'alert' ? [s.alertId] : []));
  for (const [i, name] of step.replaces.entries()) {
    findings.reference([...path, 'replaces', i], name, 'an alert further up in the timeline', earlier);
  }
  if (step.messageType !== 'Alert' && step.replaces.length === 0) {
    findings.add([...path, 'replaces'], step.replaces, `the alert that this ${step.messageType} is about`);
  }
}

function validateAnswer(place: Place, step: Step<'answer'>): void {
  const { scenario, findings, path } = place;
  findings.exactlyOne(path, { group: step.group, deviceId: step.deviceId });
  findings.reference([...path, 'eventId'], step.eventId, 'a dispatch', eventIdsOf(scenario));
  validateTarget(place, step);
  const group = scenario.fleet.homes.find((g) => g.group === step.group);
  if (step.count === undefined) return;
  if (step.group === undefined) findings.add([...path, 'count'], step.count, 'a count only together with a group');
  if (group !== undefined && step.count > group.count) {
    findings.add([...path, 'count'], step.count, `at most the ${group.count} homes of the group`);
  }
}

function validateCommand(place: Place, step: Step<'command'>): void {
  const { scenario, findings, path } = place;
  findings.exactlyOne(path, { tag: step.tag, deviceId: step.deviceId });
  const tags = [...scenario.fleet.homes, ...scenario.fleet.bess].flatMap((g) => g.tags);
  findings.reference([...path, 'tag'], step.tag, 'a tag', [...new Set(tags)]);
  validateTarget(place, step);
  if (durationMs(step.duration) <= 0) findings.add([...path, 'duration'], step.duration, 'more than 0');
  const { minimumBatteryReserve: min = 0, maximumBatteryReserve: max = 100 } = step.input;
  if (max < min) {
    const expected = `at least minimumBatteryReserve (${min})`;
    findings.add([...path, 'input', 'maximumBatteryReserve'], max, expected);
  }
}

function validateSet(place: Place, step: Step<'set'>): void {
  const { scenario, findings, path } = place;
  const { deviceKind } = APPLIANCE_COMMANDS[step.slug];
  findings.exactlyOne(path, { tag: step.tag, deviceId: step.deviceId });
  const tags = scenario.fleet.homes.flatMap((g) =>
    APPLIANCES.flatMap((f) => (applianceKindOf(g, f) === deviceKind ? applianceTags(g, f) : [])),
  );
  findings.reference([...path, 'tag'], step.tag, `a tag of a ${deviceKind}`, tags);
  if (step.deviceId !== undefined) {
    const found = findDevice(scenario.fleet, step.deviceId);
    if (found?.kind !== 'appliance' || found.appliance !== deviceKind) {
      findings.add([...path, 'deviceId'], step.deviceId, `a ${deviceKind} of this scenario`);
    }
  }
  if (step.duration !== undefined && durationMs(step.duration) <= 0) {
    findings.add([...path, 'duration'], step.duration, 'more than 0');
  }
  validateInput(place, step);
}

/** @source APPLIANCE_COMMANDS: the fields of the slug */
function validateInput({ findings, path }: Place, { slug, input }: Step<'set'>): void {
  const { fields } = APPLIANCE_COMMANDS[slug];
  const names = fields.map((f) => f.name);
  for (const name of Object.keys(input)) {
    if (names.includes(name)) continue;
    findings.add(
      [...path, 'input', name],
      input[name],
      `one of the fields ${names.join(', ')}`,
      nearestName(name, names),
    );
  }
  for (const f of fields) {
    const value = input[f.name];
    if (value === undefined && !f.required) continue;
    const fits =
      f.kind === 'choice'
        ? typeof value === 'string' && f.values.includes(value)
        : (value === null && f.nullable) || (typeof value === 'number' && value >= f.min && value <= f.max);
    if (fits) continue;
    const range =
      f.kind === 'choice' ? `one of ${f.values.join(', ')}` : `a number of ${f.unit} from ${f.min} to ${f.max}`;
    const near = f.kind === 'choice' && typeof value === 'string' ? nearestName(value, f.values) : undefined;
    findings.add(
      [...path, 'input', f.name],
      value,
      f.kind === 'number' && f.nullable ? `${range}, or null` : range,
      near,
    );
  }
  const { heatTarget: heat, coolTarget: cool } = input;
  if (typeof heat === 'number' && typeof cool === 'number' && cool - heat < TARGET_GAP_F_MIN) {
    findings.add([...path, 'input', 'coolTarget'], cool, `at least ${TARGET_GAP_F_MIN} °F above heatTarget (${heat})`);
  }
}

function validateTarget(place: Place, target: { readonly group?: string; readonly deviceId?: string }): void {
  const { scenario, findings, path } = place;
  const { group, deviceId } = target;
  findings.reference([...path, 'group'], group, 'a group of homes', groupsOf(scenario));
  const found = deviceId === undefined ? null : findDevice(scenario.fleet, deviceId);
  if (deviceId === undefined || (found !== null && found.kind !== 'appliance')) return;
  const forms = [
    ...scenario.fleet.homes.map((g) => `${g.group}-0001 to ${g.group}-${String(g.count).padStart(4, '0')}`),
    ...siteIdsOf(scenario).map((siteId) => `${siteId}-bess`),
  ];
  findings.add([...path, 'deviceId'], deviceId, `a device of this scenario: ${listed(forms)}`);
}

/** A program has one event at a time: two would both count the same energy. */
function validateOverlaps(scenario: Scenario, times: RunTimes, findings: Findings): void {
  const lastOf = new Map<string, { endMs: EpochMs; eventId: string }>();
  const events = scenario.timeline.flatMap((step, i) => {
    if (step.kind !== 'dispatch') return [];
    const atMs = times.peek(step.at);
    return atMs === null ? [] : [{ i, step, atMs, endMs: atMs + durationMs(step.duration) }];
  });
  for (const { i, step, atMs, endMs } of events.sort((a, b) => a.atMs - b.atMs)) {
    const last = lastOf.get(step.programId);
    if (last !== undefined && atMs < last.endMs) {
      findings.add(['timeline', i, 'at'], step.at, `a time after event ${last.eventId} of the same program has ended`);
    }
    if (last === undefined || endMs > last.endMs) lastOf.set(step.programId, { endMs, eventId: step.eventId });
  }
}

export function validateFaults(scenario: Scenario, times: RunTimes, findings: Findings): void {
  for (const [i, fault] of scenario.faults.entries()) {
    const path = ['faults', i];
    times.span(path, fault);
    validateFault(scenario, fault, path, findings);
  }
}

function validateFault(scenario: Scenario, fault: ScenarioFault, path: Path, findings: Findings): void {
  const { homes } = scenario.fleet;
  const open = homes.some((g) => APPLIANCES.some((f) => g[f] !== undefined)) ? ['open'] : [];
  const oems = [...new Set(homes.map((g) => g.oem)), ...open];
  switch (fault.kind) {
    case 'oem-throttled':
    case 'oem-down':
    case 'oem-lossy':
    case 'oem-swallow':
      return findings.reference([...path, 'oem'], fault.oem, 'a cloud with homes', oems);
    case 'device-offline':
      return findings.reference([...path, 'group'], fault.group, 'a group of homes', groupsOf(scenario));
    case 'link-cut':
    case 'master-silent':
    case 'link-degraded':
      return findings.reference([...path, 'siteId'], fault.siteId, 'a BESS site', siteIdsOf(scenario));
    case 'rule-off':
      return;
    default:
      return fault satisfies never;
  }
}
