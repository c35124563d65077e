import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, createActor } from 'xstate';
import { getShortestPaths } from 'xstate/graph';
import {
  EV_EVENTS,
  evMachine,
  INVERTER_EVENTS,
  inverterMachine,
  THERMOSTAT_EVENTS,
  thermostatMachine,
} from '../../../simulators/appliance/machine.ts';
import { type ModeTable, modeTable, regionOf, step } from '../../../simulators/appliance/table.ts';

const CHARTS: readonly (readonly [string, AnyStateMachine, readonly string[], number])[] = [
  ['ev', evMachine, EV_EVENTS, 8],
  ['thermostat', thermostatMachine, THERMOSTAT_EVENTS, 128],
  ['inverter', inverterMachine, INVERTER_EVENTS, 4],
];

/** Walks one actor and the table through the same events until each state has met each event; counts disagreements. */
function differences(
  machine: AnyStateMachine,
  table: ModeTable<string>,
  steps: number,
): { wrong: number; met: number } {
  const actor = createActor(machine, { id: 'walker' });
  actor.start();
  let state = 0;
  let seed = 7;
  let wrong = 0;
  const met = new Set<string>();
  for (let n = 0; n < steps; n++) {
    let event = '';
    for (let tries = 0; tries < 12 && (event === '' || met.has(`${state} ${event}`)); tries++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      event = table.events[(seed >>> 8) % table.events.length] ?? '';
    }
    met.add(`${state} ${event}`);
    actor.send({ type: event });
    state = step(table, state, event);
    if (JSON.stringify(actor.getSnapshot().value) !== JSON.stringify(table.states[state])) wrong += 1;
  }
  return { wrong, met: met.size };
}

describe.each(CHARTS)('the chart %s', (name, machine, events, states) => {
  const table = modeTable(machine, events);

  it('agrees with a real actor on every state and event', () => {
    const { wrong, met } = differences(machine, table, 60_000);
    console.info(
      `${name}: ${table.states.length} states, ${met} of ${table.next.length} pairs met, ${wrong} differences`,
    );
    expect(wrong).toBe(0);
    expect(met).toBe(table.next.length);
    expect(table.states).toHaveLength(states);
  });

  it('is found out when one cell of the table is wrong', () => {
    const next = table.next.slice();
    const k = next.findIndex((to, cell) => to !== Math.floor(cell / events.length));
    next[k] = Math.floor(k / events.length);
    expect(differences(machine, { ...table, next }, 60_000).wrong).toBeGreaterThan(0);
  });

  it('has the states that the explorer of XState reaches', () => {
    const paths = getShortestPaths(machine, { events: events.map((type) => ({ type })) as never });
    const reached = new Set(paths.map((p) => JSON.stringify(p.state.value)));
    expect(reached).toEqual(new Set(table.states.map((v) => JSON.stringify(v))));
  });

  it('comes back to where it began from everywhere', () => {
    const back = new Set([0]);
    for (let grown = -1; grown !== back.size; ) {
      grown = back.size;
      table.states.forEach((_, s) => {
        if (events.some((e) => back.has(step(table, s, e)))) back.add(s);
      });
    }
    expect(back.size).toBe(table.states.length);
  });

  it('changes nothing but its connection by a word from the cloud while it is offline', () => {
    const words = events.filter((e) => /^(START|STOP|SET_|FAN_|LIMIT|UNLIMIT)/.test(e));
    expect(words.length).toBeGreaterThan(1);
    table.states.forEach((value, s) => {
      if (regionOf(value, 'connection')[0] !== 'offline') return;
      for (const word of words) expect(step(table, s, word)).toBe(s);
    });
  });
});

describe('a thermostat', () => {
  const table = modeTable(thermostatMachine, THERMOSTAT_EVENTS);

  it('never heats in off or cool, never cools in off or heat, in no state it can reach', () => {
    const pairs = new Set(table.states.map((v) => `${regionOf(v, 'mode')[0]} ${regionOf(v, 'hvac').at(-1)}`));
    expect([...pairs].filter((p) => p.endsWith('heating')).sort()).toEqual([
      'auto heating',
      'eco heating',
      'heat heating',
    ]);
    expect([...pairs].filter((p) => p.endsWith('cooling')).sort()).toEqual([
      'auto cooling',
      'cool cooling',
      'eco cooling',
    ]);
  });

  it('never starts its compressor out of a rest, nor turns from heating to cooling at once', () => {
    table.states.forEach((value, s) => {
      const from = regionOf(value, 'hvac').at(-1);
      if (from === 'heating' || from === 'cooling')
        expect(regionOf(table.states[step(table, s, 'REACHED')] ?? '', 'hvac')).toEqual(['resting']);
      for (const event of table.events) {
        const to = regionOf(table.states[step(table, s, event)] ?? '', 'hvac').at(-1);
        if (to === 'heating' || to === 'cooling') expect([to, 'ready']).toContain(from);
      }
    });
  });
});

describe('a chart that is no finite table', () => {
  it('is refused with its place: an action', async () => {
    const { createMachine } = await import('xstate');
    const acting = createMachine({
      id: 'x',
      initial: 'a',
      states: { a: { on: { GO: { target: 'b', actions: 'act' } } }, b: {} },
    });
    expect(() => modeTable(acting, ['GO'])).toThrow(/x: "a" on GO: found an action or a delay/);
  });

  it('is refused with its place: a delay', async () => {
    const { createMachine } = await import('xstate');
    const waiting = createMachine({ id: 'y', initial: 'a', states: { a: { after: { 100: 'b' } }, b: {} } });
    expect(() => modeTable(waiting, ['GO'])).toThrow(/y: found an action on entry/);
  });
});
