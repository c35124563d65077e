import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { sessionsOf } from '../../../harness/world/sessions.ts';
import type { Note } from '../../../harness/world/textFile.ts';
import { readSessions } from '../../../simulators/feeds/sessions.ts';
import { InputError } from '../../../src/domain/errors.ts';
import { isoUtc } from '../../../src/domain/time.ts';
import { flexible } from '../../helpers/flexibleScenario.ts';
import { runLogged } from '../../helpers/library.ts';

/** Charging sessions of a file as the stays of cars. The run starts at noon of 10 July 2024 in Los Angeles (UTC−7). */
const HEADER = 'session,station,arrival_utc,departure_utc,energy_kwh,max_kw\n';
const TEXT = `${HEADER}s1,B,2019-03-01T17:00:00Z,2019-03-01T20:00:00Z,10,6.6
s2,A,2019-03-01T18:00:00Z,2019-03-02T02:00:00Z,20,6.6
s3,A,2019-03-01T19:00:00Z,2019-03-01T20:00:00Z,5,6.6
s4,A,2019-03-03T18:00:00Z,2019-03-03T19:00:00Z,7.5,6.6
s5,B,2019-03-02T18:00:00Z,2019-03-02T18:00:00Z,1,6.6
`;

const scenario = (more = '') => flexible('tags: [cars]', `sessionsFile: { path: ev.csv${more} }\n        tags: [cars]`);
const stays = (text = TEXT, more = '') => {
  const notes: Note[] = [];
  const readText = () => ({ text, source: 'ev.csv' });
  const found = sessionsOf({ scenario: scenario(more), historyDays: 2, readText, note: (n) => void notes.push(n) });
  return { notes, cars: found.get('homes') ?? [] };
};
const problem = (make: () => unknown) => {
  try {
    make();
  } catch (error) {
    if (error instanceof InputError) return error.problems[0];
    throw error;
  }
  return undefined;
};

describe('charging sessions of a file', () => {
  test('are read in order, and those that cannot have been are left out with a note', () => {
    const { sessions, notes } = readSessions({ text: TEXT, source: 'ev.csv' });
    expect(sessions.map((s) => `${s.station} ${isoUtc(s.arriveMs)} ${s.energyWh}`)).toEqual([
      'B 2019-03-01T17:00:00.000Z 10000',
      'A 2019-03-01T18:00:00.000Z 20000',
      'A 2019-03-03T18:00:00.000Z 7500',
    ]);
    expect(notes.map((n) => n.row)).toEqual([4, 6]);
  });

  test.each([
    ['2019-03-01T17:00:00Z,2019-03-01T20', 'yesterday,2019-03-01T20', 'row 2, column arrival_utc', '"yesterday"'],
    [',10,6.6', ',ten,6.6', 'row 2, column energy_kwh', '"ten"'],
    ['energy_kwh', 'energy', 'header', undefined],
  ])('are refused where %s is wrong, with file and place', (from, to, place, value) => {
    const found = problem(() => readSessions({ text: TEXT.replace(from, to), source: 'ev.csv' }));
    expect(found).toMatchObject({ source: 'ev.csv', place, ...(value === undefined ? {} : { value }) });
  });

  test('become stays of the k-th car, day for day at the same clock time, before the run and after the file ends', () => {
    const { cars, notes } = stays();
    expect(notes).toHaveLength(2);
    const times = cars.map((list) => list.map((v) => `${isoUtc(v.arriveMs).slice(5, 16)} ${v.usedWh}`));
    // The file has three local days, 1 to 3 March; standard time in March, daylight saving time in July.
    expect(times[0]).toEqual(['07-10T17:00 20000', '07-12T17:00 7500', '07-09T17:00 7500'].sort());
    expect(times[1]).toEqual(['07-10T16:00 10000']);
  });

  test('begin with the day that is asked for, which must be there', () => {
    const { cars } = stays(TEXT, ', firstDay: "2019-03-03"');
    expect(isoUtc(cars[0]?.find((v) => v.usedWh === 7_500)?.arriveMs ?? 0)).toBe('2024-07-10T17:00:00.000Z');
    expect(problem(() => stays(TEXT, ', firstDay: "2019-04-01"'))).toMatchObject({
      source: 'ev.csv',
      place: 'firstDay',
      value: '2019-04-01',
      expected: 'a day from 2019-03-01 to 2019-03-03',
    });
  });

  test('need a station for each car', () => {
    const one = `${HEADER}s1,B,2019-03-01T17:00:00Z,2019-03-01T20:00:00Z,10,6.6\n`;
    expect(problem(() => stays(one))).toMatchObject({ place: 'column station', value: '1 stations' });
  });

  const ACN = 'ev/acn_caltech_sessions_20190301_20190315.csv';
  test.skipIf(!existsSync(`../shared/data/${ACN}`))('of a real workplace drive the cars of a run', () => {
    const real = {
      ...scenario(', firstDay: "2019-03-04"'),
      start: '2024-07-10T00:00',
      duration: '24h',
      timeline: [],
      expect: [],
    };
    const [group] = real.fleet.homes;
    if (group?.ev?.sessionsFile === undefined) throw new Error('no sessions');
    group.ev.sessionsFile.path = `../shared/data/${ACN}`;
    const { result, records } = runLogged(real);
    expect(result.measures.ledger).toMatchObject({ siteResidualMj: 0, applianceResidualMj: 0 });
    const came = records.filter((r) => r.kind === 'appliance-mode' && r.cause === 'plugged in');
    console.info(
      `acn: ${came.length} arrivals, ${result.measures.appliances?.devices[0]?.usedWh} Wh into the first car`,
    );
    expect(came.length).toBeGreaterThan(0);
    expect(result.measures.appliances?.devices.some((d) => (d.usedWh ?? 0) > 3_000)).toBe(true);
  });
});
