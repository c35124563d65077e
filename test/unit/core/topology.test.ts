import { describe, expect, test } from 'vitest';
import { feederLoadingOf, loadingOf } from '../../../src/core/topology.ts';
import {
  activeLimitW,
  loadingOfFlows,
  NO_DEVICES,
  type SiteFlow,
  type Transformer,
} from '../../../src/domain/topology.ts';
import { Bench, HOUR, MIN } from '../../helpers/coreBench.ts';

const flow = (importW: number | null, importVar: number | null = null): SiteFlow => ({
  siteId: 's',
  importW,
  importVar,
  atMs: 0,
  isWhole: importW !== null,
  devices: NO_DEVICES,
});

const transformer = (b: Bench, deviceIds: readonly string[], over: Partial<Transformer> = {}) =>
  b.put({
    kind: 'set-transformer',
    transformer: {
      transformerId: 'tr',
      workspaceId: 'ws',
      name: 'Elm Street 4',
      feederId: null,
      ratingVa: 10_000,
      siteIds: deviceIds.map((id) => `site-${id}`),
      powerFactorAssumed: 1,
      ...over,
    },
    actor: 'ana',
  });

const lastWhy = (b: Bench): string => `${b.refusals.at(-1)?.code}: ${b.refusals.at(-1)?.why}`;

describe('loading', () => {
  test('is the apparent power of what is measured: 3 kW and 4 kvar are 5 kVA', () => {
    expect(loadingOfFlows([flow(3_000, 4_000)], 10_000, 0.95)).toMatchObject({ apparentVa: 5_000, ratio: 0.5 });
    expect(loadingOfFlows([flow(1_000, 1_500), flow(2_000, 2_500)], 10_000, 0.95).apparentVa).toBe(5_000);
  });

  test('takes the power factor where reactive power is not measured: 9.5 kW at 0.95 are 10 kVA, import or export', () => {
    for (const w of [9_500, -9_500]) expect(loadingOfFlows([flow(w)], 10_000, 0.95).apparentVa).toBeCloseTo(10_000, 6);
  });

  test('export of one site supplies the other', () => {
    expect(loadingOfFlows([flow(4_000), flow(-4_000)], 10_000, 0.95)).toMatchObject({ importW: 0, apparentVa: 0 });
  });

  test('of nothing known is not known, and of a part says which part', () => {
    expect(loadingOfFlows([flow(null), flow(null)], 10_000, 0.95)).toMatchObject({
      apparentVa: null,
      ratio: null,
      sitesKnown: 0,
      sitesTotal: 2,
    });
    expect(loadingOfFlows([flow(5_000), flow(null)], 10_000, 1)).toMatchObject({ ratio: 0.5, sitesKnown: 1 });
  });

  test('has a limit in watts that loads exactly to the rating, and unknown sites keep their share of it', () => {
    expect(activeLimitW([flow(0)], 10_000, 0.95)).toBe(9_500);
    expect(activeLimitW([flow(0, 6_000)], 10_000, 0.95)).toBe(8_000);
    expect(activeLimitW([flow(0, 10_001)], 10_000, 0.95)).toBe(0);
    expect(activeLimitW([flow(0), flow(null)], 10_000, 1)).toBe(5_000);
    expect(activeLimitW([flow(null)], 10_000, 1)).toBe(0);
  });

  test('comes from the site meter, else from meter intervals, else from the storage itself, and not from what is old', () => {
    const b = new Bench();
    for (const id of ['a', 'm', 'o']) b.device('enphase', id);
    b.device('dnp3', 'x');
    b.observe('a', { gridPower: 1_000 });
    const quarters = { startMs: b.nowMs - 30 * MIN, stepMs: 15 * MIN };
    b.put({ kind: 'meter', siteId: 'site-m', ...quarters, gridWh: [100, 500], batteryWh: [0, 0] });
    b.put({
      kind: 'field-event',
      deviceId: 'x',
      event: {
        kind: 'state',
        local: false,
        state: { ...seen(b, 'x'), chargeRate: 4_000 },
        site: { ...NO_SITE, reactivePowerVar: 700, sampledAtMs: b.nowMs },
      },
    });
    transformer(b, ['a', 'm', 'o', 'x']);
    const loading = () => loadingOf(b.core.state, b.core.telemetry, 'tr', b.nowMs);
    expect(loading()).toMatchObject({ importW: 1_000 + 2_000 - 4_000, sitesKnown: 3, sitesTotal: 4 });
    expect(loading()?.apparentVa).toBeCloseTo(Math.hypot(1_000, 700), 6);
    b.nowMs += HOUR + 1;
    expect(loading()).toMatchObject({ importW: null, sitesKnown: 0, sitesTotal: 4 });
    expect(loadingOf(b.core.state, b.core.telemetry, 'none', b.nowMs)).toBeNull();
  });

  test('of a feeder is that of all its transformers', () => {
    const b = new Bench();
    for (const id of ['a', 'b']) {
      b.device('enphase', id);
      b.observe(id, { gridPower: 3_000 });
    }
    const feeder = { feederId: 'f', workspaceId: 'ws', name: 'F', ratingVa: 12_000 };
    b.put({ kind: 'set-feeder', feeder, actor: 'ana' });
    transformer(b, ['a'], { transformerId: 't1', feederId: 'f' });
    transformer(b, ['b'], { transformerId: 't2', feederId: 'f', powerFactorAssumed: 0.5 });
    expect(feederLoadingOf(b.core.state, b.core.telemetry, 'f', b.nowMs)).toMatchObject({ importW: 6_000 });
    expect(feederLoadingOf(b.core.state, b.core.telemetry, 'f', b.nowMs)?.ratio).toBeCloseTo(1, 9);
  });
});

const seen = (b: Bench, id: string) => {
  const o = b.core.telemetry.latest.get(id);
  if (o === undefined) throw new Error(`${id} was not seen`);
  return o.state;
};
const NO_SITE = {
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
};

describe('a plan', () => {
  /** Four homes with 5 kW each and a load of 1 kW; the first two share a transformer. */
  function homes(over: Partial<Transformer> = {}, make: 'enphase' | 'tesla' = 'enphase'): Bench {
    const b = new Bench();
    for (const id of ['a', 'b', 'c', 'd']) {
      b.device(make, id);
      b.observe(id, { gridPower: 1_000 });
    }
    transformer(b, ['a', 'b'], { ratingVa: 2_000, ...over });
    return b;
  }

  test('keeps the transformer: rating plus load is what its batteries give, and the others give the rest', () => {
    const b = homes();
    b.event(20_000, { inMs: 0 });
    b.advance(0);
    expect(['a', 'b', 'c', 'd'].map((id) => b.allocatedW(id))).toEqual([2_000, 2_000, 5_000, 5_000]);
    expect(b.lastDispatch?.shortfallW).toBe(6_000);
    expect(b.lastDispatch?.allocations.map((x) => x.limitedBy)).toEqual([
      'transformer tr',
      'transformer tr',
      undefined,
      undefined,
    ]);
  });

  test('names a device that has no room at all', () => {
    const b = homes({ siteIds: ['site-a', 'site-b', 'site-c', 'site-d'], ratingVa: 1 });
    b.run(b.nowMs + MIN, () => ({ gridPower: -2_000 }), MIN);
    b.event(12_000, { inMs: 0 });
    b.advance(0);
    expect(b.lastDispatch?.plannedW).toBe(0);
    expect(b.reasonOf('a')).toBe('transformer_limit');
    expect(b.lastDispatch?.excluded[0]?.capableW).toBeGreaterThan(0);
  });

  test('gives batteries that know only on and off all or nothing under a limit', () => {
    const b = homes({ ratingVa: 4_000 }, 'tesla');
    b.event(20_000, { inMs: 0 });
    b.advance(0);
    expect(['a', 'b'].map((id) => b.allocatedW(id))).toEqual([5_000, 0]);
    expect(b.reasonOf('b')).toBe('transformer_limit');
  });

  test('keeps the feeder above the transformers, too', () => {
    const b = homes();
    b.put({
      kind: 'set-feeder',
      feeder: { feederId: 'f', workspaceId: 'ws', name: 'F', ratingVa: 1_000 },
      actor: 'ana',
    });
    transformer(b, ['a', 'b'], { ratingVa: 50_000, feederId: 'f' });
    b.event(20_000, { inMs: 0 });
    b.advance(0);
    expect(b.allocatedW('a') + b.allocatedW('b')).toBe(3_000);
    expect(b.lastDispatch?.allocations[0]?.limitedBy).toBe('feeder f');
  });

  test('counts a battery of the same transformer that somebody else commands', () => {
    const b = homes();
    b.command('b', { powerW: 3_500 }, { forMs: 3 * HOUR });
    b.event(12_000, { inMs: 0 });
    b.advance(0);
    expect(b.reasonOf('b')).toBe('held_by_command');
    expect(b.allocatedW('a')).toBe(500);
  });

  test('is lower when a site of the transformer is not known', () => {
    const b = homes();
    b.observe('b', { gridPower: null });
    b.event(20_000, { inMs: 0 });
    b.advance(0);
    // Half of 2 000 W for the site that is known, and its load of 1 000 W.
    expect(b.allocatedW('a') + b.allocatedW('b')).toBe(2_000);
  });
});

describe('a single command', () => {
  test('that would overload is refused with the figures, discharge and charge', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    b.observe('a', { gridPower: 1_000 });
    transformer(b, ['a'], { ratingVa: 2_000 });
    b.command('a', { powerW: 3_001 });
    expect(lastWhy(b)).toBe(
      'conflict: a: transformer_limit: discharge of 3001 W would load transformer tr (2000 VA, now 1000 VA, 1 of 1 sites known) over its rating; 3000 W fit',
    );
    b.command('a', { operatingMode: 'charge', powerW: 1_001 });
    expect(lastWhy(b)).toContain('charge of 1001 W');
    expect(b.command('a', { powerW: 3_000 })).not.toBe('');
    expect(b.command('a', { operatingMode: 'charge', powerW: 1_000 })).not.toBe('');
    expect(b.command('a', { operatingMode: 'idle' })).not.toBe('');
  });

  test('of a device that knows only on and off counts with all that it gives', () => {
    const b = new Bench();
    b.device('tesla', 'a', { dischargeWMax: 11_500 });
    b.device('solaredge', 's');
    for (const id of ['a', 's']) b.observe(id, { gridPower: 0 });
    transformer(b, ['a', 's'], { ratingVa: 12_000 });
    b.command('a', { powerW: 11_500 });
    b.command('s', { powerW: 600 });
    expect(lastWhy(b)).toContain('discharge of 600 W');
    expect(lastWhy(b)).toContain('500 W fit');
    transformer(b, ['a', 's'], { ratingVa: 2_000 });
    b.command('a');
    expect(lastWhy(b)).toContain('discharge of 11500 W');
  });

  test('of a batch is cut in proportion with the others', () => {
    const b = new Bench();
    for (const id of ['a', 'b', 'c']) {
      b.device('enphase', id, { tags: ['t'], dischargeWMax: id === 'b' ? 2_500 : 5_000 });
      b.observe(id, { gridPower: 0 });
    }
    transformer(b, ['a', 'b'], { ratingVa: 3_000 });
    b.put({
      kind: 'batch',
      batch: {
        workspaceId: 'ws',
        tag: 't',
        input: { operatingMode: 'charge', enableGridInteraction: true },
        startMs: b.nowMs,
        endMs: b.nowMs + HOUR,
        actor: 'ana',
      },
    });
    const powers = b.factsOf('command.accepted').map(({ command }) => [command.deviceId, command.input.powerW]);
    expect(powers).toEqual([
      ['a', 2_000],
      ['b', 1_000],
      ['c', undefined],
    ]);
  });
});

test('a transformer that makes no sense, is of another workspace or takes a taken site is refused', () => {
  const b = new Bench();
  b.device('enphase', 'a');
  transformer(b, ['a']);
  const cases: [Partial<Transformer>, string][] = [
    [{ ratingVa: 0 }, 'invalid: ratingVa: found 0, expected VA > 0'],
    [{ powerFactorAssumed: 1.1 }, 'invalid: powerFactorAssumed: found 1.1, expected > 0 and ≤ 1'],
    [{ siteIds: ['site-a', 'site-a'] }, 'invalid: siteIds: found site-a twice, expected each site once'],
    [{ siteIds: ['site-z'] }, 'unknown: siteIds: site-z: no such site'],
    [{ feederId: 'f' }, 'unknown: feederId: f: no such feeder'],
    [{ workspaceId: 'other' }, 'unknown: other: no such workspace'],
    [{ transformerId: 't2' }, 'conflict: siteIds: site-a is under tr already'],
  ];
  for (const [over, why] of cases) {
    expect(transformer(b, ['a'], over).facts).toEqual([]);
    expect(lastWhy(b)).toBe(why);
  }
  b.put({ kind: 'remove-transformer', workspaceId: 'other', transformerId: 'tr', actor: 'ana' });
  expect(lastWhy(b)).toBe('unknown: tr: no such transformer');
  b.put({ kind: 'remove-transformer', workspaceId: 'ws', transformerId: 'tr', actor: 'ana' });
  expect(transformer(b, ['a'], { transformerId: 't2' }).facts).toHaveLength(1);
});
