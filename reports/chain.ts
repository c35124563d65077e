import type { EpochMs } from '../src/domain/units.ts';
import type { CommandMeasure, DeviceEventMeasure, EventMeasure, RunMeasures } from './measureTypes.ts';
import { askWords, duration, END_WORDS, kwh, reasonWords, STATUS_WORDS } from './words.ts';

export interface ChainStep {
  readonly atMs: EpochMs;
  readonly text: string;
}

/** Steps of one device's chain; the middle is left out beyond this and the chain says so. */
const STEPS_MAX = 40;

/**
 * What happened to one device from the event to its meter, in order of time: the offer, what was asked of it, each
 * command with its way and end, storms, outages and undos around the event, and what the meter says.
 */
export function chainOf(m: RunMeasures, event: EventMeasure, device: DeviceEventMeasure): ChainStep[] {
  const ids = new Set(device.commandIds);
  const steps: ChainStep[] = [
    { atMs: event.startMs, text: `Event begins; ${kwh(device.plannedWh)} asked of this device over its whole length` },
    ...device.excluded.map((x) => ({
      atMs: event.startMs,
      text: `Left out of the plan for ${duration(x.durationMs)}: ${reasonWords(x.reason)} (could have given ${kwh(x.capableWh)})`,
    })),
    ...m.commands.filter((k) => ids.has(k.commandId)).flatMap(commandSteps),
    ...m.incidents
      .filter((i) => i.deviceId === device.deviceId && near(i.atMs, event))
      .map((i) => ({ atMs: i.atMs, text: i.why === '' ? i.what : `${i.what}: ${i.why}` })),
    ...(m.fields.find((f) => f.siteId === device.siteId)?.steps ?? [])
      .filter((s) => near(s.atMs, event))
      .map((s) => ({
        atMs: s.atMs,
        text: `Site: ${s.what}${s.detail === '' ? '' : `, ${s.detail}`}${s.times > 1 ? ` (${s.times} times)` : ''}`,
      })),
  ];
  steps.sort((a, b) => a.atMs - b.atMs);
  return [...middleOut(steps), ...meterSteps(event, device)];
}

const HOUR_MS = 3_600_000;
const near = (atMs: EpochMs, event: EventMeasure): boolean =>
  atMs >= event.startMs - HOUR_MS && atMs <= event.endMs + HOUR_MS;

function commandSteps(k: CommandMeasure): ChainStep[] {
  const steps: ChainStep[] = [{ atMs: k.acceptedMs, text: `Command accepted: ${askWords(k)}` }];
  if (k.route !== null)
    steps.push({ atMs: k.acceptedMs, text: `Path ${k.route}${k.routeWhy === '' ? '' : `: ${k.routeWhy}`}` });
  if (k.sentMs !== null)
    steps.push({ atMs: k.sentMs, text: `Sent${k.attempts > 1 ? `, ${k.attempts} attempts in all` : ''}` });
  if (k.acknowledgedMs !== null) steps.push({ atMs: k.acknowledgedMs, text: 'The other side said it took it' });
  if (k.endedMs !== null) {
    const why = k.reason === null ? '' : `: ${END_WORDS[k.reason]}`;
    const detail = k.detail === '' ? '' : ` (${k.detail})`;
    steps.push({ atMs: k.endedMs, text: `${STATUS_WORDS[k.status]}${why}${detail}` });
  }
  return steps;
}

function meterSteps(event: EventMeasure, d: DeviceEventMeasure): ChainStep[] {
  const steps = [{ atMs: event.endMs, text: `The meter says ${kwh(d.deliveredWh)} of ${kwh(d.plannedWh)} delivered` }];
  if (d.stormMs > 0) {
    const text = `Intervals with Storm Guard (${duration(d.stormMs)}) are excused; the meter moved ${kwh(d.stormWh)} against the baseline in them`;
    steps.push({ atMs: event.endMs, text });
  }
  for (const { reason, wh } of d.missing) {
    if (wh !== 0) steps.push({ atMs: event.endMs, text: `${kwh(wh)} missing: ${reasonWords(reason)}` });
  }
  return steps;
}

function middleOut(steps: readonly ChainStep[]): ChainStep[] {
  if (steps.length <= STEPS_MAX) return [...steps];
  const half = STEPS_MAX / 2;
  const out = steps.length - STEPS_MAX;
  const at = steps[half]?.atMs ?? 0;
  return [
    ...steps.slice(0, half),
    { atMs: at, text: `${out} further steps are in the run log` },
    ...steps.slice(-half),
  ];
}
