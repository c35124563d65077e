import { InputError, nearestName, show } from '../src/domain/errors.ts';
import type { EpochMs } from '../src/domain/units.ts';
import type { Issue } from './check.ts';
import type { Scenario } from './schema.ts';
import { durationMs, endMsOf, instantAt, startMsOf } from './times.ts';

export type Path = readonly (string | number)[];

/** Collects what is wrong with a scenario whose shape is right. */
export class Findings {
  readonly issues: Issue[] = [];

  add(path: Path, value: unknown, expected: string, didYouMean?: string): void {
    const issue = { path, value: show(value), expected };
    this.issues.push(didYouMean === undefined ? issue : { ...issue, didYouMean });
  }

  /** A name that must be among those that exist. */
  reference(path: Path, name: string | undefined, what: string, valid: readonly string[]): void {
    if (name === undefined || valid.includes(name)) return;
    const names = [...new Set(valid)];
    const near = nearestName(name, names);
    const issue = { path, value: show(name), expected: `${what} of this scenario: ${listed(names)}` };
    this.issues.push(near === undefined ? issue : { ...issue, didYouMean: near });
  }

  unique(items: readonly { readonly path: Path; readonly name: string }[], what: string): void {
    const seen = new Map<string, Path>();
    for (const { path, name } of items) {
      if (seen.has(name)) this.add(path, name, `something used once: the same ${what} stands further up`);
      seen.set(name, path);
    }
  }

  /** Exactly one of several fields. */
  exactlyOne(path: Path, fields: Readonly<Record<string, unknown>>): void {
    const given = Object.keys(fields).filter((name) => fields[name] !== undefined);
    if (given.length === 1) return;
    const found = given.length === 0 ? undefined : given.join(' and ');
    this.add(path, found, `exactly one of ${Object.keys(fields).join(', ')}`);
  }
}

/** Names for a message: the first dozen. */
export function listed(names: readonly string[]): string {
  if (names.length === 0) return 'there is none';
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 12).join(', ')} and ${names.length - 12} more`;
}

/** Turns the times of a scenario into instants and notes those that do not exist or lie outside the run. */
export class RunTimes {
  readonly #scenario: Scenario;
  readonly #findings: Findings;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;

  constructor(scenario: Scenario, findings: Findings) {
    this.#scenario = scenario;
    this.#findings = findings;
    this.startMs = startMsOf(scenario);
    this.endMs = endMsOf(scenario);
  }

  /** Null when the time is wrong, which has been noted. */
  at(path: Path, text: string): EpochMs | null {
    const { start, duration } = this.#scenario;
    try {
      const atMs = instantAt(this.#scenario, text);
      if (atMs >= this.startMs && atMs <= this.endMs) return atMs;
      this.#findings.add(path, text, `a time within the run, which starts at ${start} and lasts ${duration}`);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      for (const problem of error.problems) this.#findings.add(path, text, problem.expected);
    }
    return null;
  }

  /** The instant without a note; null when it is wrong. */
  peek(text: string): EpochMs | null {
    try {
      return instantAt(this.#scenario, text);
    } catch (error) {
      if (error instanceof InputError) return null;
      throw error;
    }
  }

  /** Notes edges that are not edges of meter intervals: energy within an interval is not known. */
  onIntervals(path: Path, span: { readonly from: string; readonly until: string }): void {
    const { meterInterval } = this.#scenario;
    for (const edge of ['from', 'until'] as const) {
      const atMs = this.peek(span[edge]);
      if (atMs === null || (atMs - this.startMs) % durationMs(meterInterval) === 0) continue;
      this.#findings.add([...path, edge], span[edge], `a time at which a meter interval of ${meterInterval} begins`);
    }
  }

  /** Notes an end that is not after its start. */
  span(path: Path, span: { readonly from: string; readonly until?: string }): void {
    const fromMs = this.at([...path, 'from'], span.from);
    if (span.until === undefined) return;
    const untilMs = this.at([...path, 'until'], span.until);
    if (fromMs !== null && untilMs !== null && untilMs <= fromMs) {
      this.#findings.add([...path, 'until'], span.until, `a time after from (${span.from})`);
    }
  }
}
