import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createRtac } from '../../../simulators/rtac/rtac.ts';
import { InputError } from '../../../src/domain/errors.ts';
import { fullRevision, POINT_KEYS, POINT_PLACES, STANDARD_MAP } from '../../../src/domain/pointsMap.ts';
import { AN2018_POINTS } from '../../../src/field/an2018.ts';
import { FUNCTIONS } from '../../../src/field/functions.ts';
import { inUnit, pointMap, rawOf } from '../../../src/field/pointMap.ts';
import { RTAC, START_MS, TestClock } from './bench.ts';

const data = (file: string) => new URL(`../../../../shared/data/dnp3-points/${file}`, import.meta.url).pathname;
const [CSV, YAML] = [data('an2018_points.csv'), data('mesa_functions.yaml')];
const [noCsv, noYaml] = [!existsSync(CSV), !existsSync(YAML)];

interface Published {
  readonly name: string;
  readonly meaning: string;
  readonly unit: string;
  readonly scale: number;
  readonly eventClass: string;
  readonly answer: string;
}

/** type+index -> what the published list says of it; quoted fields may hold commas and line breaks. */
function published(): Map<string, Published> {
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
    rows.map((r) => [
      `${r[0]}${r[1]}`,
      {
        name: r[2] ?? '',
        meaning: r[3] ?? '',
        unit: r[4] ?? '',
        scale: Number(r[5] || '1'),
        eventClass: r[8] ?? '',
        answer: r[15] ?? '',
      },
    ]),
  );
}

/** Our units in the words of the list. */
const UNIT_WORDS: Readonly<Record<string, readonly string[]>> = {
  W: ['Watts'],
  VA: ['VA', 'VAs'],
  var: ['VARs'],
  V: ['Volts'],
  A: ['Amps'],
  Hz: ['Hz'],
  '%': ['Percent'],
  '%/s': ['Percent per Second'],
  s: ['Seconds'],
  ms: ['Milliseconds', 'Milli-seconds'],
  d: ['Days'],
  Wh: ['Watt-hours'],
  'Wh or Ah': ['Amp-hrs or Watt-hrs'],
  list: ['None (list)'],
  '': ['', 'None'],
};

const bankOnly = (p: { standing: string }) => p.standing === 'assumed';

describe('the points of AN2018-001', () => {
  test('every name of the domain stands in the table, except what the note does not have', () => {
    const places = new Set(AN2018_POINTS.map((p) => `${p.type}${p.index}`));
    const missing = POINT_KEYS.filter((k) => !places.has(`${POINT_PLACES[k].type}${POINT_PLACES[k].index}`));
    expect(missing).toEqual(['totalEnergy']);
  });

  test('no place stands twice', () => {
    const places = AN2018_POINTS.map((p) => `${p.type}${p.index}`);
    expect(new Set(places).size).toBe(places.length);
    expect(places.length).toBeGreaterThanOrEqual(230);
  });

  test.skipIf(noCsv)('agree with shared/data/dnp3-points/an2018_points.csv in name, unit, scale and class', () => {
    const list = published();
    const ours = AN2018_POINTS.filter((p) => !bankOnly(p));
    for (const p of ours) {
      const where = `${p.type}${p.index}`;
      const row = list.get(where);
      expect(row?.name, where).toBe(p.name);
      expect(row?.scale, where).toBe(p.scale);
      expect(UNIT_WORDS[p.unit], where).toContain(row?.unit);
      if (row?.eventClass !== '' && p.eventClass !== null) expect(String(p.eventClass), where).toBe(row?.eventClass);
      expect(row?.meaning.slice(0, 12), where).toBe(p.meaning.slice(0, 12));
    }
    expect(ours.length).toBeGreaterThanOrEqual(190);
  });

  test.skipIf(noCsv)(
    'battery bank #1 is not in shared/data/dnp3-points/an2018_points.csv, so its scales are assumed',
    () => {
      const list = published();
      for (const p of AN2018_POINTS.filter(bankOnly)) expect(list.has(`${p.type}${p.index}`)).toBe(false);
    },
  );

  test.skipIf(noCsv)(
    'the simulated site has only points of shared/data/dnp3-points/an2018_points.csv or of bank #1',
    () => {
      const list = published();
      const bank = new Set(AN2018_POINTS.filter(bankOnly).map((p) => `${p.type}${p.index}`));
      const { database } = createRtac(RTAC, new TestClock(START_MS)).outstation;
      const types = { AI: 'AI', BI: 'BI', AOS: 'AO', BOS: 'BO', CTR: 'CTR' } as const;
      let seen = 0;
      for (const kind of ['AI', 'BI', 'AOS', 'BOS', 'CTR'] as const) {
        for (const p of database.all(kind)) {
          const place = `${types[kind]}${p.index}`;
          expect(list.has(place) || bank.has(place), place).toBe(true);
          seen += 1;
        }
      }
      expect(seen).toBeGreaterThanOrEqual(140);
    },
  );
});

interface MesaFunction {
  readonly id: string;
  readonly ref: string;
  readonly steps: readonly {
    readonly point_name: string;
    readonly fcodes: readonly string[];
    readonly optional: 'M' | 'I' | 'O';
    readonly response: string;
  }[];
}

/** "DWGC.ModEna.BO18" -> "BO18". */
const place = (name: string): string | null => (name === 'n/a' ? null : (name.split('.').at(-1) ?? null));
const NEED = { M: 'mandatory', I: 'initial', O: 'optional' } as const;
const modeOf = (fcodes: readonly string[]): string =>
  fcodes.includes('direct_operate') ? 'direct' : fcodes.includes('select') ? 'select-operate' : 'read';

describe('the functions of AN2018-001', () => {
  const theirs = noYaml ? [] : (parse(readFileSync(YAML, 'utf8')) as { functions: MesaFunction[] }).functions;

  test.skipIf(noYaml).each(FUNCTIONS)('$id has the steps of shared/data/dnp3-points/mesa_functions.yaml', (ours) => {
    const found = theirs.find((f) => f.id === ours.id);
    expect(found?.ref).toBe(`AN2018 Spec section ${ours.ref}`);
    const steps = (found?.steps ?? []).map((s) => ({
      point: place(s.point_name),
      mode: modeOf(s.fcodes),
      answer: place(s.response),
      need: NEED[s.optional],
    }));
    if (ours.id.startsWith('cease')) {
      // Settings of voltage, frequency and delays stand between ours.
      const kept = steps.filter((s) => !s.point?.startsWith('AO'));
      expect(ours.steps).toEqual(kept);
    } else expect(ours.steps).toEqual(steps);
  });

  test.skipIf(noCsv)('BO18 is answered by BI70, where an2018_points.csv says BI71; BO17 and BO23 agree', () => {
    const list = published();
    const answers = FUNCTIONS.flatMap((f) => f.steps).filter(
      (s) => s.point !== null && list.get(s.point)?.answer !== '',
    );
    const differ = answers.filter((s) => place(list.get(s.point ?? '')?.answer ?? '') !== s.answer);
    expect(answers.map((s) => s.point)).toEqual(expect.arrayContaining(['BO17', 'BO18', 'BO23']));
    expect(differ).toEqual([{ point: 'BO18', mode: 'select-operate', answer: 'BI70', need: 'mandatory' }]);
  });

  test('the simulated site takes every mandatory step of the modes and shows its answer', () => {
    const { database } = createRtac(RTAC, new TestClock(START_MS)).outstation;
    const kinds: Readonly<Record<string, 'AI' | 'BI' | 'AOS' | 'BOS'>> = { AI: 'AI', BI: 'BI', AO: 'AOS', BO: 'BOS' };
    const has = (name: string): boolean => {
      const kind = kinds[name.slice(0, 2)];
      return kind !== undefined && database.get(kind, Number(name.slice(2))) !== null;
    };
    for (const { id, steps } of FUNCTIONS) {
      for (const s of steps.filter((x) => x.need === 'mandatory')) {
        expect(has(s.point ?? ''), `${id} ${s.point}`).toBe(true);
        expect(has(s.answer), `${id} ${s.answer}`).toBe(true);
      }
    }
  });
});

const withOne = (name: string, change: object) => () =>
  pointMap('yard', { revision: 'AN2018-001', overrides: { [name]: change } });

describe('the map of a site', () => {
  test('without overrides it is the revision', () => {
    const map = pointMap('yard', STANDARD_MAP);
    expect(map.fullRevision).toBe('AN2018-001');
    expect(map.points).toHaveLength(AN2018_POINTS.length);
  });

  test('an override moves, scales and turns a point and is named in the full revision', () => {
    const overrides = { activePower: { index: 600, scale: 0.5, sign: -1, unit: 'kW' } } as const;
    const map = pointMap('yard', { revision: 'AN2018-001', overrides });
    const p = map.byKey.get('activePower');
    expect(p).toMatchObject({ type: 'AI', index: 600, unit: 'kW', unitFactor: 1_000, overridden: true });
    expect(p === undefined ? null : inUnit(p, 40)).toBe(-20);
    expect(map.points.some((q) => q.type === 'AI' && q.index === 537)).toBe(false);
    expect(map.fullRevision).toBe('AN2018-001+activePower:index=600,scale=0.5,sign=-1,unit=kW');
  });

  test('the full revision does not depend on the order in which overrides are written', () => {
    const a = { local: { index: 60 }, lockout: { index: 61 } };
    const b = { lockout: { index: 61 }, local: { index: 60 } };
    const of = (overrides: Record<string, { index: number }>) => fullRevision({ revision: 'r', overrides });
    expect(of(a)).toBe(of(b));
  });

  test('a setpoint is cut toward 0 to what a point can hold, and whole tenths stay whole', () => {
    const kw = pointMap('yard', { revision: 'AN2018-001', overrides: { setAgcTarget: { unit: 'kW' } } }).byKey;
    const target = kw.get('setAgcTarget');
    const pct = kw.get('setMinimumReserve');
    if (target === undefined || pct === undefined) throw new Error('points are missing');
    expect([rawOf(target, 999_999), rawOf(target, -999_999), rawOf(target, 500_000)]).toEqual([999, -999, 500]);
    expect([rawOf(pct, 65.5), rawOf(pct, 0.3), rawOf(pct, 33.37)]).toEqual([655, 3, 333]);
  });

  const WRONG: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['an unknown point', withOne('activPower', { index: 1 }), /overrides\.activPower.*Did you mean "activePower"/],
    [
      'a unit of another quantity',
      withOne('activePower', { unit: 'Wh' }),
      /unit: found "Wh", expected one of W, kW, MW/,
    ],
    ['nothing in it', withOne('activePower', {}), /at least one of index, scale, sign, unit/],
    ['a scale for a state', withOne('local', { scale: 2 }), /no scale: local is a state/],
    ['a scale of 0', withOne('activePower', { scale: 0 }), /a number above 0/],
    ['an index that is none', withOne('activePower', { index: -1 }), /from 0 to 65535/],
    ['the place of another', withOne('activePower', { index: 48 }), /AI48 is usableSoc/],
    ['a counter without a place', withOne('totalEnergy', { scale: 2 }), /an index: the revision has no such point/],
  ];
  test.each(WRONG)('an override with %s is refused by name', (_, make, message) => {
    expect(make).toThrow(InputError);
    expect(make).toThrow(message);
  });

  test('an unknown revision names the nearest', () => {
    expect(() => pointMap('yard', { revision: 'AN2018-01', overrides: {} })).toThrow(/Did you mean "AN2018-001"/);
  });
});
