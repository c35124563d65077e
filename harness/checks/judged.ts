import type { RunMeasures } from '../../reports/measureTypes.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import type { Evidence } from './evidence.ts';

/** What one expectation found. */
export interface Judged {
  readonly passed: boolean;
  readonly expected: string;
  readonly found: string;
  readonly where: string;
  readonly when: string;
}

/** What every check may look at. */
export interface CheckContext {
  readonly scenario: Scenario;
  readonly evidence: Evidence;
  readonly measures: RunMeasures;
}
