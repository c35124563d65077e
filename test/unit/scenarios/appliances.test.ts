import { describe, expect, it, test } from 'vitest';
import { applianceDeviceId, applianceKindOf, applianceTags, findDevice } from '../../../scenarios/fleet.ts';
import { printScenario } from '../../../scenarios/print.ts';
import { readScenario } from '../../../scenarios/read.ts';
import { InputError, type InputProblem } from '../../../src/domain/errors.ts';
import { flexible } from '../../helpers/flexibleScenario.ts';

/** What homes have beside their batteries, the step that sets it and the expectations about it. */
function problemsOf(from: string, to: string): readonly InputProblem[] {
  try {
    flexible(from, to);
  } catch (error) {
    if (error instanceof InputError) return error.problems;
    throw error;
  }
  return [];
}

const LIMIT = 'slug: "vehicle:set-charge-limit", input: { chargeLimit: 40 }';

const WRONG: readonly (readonly [string, string, string, Partial<InputProblem>])[] = [
  [
    'a misspelt field of a car',
    'count: 2\n',
    'cuont: 2\n',
    { place: expect.stringContaining('ev'), didYouMean: 'count' },
  ],
  ['count and share together', 'count: 2\n', 'count: 2\n        share: 0.5\n', { expected: 'either count or share' }],
  ['more cars than homes', 'count: 2\n', 'count: 4\n', { value: '4', expected: 'at most the 3 homes of the group' }],
  [
    'a charge above full',
    'socPct: { mean: 40 }',
    'socPct: { mean: 140 }',
    { place: expect.stringContaining('ev.socPct.mean') },
  ],
  [
    'a way to reach a car that does not exist',
    'count: 2\n',
    'reachedAs: plug\n',
    { expected: 'one of vehicle, charger' },
  ],
  [
    'a car that never leaves',
    'drivesShare: 1',
    'drivesShare: 0',
    { expected: 'a share from 0.01 to 1, like 0.85 for 85 %' },
  ],
  [
    'a file outside the data folder',
    'tags: [cars]',
    'sessionsFile: { path: ../ev.csv }\n        tags: [cars]',
    { value: '"../ev.csv"' },
  ],
  [
    'targets that chase each other',
    'heatTargetF: 66',
    'heatTargetF: 73',
    { value: '74', expected: 'at least 3 °F above heatTargetF (73)' },
  ],
  [
    'a target in degrees Celsius',
    'coolTargetF: 74',
    'coolTargetF: 24',
    { expected: 'a number of °F from 45 to 95, without the unit, like 75' },
  ],
  ['a mode that thermostats do not have', 'tags: [rooms]', 'mode: cold, tags: [rooms]', { didYouMean: 'cool' }],
  ['an inverter without PV', 'pvKw: 5', 'pvKw: 0', { expected: 'homes with PV: pvKw above 0' }],
  [
    'a slug that does not exist',
    'vehicle:set-charge-limit',
    'vehicle:set-charge-limt',
    { didYouMean: 'vehicle:set-charge-limit' },
  ],
  [
    'an input of another slug',
    'input: { chargeLimit: 40 }',
    'input: { fanMode: on }',
    { expected: 'one of the fields chargeLimit' },
  ],
  [
    'a misspelt field of an input',
    'input: { chargeLimit: 40 }',
    'input: { chargelimit: 40 }',
    { didYouMean: 'chargeLimit' },
  ],
  [
    'an input out of range',
    'chargeLimit: 40 }',
    'chargeLimit: 140 }',
    { value: '140', expected: 'a number of % from 0 to 100' },
  ],
  ['an input of the wrong kind', 'fanMode: on }', 'fanMode: 3 }', { expected: 'one of auto, on, off, circulate' }],
  ['a choice that does not exist', 'fanMode: on }', 'fanMode: onn }', { didYouMean: 'on' }],
  [
    'targets of a setting that chase each other',
    'slug: "thermostat:set-fan-mode", input: { fanMode: on }',
    'slug: "thermostat:set-operating-mode", input: { operatingMode: auto, heatTarget: 69, coolTarget: 70 }',
    { value: '70', expected: 'at least 3 °F above heatTarget (69)' },
  ],
  [
    'a tag that no device of the kind has',
    'tag: cars',
    'tag: rooms',
    { expected: expect.stringContaining('a tag of a vehicle') },
  ],
  ['a device of another kind', 'homes-0001-thermostat', 'homes-0001-ev', { expected: 'a thermostat of this scenario' }],
  ['a device beyond the count', 'homes-0001-thermostat', 'homes-0009-thermostat', { value: '"homes-0009-thermostat"' }],
  [
    'a tag and a device at once',
    'tag: cars',
    'tag: cars, deviceId: homes-0001-ev',
    { expected: 'exactly one of tag, deviceId' },
  ],
  ['a setting for no time', 'duration: 2h', 'duration: 0h', { expected: 'more than 0' }],
  ['a time outside the run', 'at: "13:00"', 'at: "2024-07-12T13:00"', { value: '"2024-07-12T13:00"' }],
  ['an energy without a bound', ', atMostKwh: 1 }', ' }', { expected: 'at least one of atLeastKwh, atMostKwh' }],
  ['an energy that does not exist', 'what: ev', 'what: evs', { didYouMean: 'ev' }],
  [
    'a saving of what the world without events does not tell',
    'what: ev,',
    'what: load, measure: saved,',
    { expected: 'for "saved" one of ev, hvac, import, export, charge, discharge' },
  ],
  [
    'a span that cuts a meter interval',
    'from: "13:15"',
    'from: "13:20"',
    { expected: 'a time at which a meter interval of 15min begins' },
  ],
  [
    'bounds the wrong way round',
    'atMost: 76',
    'atLeast: 78, atMost: 76',
    { expected: 'at least the lower bound (78)' },
  ],
  [
    'rooms where no group has a thermostat',
    '      thermostat: { coolTargetF: 74, heatTargetF: 66, tags: [rooms] }\n',
    '',
    { expected: 'a group of homes with "thermostat": there is none' },
  ],
  [
    'a battery command to a car',
    `kind: set, tag: cars, ${LIMIT}, duration: 2h`,
    'kind: command, deviceId: homes-0001-ev, input: { operatingMode: charge }, duration: 2h',
    { value: '"homes-0001-ev"' },
  ],
];

describe('a wrong scenario with appliances is refused with its place, its value and what was expected', () => {
  test.each(WRONG)('%s', (_name, from, to, expected) => {
    const found = problemsOf(from, to);
    expect(found.length).toBeGreaterThan(0);
    expect(
      found.some((p) => matches(p, expected)),
      JSON.stringify(found),
    ).toBe(true);
    for (const p of found)
      expect([p.source, p.place === '', p.expected === '']).toEqual(['flexible.yaml', false, false]);
  });
});

function matches(problem: InputProblem, expected: Partial<InputProblem>): boolean {
  try {
    expect(problem).toMatchObject(expected);
    return true;
  } catch {
    return false;
  }
}

describe('the fleet of a scenario with appliances', () => {
  const scenario = flexible();
  const [group] = scenario.fleet.homes;
  if (group === undefined) throw new Error('no group');

  it('names them after their home and finds exactly those that there can be', () => {
    expect(applianceDeviceId('homes-0002', 'ev')).toBe('homes-0002-ev');
    expect(findDevice(scenario.fleet, 'homes-0002-ev')).toMatchObject({ kind: 'appliance', appliance: 'vehicle' });
    expect(findDevice(scenario.fleet, 'homes-0003-inverter')).toMatchObject({ appliance: 'inverter' });
    for (const name of ['homes-0003-ev', 'homes-0004-inverter', 'homes-0001-charger', 'homes-0001-', 'homes-001-ev']) {
      expect(findDevice(scenario.fleet, name), name).toBeNull();
    }
  });

  it('tags them as their group, with tags of their own', () => {
    expect(applianceTags(group, 'ev')).toEqual(['homes', 'all', 'cars']);
    expect(applianceKindOf({ ...group, ev: { ...group.ev, reachedAs: 'charger' } as never }, 'ev')).toBe('charger');
  });

  it('is read back as the same scenario when it is printed', () => {
    expect(readScenario({ text: printScenario(scenario), source: 'again' })).toEqual(scenario);
  });
});
