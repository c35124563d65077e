import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CATALOGUE, MODEL_IDS } from '../../scenarios/catalogue.ts';
import { checkScenario } from '../../scenarios/check.ts';
import { defineScenario } from '../../scenarios/define.ts';
import { printScenario } from '../../scenarios/print.ts';
import { readScenario } from '../../scenarios/read.ts';
import type { ScenarioInput } from '../../scenarios/schema.ts';
import { InputError } from '../../src/domain/errors.ts';
import { SMALL_SCENARIO } from '../helpers/scenarioText.ts';

const source = 'generated.yaml';
const printable = (text: string) => /^[^\p{Cc}\p{Surrogate}]*$/u.test(text);
const words = (maxLength: number) => fc.string({ unit: 'binary', minLength: 1, maxLength }).filter(printable);
/** Words that YAML could take for something else. */
const trap = fc.constantFrom(
  'null',
  'yes',
  '~',
  '12',
  '0x1f',
  '1e3',
  '- a',
  'a: b',
  '# no',
  '"',
  "'",
  '18:00',
  '*a',
  ' ',
  '.nan',
);
const prose = (maxLength: number) => fc.oneof(trap, words(maxLength));
const pct = fc.integer({ min: 0, max: 100 });
const tenths = (min: number, max: number) => fc.integer({ min: min * 10, max: max * 10 }).map((n) => n / 10);
const share = tenths(0, 1);

const home = (group: string) =>
  fc
    .record({
      model: fc.constantFrom(...MODEL_IDS),
      count: fc.integer({ min: 1, max: 50 }),
      socPct: fc.record({ mean: pct, spread: fc.integer({ min: 0, max: 50 }) }),
      reservePct: pct,
      strategy: fc.constantFrom('self_consumption', 'backup', 'time_of_use'),
      stormGuard: fc.boolean(),
      pvKw: tenths(0, 12),
      load: fc.record({ dailyKwh: tenths(0, 90) }),
      zones: fc.subarray(['CAC071', 'CAZ048', '006071']),
      optOutShare: share,
    })
    .map((g) => ({ ...g, group, oem: CATALOGUE[g.model].oem }));

const bess = fc.record({
  siteId: fc.constant('bess-1'),
  usableKwh: fc.integer({ min: 1, max: 9000 }),
  chargeKwMax: tenths(1, 2000),
  dischargeKwMax: tenths(1, 2000),
  roundTripRatio: tenths(0.5, 1),
  socPct: pct,
  rampKwPerS: tenths(1, 500),
  watchdog: fc.constantFrom('30s', '1min'),
  safety: fc.option(fc.record({ chargeKwMax: tenths(0, 2000), dischargeKwMax: tenths(0, 2000) })),
  approval: fc.option(
    fc.record({ requestedBy: prose(20), approvedBy: prose(20), chargeKwMax: pct, dischargeKwMax: pct }),
  ),
});

const dispatch = (i: number) =>
  fc.record({
    kind: fc.constant('dispatch' as const),
    // One event in each two hours: they never overlap.
    at: fc.constant(`+${i * 2}h`),
    eventId: fc.constant(`event-${i}`),
    programId: fc.constant('p'),
    targetKw: tenths(1, 900),
    duration: fc.constantFrom('15min', '90min', '2h'),
    test: fc.boolean(),
  });

const scenarioInput: fc.Arbitrary<ScenarioInput> = fc.record({
  version: fc.constant(1 as const),
  name: fc.constantFrom('a', 'null', 'no', 'x-1'),
  title: prose(100),
  description: prose(400),
  seed: fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)),
  start: fc.constantFrom('2024-07-10T00:00', '2023-12-31T23:45:00'),
  timeZone: fc.constantFrom('UTC', 'America/Chicago', 'Asia/Kathmandu'),
  duration: fc.constant('24h'),
  fleet: fc.record({ homes: fc.tuple(home('g-a'), home('null')), bess: fc.tuple(bess) }),
  weather: fc.record({
    kind: fc.constant('synthetic' as const),
    latitudeDeg: tenths(-90, 90),
    longitudeDeg: tenths(-180, 180),
    temperatureMinC: tenths(-20, 10),
    temperatureMaxC: tenths(10, 40),
  }),
  market: fc.record({
    node: fc.constantFrom('NODE-1', '1e3', '0x1f'),
    dayAhead: fc.record({
      kind: fc.constant('hourly' as const),
      usdPerMwh: fc.array(fc.double({ min: -100, max: 5000, noNaN: true }), { minLength: 24, maxLength: 24 }),
      source: prose(50),
    }),
  }),
  programs: fc.tuple(
    fc.record({
      programId: fc.constant('p'),
      name: prose(50),
      trigger: fc.constant({ kind: 'called' as const }),
      nominatedKw: tenths(1, 1000),
      paymentUsdPerKwh: tenths(0, 5),
      provenance: fc.record({ source: prose(50), standing: fc.constantFrom('assumed', 'read') }),
      groups: fc.subarray(['g-a', 'null', 'bess-1'], { minLength: 1 }),
    }),
  ),
  timeline: fc.tuple(dispatch(0), dispatch(3), dispatch(7)),
});

describe('a scenario', () => {
  it('is the same after it was printed and read again', () => {
    fc.assert(
      fc.property(scenarioInput, (input) => {
        const scenario = defineScenario(input);
        expect(readScenario({ text: printScenario(scenario), source })).toEqual(scenario);
        expect(readScenario({ text: JSON.stringify(scenario), source })).toEqual(scenario);
      }),
    );
  });

  it('is the same when its defaults are written out', () => {
    fc.assert(
      fc.property(scenarioInput, (input) => {
        expect(defineScenario(defineScenario(input))).toEqual(defineScenario(input));
      }),
    );
  });

  it('with any field renamed is refused, and the field is named', () => {
    const lines = SMALL_SCENARIO.split('\n').flatMap((line, i) => (/^ *(- )?[a-zA-Z]+:/.test(line) ? [i] : []));
    fc.assert(
      fc.property(fc.constantFrom(...lines), (at) => {
        const renamed = SMALL_SCENARIO.split('\n').map((line, i) => (i === at ? line.replace(':', 'X:') : line));
        const message = refusal(renamed.join('\n'));
        expect(message).toContain(`line ${at + 1}, column `);
        expect(message).toContain('X"');
      }),
    );
  });
});

function refusal(text: string): string {
  try {
    readScenario({ text, source });
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('a damaged or foreign text', () => {
  const noise = fc.constantFrom(
    '\t',
    '[',
    '{',
    ']',
    ':',
    '- ',
    '&a ',
    '*a',
    '!!x ',
    '"',
    '\u0000',
    '\n',
    '999',
    'kW',
    '|',
    '<<: ',
  );

  it('is read or refused with places, and never breaks the reader', () => {
    const cut = fc.record({
      at: fc.nat({ max: SMALL_SCENARIO.length }),
      length: fc.nat({ max: 20 }),
      put: fc.oneof(noise, fc.string({ maxLength: 5 })),
    });
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 4 }), (cuts) => {
        let text = SMALL_SCENARIO;
        for (const { at, length, put } of cuts) text = text.slice(0, at) + put + text.slice(at + length);
        expect(refusal(text)).toMatch(/^(accepted$|generated\.yaml: (line [0-9]+, column [0-9]+|the (file|rest)))/);
      }),
    );
  });

  it('that is no scenario at all is refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(refusal(text)).not.toBe('accepted');
      }),
    );
  });

  it('in any JSON value is refused without an exception of another kind', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(checkScenario(value).kind).toBe('bad');
      }),
    );
  });
});
