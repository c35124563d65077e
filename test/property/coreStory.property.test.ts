import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply } from '../../src/core/apply.ts';
import { newState } from '../../src/core/state.ts';
import type { Command } from '../../src/domain/command.ts';
import type { Bench } from '../helpers/coreBench.ts';
import { type Act, dueAfter, heal, openCommands, play, stateText, story } from '../helpers/coreStory.ts';

/** Numbers are those of the catalogue of properties for continuous integration. */

const commandIdOf = (fact: Bench['facts'][number]['fact']): string | null =>
  fact.type === 'command.accepted' ? fact.command.commandId : 'commandId' in fact ? fact.commandId : null;

/** The facts of each command, in order. */
function lives(b: Bench): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { fact } of b.facts) {
    const id = commandIdOf(fact);
    if (id !== null) found.set(id, [...(found.get(id) ?? []), fact.type.replace('command.', '')]);
  }
  return found;
}

describe('the core over random stories', () => {
  test('41 every command reaches exactly one end and nothing happens to it afterwards', () => {
    fc.assert(
      fc.property(story, (s) => {
        const b = play(s);
        heal(b);
        expect(openCommands(b)).toEqual([]);
        for (const life of lives(b).values()) {
          expect(life.join(' ')).toMatch(/^accepted( routed sent){0,2}( acknowledged)? ended$/);
        }
      }),
    );
  });

  test('31 no command for the grid succeeded that was open while Storm Guard was seen', () => {
    fc.assert(
      fc.property(story, (s) => {
        const b = play(s);
        heal(b);
        const open = new Map<string, Command>();
        const stormy = new Set<string>();
        for (const { fact, atMs } of b.facts) {
          if (fact.type === 'command.accepted') open.set(fact.command.deviceId, fact.command);
          if (fact.type === 'device.storm' && fact.active) {
            const held = open.get(fact.deviceId);
            if (held?.input.enableGridInteraction && held.endMs > atMs) stormy.add(held.commandId);
          }
          if (fact.type !== 'command.ended') continue;
          if (stormy.has(fact.commandId)) expect(fact.outcome.status).toBe('ignored');
          for (const [id, c] of open) if (c.commandId === fact.commandId) open.delete(id);
        }
        for (const f of b.factsOf('command.ended')) {
          if (f.outcome.reason === 'storm_guard') expect(f.outcome.status).toBe('ignored');
        }
      }),
    );
  });

  test('33, 35, 39 a control job leaves only for a command that has begun its way and has not ended or expired', () => {
    fc.assert(
      fc.property(story, (s) => {
        const b = play(s);
        heal(b);
        for (const { effect, atMs } of b.sent) {
          if (effect.kind === 'field' && effect.job.kind === 'setpoint') expect(atMs).toBeLessThan(effect.job.endMs);
          if (effect.kind !== 'oem' || effect.job.kind !== 'control' || effect.job.mode === 'reset') continue;
          expect(atMs).toBeLessThan(effect.job.notAfterMs);
        }
        const sent = b.factsOf('command.sent').map((f) => f.jobId);
        expect(new Set(sent).size).toBe(sent.length);
        const cancelled = [...lives(b)].filter(([, life]) => life[1] === 'ended').map(([id]) => id);
        expect(b.factsOf('command.sent').filter((f) => cancelled.includes(f.commandId))).toEqual([]);
      }),
    );
  });

  test('38, 42 what comes in twice counts once: same facts', () => {
    fc.assert(
      fc.property(story, (s) => {
        const once = play(s);
        const twice = play(s, true);
        const kept = (b: Bench) => b.facts.filter(({ fact }) => fact.type !== 'event.answered');
        expect(kept(twice)).toEqual(kept(once));
      }),
    );
  });

  test('43 the order in which devices report at one instant does not change the plan', () => {
    const report = fc.record({
      storm: fc.boolean(),
      socPct: fc.integer({ min: 0, max: 100 }),
      online: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(report, { minLength: 5, maxLength: 5 }), fc.nat(30_000), (reports, targetW) => {
        const acts = reports.map((r, device): Act => ({ kind: 'observe', device, obeys: true, ...r }));
        const event: Act = { kind: 'event', targetW, inMin: 0, forMin: 30 };
        const wait: Act = { kind: 'wait', min: 0 };
        const planned = (order: readonly Act[]) => play({ acts: [...order, event, wait], answers: [0] }).lastDispatch;
        expect(planned([...acts].reverse())).toEqual(planned(acts));
      }),
    );
  });

  test('47 the state is the fold of the facts, and what is still due is too', () => {
    fc.assert(
      fc.property(story, (s) => {
        const b = play(s);
        b.advance(0);
        const again = newState();
        for (const { fact, atMs } of b.facts) apply(again, fact, atMs, b.settings);
        expect(stateText(again)).toBe(stateText(b.core.state));
        expect(dueAfter(again, b.nowMs)).toEqual(dueAfter(b.core.state, b.nowMs));
      }),
    );
  });

  test('the same inputs give the same facts, effects and refusals', () => {
    fc.assert(
      fc.property(story, (s) => {
        const [one, two] = [play(s), play(s)];
        expect([two.facts, two.sent, two.refusals]).toEqual([one.facts, one.sent, one.refusals]);
      }),
    );
  });

  test('11 in each plan Σ ≤ target, shortfall + plan = target, and each device of the program is named once', () => {
    fc.assert(
      fc.property(story, (s) => {
        for (const { dispatch: d } of play(s).factsOf('dispatch.planned')) {
          expect(d.plannedW).toBe(d.allocations.reduce((sum, a) => sum + a.allocatedW, 0));
          expect(d.plannedW + d.shortfallW).toBe(d.targetW);
          expect(d.shortfallW).toBeGreaterThanOrEqual(0);
          const named = [...d.allocations, ...d.excluded].map((x) => x.deviceId).sort();
          expect(named).toEqual(['a', 'b', 's', 't', 'x']);
        }
      }),
    );
  });

  test('at most one command of a device is not over, and it is the one that the device is said to hold', () => {
    fc.assert(
      fc.property(story, (s) => {
        const b = play(s);
        for (const [deviceId, d] of b.core.state.devices) {
          const open = openCommands(b).filter((id) => {
            const c = b.core.state.commands.get(id)?.command;
            return c?.deviceId === deviceId && c.endMs > b.nowMs;
          });
          expect(open.filter((id) => id !== d.openCommandId)).toEqual([]);
        }
      }),
    );
  });
});
