import { describe, expect, test } from 'vitest';
import type { Scenario } from '../../scenarios/schema.ts';
import { libraryScenario, runLogged } from '../helpers/library.ts';

/**
 * A planted fault: the cars' limit is set and nobody sets the owner's back. A run that still passed would show that its
 * expectations watch nothing. And the other way round: without the limit the cars charge in the peak.
 */
const scenario = libraryScenario('ev-overnight');
const ofCars = (step: Scenario['timeline'][number]): boolean =>
  step.kind === 'set' && step.slug === 'vehicle:set-charge-limit';

const brokenOf = (timeline: Scenario['timeline']) => {
  const { result } = runLogged({ ...scenario, timeline });
  return result.expectations.filter((e) => !e.passed);
};

describe('ev-overnight', () => {
  test('fails when nothing sets the limits back, and names a car that leaves short, when, and with what', () => {
    const broken = brokenOf(
      scenario.timeline.map((step) => {
        if (step.kind !== 'set' || !ofCars(step)) return step;
        const { duration: _forEver, ...stands } = step;
        return stands;
      }),
    );
    expect(broken.map((e) => e.name)).toEqual(['No car leaves short']);
    expect(broken[0]?.where).toMatch(/^(early|late)-00\d\d-ev$/);
    expect(broken[0]?.when).toMatch(/^2024-08-08 0[5-9]:\d\d$/);
    expect(broken[0]?.found).toMatch(/^\d+ of 56 departures; the lowest with [2-6]\d\.\d %$/);
  });

  test('fails when the limit is never set: the cars charge in the peak, and nothing is saved', () => {
    const names = brokenOf(scenario.timeline.filter((step) => !ofCars(step))).map((e) => e.name);
    expect(names).toEqual([
      'The cars of the first half hardly charge in the evening peak',
      'The cars of the second half hardly charge before midnight',
      'What the first half would have taken in the peak is saved',
      "Nearly every car takes its limit and gets its owner's back",
    ]);
  });
});
