import { describe, expect, test } from 'vitest';
import { template } from '../../../harness/cli/template.ts';
import { type MeterFile, perMinute, readMetered } from '../../../harness/world/metered.ts';
import { defineScenario } from '../../../scenarios/define.ts';
import { readScenario } from '../../../scenarios/read.ts';
import { startMsOf } from '../../../scenarios/times.ts';
import { MS_PER_HOUR } from '../../../src/domain/units.ts';

const scenario = defineScenario({
  ...readScenario({ text: template('metered'), source: 'template' }),
  start: '2024-07-10T00:00',
  timeline: [],
  expect: [],
});

/** Three days of hours in Pacific standard time; the value says day and hour: 1·00 … 3·23. */
const csv = (change: (day: number, hour: number) => string = (d, h) => String(d + h / 100)) =>
  [
    'hour_begin_local,load_kw',
    ...[1, 2, 3].flatMap((d) =>
      Array.from({ length: 24 }, (_, h) => `2017-01-0${d}T${String(h).padStart(2, '0')}:00,${change(d, h)}`),
    ),
    '',
  ].join('\n');

function minutes(text: string, file: Partial<MeterFile>, fromHour: number, count: number): number[] {
  const whole: MeterFile = { path: 'meter.csv', utcOffsetMin: -480, ...file };
  const [series] = readMetered({
    scenario,
    file: whole,
    readText: (path) => ({ text, source: path }),
    note: () => {},
  });
  if (series === undefined) throw new Error('no series');
  const startMs = startMsOf(scenario) + fromHour * MS_PER_HOUR;
  return [...perMinute(series, { scenario, startMs, minutes: count * 60, file: whole })].filter((_, m) => m % 60 === 0);
}

describe('metered curves in a run', () => {
  test('the first whole day of the file stands for the first day of the run, clock by clock', () => {
    expect(minutes(csv(), {}, 0, 3)).toEqual([1000, 1010, 1020]);
    expect(minutes(csv(), {}, 23, 2)).toEqual([1230, 2000]);
  });
  test('days repeat after the last and before the first', () => {
    expect(minutes(csv(), {}, 72, 1)).toEqual([1000]);
    expect(minutes(csv(), {}, -1, 1)).toEqual([3230]);
  });
  test('firstDay chooses the day, and one that the file has not is named with what it has', () => {
    expect(minutes(csv(), { firstDay: '2017-01-03' }, 0, 1)).toEqual([3000]);
    expect(() => minutes(csv(), { firstDay: '2017-02-03' }, 0, 1)).toThrow(
      /meter\.csv, load_kw: firstDay: found 2017-02-03, expected a whole day from 2017-01-01 to 2017-01-03/,
    );
  });
  test('a hole of up to three hours is bridged, a longer one in a day that is used is refused', () => {
    const hole = (hours: number) => csv((d, h) => (d === 1 && h >= 10 && h < 10 + hours ? '' : '1'));
    expect(minutes(hole(3), {}, 10, 3)).toEqual([1000, 1000, 1000]);
    expect(() => minutes(hole(4), {}, 0, 24)).toThrow(/meter\.csv, load_kw: day 2017-01-01: found missing values/);
    expect(minutes(hole(4), { firstDay: '2017-01-02' }, 0, 1)).toEqual([1000]);
  });
  test('on a day of 25 hours the last hour holds the value of the last hour of the file', () => {
    const long = { ...scenario, start: '2024-11-03T00:00' };
    const file: MeterFile = { path: 'meter.csv', utcOffsetMin: -480 };
    const [series] = readMetered({
      scenario: long,
      file,
      readText: (p) => ({ text: csv(), source: p }),
      note: () => {},
    });
    if (series === undefined) throw new Error('no series');
    const day = perMinute(series, { scenario: long, startMs: startMsOf(long), minutes: 26 * 60, file });
    expect([day[23 * 60], day[24 * 60], day[25 * 60]]).toEqual([1230, 1230, 2000]);
  });
});
