import { pathText } from '../scenarios/check.ts';
import { parseSeed } from '../scenarios/scalars.ts';
import type { Scenario } from '../scenarios/schema.ts';
import { validate } from '../scenarios/validate.ts';
import { InputError, inputError, show } from '../src/domain/errors.ts';

/** What a command line changes of a scenario: whose day, whose prices, whose weather, which seed. */
export interface Overrides {
  readonly seed?: string;
  /** Local date of the first day, "2024-07-10"; the clock time of the start stays. */
  readonly date?: string;
  /** Paths as seen from the working directory. */
  readonly prices?: string;
  readonly node?: string;
  readonly weather?: string;
  readonly alerts?: string;
}

/**
 * The scenario with the overrides in it. Paths are made absolute by the caller's resolver.
 * @throws InputError for a seed or date that cannot be read, for a node without a price file, and for a date on which
 *         the scenario's times do not all exist within the run
 */
export function applyOverrides(scenario: Scenario, o: Overrides, resolvePath: (path: string) => string): Scenario {
  const changed = withOverrides(scenario, o, resolvePath);
  const issues = o.date === undefined ? [] : validate(changed);
  if (issues.length === 0) return changed;
  const source = `${scenario.name} with --date ${o.date}`;
  throw new InputError(issues.map(({ path, value, expected }) => ({ source, place: pathText(path), value, expected })));
}

/** The same overrides for a program that runs in another working directory. */
export const withAbsolutePaths = (o: Overrides, resolvePath: (path: string) => string): Overrides => ({
  ...o,
  ...(o.prices === undefined ? {} : { prices: resolvePath(o.prices) }),
  ...(o.weather === undefined ? {} : { weather: resolvePath(o.weather) }),
  ...(o.alerts === undefined ? {} : { alerts: resolvePath(o.alerts) }),
});

function withOverrides(scenario: Scenario, o: Overrides, resolvePath: (path: string) => string): Scenario {
  return {
    ...scenario,
    seed: o.seed === undefined ? scenario.seed : seedOf(o.seed),
    start: o.date === undefined ? scenario.start : `${dateOf(o.date)}${scenario.start.slice(10)}`,
    market: marketOf(scenario, o, resolvePath),
    weather: o.weather === undefined ? scenario.weather : { kind: 'file', path: resolvePath(o.weather) },
    alertFiles: o.alerts === undefined ? scenario.alertFiles : [...scenario.alertFiles, resolvePath(o.alerts)],
  };
}

function marketOf(scenario: Scenario, o: Overrides, resolvePath: (path: string) => string): Scenario['market'] {
  const node = o.node ?? scenario.market.node;
  if (o.prices === undefined) {
    if (o.node === undefined) return scenario.market;
    throw inputError({
      source: 'command line',
      place: '--node',
      value: show(o.node),
      expected: 'a price file beside it: --prices FILE',
    });
  }
  return { ...scenario.market, node, dayAhead: { kind: 'file', path: resolvePath(o.prices), node } };
}

function seedOf(text: string): string {
  const seed = parseSeed(text);
  if (seed !== null) return seed;
  const expected = 'an integer of at most 64 bits or its hex form, like 42 or 0x5eed';
  throw inputError({ source: 'command line', place: '--seed', value: show(text), expected });
}

function dateOf(text: string): string {
  const dayMs = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) ? Date.parse(`${text}T00:00Z`) : Number.NaN;
  // Date.parse takes 30 February for 1 March.
  if (!Number.isNaN(dayMs) && new Date(dayMs).toISOString().startsWith(text)) return text;
  throw inputError({ source: 'command line', place: '--date', value: show(text), expected: 'a date like 2024-07-10' });
}

/** The words that repeat the overrides on a command line. */
export function overrideWords(o: Overrides): string[] {
  return (['seed', 'prices', 'node', 'date', 'weather', 'alerts'] as const).flatMap((key) => {
    const value = o[key];
    return value === undefined
      ? []
      : [`--${key}`, /^[\w@./:=+-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`];
  });
}
