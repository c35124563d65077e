import type { Scenario } from '../../scenarios/schema.ts';
import type { ScenarioFault } from '../../scenarios/steps.ts';
import { durationMs, spanOf } from '../../scenarios/times.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { OemId } from '../../src/ports/oem.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { LogBody } from '../../src/ports/records.ts';
import { type CloudSite, INTERNET } from './clouds.ts';
import type { FieldSite } from './fieldSite.ts';
import type { Home } from './homes.ts';

/** Puts the faults of a scenario into effect and takes them away again. */
export interface FaultTargets {
  readonly clouds: ReadonlyMap<OemId, CloudSite>;
  readonly fields: ReadonlyMap<string, FieldSite>;
  readonly homes: readonly Home[];
  readonly setLink: (home: number, online: boolean, cause: string) => void;
}

interface Switch {
  readonly target: string;
  on(): void;
  off(): void;
}

export function scheduleFaults(request: {
  readonly scenario: Scenario;
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  readonly record: (body: LogBody) => void;
  readonly targets: FaultTargets;
}): void {
  const { scenario, scheduler, record } = request;
  scenario.faults.forEach((fault, i) => {
    const { startMs, endMs } = spanOf(scenario, fault);
    const sw = switchOf(fault, request, i);
    const what = fault.kind === 'rule-off' ? `rule-off: ${fault.rule}` : fault.kind;
    scheduler.at(startMs, () => {
      record({ kind: 'fault', what, target: sw.target, phase: 'begins' });
      sw.on();
    });
    scheduler.at(endMs, () => {
      record({ kind: 'fault', what, target: sw.target, phase: 'ends' });
      sw.off();
    });
  });
}

type Request = Parameters<typeof scheduleFaults>[0];

function switchOf(fault: ScenarioFault, request: Request, index: number): Switch {
  switch (fault.kind) {
    case 'oem-throttled':
      return behaviour(request, fault.oem, { throttleFactor: fault.factor }, { throttleFactor: 1 });
    case 'oem-down':
      return behaviour(request, fault.oem, { down: true }, { down: false });
    case 'oem-swallow':
      return behaviour(request, fault.oem, { swallowRatio: fault.share }, { swallowRatio: 0 });
    case 'oem-lossy':
      return lossy(request, fault);
    case 'device-offline':
      return offline(request, fault, index);
    case 'link-cut':
      return cut(request, fault.siteId);
    case 'link-degraded':
      return degraded(request, fault);
    case 'master-silent':
      return silent(request, fault.siteId);
    case 'rule-off':
      return { target: 'devices', on() {}, off() {} }; // the fleet is built with it
  }
}

type BehaviourChange = Parameters<CloudSite['cloud']['setBehaviour']>[0];

function behaviour(request: Request, oem: OemId, on: BehaviourChange, off: BehaviourChange): Switch {
  const cloud = request.targets.clouds.get(oem)?.cloud;
  return { target: oem, on: () => cloud?.setBehaviour(on), off: () => cloud?.setBehaviour(off) };
}

function lossy(request: Request, fault: Extract<ScenarioFault, { kind: 'oem-lossy' }>): Switch {
  const wire = request.targets.clouds.get(fault.oem)?.wire;
  const { requestLossRatio, replyLossRatio } = fault;
  const delayMinMs = INTERNET.delayMinMs + durationMs(fault.delay);
  return {
    target: fault.oem,
    on: () => wire?.setLink({ requestLossRatio, replyLossRatio, delayMinMs }),
    off: () => wire?.setLink(INTERNET),
  };
}

function offline(request: Request, fault: Extract<ScenarioFault, { kind: 'device-offline' }>, index: number): Switch {
  const { homes, setLink } = request.targets;
  const hit = homes.flatMap((h, i) => {
    if (h.group.group !== fault.group || h.offline) return [];
    return request.random(`fault/${index}/${h.deviceId}`).chance(fault.share) ? [i] : [];
  });
  return {
    target: fault.group,
    on() {
      for (const i of hit) setLink(i, false, 'fault: device-offline');
    },
    off() {
      for (const i of hit) setLink(i, true, 'fault over: device-offline');
    },
  };
}

function cut(request: Request, siteId: string): Switch {
  const field = request.targets.fields.get(siteId);
  return { target: siteId, on: () => field?.cut(), off: () => field?.restore() };
}

function silent(request: Request, siteId: string): Switch {
  const field = request.targets.fields.get(siteId);
  return { target: siteId, on: () => field?.hang(), off: () => field?.resume() };
}

function degraded(request: Request, fault: Extract<ScenarioFault, { kind: 'link-degraded' }>): Switch {
  const field = request.targets.fields.get(fault.siteId);
  const delayMs = durationMs(fault.delay);
  const { chopBytesMax } = fault;
  return {
    target: fault.siteId,
    on: () => field?.degrade({ delayMs, chopBytesMax }),
    off: () => field?.degrade(null),
  };
}
