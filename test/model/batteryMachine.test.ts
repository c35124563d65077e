import { describe, expect, test } from 'vitest';
import { createMachine, setup } from 'xstate';
import { actorExecutor } from '../../simulators/battery/actors.ts';
import { type DeviceColumns, makeDeviceColumns } from '../../simulators/battery/columns.ts';
import {
  compileMachine,
  type MachineSpec,
  type TransitionTable,
  tableExecutor,
} from '../../simulators/battery/compile.ts';
import { BATTERY_SPEC, batteryTable } from '../../simulators/battery/fleet.ts';
import { type ActionName, type DeviceEvent, EVENT_TYPES, type GuardName } from '../../simulators/battery/machine.ts';
import { HOME_SPEC } from '../unit/battery/world.ts';

/** Whole numbers below `limit` from a small generator (Numerical Recipes LCG), so that a walk is the same everywhere. */
function numbers(seed: number): (limit: number) => number {
  let x = seed;
  return (limit) => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((x / 2 ** 32) * limit);
  };
}

interface Differential {
  readonly events: number;
  readonly differences: number;
  readonly pairs: number;
}

/**
 * Walks equal devices on actors and on the table, through the same events, and compares states and columns. Goes on past
 * `events`, at most four times as far, until every state has met every event.
 */
function compare(table: TransitionTable, { devices, events }: { devices: number; events: number }): Differential {
  const pick = numbers(7);
  const make = (): DeviceColumns => {
    const specs = Array.from({ length: devices }, () => ({ spec: HOME_SPEC, reservePct: 20 }));
    return makeDeviceColumns(specs, true);
  };
  const [left, right] = [make(), make()];
  const actors = actorExecutor(left);
  const compiled = tableExecutor(table, BATTERY_SPEC, right);
  const pairs = new Set<string>();
  let differences = 0;
  const every = table.states.length * EVENT_TYPES.length;
  let n = 0;
  for (; n < events || (pairs.size < every && n < 4 * events); n++) {
    const i = pick(devices);
    // The world turns under the guards: an empty, half full or full store, with the planted fault or not.
    const storedMj = [0, 0.2, 0.5, 1][pick(4)] ?? 0;
    const stormFirst = pick(2);
    for (const c of [left, right]) {
      c.battery.storedMj[i] = Math.round((c.battery.usableMj[i] ?? 0) * storedMj);
      c.stormFirst[i] = stormFirst;
    }
    // Events this state has not seen are preferred, so that rare pairs are met too.
    let event = anEvent(pick);
    for (let k = 0; k < 12 && pairs.has(`${compiled.state[i]} ${event.type}`); k++) event = anEvent(pick);
    pairs.add(`${compiled.state[i]} ${event.type}`);
    const changed = [actors.send(i, event), compiled.send(i, event)];
    const same =
      JSON.stringify(actors.valueOf(i)) === JSON.stringify(compiled.valueOf(i)) &&
      columnsAt(left, i) === columnsAt(right, i) &&
      changed[0] === changed[1];
    if (!same) differences += 1;
  }
  return { events: n, differences, pairs: pairs.size };
}

function anEvent(pick: (limit: number) => number): DeviceEvent {
  const control = {
    powerW: pick(3) === 0 ? null : pick(5000),
    reservePctMin: pick(101),
    reservePctMax: pick(101),
    allowExport: pick(2) === 0,
  };
  return { type: EVENT_TYPES[pick(EVENT_TYPES.length)] ?? 'FULL', control } as DeviceEvent;
}

const columnsAt = (c: DeviceColumns, i: number): string =>
  [c.commandW[i], c.commandFloorPct[i], c.commandCeilPct[i], c.commandExport[i], c.ignored[i]].join();

describe('the compiled table and XState', () => {
  const table = batteryTable();
  const every = table.states.length * EVENT_TYPES.length;

  test('agree on every state and event of a long random walk: 0 differences', () => {
    const result = compare(table, { devices: 200, events: 300_000 });
    console.info(`battery machine: ${table.states.length} states, ${table.asked} transitions asked;`, result, {
      every,
    });
    expect(result.differences).toBe(0);
    expect(result.pairs).toBe(every);
  });

  test('a table with one wrong next state is found', () => {
    const next = table.next.slice();
    const commandIdle = EVENT_TYPES.indexOf('COMMAND_IDLE');
    const width = 2 ** table.guardNames.length;
    next.fill(0, commandIdle * width, (commandIdle + 1) * width);
    expect(compare({ ...table, next }, { devices: 4, events: 2000 }).differences).toBeGreaterThan(0);
  });

  test('a table with one lost action is found', () => {
    const ignore = table.programs.findIndex((names) => names.join() === 'ignoreCommand');
    const program = table.program.map((p) => (p === ignore ? 0 : p));
    expect(compare({ ...table, program }, { devices: 4, events: 2000 }).differences).toBeGreaterThan(0);
  });

  test('a table that forgets to ask a guard is found', () => {
    const k = table.guardNames.indexOf('aboveReserve');
    const need = table.need.map((bits) => bits & ~(1 << k));
    expect(compare({ ...table, need }, { devices: 4, events: 2000 }).differences).toBeGreaterThan(0);
  });
});

describe('what holds in every reachable state', () => {
  const table = batteryTable();

  test('with the rule on, no command runs in an active storm and none runs in an outage', () => {
    const reached = reachableWith(table, { stormFirst: true });
    for (const value of reached) {
      const text = JSON.stringify(value);
      if (text.includes('"storm":{"active"') || text.includes('"outage"')) {
        expect(text).toContain('"operation":"selfConsumption"');
      }
    }
    expect(reached.length).toBeGreaterThan(20);
  });

  test('with the planted fault, a command does run in an active storm', () => {
    const texts = reachableWith(table, { stormFirst: false }).map((v) => JSON.stringify(v));
    expect(texts.some((t) => t.includes('discharge') && t.includes('"storm":{"active"'))).toBe(true);
  });
});

/** States the table reaches while the guard stormFirst keeps one answer; the others take any. */
function reachableWith(table: TransitionTable, { stormFirst }: { stormFirst: boolean }) {
  const bit = 1 << table.guardNames.indexOf('stormFirst');
  const width = 2 ** table.guardNames.length;
  const reached = [0];
  for (const s of reached) {
    for (let cell = s * EVENT_TYPES.length * width; cell < (s + 1) * EVENT_TYPES.length * width; cell++) {
      const to = table.next[cell] ?? 0;
      if (((cell & bit) !== 0) === stormFirst && !reached.includes(to)) reached.push(to);
    }
  }
  return reached.map((s) => table.states[s]);
}

describe('machines that break the rules are refused with the place', () => {
  const refused = (machine: unknown): (() => TransitionTable) => {
    const spec = { ...BATTERY_SPEC, machine } as MachineSpec<GuardName, ActionName>;
    return () => compileMachine(spec);
  };
  const state = (inside: object) => createMachine({ id: 'm', initial: 'a', states: { a: inside, b: {} } });

  test.each([
    { what: 'a delay', inside: { after: { 1000: 'b' } }, place: /a: found after/ },
    { what: 'an invoked actor', inside: { invoke: { src: 'x' } }, place: /a: found invoke/ },
    {
      what: 'an inline guard',
      inside: { on: { FULL: { guard: () => true, target: 'b' } } },
      place: /a on FULL: .*inline/,
    },
    { what: 'an inline action', inside: { on: { FULL: { actions: () => undefined } } }, place: /a on FULL: .*inline/ },
    { what: 'an inline entry action', inside: { entry: () => undefined }, place: /a: .*inline/ },
    {
      what: 'a parameterised action',
      inside: { on: { FULL: { actions: { type: 'endCommand' } } } },
      place: /a on FULL/,
    },
    {
      what: 'an unknown action',
      inside: { on: { FULL: { actions: 'endComand' } } },
      place: /action "endComand"/,
    },
    { what: 'an unknown guard', inside: { on: { FULL: { guard: 'sunny', target: 'b' } } }, place: /guard "sunny"/ },
  ])('$what', ({ inside, place }) => {
    expect(refused(state(inside))).toThrow(place);
  });

  test('a guard that reads what an action of the same step writes', () => {
    const machine = setup({
      guards: { aboveReserve: () => true },
      actions: { endCommand: () => undefined },
    }).createMachine({
      id: 'm',
      initial: 'a',
      states: { a: { on: { FULL: { guard: 'aboveReserve', actions: 'endCommand' } } } },
    });
    const actions = {
      ...BATTERY_SPEC.actions,
      endCommand: { ...BATTERY_SPEC.actions.endCommand, writes: ['reservePct'] },
    };
    const compile = () => compileMachine({ ...BATTERY_SPEC, machine, actions } as MachineSpec<GuardName, ActionName>);
    expect(compile).toThrow(/"a" on FULL: found guard "aboveReserve" reads "reservePct"/);
  });
});
