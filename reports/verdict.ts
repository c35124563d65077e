/** What a run is judged by. The harness checks the expectations of a scenario and hands these results to the report. */
export interface ExpectationResult {
  readonly name: string;
  readonly kind: string;
  readonly severity: 'fail' | 'warn';
  readonly passed: boolean;
  readonly expected: string;
  readonly found: string;
  /** The place in words: a device, a group, a site, an event, "whole run". */
  readonly where: string;
  /** Local time in words. */
  readonly when: string;
}

/** What names a run beside its records. */
export interface RunInfo {
  readonly scenario: string;
  readonly title: string;
  readonly seed: string;
  readonly version: string;
  /** SHA-256 of the run log, hex. */
  readonly hash: string;
  /** A line to copy that runs it again. */
  readonly replayCommand: string;
}

export interface Verdict {
  readonly passed: boolean;
  readonly expectations: number;
  /** Expectations of severity "fail" that did not hold; one is enough to fail the run. */
  readonly failed: number;
  /** Expectations of severity "warn" that did not hold; they never fail a run. */
  readonly warned: number;
}

export function verdictOf(expectations: readonly ExpectationResult[]): Verdict {
  const broken = expectations.filter((e) => !e.passed);
  const failed = broken.filter((e) => e.severity === 'fail').length;
  return { passed: failed === 0, expectations: expectations.length, failed, warned: broken.length - failed };
}
