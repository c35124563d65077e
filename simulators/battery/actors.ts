import { createActor } from 'xstate';
import { invariant } from '../../src/domain/errors.ts';
import type { DeviceColumns } from './columns.ts';
import type { Executor, StateValue } from './compile.ts';
import { ACTIONS, type ActionName, batteryMachine, type DeviceEvent, type DeviceInput } from './machine.ts';

/**
 * Runs each device as a real XState actor: for small fleets, inspection and as the reference of the compiled table.
 * @param inspect  gets every event and snapshot of every actor, when given
 */
export function actorExecutor(
  columns: DeviceColumns,
  inspect?: (index: number, event: DeviceEvent, value: StateValue) => void,
): Executor {
  let ran = false;
  const watched = (name: ActionName) => (a: { context: DeviceInput; event: DeviceEvent }) => {
    ran = true;
    ACTIONS[name].run(a.context.columns, a.context.index, a.event);
  };
  const machine = batteryMachine.provide({
    actions: {
      takeCommand: watched('takeCommand'),
      endCommand: watched('endCommand'),
      ignoreCommand: watched('ignoreCommand'),
    },
  });
  const actors = Array.from({ length: columns.battery.count }, (_, index) => {
    const actor = createActor(machine, { id: `battery-${index}`, input: { columns, index } });
    actor.start();
    return actor;
  });
  const actorOf = (i: number) => {
    const actor = actors[i];
    invariant(actor !== undefined, `no actor ${i}`);
    return actor;
  };
  return {
    send: (i, event) => {
      const actor = actorOf(i);
      const before = JSON.stringify(actor.getSnapshot().value);
      ran = false;
      actor.send(event);
      const { value } = actor.getSnapshot();
      inspect?.(i, event, value);
      return ran || JSON.stringify(value) !== before;
    },
    valueOf: (i) => actorOf(i).getSnapshot().value,
  };
}
