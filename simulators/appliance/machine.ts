import { and, not, or, setup, stateIn } from 'xstate';

/**
 * The modes of the devices that are no batteries, one statechart each. Regions run side by side.
 *
 *   ev          session      away | plugged (charging, full, stopped)
 *               connection   online | offline
 *   thermostat  mode         off | heat | cool | auto | eco
 *               hvac         ready | heating | cooling | resting
 *               fan          auto | on | off | circulate
 *               connection   online | offline
 *   inverter    output       free | limited
 *               connection   online | offline
 *
 * Rules. A stop holds for the session: it ends with a start or when the vehicle leaves, and the next session charges by
 * itself. A device that is offline hears no command and goes on as it was. A thermostat that changes its mode lets its
 * compressor stop first; a compressor that stopped rests before it starts again.
 * Limits and deadlines are events of the kernel (FULL, TOO_WARM, REACHED, RESTED …); the machines have no timers, no
 * actions and no context, and their guards ask for states only, so a chart is a finite table of state × event.
 *
 * @source modes of the commands: src/domain/appliance.ts. Assumed: a stop holds for one session (makers differ), the
 *         rest of a compressor (length: thermal.ts)
 */
export type LinkEvent = { readonly type: 'LINK_UP' } | { readonly type: 'LINK_DOWN' };

const connection = {
  id: 'connection',
  initial: 'online',
  states: {
    online: { id: 'online', on: { LINK_DOWN: 'offline' } },
    offline: { id: 'offline', on: { LINK_UP: 'online' } },
  },
} as const;

export type EvEvent =
  | LinkEvent
  | { readonly type: 'PLUG_IN' }
  | { readonly type: 'PLUG_OUT' }
  | { readonly type: 'START' }
  | { readonly type: 'STOP' }
  /** The store is at the limit, or the taper has ended. */
  | { readonly type: 'FULL' }
  /** The limit was raised above the store. */
  | { readonly type: 'ROOM' };

export const EV_EVENTS = [
  'PLUG_IN',
  'PLUG_OUT',
  'START',
  'STOP',
  'FULL',
  'ROOM',
  'LINK_UP',
  'LINK_DOWN',
] as const satisfies readonly EvEvent['type'][];

export const evMachine = setup({
  types: { events: {} as EvEvent },
  guards: { heard: not(stateIn('#offline')) },
}).createMachine({
  id: 'ev',
  type: 'parallel',
  states: {
    session: {
      id: 'session',
      initial: 'away',
      states: {
        away: { id: 'away', on: { PLUG_IN: 'plugged' } },
        plugged: {
          id: 'plugged',
          initial: 'charging',
          on: { PLUG_OUT: 'away' },
          states: {
            charging: { id: 'charging', on: { FULL: 'full', STOP: { guard: 'heard', target: 'stopped' } } },
            full: { id: 'full', on: { ROOM: 'charging', STOP: { guard: 'heard', target: 'stopped' } } },
            stopped: { id: 'stopped', on: { START: { guard: 'heard', target: 'charging' } } },
          },
        },
      },
    },
    connection,
  },
});

export type ThermostatEvent =
  | LinkEvent
  | { readonly type: 'SET_OFF' | 'SET_HEAT' | 'SET_COOL' | 'SET_AUTO' | 'SET_ECO' }
  | { readonly type: 'FAN_AUTO' | 'FAN_ON' | 'FAN_OFF' | 'FAN_CIRCULATE' }
  /** The room left the deadband, or came to its far end. */
  | { readonly type: 'TOO_COLD' }
  | { readonly type: 'TOO_WARM' }
  | { readonly type: 'REACHED' }
  /** The compressor may start again. */
  | { readonly type: 'RESTED' };

export const THERMOSTAT_EVENTS = [
  'SET_OFF',
  'SET_HEAT',
  'SET_COOL',
  'SET_AUTO',
  'SET_ECO',
  'FAN_AUTO',
  'FAN_ON',
  'FAN_OFF',
  'FAN_CIRCULATE',
  'TOO_COLD',
  'TOO_WARM',
  'REACHED',
  'RESTED',
  'LINK_UP',
  'LINK_DOWN',
] as const satisfies readonly ThermostatEvent['type'][];

const set = (target: string) => ({ guard: 'heard' as const, target });

export const thermostatMachine = setup({
  types: { events: {} as ThermostatEvent },
  guards: {
    heard: not(stateIn('#offline')),
    mayHeat: or([stateIn('#heat'), stateIn('#auto'), stateIn('#eco')]),
    mayCool: or([stateIn('#cool'), stateIn('#auto'), stateIn('#eco')]),
    leavesHeat: and(['heard', not(stateIn('#heat'))]),
    leavesCool: and(['heard', not(stateIn('#cool'))]),
    leavesAuto: and(['heard', not(stateIn('#auto'))]),
    leavesEco: and(['heard', not(stateIn('#eco'))]),
  },
}).createMachine({
  id: 'thermostat',
  type: 'parallel',
  states: {
    mode: {
      id: 'mode',
      initial: 'off',
      on: {
        SET_OFF: set('.off'),
        SET_HEAT: set('.heat'),
        SET_COOL: set('.cool'),
        SET_AUTO: set('.auto'),
        SET_ECO: set('.eco'),
      },
      states: {
        off: { id: 'off' },
        heat: { id: 'heat' },
        cool: { id: 'cool' },
        auto: { id: 'auto' },
        eco: { id: 'eco' },
      },
    },
    hvac: {
      id: 'hvac',
      initial: 'ready',
      states: {
        ready: {
          id: 'ready',
          on: {
            TOO_COLD: { guard: 'mayHeat', target: 'running.heating' },
            TOO_WARM: { guard: 'mayCool', target: 'running.cooling' },
          },
        },
        running: {
          id: 'running',
          initial: 'heating',
          on: {
            REACHED: 'resting',
            SET_OFF: set('resting'),
            SET_HEAT: { guard: 'leavesHeat', target: 'resting' },
            SET_COOL: { guard: 'leavesCool', target: 'resting' },
            SET_AUTO: { guard: 'leavesAuto', target: 'resting' },
            SET_ECO: { guard: 'leavesEco', target: 'resting' },
          },
          states: { heating: { id: 'heating' }, cooling: { id: 'cooling' } },
        },
        resting: { id: 'resting', on: { RESTED: 'ready' } },
      },
    },
    fan: {
      id: 'fan',
      initial: 'auto',
      on: {
        FAN_AUTO: set('.auto'),
        FAN_ON: set('.on'),
        FAN_OFF: set('.off'),
        FAN_CIRCULATE: set('.circulate'),
      },
      states: {
        auto: { id: 'fanAuto' },
        on: { id: 'fanOn' },
        off: { id: 'fanOff' },
        circulate: { id: 'fanCirculate' },
      },
    },
    connection,
  },
});

export type InverterEvent = LinkEvent | { readonly type: 'LIMIT' } | { readonly type: 'UNLIMIT' };

export const INVERTER_EVENTS = [
  'LIMIT',
  'UNLIMIT',
  'LINK_UP',
  'LINK_DOWN',
] as const satisfies readonly InverterEvent['type'][];

export const inverterMachine = setup({
  types: { events: {} as InverterEvent },
  guards: { heard: not(stateIn('#offline')) },
}).createMachine({
  id: 'inverter',
  type: 'parallel',
  states: {
    output: {
      id: 'output',
      initial: 'free',
      states: {
        free: { id: 'free', on: { LIMIT: { guard: 'heard', target: 'limited' } } },
        limited: { id: 'limited', on: { UNLIMIT: { guard: 'heard', target: 'free' } } },
      },
    },
    connection,
  },
});
