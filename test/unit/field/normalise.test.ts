import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createRtac } from '../../../simulators/rtac/rtac.ts';
import { AN2018, POINT, pointOf } from '../../../src/field/an2018.ts';
import { isLocal, normalise, PointTable } from '../../../src/field/normalise.ts';
import type { RawPoint } from '../../../src/ports/field.ts';
import { RTAC, START_MS, TestClock } from './bench.ts';

const NOW = START_MS;
const GOOD = 0x01;

/** A battery of 4 MWh at 65.5 %, discharging 250 kW, reserve 20 %, all points good. */
const WHOLE: readonly (readonly [RawPoint['type'], number, number])[] = [
  ['AI', 17, 4_100_000],
  ['AI', 18, 4_000_000],
  ['AI', 47, 660],
  ['AI', 48, 655],
  ['AI', 161, 200],
  ['AI', 537, 250_000],
  ['BI', 10, 0],
  ['BI', 11, 0],
  ['BI', 18, 0],
  ['BI', 19, 1],
  ['BI', 20, 0],
  ['BI', 27, 1],
];

function table(change: Readonly<Record<string, { value?: number; flags?: number } | null>> = {}): PointTable {
  const t = new PointTable();
  for (const [type, index, value] of WHOLE) {
    const other = change[`${type}${index}`];
    if (other === null) continue;
    const flags = other?.flags ?? GOOD;
    t.set({ type, index, value: other?.value ?? value, flags, atMs: NOW, timeQuality: 'received', source: 'static' });
  }
  return t;
}
const of = (change?: Parameters<typeof table>[0]) => normalise(table(change), AN2018, NOW);

describe('raw points to the normalised battery', () => {
  test('a whole, good table', () => {
    expect(of()).toEqual({
      charge: 2_620_000,
      chargePercentage: 65.5,
      chargingState: 'discharging',
      chargeRate: 250_000,
      backupReserve: 20,
      gridStatus: 'unknown',
      gridPower: null,
      strategy: 'unknown',
      isStormModeEnabled: false,
      isStormModeActive: false,
      sampledAtMs: NOW,
    });
  });

  const UNKNOWN: readonly (readonly [
    string,
    Parameters<typeof table>[0],
    'charge' | 'chargeRate' | 'backupReserve' | 'chargePercentage',
  ])[] = [
    ['power is missing', { AI537: null }, 'chargeRate'],
    ['power is offline', { AI537: { flags: 0 } }, 'chargeRate'],
    ['communication to the meter is lost', { AI537: { flags: 0x05 } }, 'chargeRate'],
    ['power is over range', { AI537: { flags: 0x21 } }, 'chargeRate'],
    ['the reserve is missing', { AI161: null }, 'backupReserve'],
    ['both states of charge are missing', { AI47: null, AI48: null }, 'chargePercentage'],
    ['the capacity is in amp-hours', { BI27: { value: 0 } }, 'charge'],
    ['the unit of the capacity is not known', { BI27: null }, 'charge'],
    ['the capacity is missing', { AI18: null }, 'charge'],
  ];
  for (const [name, change, field] of UNKNOWN) {
    test(`${name}: ${field} is unknown, not 0`, () => expect(of(change)[field]).toBeNaN());
  }

  test('without a usable state of charge the actual one counts, with its own capacity', () => {
    expect(of({ AI48: null })).toMatchObject({ chargePercentage: 66, charge: 2_706_000 });
  });

  test('a contradiction of state points falls back on the sign of power', () => {
    expect(of({ BI18: { value: 1 } }).chargingState).toBe('discharging');
    expect(of({ BI20: { value: 1 }, AI537: { value: -1 } }).chargingState).toBe('charging');
    expect(of({ BI19: { value: 0 }, AI537: { value: -1 } }).chargingState).toBe('charging');
    expect(of({ BI19: null, AI537: null }).chargingState).toBe('unknown');
  });

  test('a local or lockout switch that is on or unknown means local', () => {
    expect(isLocal(table(), AN2018)).toBe(false);
    expect(isLocal(table({ BI10: { value: 1 } }), AN2018)).toBe(true);
    expect(isLocal(table({ BI11: null }), AN2018)).toBe(true);
  });
});

const CSV = new URL('../../../../shared/data/dnp3-points/an2018_points.csv', import.meta.url).pathname;
const noCsv = !existsSync(CSV);

/** type+index -> name, unit and scale of the published list; quoted fields may hold commas and line breaks. */
function published(): Map<string, { name: string; unit: string; scale: number }> {
  const rows: string[][] = [[]];
  let cell = '';
  let quoted = false;
  for (const c of readFileSync(CSV, 'utf8')) {
    if (c === '"') quoted = !quoted;
    else if (!quoted && (c === ',' || c === '\n')) {
      rows.at(-1)?.push(cell);
      cell = '';
      if (c === '\n') rows.push([]);
    } else cell += c;
  }
  return new Map(
    rows.map((r) => [`${r[0]}${r[1]}`, { name: r[2] ?? '', unit: r[4] ?? '', scale: Number(r[5] || '1') }]),
  );
}

describe('the points map', () => {
  test('every key stands in the table', () => {
    for (const key of Object.keys(POINT)) expect(pointOf(AN2018, key as keyof typeof POINT), key).not.toBeNull();
  });

  test.skipIf(noCsv)('agrees with shared/data/dnp3-points/an2018_points.csv in name, unit and scale', () => {
    const list = published();
    const units: Record<string, string> = {
      W: 'Watts',
      '%': 'Percent',
      s: 'Seconds',
      'Wh or Ah': 'Amp-hrs or Watt-hrs',
      '': '',
    };
    for (const p of AN2018.points) {
      const row = list.get(`${p.type}${p.index}`);
      const where = `${p.type}${p.index}`;
      expect(row, where).toBeDefined();
      expect(row?.scale, where).toBe(p.scale);
      expect(row?.unit, where).toBe(units[p.unit]);
      // The eleven state points share one data object; the list tells them apart by a state in the middle of the name.
      expect(row?.name.startsWith(p.name.slice(0, p.name.lastIndexOf('.'))), `${where} ${row?.name}`).toBe(true);
    }
  });

  test.skipIf(noCsv)('the simulated site has only points of shared/data/dnp3-points/an2018_points.csv', () => {
    const list = published();
    const { database } = createRtac(RTAC, new TestClock(START_MS)).outstation;
    const types = { AI: 'AI', BI: 'BI', AOS: 'AO', BOS: 'BO' } as const;
    for (const kind of ['AI', 'BI', 'AOS', 'BOS'] as const) {
      for (const p of database.all(kind)) expect(list.has(`${types[kind]}${p.index}`), `${kind}${p.index}`).toBe(true);
    }
  });
});
