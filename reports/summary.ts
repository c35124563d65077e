import type { FieldMeasure, RunMeasures } from './measureTypes.ts';
import { type ExpectationResult, type RunInfo, type Verdict, verdictOf } from './verdict.ts';

/** The shape of summary.json: everything a program needs to judge and repeat a run. */
export interface Summary {
  readonly format: 'vpp-testbed/summary/1';
  readonly scenario: string;
  readonly title: string;
  readonly seed: string;
  readonly version: string;
  readonly hash: string;
  readonly replayCommand: string;
  readonly verdict: Verdict;
  readonly expectations: readonly ExpectationResult[];
  /** Without the points of DNP3 sites, which csv/points.csv has. */
  readonly measures: Omit<RunMeasures, 'incidents' | 'fields'> & {
    readonly fields: readonly Omit<FieldMeasure, 'feed'>[];
  };
}

export function summaryOf(parts: {
  readonly run: RunInfo;
  readonly measures: RunMeasures;
  readonly expectations: readonly ExpectationResult[];
}): Summary {
  const { incidents: _inLog, ...all } = parts.measures;
  const measures = { ...all, fields: all.fields.map(({ feed: _inCsv, ...f }) => f) };
  const { scenario, title, seed, version, hash, replayCommand } = parts.run;
  const verdict = verdictOf(parts.expectations);
  return {
    format: 'vpp-testbed/summary/1',
    scenario,
    title,
    seed,
    version,
    hash,
    replayCommand,
    verdict,
    expectations: parts.expectations,
    measures,
  };
}
