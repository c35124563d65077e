import { and, not, or, setup, stateIn } from 'xstate';
import { ceilMjAt, type DeviceColumns, floorMjAt } from './columns.ts';

/**
 * The modes of a home battery: operation × storm × connection × grid, regions that run side by side.
 *
 *   operation   selfConsumption | charge (running, full) | discharge (running, atReserve) | idle
 *   storm       disabled | off | active (charging, holding)
 *   connection  online | offline
 *   grid        connected | outage
 *
 * Rules. Storm Guard goes before everything a cloud asks: when a storm starts, a running grid command ends; a command
 * that comes during a storm is taken and ignored. In an outage the battery serves the home alone, so commands end and
 * are ignored as well. An offline device hears neither commands nor storms, but ends its own command in time.
 * Deadlines and limits are events of the kernel: END_OF_COMMAND, AT_RESERVE, FULL; the machine has no timers.
 *
 * Every guard and action is named and a pure function of (columns, index, event), so that the machine can be compiled
 * to a table (compile.ts). `reads` and `writes` name the columns they touch; the compiler refuses a guard that reads
 * what an action of the same step writes.
 *
 * @source Storm Guard ignores commands even if they are sent successfully, charges to 100 % at maximum power: promise
 *         S2 of the project and the vendor words collected there (AlphaESS help page [seen])
 */
export interface TakenControl {
  /** Magnitude [W]; null = all it can. */
  readonly powerW: number | null;
  readonly reservePctMin: number;
  readonly reservePctMax: number;
  readonly allowExport: boolean;
}

export type DeviceEvent =
  | { readonly type: 'COMMAND_CHARGE'; readonly control: TakenControl }
  | { readonly type: 'COMMAND_DISCHARGE'; readonly control: TakenControl }
  | { readonly type: 'COMMAND_IDLE'; readonly control: TakenControl }
  | { readonly type: 'COMMAND_RESET' }
  | { readonly type: 'END_OF_COMMAND' }
  | { readonly type: 'STORM_ENABLE' }
  | { readonly type: 'STORM_DISABLE' }
  | { readonly type: 'STORM_ON' }
  | { readonly type: 'STORM_OFF' }
  | { readonly type: 'LINK_UP' }
  | { readonly type: 'LINK_DOWN' }
  | { readonly type: 'GRID_LOST' }
  | { readonly type: 'GRID_BACK' }
  /** The running discharge can go on for not one ms more. */
  | { readonly type: 'AT_RESERVE' }
  /** The running charge can go on for not one ms more. */
  | { readonly type: 'FULL' }
  /** The owner's reserve was changed (columns hold the new value already). */
  | { readonly type: 'RESERVE_SET' };

export type DeviceEventType = DeviceEvent['type'];

export const EVENT_TYPES = [
  'COMMAND_CHARGE',
  'COMMAND_DISCHARGE',
  'COMMAND_IDLE',
  'COMMAND_RESET',
  'END_OF_COMMAND',
  'STORM_ENABLE',
  'STORM_DISABLE',
  'STORM_ON',
  'STORM_OFF',
  'LINK_UP',
  'LINK_DOWN',
  'GRID_LOST',
  'GRID_BACK',
  'AT_RESERVE',
  'FULL',
  'RESERVE_SET',
] as const satisfies readonly DeviceEventType[];

export type ColumnName =
  | 'storedMj'
  | 'reservePct'
  | 'stormFirst'
  | 'commandW'
  | 'commandFloorPct'
  | 'commandCeilPct'
  | 'commandExport'
  | 'ignored';

export interface LeafGuard {
  readonly reads: readonly ColumnName[];
  readonly test: (columns: DeviceColumns, i: number, event: DeviceEvent) => boolean;
}

export interface NamedAction {
  readonly writes: readonly ColumnName[];
  readonly run: (columns: DeviceColumns, i: number, event: DeviceEvent) => void;
}

export type GuardName = 'stormFirst' | 'aboveReserve' | 'belowCeiling';
export type ActionName = 'takeCommand' | 'endCommand' | 'ignoreCommand';

export const GUARDS: Readonly<Record<GuardName, LeafGuard>> = {
  stormFirst: { reads: ['stormFirst'], test: (c, i) => c.stormFirst[i] === 1 },
  aboveReserve: {
    reads: ['storedMj', 'reservePct'],
    test: (c, i, event) => {
      const asked = 'control' in event ? event.control.reservePctMin : 0;
      const pct = Math.max(c.reservePct[i] ?? 0, asked);
      return (c.battery.storedMj[i] ?? 0) > floorMjAt(c.battery, i, pct);
    },
  },
  belowCeiling: {
    reads: ['storedMj'],
    test: (c, i, event) => {
      const pct = 'control' in event ? event.control.reservePctMax : 100;
      return (c.battery.storedMj[i] ?? 0) < ceilMjAt(c.battery, i, pct);
    },
  },
};

export const ACTIONS: Readonly<Record<ActionName, NamedAction>> = {
  takeCommand: {
    writes: ['commandW', 'commandFloorPct', 'commandCeilPct', 'commandExport'],
    run: (c, i, event) => {
      if (!('control' in event)) return;
      c.commandW[i] = event.control.powerW ?? -1;
      c.commandFloorPct[i] = event.control.reservePctMin;
      c.commandCeilPct[i] = event.control.reservePctMax;
      c.commandExport[i] = event.control.allowExport ? 1 : 0;
    },
  },
  endCommand: {
    writes: ['commandW', 'commandFloorPct', 'commandCeilPct', 'commandExport'],
    run: (c, i) => {
      c.commandW[i] = 0;
      c.commandFloorPct[i] = 0;
      c.commandCeilPct[i] = 100;
      c.commandExport[i] = 0;
    },
  },
  ignoreCommand: {
    writes: ['ignored'],
    run: (c, i) => {
      c.ignored[i] = (c.ignored[i] ?? 0) + 1;
    },
  },
};

export interface DeviceInput {
  readonly columns: DeviceColumns;
  readonly index: number;
}

type Args = { context: DeviceInput; event: DeviceEvent };
const leaf = (name: GuardName) => (a: Args) => GUARDS[name].test(a.context.columns, a.context.index, a.event);
const run = (name: ActionName) => (a: Args) => ACTIONS[name].run(a.context.columns, a.context.index, a.event);

export const batteryMachine = setup({
  types: { context: {} as DeviceInput, input: {} as DeviceInput, events: {} as DeviceEvent },
  guards: {
    stormFirst: leaf('stormFirst'),
    aboveReserve: leaf('aboveReserve'),
    belowCeiling: leaf('belowCeiling'),
    unheard: stateIn('#offline'),
    heard: not(stateIn('#offline')),
    deaf: or([stateIn('#outage'), and([stateIn('#stormActive'), 'stormFirst'])]),
    yieldsToStorm: and([not(stateIn('#offline')), stateIn('#stormOff'), 'stormFirst']),
  },
  actions: {
    takeCommand: run('takeCommand'),
    endCommand: run('endCommand'),
    ignoreCommand: run('ignoreCommand'),
  },
}).createMachine({
  id: 'battery',
  type: 'parallel',
  context: ({ input }) => input,
  states: {
    operation: {
      id: 'operation',
      initial: 'selfConsumption',
      on: {
        COMMAND_CHARGE: [
          { guard: 'unheard' },
          { guard: 'deaf', actions: 'ignoreCommand' },
          { guard: 'belowCeiling', target: '.charge.running', actions: 'takeCommand' },
          { target: '.charge.full', actions: 'takeCommand' },
        ],
        COMMAND_DISCHARGE: [
          { guard: 'unheard' },
          { guard: 'deaf', actions: 'ignoreCommand' },
          { guard: 'aboveReserve', target: '.discharge.running', actions: 'takeCommand' },
          { target: '.discharge.atReserve', actions: 'takeCommand' },
        ],
        COMMAND_IDLE: [
          { guard: 'unheard' },
          { guard: 'deaf', actions: 'ignoreCommand' },
          { target: '.idle', actions: 'takeCommand' },
        ],
        STORM_ON: { guard: 'yieldsToStorm', target: '.selfConsumption', actions: 'endCommand' },
        GRID_LOST: { target: '.selfConsumption', actions: 'endCommand' },
        COMMAND_RESET: { guard: 'heard', target: '.selfConsumption', actions: 'endCommand' },
        END_OF_COMMAND: { target: '.selfConsumption', actions: 'endCommand' },
      },
      states: {
        selfConsumption: { id: 'selfConsumption' },
        charge: {
          id: 'charge',
          initial: 'running',
          states: {
            running: { id: 'chargeRunning', on: { FULL: 'full' } },
            full: { id: 'chargeFull' },
          },
        },
        discharge: {
          id: 'discharge',
          initial: 'running',
          states: {
            running: { id: 'dischargeRunning', on: { AT_RESERVE: 'atReserve' } },
            atReserve: { id: 'dischargeAtReserve', on: { RESERVE_SET: { guard: 'aboveReserve', target: 'running' } } },
          },
        },
        idle: { id: 'idle' },
      },
    },
    storm: {
      id: 'storm',
      initial: 'disabled',
      states: {
        disabled: { id: 'stormDisabled', on: { STORM_ENABLE: 'off' } },
        off: {
          id: 'stormOff',
          on: {
            STORM_DISABLE: 'disabled',
            STORM_ON: [
              { guard: 'unheard' },
              { guard: 'belowCeiling', target: 'active.charging' },
              { target: 'active.holding' },
            ],
          },
        },
        active: {
          id: 'stormActive',
          initial: 'charging',
          on: { STORM_DISABLE: 'disabled', STORM_OFF: { guard: 'heard', target: 'off' } },
          states: {
            charging: { id: 'stormCharging', on: { FULL: 'holding' } },
            /** The home may have drawn on it in the outage. */
            holding: { id: 'stormHolding', on: { GRID_BACK: 'charging' } },
          },
        },
      },
    },
    connection: {
      id: 'connection',
      initial: 'online',
      states: {
        online: { id: 'online', on: { LINK_DOWN: 'offline' } },
        offline: { id: 'offline', on: { LINK_UP: 'online' } },
      },
    },
    grid: {
      id: 'grid',
      initial: 'connected',
      states: {
        connected: { id: 'connected', on: { GRID_LOST: 'outage' } },
        outage: { id: 'outage', on: { GRID_BACK: 'connected' } },
      },
    },
  },
});
