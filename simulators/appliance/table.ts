import { type AnyStateMachine, initialTransition, transition } from 'xstate';
import { InvariantError, inputError } from '../../src/domain/errors.ts';

/**
 * A statechart without context, actions and timers as a table: XState's own pure transition() is asked once for every
 * reachable state and event, so none of its semantics is written a second time, and a fleet of thousands costs one
 * number per device and one read per event. Guards may ask for states only; they are answered while the table is made.
 * (A chart whose guards read columns is compiled by simulators/battery/compile.ts.)
 */
export type ModeValue = string | { readonly [region: string]: ModeValue | undefined };

export interface ModeTable<E extends string> {
  readonly events: readonly E[];
  /** Configurations by number; 0 is the initial one. */
  readonly states: readonly ModeValue[];
  /** [state · events + event] → next state. */
  readonly next: Uint16Array;
}

const STATES_MAX = 65_535;

/** @throws InputError for a machine with actions, invoked actors or delays, or with more than 65,535 states */
export function modeTable<E extends string>(machine: AnyStateMachine, events: readonly E[]): ModeTable<E> {
  const [initial, actions] = initialTransition(machine);
  if (actions.length > 0) refuse(machine.id, 'an action on entry');
  const snapshots = [initial];
  const numbers = new Map([[JSON.stringify(initial.value), 0]]);
  const next: number[] = [];
  for (let s = 0; s < snapshots.length; s++) {
    const from = snapshots[s];
    if (from === undefined) break;
    for (const type of events) {
      const [to, ran] = transition(machine, from, { type });
      if (ran.length > 0) refuse(`${machine.id}: ${JSON.stringify(from.value)} on ${type}`, 'an action or a delay');
      const key = JSON.stringify(to.value);
      let number = numbers.get(key);
      if (number === undefined) {
        number = snapshots.length;
        numbers.set(key, number);
        snapshots.push(to);
      }
      if (number > STATES_MAX) refuse(machine.id, `more than ${STATES_MAX} states`);
      next.push(number);
    }
  }
  return { events, states: snapshots.map((x) => x.value as ModeValue), next: Uint16Array.from(next) };
}

function refuse(place: string, value: string): never {
  throw inputError({ source: 'statechart', place, value, expected: 'a chart of states, events and stateIn guards' });
}

/** The state that follows; the same number when the event changes nothing. */
export function step<E extends string>(table: ModeTable<E>, state: number, event: E): number {
  const k = table.events.indexOf(event);
  const to = table.next[state * table.events.length + k];
  if (k < 0 || to === undefined) throw new InvariantError(`no table entry for ${event} in state ${state}`);
  return to;
}

/** The substates of one region: ["plugged", "charging"]. */
export function regionOf(value: ModeValue, name: string): readonly string[] {
  const inside = typeof value === 'string' ? undefined : value[name];
  if (inside === undefined) throw new InvariantError(`no region ${name} in ${JSON.stringify(value)}`);
  const path: string[] = [];
  for (let v: ModeValue | undefined = inside; v !== undefined; ) {
    if (typeof v === 'string') {
      path.push(v);
      break;
    }
    const [only]: [string, ModeValue | undefined][] = Object.entries(v);
    if (only === undefined) break;
    path.push(only[0]);
    v = only[1];
  }
  return path;
}
