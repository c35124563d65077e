import type { CommandOutcome, EndReason } from '../domain/command.ts';
import { MS_PER_MIN } from '../domain/units.ts';
import type { CoreSettings } from './settings.ts';
import type { CommandEntry, DeviceEntry } from './state.ts';
import type { Evidence } from './telemetry.ts';

/**
 * What became of a command, told from the samples of its window. A cloud's "accepted" or "completed" is no proof:
 * a command of a device that was under Storm Guard is "ignored", whatever the cloud said (seed: "even if they are sent
 * successfully"; promise S2).
 */
export function verdictOf(request: {
  readonly entry: CommandEntry;
  readonly device: DeviceEntry;
  readonly evidence: Evidence | undefined;
  readonly settings: CoreSettings;
  readonly isOffline: boolean;
}): CommandOutcome {
  const { entry, device, evidence, settings } = request;
  if (evidence === undefined || evidence.samples === 0) {
    if (request.isOffline) return failed('device_offline', 'the device was not reachable and sent no sample');
    return entry.status === 'acknowledged'
      ? failed('no_telemetry', 'no sample of its window arrived')
      : failed('outcome_unknown', 'no answer came and no sample of its window arrived');
  }
  const meanW = evidence.sumW / evidence.samples;
  const seen = `mean ${Math.round(meanW)} W over ${evidence.samples} samples`;
  if (evidence.stormSamples > 0) {
    return { status: 'ignored', reason: 'storm_guard', detail: `Storm Guard was active; ${seen}` };
  }
  const supplied = suppliesHome(entry, evidence, settings);
  return supplied === null ? judge({ entry, device, meanW, seen, settings }) : succeeded(`${supplied}; ${seen}`);
}

/** A dispatch command is given up when its samples, at least this many over at least this time, show no effect. */
const NO_EFFECT_SAMPLES_MIN = 2;
const NO_EFFECT_AFTER_MS = 10 * MS_PER_MIN;

/**
 * The verdict "no effect" before the window is over, so that the dispatcher can turn to other devices; null while it is
 * too early, for commands of people, and when there is an effect.
 */
export function hasNoEffect(request: {
  readonly entry: CommandEntry;
  readonly device: DeviceEntry;
  readonly evidence: Evidence;
  readonly settings: CoreSettings;
  /** When the command began to count [epoch ms]. */
  readonly fromMs: number;
}): CommandOutcome | null {
  const { entry, evidence, fromMs } = request;
  if (entry.command.cause.kind !== 'dispatch' || evidence.samples < NO_EFFECT_SAMPLES_MIN) return null;
  if (evidence.lastMs - fromMs < NO_EFFECT_AFTER_MS) return null;
  const verdict = verdictOf({ ...request, isOffline: false });
  return verdict.reason === 'no_effect' ? verdict : null;
}

/**
 * A discharge without grid interaction covers the home's load only ("Self consumption", TextureHQ/docs commands): where the
 * battery discharges and the home takes nothing from the grid, it can give no more than it does.
 */
function suppliesHome(
  { command }: CommandEntry,
  e: Evidence,
  { deadbandW, exceededRatio }: CoreSettings,
): string | null {
  const { operatingMode, enableGridInteraction, powerW } = command.input;
  if (operatingMode !== 'discharge' || enableGridInteraction || e.gridSamples < e.samples || e.sumW <= 0) return null;
  const mostW = powerW === undefined ? Number.POSITIVE_INFINITY : exceededW(powerW, { deadbandW, exceededRatio });
  const importW = Math.round(e.sumGridW / e.gridSamples);
  return importW <= deadbandW && e.sumW / e.samples <= mostW ? `the home took ${importW} W from the grid` : null;
}

function judge(request: {
  readonly entry: CommandEntry;
  readonly device: DeviceEntry;
  readonly meanW: number;
  readonly seen: string;
  readonly settings: CoreSettings;
}): CommandOutcome {
  const { entry, device, meanW, seen, settings } = request;
  const { input } = entry.command;
  const { chargeWMax, dischargeWMax } = device.device.nameplate;
  switch (input.operatingMode) {
    case 'reset':
      return { status: 'succeeded', reason: 'effect_seen', detail: `the device reports; ${seen}` };
    case 'idle': {
      const still = Math.abs(meanW) <= settings.partialRatio * Math.max(chargeWMax, dischargeWMax);
      return still ? succeeded(seen) : failed('no_effect', `wanted 0 W; ${seen}`);
    }
    case 'discharge':
    case 'charge': {
      const towards = input.operatingMode === 'discharge' ? meanW : -meanW;
      const limitW = input.operatingMode === 'discharge' ? dischargeWMax : chargeWMax;
      const wantedW = input.powerW ?? settings.partialRatio * limitW;
      const mostW = input.powerW === undefined ? Number.POSITIVE_INFINITY : exceededW(input.powerW, settings);
      return grade({ towards, wantedW, mostW, seen, settings });
    }
  }
}

const exceededW = (
  powerW: number,
  { exceededRatio, deadbandW }: Pick<CoreSettings, 'exceededRatio' | 'deadbandW'>,
): number => Math.max(powerW * exceededRatio, powerW + deadbandW);

function grade(r: {
  towards: number;
  wantedW: number;
  mostW: number;
  seen: string;
  settings: CoreSettings;
}): CommandOutcome {
  const ratio = r.wantedW > 0 ? r.towards / r.wantedW : 1;
  const detail = `wanted ${r.wantedW} W; ${r.seen}`;
  if (r.towards > r.mostW) return { status: 'partial', reason: 'effect_exceeded', detail };
  if (ratio >= r.settings.succeededRatio) return succeeded(detail);
  if (ratio >= r.settings.partialRatio) return { status: 'partial', reason: 'effect_partly_seen', detail };
  return failed('no_effect', detail);
}

const succeeded = (detail: string): CommandOutcome => ({ status: 'succeeded', reason: 'effect_seen', detail });
const failed = (reason: EndReason, detail: string): CommandOutcome => ({ status: 'failed', reason, detail });
