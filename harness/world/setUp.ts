import { bessDeviceId } from '../../scenarios/fleet.ts';
import type { Bess, Scenario, ScenarioProgram } from '../../scenarios/schema.ts';
import { durationMs, endMsOf, instantAt } from '../../scenarios/times.ts';
import type { CoreInput } from '../../src/core/input.ts';
import { fullRevision } from '../../src/domain/pointsMap.ts';
import { type Program, programTag } from '../../src/domain/program.ts';
import { kwhToMj, kwToW } from '../../src/domain/units.ts';
import type { SiteInWorld } from '../../src/ports/records.ts';
import { type HomeAppliance, MODEL } from './appliances.ts';
import { openIdOf, vendorIdOf } from './clouds.ts';
import type { Home } from './homes.ts';

/** What the core is told before the run begins: who there is, which programs, who may be controlled. */
export const WORKSPACE_ID = 'testbed';

export function setUpInputs(scenario: Scenario, homes: readonly Home[]): CoreInput[] {
  return [
    { kind: 'create-workspace', workspace: { workspaceId: WORKSPACE_ID, name: scenario.title, gridServices: true } },
    ...scenario.programs.map((p): CoreInput => ({ kind: 'create-program', program: programOf(scenario, p) })),
    ...homes.flatMap((h) => homeInputs(scenario, h)),
    ...scenario.fleet.bess.flatMap((b) => bessInputs(scenario, b)),
  ];
}

function programOf(scenario: Scenario, p: ScenarioProgram): Program {
  const { programId, name, trigger, paymentUsdPerKwh, provenance } = p;
  return {
    programId,
    workspaceId: WORKSPACE_ID,
    name,
    timeZone: scenario.timeZone,
    node: scenario.market.node,
    trigger,
    nominatedW: kwToW(p.nominatedKw),
    paymentUsdPerKwh,
    provenance,
  };
}

export function connectInput(a: HomeAppliance): CoreInput {
  const { deviceId, siteId, kind, tags } = a;
  const source = { kind: 'oem', oem: 'open', vendorDeviceId: openIdOf(a) } as const;
  const made = { manufacturer: 'open', model: MODEL };
  return {
    kind: 'connect-appliance',
    appliance: { deviceId, workspaceId: WORKSPACE_ID, siteId, kind, ...made, source, tags },
  };
}

const programsOf = (scenario: Scenario, group: string): string[] =>
  scenario.programs.filter((p) => p.groups.includes(group)).map((p) => p.programId);

function homeInputs(scenario: Scenario, h: Home): CoreInput[] {
  const { deviceId, siteId, customerId, customerName, group, spec } = h;
  const workspaceId = WORKSPACE_ID;
  const programs = programsOf(scenario, group.group);
  const inputs: CoreInput[] = [
    { kind: 'create-customer', customer: { customerId, workspaceId, name: customerName } },
    { kind: 'create-site', site: { siteId, workspaceId, customerId, name: siteId, timeZone: scenario.timeZone } },
    {
      kind: 'connect-device',
      device: {
        deviceId,
        workspaceId,
        siteId,
        kind: 'battery',
        manufacturer: group.oem,
        model: group.model ?? 'own figures',
        nameplate: { usableWh: spec.usableWh, chargeWMax: spec.chargeWMax, dischargeWMax: spec.dischargeWMax },
        source: { kind: 'oem', oem: group.oem, vendorDeviceId: vendorIdOf(h) },
        tags: [group.group, ...group.tags, ...programs.map(programTag)],
      },
    },
    {
      kind: 'register-resource',
      resourceId: deviceId,
      partnerId: customerId,
      programId: programs[0] ?? '',
      deviceIds: [deviceId],
    },
  ];
  const joined = programs.length > 0 ? inputs : inputs.slice(0, 3);
  return [...joined, ...programs.flatMap((programId) => enrollInputs(h, programId))];
}

/** SolarEdge enrols on connection, so an owner who does not want to has to leave; elsewhere one has to ask. */
function enrollInputs(h: Home, programId: string): CoreInput[] {
  const { deviceId, enrolled, group } = h;
  if (group.oem === 'solaredge') {
    return enrolled ? [] : [{ kind: 'unenroll', deviceId, programId, why: 'the owner does not take part' }];
  }
  return enrolled ? [{ kind: 'enroll', deviceId, programId }] : [];
}

function bessInputs(scenario: Scenario, b: Bess): CoreInput[] {
  const { siteId } = b;
  const deviceId = bessDeviceId(siteId);
  const workspaceId = WORKSPACE_ID;
  const customerId = `${siteId}-owner`;
  const programs = programsOf(scenario, siteId);
  const dischargeWMax = kwToW(b.dischargeKwMax);
  return [
    { kind: 'create-customer', customer: { customerId, workspaceId, name: 'the utility' } },
    { kind: 'create-site', site: { siteId, workspaceId, customerId, name: siteId, timeZone: scenario.timeZone } },
    {
      kind: 'connect-device',
      device: {
        deviceId,
        workspaceId,
        siteId,
        kind: 'bess',
        manufacturer: 'behind an RTAC',
        model: b.pointsMap.revision,
        nameplate: { usableWh: b.usableKwh * 1000, chargeWMax: kwToW(b.chargeKwMax), dischargeWMax },
        source: { kind: 'dnp3', connectionId: siteId, mapRevision: fullRevision(b.pointsMap) },
        tags: [...b.tags, ...programs.map(programTag)],
      },
    },
    ...safetyInputs(scenario, b),
    ...programs.map((programId): CoreInput => ({ kind: 'enroll', deviceId, programId })),
  ];
}

function safetyInputs(scenario: Scenario, b: Bess): CoreInput[] {
  const { siteId, safety, approval } = b;
  const inputs: CoreInput[] = [];
  if (safety !== null) {
    const limits = { chargeWMax: kwToW(safety.chargeKwMax), dischargeWMax: kwToW(safety.dischargeKwMax) };
    const watchdog = { timeoutMs: durationMs(b.watchdog) };
    inputs.push({ kind: 'configure-safety', siteId, safety: { watchdog, ...limits }, actor: 'site engineer' });
  }
  if (approval !== null) inputs.push({ kind: 'approve-control', approval: approvalOf(scenario, b, approval) });
  return inputs;
}

/** An approval is given for the points map of the site, unless it names another: then it is void. */
export function approvalOf(scenario: Scenario, { siteId, pointsMap }: Bess, a: NonNullable<Bess['approval']>) {
  return {
    approvalId: `${siteId}-approval`,
    siteId,
    requestedBy: a.requestedBy,
    approvedBy: a.approvedBy,
    fromMs: instantAt(scenario, a.from, 'approval.from'),
    untilMs: a.until === undefined ? endMsOf(scenario) : instantAt(scenario, a.until, 'approval.until'),
    chargeWMax: kwToW(a.chargeKwMax),
    dischargeWMax: kwToW(a.dischargeKwMax),
    mapRevision: a.mapRevision ?? fullRevision(pointsMap),
  };
}

/** The sites as the log introduces them. */
export function sitesInWorld(scenario: Scenario, homes: readonly Home[]): SiteInWorld[] {
  return [
    ...homes.map((h): SiteInWorld => {
      const { usableWh, chargeWMax, dischargeWMax } = h.spec;
      return {
        kind: 'site',
        siteId: h.siteId,
        deviceId: h.deviceId,
        group: h.group.group,
        siteKind: 'home',
        oem: h.group.oem,
        model: h.group.model ?? 'own figures',
        usableMj: kwhToMj(usableWh / 1000),
        chargeWMax,
        dischargeWMax,
        reservePct: h.group.reservePct,
        pvW: h.pvW,
        zones: h.group.zones,
      };
    }),
    ...scenario.fleet.bess.map(
      (b): SiteInWorld => ({
        kind: 'site',
        siteId: b.siteId,
        deviceId: bessDeviceId(b.siteId),
        group: b.siteId,
        siteKind: 'bess',
        oem: 'dnp3',
        model: b.pointsMap.revision,
        usableMj: kwhToMj(b.usableKwh),
        chargeWMax: kwToW(b.chargeKwMax),
        dischargeWMax: kwToW(b.dischargeKwMax),
        reservePct: b.reservePct,
        pvW: 0,
        zones: [],
      }),
    ),
  ];
}
