import { describe, expect, test } from 'vitest';
import { FieldLog } from '../../../harness/world/fieldLog.ts';
import { instantAt } from '../../../scenarios/times.ts';
import { fullRevision, STANDARD_MAP } from '../../../src/domain/pointsMap.ts';
import { pointMap } from '../../../src/field/pointMap.ts';
import type { FieldEvent, RawPoint } from '../../../src/ports/field.ts';
import {
  type LogBody,
  type LogRecord,
  POINTS_PER_MIN_MAX,
  SITE_STATES_PER_MIN_MAX,
} from '../../../src/ports/records.ts';
import { libraryScenario, runLogged } from '../../helpers/library.ts';

const scenario = libraryScenario('bess-dispatch');
const at = (clock: string) => instantAt(scenario, clock);
const kinds = <K extends LogRecord['kind']>(records: readonly LogRecord[], kind: K) =>
  records.filter((r): r is Extract<LogRecord, { kind: K }> => r.kind === kind);

describe('bess-dispatch, from its log', () => {
  const { records } = runLogged(scenario);
  const of = <K extends LogRecord['kind']>(kind: K) => kinds(records, kind);

  test('the site without approval gets no control at all, and each plan says why', () => {
    const sent = of('field').filter((r) => r.siteId === 'south-yard' && r.what === 'operate');
    expect(sent).toEqual([]);
    const plans = of('fact').flatMap(({ fact }) => (fact.type === 'dispatch.planned' ? [fact.dispatch] : []));
    const south = plans.filter((p) => p.eventId === 'not-approved');
    expect(south.length).toBeGreaterThan(10);
    for (const p of south) {
      expect(p.allocations).toEqual([]);
      expect(p.excluded).toMatchObject([{ deviceId: 'south-yard-bess', reason: 'site_not_controllable' }]);
    }
  });

  test('while its master is silent nothing leaves for the north yard, and the connection stays', () => {
    const [fromMs, untilMs] = [at('18:45'), at('19:00')];
    const within = (r: { atMs: number }) => r.atMs > fromMs && r.atMs < untilMs;
    expect(of('field').filter((r) => r.siteId === 'north-yard' && within(r))).toEqual([]);
    expect(of('points').filter((r) => r.siteId === 'north-yard' && within(r))).toEqual([]);
    expect(of('link').filter((r) => r.atMs > at('16:30'))).toEqual([]);
    expect(of('plant').filter(within)).toMatchObject([{ siteId: 'north-yard', state: 'safe', powerW: 0 }]);
  });

  test('when it is back it hears the site before it says anything, and does what it was told meanwhile', () => {
    const backMs = at('19:00');
    const since = <T extends { siteId: string; atMs: number }>(list: readonly T[]) =>
      list.filter((r) => r.siteId === 'north-yard' && r.atMs >= backMs && r.atMs < backMs + 60_000);
    const firstHeardMs = since(of('points'))[0]?.atMs ?? Number.NaN;
    expect(firstHeardMs).toBeGreaterThan(backMs);
    const said = since(of('field'));
    expect(said.filter((r) => r.what === 'operate').every((r) => r.atMs > firstHeardMs)).toBe(true);
    expect(said.filter((r) => r.what === 'operated').length).toBeGreaterThanOrEqual(3);
    expect(said.filter((r) => r.what === 'refused')).toEqual([]);
  });

  test('the plant is off within a second of the stop, and stays off', () => {
    const stops = of('plant').filter((r) => r.siteId === 'north-yard' && r.atMs >= at('20:20'));
    expect(stops).toMatchObject([{ state: 'stopped', powerW: 0, cause: 'emergency stop by the master' }]);
    expect((stops[0]?.atMs ?? 0) - at('20:20')).toBeLessThanOrEqual(1_000);
  });

  test('the log says what the points are, and holds changes of them only', () => {
    const maps = of('points-map');
    const north = scenario.fleet.bess[0];
    expect(maps.map((m) => m.siteId)).toEqual(['north-yard', 'south-yard']);
    expect(maps[0]?.revision).toBe(north === undefined ? '' : fullRevision(north.pointsMap));
    const known = new Map<string, string>();
    let readings = 0;
    for (const r of of('points')) {
      for (const p of r.points) {
        const [key, now] = [`${r.siteId}/${p.type}${p.index}`, `${p.value}/${p.flags}`];
        expect(known.get(key), key).not.toBe(now);
        known.set(key, now);
        readings += 1;
      }
    }
    expect(readings).toBeGreaterThan(300);
  });

  test('the power of the north yard is read as tenths of a kilowatt, charging positive, and told as watts', () => {
    const power = of('points')
      .filter((r) => r.siteId === 'north-yard')
      .flatMap((r) => r.points.filter((p) => p.type === 'AI' && p.index === 600));
    expect(Math.min(...power.map((p) => p.value ?? 0))).toBe(-10_000);
    const states = of('site-state').filter((r) => r.siteId === 'north-yard');
    expect(Math.max(...states.map((s) => s.battery.chargeRate ?? 0))).toBe(1_000_000);
  });

  test('the energy that the core was told is what the store held, within its dead-band', () => {
    const meter = of('meter').filter((r) => r.siteId === 'north-yard' && r.endMs === at('18:00'))[0];
    const told = of('site-state')
      .filter((r) => r.siteId === 'north-yard' && r.atMs <= at('18:00'))
      .at(-1);
    const storedWh = (meter?.storedEndMj ?? 0) / 3_600_000;
    expect(Math.abs((told?.battery.charge ?? 0) - storedWh)).toBeLessThan(0.01 * 8_000_000);
  });
});

test('an approval that names another points map is no approval: the site is left alone', () => {
  const bess = scenario.fleet.bess.map((b) =>
    b.approval === null ? b : { ...b, approval: { ...b.approval, mapRevision: 'AN2018-001' } },
  );
  const { records, result } = runLogged({ ...scenario, fleet: { ...scenario.fleet, bess }, faults: [], expect: [] });
  expect(kinds(records, 'field').filter((r) => r.what === 'operate' && !r.detail.includes('stop'))).toEqual([]);
  expect(result.measures.totals.deliveredWh).toBe(0);
  const reasons = result.measures.events.flatMap((e) => e.reasons.map((r) => r.reason));
  expect(new Set(reasons)).toEqual(new Set(['site_not_controllable']));
});

describe('the log of a site', () => {
  const map = pointMap('yard', STANDARD_MAP);
  const open = () => {
    const written: LogBody[] = [];
    return { written, log: new FieldLog('yard', map, (body) => void written.push(body)) };
  };
  const reading = (index: number, value: number): RawPoint => ({
    type: 'AI',
    index,
    value,
    flags: 1,
    atMs: 0,
    timeQuality: 'received',
    source: 'event',
  });
  const points = (written: readonly LogBody[]) =>
    written.flatMap((b) => (b.kind === 'points' ? [{ count: b.points.length, leftOut: b.leftOut }] : []));

  test('keeps to its limit of points a minute, says how many it left out, and takes them at their next change', () => {
    const { written, log } = open();
    for (let i = 0; i < POINTS_PER_MIN_MAX + 50; i++) log.points([reading(537, i)], 1_000 + i);
    log.points([reading(47, 1)], 59_999);
    log.points([reading(47, 1), reading(537, 9_999)], 60_000);
    const found = points(written);
    expect(found).toHaveLength(POINTS_PER_MIN_MAX + 1);
    expect(found.at(-1)).toEqual({ count: 2, leftOut: 51 });
  });

  test('a value that is no number is written as unknown, once', () => {
    const { written, log } = open();
    log.points([reading(537, Number.NaN)], 0);
    log.points([reading(537, Number.NaN)], 1);
    expect(written).toMatchObject([{ kind: 'points', points: [{ value: null }] }]);
  });

  const state = (chargeRate: number): Extract<FieldEvent, { kind: 'state' }> => ({
    kind: 'state',
    local: false,
    state: {
      charge: Number.NaN,
      chargePercentage: 50,
      chargingState: 'idle',
      chargeRate,
      backupReserve: 10,
      gridStatus: 'unknown',
      gridPower: null,
      strategy: 'unknown',
      isStormModeEnabled: false,
      isStormModeActive: false,
      sampledAtMs: 7,
    },
    site: {
      chargeWMax: null,
      dischargeWMax: null,
      availableChargeW: null,
      availableDischargeW: null,
      maximumReservePct: null,
      voltageV: null,
      dcVoltageV: null,
      frequencyHz: null,
      reactivePowerVar: null,
      alarms: [],
      alarmsUnknown: [],
      sampledAtMs: 7,
    },
  });

  test('writes a state when it changed, unknown as null, and at most so many a minute', () => {
    const { written, log } = open();
    log.state(state(0), 0);
    log.state(state(0), 1_000);
    expect(written).toMatchObject([{ kind: 'site-state', battery: { charge: null, chargeRate: 0 } }]);
    for (let i = 1; i < 50; i++) log.state(state(i), 2_000 + i);
    expect(written).toHaveLength(SITE_STATES_PER_MIN_MAX);
    log.state(state(49), 60_000);
    expect(written.at(-1)).toMatchObject({ battery: { chargeRate: 49 } });
  });
});
