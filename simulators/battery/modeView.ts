import { invariant } from '../../src/domain/errors.ts';
import type { DeviceSample } from '../../src/ports/device.ts';
import type { StateValue } from './compile.ts';
import { MODE, type Mode } from './home.ts';

/** What the rest of the simulator and the log need to know of a state of the machine. */
export interface ModeView {
  readonly operation: 'self-consumption' | 'charge' | 'discharge' | 'idle';
  readonly storm: 'disabled' | 'off' | 'active';
  readonly connection: 'online' | 'offline';
  readonly grid: 'connected' | 'outage';
  readonly mode: Mode;
  /** The limit this state waits for. */
  readonly limit: 'AT_RESERVE' | 'FULL' | null;
}

const OPERATION = {
  selfConsumption: 'self-consumption',
  charge: 'charge',
  discharge: 'discharge',
  idle: 'idle',
} as const;

export function viewOf(value: StateValue): ModeView {
  const [operationName, inOperation] = region(value, 'operation');
  const [storm, inStorm] = region(value, 'storm');
  const [connection] = region(value, 'connection');
  const [grid] = region(value, 'grid');
  invariant(isKey(OPERATION, operationName), `unknown operation ${operationName}`);
  invariant(storm === 'disabled' || storm === 'off' || storm === 'active', `unknown storm state ${storm}`);
  invariant(connection === 'online' || connection === 'offline', `unknown connection ${connection}`);
  invariant(grid === 'connected' || grid === 'outage', `unknown grid ${grid}`);
  const operation = OPERATION[operationName];
  const mode = modeOf(operation, storm, grid);
  return { operation, storm, connection, grid, mode, limit: limitOf(mode, inOperation, inStorm) };
}

/** An outage goes before everything; a storm acts where no command runs (none does, unless the rule is switched off). */
function modeOf(operation: ModeView['operation'], storm: ModeView['storm'], grid: ModeView['grid']): Mode {
  if (grid === 'outage') return MODE.island;
  switch (operation) {
    case 'charge':
      return MODE.charge;
    case 'discharge':
      return MODE.discharge;
    case 'idle':
      return MODE.idle;
    case 'self-consumption':
      return storm === 'active' ? MODE.storm : MODE.home;
  }
}

function limitOf(mode: Mode, inOperation: string, inStorm: string): ModeView['limit'] {
  if (mode === MODE.discharge && inOperation === 'running') return 'AT_RESERVE';
  if (mode === MODE.charge && inOperation === 'running') return 'FULL';
  return mode === MODE.storm && inStorm === 'charging' ? 'FULL' : null;
}

export const sampleOperation = (view: ModeView): DeviceSample['operation'] =>
  view.mode === MODE.storm ? 'storm' : view.operation;

function region(value: StateValue, name: string): [string, string] {
  invariant(typeof value === 'object', `state ${JSON.stringify(value)} has no regions`);
  const inner = value[name];
  if (typeof inner === 'string') return [inner, ''];
  const entry = Object.entries(inner ?? {})[0];
  invariant(entry !== undefined, `state has no region ${name}`);
  return [entry[0], typeof entry[1] === 'string' ? entry[1] : ''];
}

const isKey = <T extends object>(o: T, k: PropertyKey): k is keyof T => Object.hasOwn(o, k);
