import { expect, it } from 'vitest';
import { REASON_WORDS } from '../../../reports/words.ts';
import { checkScenario } from '../../../scenarios/check.ts';
import { type END_REASONS, NEVER, SHORTFALL_REASONS, TERMINAL_STATUSES } from '../../../scenarios/expect.ts';
import { readScenario } from '../../../scenarios/read.ts';
import { type EndReason, isTerminal, type TerminalStatus } from '../../../src/domain/command.ts';
import { SMALL_SCENARIO } from '../../helpers/scenarioText.ts';

it('expectations can name every reason that the measures give for missing energy', () => {
  // Energy beyond the target is no shortfall, and a device that was not needed lacks none.
  const reasons = Object.keys(REASON_WORDS).filter((r) => r !== 'not_needed' && r !== 'over_delivery');
  expect([...SHORTFALL_REASONS].sort()).toEqual(reasons.sort());
});

it('expectations can name every end of a command', () => {
  // The compiler rejects a missing name: both conditional types are then not `true`.
  const everyReason: EndReason extends (typeof END_REASONS)[number] ? true : false = true;
  const everyStatus: TerminalStatus extends (typeof TERMINAL_STATUSES)[number] ? true : false = true;
  expect([everyReason, everyStatus]).toEqual([true, true]);
  expect(TERMINAL_STATUSES.every(isTerminal)).toBe(true);
});

it('each promise of what never happens can be asked for', () => {
  const scenario = readScenario({ text: SMALL_SCENARIO, source: 'small.yaml' });
  for (const what of Object.keys(NEVER)) {
    expect(checkScenario({ ...scenario, expect: [{ kind: 'never', what }] }).kind).toBe('good');
  }
  expect(checkScenario({ ...scenario, expect: [{ kind: 'never', what: 'anything' }] }).kind).toBe('bad');
});
