import { describe, expect, test } from 'vitest';
import type { Scenario } from '../../scenarios/schema.ts';
import { libraryScenario, runLogged } from '../helpers/library.ts';

/**
 * A planted fault: with the rule switched off that a storm goes before grid commands, batteries discharge in the storm.
 * A run that still passed would show that its expectations watch nothing.
 */
const RULE_OFF = { kind: 'rule-off', rule: 'storm-guard-precedence', from: '+0min' } as const;
const scenario = libraryScenario('storm-guard-mid-event');

const judge = (faults: Scenario['faults']) => runLogged({ ...scenario, faults });
const stormMeters = (run: ReturnType<typeof runLogged>) =>
  run.records.filter((r) => r.kind === 'meter' && r.stormDischargeMj > 0);

describe('storm-guard-mid-event with the rule of precedence switched off', () => {
  const kept = judge(scenario.faults);
  const planted = judge([...scenario.faults, RULE_OFF]);

  test('passes with the rule', () => {
    expect(kept.result.expectations.filter((e) => !e.passed)).toEqual([]);
    expect(stormMeters(kept)).toEqual([]);
  });

  test('fails without it, and exactly on the promise that no battery discharges for the grid in a storm', () => {
    const broken = planted.result.expectations.filter((e) => !e.passed);
    expect(planted.result.verdict.passed).toBe(false);
    expect(broken.map((e) => e.name)).toEqual(['No battery discharges for the grid while its storm mode is active']);
  });

  test('names a home in the storm, a time after the warning and the energy', () => {
    const broken = planted.result.expectations.find((e) => !e.passed);
    expect(broken?.where).toMatch(/^inland-tesla-\d{4}-site$/);
    expect(broken?.when).toMatch(/^2024-08-14 18:[345]\d$/);
    expect(broken?.found).toMatch(/^\d+\.\d Wh discharged in an active storm/);
    expect(stormMeters(planted).length).toBeGreaterThan(0);
  });

  test('says in the log that the rule was off, from the start to the end of the run', () => {
    const faults = planted.records.filter((r) => r.kind === 'fault' && r.what === 'rule-off: storm-guard-precedence');
    const [first, last] = [planted.records[0], planted.records.at(-1)];
    expect(faults.map((f) => [f.atMs, f.kind === 'fault' ? f.phase : ''])).toEqual([
      [first?.atMs, 'begins'],
      [last?.atMs, 'ends'],
    ]);
    expect(kept.records.some((r) => r.kind === 'fault')).toBe(false);
  });
});
