import { describe, expect, test } from 'vitest';
import { pointsCsv } from '../../../reports/csv.ts';
import { fieldPlots } from '../../../reports/htmlCharts.ts';
import { sites } from '../../../reports/htmlSites.ts';
import { measure } from '../../../reports/measures.ts';
import { pointValue } from '../../../reports/siteFeed.ts';
import { summaryOf } from '../../../reports/summary.ts';
import { flagWords } from '../../../reports/words.ts';
import type { LogRecord, PointsOfSite, ReadPoints } from '../../../src/ports/records.ts';
import { at, BESS, QUIET, withRecords } from '../../helpers/checks.ts';
import { miniRun } from '../../helpers/miniRun.ts';

const NOTE = { name: '-', overridden: false };
const MAP: PointsOfSite = {
  kind: 'points-map',
  siteId: 'plant',
  revision: 'AN2018-001+activePower:sign=-1',
  provenance: { source: 'a list', standing: 'secondary' },
  points: [
    { ...NOTE, type: 'AI', index: 48, key: 'usableSoc', meaning: 'Usable state of charge', unit: '%', factor: 0.1 },
    { ...NOTE, type: 'AI', index: 213, key: 'agcTarget', meaning: 'Target', unit: 'W', factor: 1 },
    {
      ...NOTE,
      type: 'AI',
      index: 537,
      key: 'activePower',
      meaning: 'Power',
      unit: 'kW',
      factor: -0.5,
      overridden: true,
    },
    { ...NOTE, type: 'AI', index: 961, key: null, meaning: '=Bank <1>', unit: '%', factor: 0.1 },
    { ...NOTE, type: 'BI', index: 75, key: 'agcEnabled', meaning: 'AGC enabled', unit: '', factor: 1 },
  ],
};

type Reading = ReadPoints['points'][number];
const reading = (type: Reading['type'], index: number, value: number | null, over: Partial<Reading> = {}): Reading => ({
  type,
  index,
  value,
  flags: 1,
  atMs: 0,
  quality: 'synchronised',
  source: 'event',
  ...over,
});
const read = (minutes: number, ...points: Reading[]): LogRecord =>
  at(minutes, { kind: 'points', siteId: 'plant', leftOut: minutes === 40 ? 3 : 0, points });

const STATE: LogRecord = at(45, {
  kind: 'site-state',
  siteId: 'plant',
  sampledAtMs: 45 * 60_000,
  local: false,
  battery: {
    charge: null,
    chargePercentage: 65.5,
    chargingState: 'discharging',
    chargeRate: 20_000,
    backupReserve: 10,
  },
  site: {
    chargeWMax: 50_000,
    dischargeWMax: 50_000,
    availableChargeW: 0,
    availableDischargeW: 50_000,
    maximumReservePct: 100,
    voltageV: 12_470.5,
    dcVoltageV: null,
    frequencyHz: 60,
    reactivePowerVar: -500,
    alarms: ['soc-too-low'],
    alarmsUnknown: ['communication-error'],
  },
});

const records = miniRun(
  withRecords(
    QUIET,
    BESS,
    at(0, MAP),
    read(1, reading('AI', 48, 660), reading('AI', 213, 0), reading('AI', 537, 0), reading('BI', 75, 0)),
    read(30, reading('AI', 213, 20_000), reading('BI', 75, 1)),
    at(30, { kind: 'plant', siteId: 'plant', state: 'following', powerW: 20_000, cause: 'reached' }),
    read(
      40,
      reading('AI', 537, -40, { atMs: 39 * 60_000 }),
      reading('AI', 48, 655),
      reading('AI', 961, null, { flags: 4 }),
    ),
    STATE,
  ),
);
const m = measure(records);
const feed = m.fields.find((f) => f.siteId === 'plant')?.feed;
const times = { local: (ms: number) => `t${ms / 60_000}`, clock: (ms: number) => `c${ms / 60_000}` };

describe('what was read of a site', () => {
  test('each point has its last value in the unit of the map', () => {
    expect(feed?.points.map((p) => [p.name, p.raw, p.value, p.unit])).toEqual([
      ['AI48', 655, 65.5, '%'],
      ['AI213', 20_000, 20_000, 'W'],
      ['AI537', -40, 20, 'kW'],
      ['AI961', null, null, '%'],
      ['BI75', 1, 1, ''],
    ]);
    expect(feed?.leftOut).toBe(3);
  });

  test('scaled values are exact tenths and thousandths', () => {
    expect([
      pointValue({ factor: 0.1 }, 655),
      pointValue({ factor: -0.001 }, 59_983),
      pointValue({ factor: 2 }, 3),
    ]).toEqual([65.5, -59.983, 6]);
    expect(pointValue({ factor: 0.1 }, null)).toBeNull();
  });

  test('the chart has the setpoint while it is followed, the power as it was and as it was read, and the charge', () => {
    const [plot] = fieldPlots(m);
    const minutes = plot?.x.map((s) => s / 60);
    const line = (label: string) => plot?.series.find((l) => l.label.startsWith(label))?.values;
    expect(minutes).toEqual([1, 30, 40, 120]);
    expect(line('Setpoint')).toEqual([null, 20, 20, 20]);
    expect(line('Power of the plant')).toEqual([0, 20, 20, 20]);
    expect(line('Power as read')).toEqual([0, 0, 20, 20]);
    expect(line('State of charge')).toEqual([66, 66, 65.5, 65.5]);
    expect(plot?.series.map((l) => l.onRight)).toEqual([undefined, undefined, undefined, true]);
  });

  test('the report shows the battery with what it is made of, unknown as unknown, and the points with their quality', () => {
    const { markup } = sites(m, times);
    const words = markup.replaceAll(/<[^>]+>/g, '|').replaceAll('\u00a0', ' ');
    expect(words).toContain('|State of charge||65.5 %||AI48|');
    expect(words).toContain('|Charge||not known||–|');
    expect(words).toContain('|Alarms||charge at its reserve; 1 not known|');
    expect(words).toContain(
      '|AI537||Power (the site&#39;s own)||20||kW||online||1 h 21 min||device clock||event||-40|',
    );
    expect(words).toContain('|AI961||=Bank &lt;1&gt;||–||%||comm lost|');
    expect(words).toContain('3 changes found no room in the log');
    expect(markup).not.toContain('<1>');
  });

  test('points.csv has a line for each reading, with its quality, and no formula', () => {
    const lines = [...pointsCsv(records)].map((l) => l.trimEnd());
    expect(lines).toHaveLength(1 + 4 + 2 + 3);
    expect(lines[7]).toBe(
      'plant,1970-01-01T00:40:00.000Z,AI537,Power,-40,20,kW,online,1970-01-01T00:39:00.000Z,synchronised,event',
    );
    expect(lines[9]).toContain(`"'=Bank <1>",,,%,comm lost`);
  });

  test('summary.json has the site without its points', () => {
    const run = { scenario: 's', title: 't', seed: '1', version: '0', hash: 'h', replayCommand: 'r' };
    const { fields } = summaryOf({ run, measures: m, expectations: [] }).measures;
    expect(fields.map((f) => ['siteId' in f, 'feed' in f])).toEqual([[true, false]]);
  });

  test('quality in words depends on the type of the point', () => {
    expect([flagWords('AI', 0x21), flagWords('BI', 0x21), flagWords('CTR', 0x41), flagWords('AOS', 0)]).toEqual([
      'online, over range',
      'online, chatter',
      'online, discontinuity',
      'offline',
    ]);
  });
});
