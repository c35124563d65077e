import { STATUS } from '../../src/dnp3/app/control.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { SiteSwitches } from './config.ts';
import type { PlacedPoint } from './placement.ts';
import type { Plant } from './plant.ts';

/**
 * Decides on one control and, in the operate step, does it.
 *
 * Local: LOCAL (7) to everything. Lockout, or a stopped plant: AUTOMATION_INHIBIT (10), but a stop, the end of a lockout,
 * permissions and the connect switch are taken; a return to service with the switch open is inhibited too. A value
 * outside its range: OUT_OF_RANGE (12). Anything this plant does not have: NOT_SUPPORTED (4).
 * A stop (BO2) does not wait for the permission to stop (BO4), which is only shown: a stop that waits is none.
 */
export interface ControlSite {
  readonly plant: Plant;
  readonly switches: SiteSwitches;
  readonly placed: readonly PlacedPoint[];
  readonly nowMs: EpochMs;
}

export interface ControlVerdict {
  readonly status: number;
  readonly act?: () => void;
}

const LATCH_ON = 3;
const LATCH_OFF = 4;

export function controlPlant(control: Control, on: ControlSite): ControlVerdict {
  if (on.switches.local) return { status: STATUS.local };
  const kind = control.kind === 'analog' ? 'AOS' : 'BOS';
  const point = on.placed.find((p) => p.kind === kind && p.index === control.index);
  if (point === undefined) return notSupported;
  // A place of the site's own is known by where the note has the point.
  const output = point.def.index;
  if (control.kind === 'analog') return setAnalog(output, point.fromRaw(control.value), on);
  const on5 = output === 5 ? switchOrder(control) : null;
  if (on5 !== null) return done(() => on.plant.connect(on5, on.nowMs));
  if (control.operation !== LATCH_ON && control.operation !== LATCH_OFF) return notSupported;
  return latch(output, control.operation === LATCH_ON, on);
}

const done = (act: () => void): ControlVerdict => ({ status: STATUS.success, act });
const notSupported: ControlVerdict = { status: STATUS.notSupported };
const inhibited: ControlVerdict = { status: STATUS.automationInhibit };

/** A switch also takes close and trip; null when the control is neither that nor a latch. */
function switchOrder(c: Extract<Control, { kind: 'crob' }>): boolean | null {
  if (c.tripClose !== 'none') return c.tripClose === 'close';
  return c.operation === LATCH_ON ? true : c.operation === LATCH_OFF ? false : null;
}

function latch(output: number, isOn: boolean, { plant, switches, nowMs }: ControlSite): ControlVerdict {
  const isOff = switches.lockout || plant.state === 'stopped';
  switch (output) {
    case 0:
      return done(() => {
        switches.lockout = isOn;
        if (isOn) plant.stop(nowMs, 'lockout by the master');
      });
    case 1:
      if (!isOn) return notSupported;
      if (switches.lockout || !plant.switchClosed) return inhibited;
      return done(() => plant.returnToService(nowMs, 'return to service by the master'));
    case 2:
      return isOn ? done(() => plant.stop(nowMs, 'emergency stop by the master')) : notSupported;
    case 3:
      return done(() => plant.permitStart(isOn, nowMs));
    case 4:
      return done(() => {
        plant.stopPermitted = isOn;
      });
    case 17:
      return isOn && isOff ? inhibited : done(() => plant.limit(isOn, nowMs));
    case 18:
    case 23: {
      const mode = output === 18 ? 'charge-discharge' : 'agc';
      if (isOn && isOff) return inhibited;
      return done(() => (isOn ? plant.enable(mode, nowMs) : plant.release(mode, nowMs)));
    }
    case 38:
    case 39:
      return done(() => {
        plant.useRates[output === 38 ? 'charge-discharge' : 'agc'] = isOn;
      });
    default:
      return notSupported;
  }
}

function setAnalog(output: number, value: number, { plant, switches, nowMs }: ControlSite): ControlVerdict {
  const setting = plant.settings.find((s) => s.output === output);
  if (setting === undefined) return notSupported;
  if (switches.lockout || plant.state === 'stopped') return inhibited;
  const { min, max, scale } = setting;
  if (max === 0 && value !== 0) return notSupported;
  if (!(value >= min && value <= max)) return { status: STATUS.outOfRange };
  // What the point can hold: whole watts and seconds, tenths of a percent.
  const kept = scale === 1 ? Math.round(value) : Math.round(value * 10) / 10;
  return done(() => plant.set(output, kept + 0, nowMs));
}
