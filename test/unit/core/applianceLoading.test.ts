import { describe, expect, test } from 'vitest';
import { loadingOf } from '../../../src/core/topology.ts';
import { type ChargeReading, chargingOf, type Transformer } from '../../../src/domain/topology.ts';
import { chargerMode, connect, see, tell, vehicleMode } from '../../helpers/applianceBench.ts';
import { Bench, HOUR, MIN } from '../../helpers/coreBench.ts';

function under(b: Bench, homes: readonly string[], ratingVa: number, over: Partial<Transformer> = {}): void {
  const siteIds = homes.map((home) => `site-${home}`);
  const what = { transformerId: 'tr', workspaceId: 'ws', name: 'T', feederId: null, ratingVa, powerFactorAssumed: 1 };
  b.put({ kind: 'set-transformer', transformer: { ...what, siteIds, ...over }, actor: 'ana' });
}

const loading = (b: Bench) => loadingOf(b.core.state, b.core.telemetry, 'tr', b.nowMs);
const outcome = (b: Bench, id: string) => {
  const o = b.core.state.applianceCommands.get(id)?.outcome;
  return o === null || o === undefined ? null : [o.status, o.reason];
};

describe('the power into the vehicles of a site', () => {
  const readings = (chargers: readonly (number | null)[], vehicles: readonly (number | null)[]): ChargeReading[] => [
    ...chargers.map((powerW, i) => ({ deviceId: `c${i}`, kind: 'charger' as const, powerW })),
    ...vehicles.map((powerW, i) => ({ deviceId: `v${i}`, kind: 'vehicle' as const, powerW })),
  ];
  test.each([
    ['a car at its charger counts once', [7_000], [7_000], 7_000, [1, 0, 1]],
    ['a car at a socket is not lost beside one at a charger', [7_000], [7_000, 1_400], 8_400, [2, 0, 1]],
    ['a car that rests at a charger that rests counts, as nothing', [0], [0], 0, [2, 0, 0]],
    ['a charger without a car that tells', [7_000], [null], 7_000, [1, 1, 0]],
    ['a car without a charger', [], [3_000], 3_000, [1, 0, 0]],
    ['a car that gives back', [-5_000], [-4_900], -5_000, [1, 0, 1]],
    ['nobody', [], [], 0, [0, 0, 0]],
  ] as const)('%s', (_, chargers, vehicles, powerW, [counted, unknown, same]) => {
    expect(chargingOf(readings(chargers, vehicles))).toEqual({ powerW, devices: { counted, unknown, same } });
  });
});

describe('loading', () => {
  test('of a site without a meter is what its devices tell, and says that it is a part', () => {
    const b = new Bench();
    for (const kind of ['charger', 'inverter', 'thermostat'] as const) connect(b, kind, kind, 'h');
    under(b, ['h'], 10_000);
    expect(loading(b)).toMatchObject({ importW: null, ratio: null, devices: { counted: 0, unknown: 3, same: 0 } });
    see(b, 'charger', 7_000);
    see(b, 'inverter', 3_000);
    see(b, 'thermostat');
    expect(loading(b)).toMatchObject({
      importW: 4_000,
      ratio: 0.4,
      sitesKnown: 0,
      sitesInPart: 1,
      sitesTotal: 1,
      devices: { counted: 2, unknown: 1, same: 0 },
      oldestMs: b.nowMs,
    });
    b.advance(30 * MIN);
    see(b, 'inverter', 1_000);
    b.advance(30 * MIN + 1);
    expect(loading(b)).toMatchObject({ importW: -1_000, devices: { counted: 1, unknown: 2, same: 0 } });
  });

  test('counts a car and its charger once', () => {
    const b = new Bench();
    connect(b, 'charger', 'wall', 'h');
    connect(b, 'vehicle', 'car', 'h');
    under(b, ['h'], 10_000);
    see(b, 'wall', 7_000);
    see(b, 'car', 6_900);
    expect(loading(b)).toMatchObject({ importW: 7_000, devices: { counted: 1, unknown: 0, same: 1 } });
  });

  test('of a site with a meter is the meter, whatever stands behind it; an inverter may be who reads it', () => {
    const b = new Bench();
    b.device('enphase', 'h');
    b.observe('h', { gridPower: 8_000 });
    for (const kind of ['charger', 'thermostat'] as const) connect(b, kind, kind, 'h');
    connect(b, 'inverter', 'pv', 'p');
    under(b, ['h', 'p'], 10_000);
    see(b, 'charger', 7_000);
    see(b, 'pv', 3_000, { gridPower: -2_500 });
    expect(loading(b)).toMatchObject({
      importW: 5_500,
      sitesKnown: 2,
      sitesInPart: 0,
      devices: { counted: 4, unknown: 0, same: 0 },
    });
  });

  test('of a site with a battery and no meter has the battery in it', () => {
    const b = new Bench();
    b.device('enphase', 'h');
    b.observe('h', { chargeRate: -2_000 });
    connect(b, 'charger', 'wall', 'h');
    under(b, ['h'], 10_000);
    see(b, 'wall', 3_000);
    expect(loading(b)).toMatchObject({ importW: 5_000, sitesKnown: 0, sitesInPart: 1 });
  });

  test('by cars alone opens an alert', () => {
    const b = new Bench();
    for (const home of ['g', 'h']) connect(b, 'charger', `wall-${home}`, home);
    under(b, ['g', 'h'], 12_000);
    see(b, 'wall-g', 7_000);
    b.advance(2 * MIN);
    see(b, 'wall-h', 7_000);
    const [alert] = [...b.core.state.alerts.values()];
    expect(alert).toMatchObject({
      severity: 'CRITICAL',
      rule: 'overload',
      evidence: { sitesKnown: 0, sitesInPart: 2 },
    });
    expect(alert?.text).toBe('transformer tr carries 117 % of 12000 VA (0 of 2 sites known, 2 in part)');
  });
});

describe('a battery under a limit', () => {
  /** Rating 10 kVA, the house takes 1 kW and its car 7 kW. */
  function home(): Bench {
    const b = new Bench();
    b.device('enphase', 'h');
    connect(b, 'charger', 'wall', 'h');
    connect(b, 'vehicle', 'car', 'h');
    under(b, ['h'], 10_000);
    b.observe('h', { gridPower: 8_000 });
    see(b, 'wall', 7_000);
    see(b, 'car', 7_000);
    return b;
  }

  test('charges beside a car no more than is left', () => {
    const b = home();
    expect(b.command('h', { operatingMode: 'charge', powerW: 2_000 })).not.toBe('');
    b.command('h', { operatingMode: 'charge', powerW: 2_001 });
    expect(b.refusals.at(-1)?.why).toContain('2000 W fit');
  });

  test('gets no room to discharge from a car, which may be full at any time', () => {
    const b = home();
    under(b, ['h'], 2_000);
    b.event(20_000, { inMs: 0 });
    b.advance(0);
    expect(b.allocatedW('h')).toBe(3_000);
  });

  test('leaves room for a car that is told to start and has not yet', () => {
    const b = home();
    see(b, 'wall');
    see(b, 'car');
    b.observe('h', { gridPower: 1_000 });
    expect(tell(b, 'wall', chargerMode('start-charging'))).toMatch(/^cmd-/);
    b.command('h', { operatingMode: 'charge', powerW: 2_001 });
    expect(b.refusals.at(-1)?.why).toContain('2000 W fit');
  });
});

describe('a start of charging', () => {
  const street = (homes: readonly string[], ratingVa: number): Bench => {
    const b = new Bench();
    for (const home of homes) {
      b.device('enphase', home);
      b.observe(home, { gridPower: 0 });
      connect(b, 'charger', `wall-${home}`, home);
      see(b, `wall-${home}`, 7_000);
      see(b, `wall-${home}`);
    }
    under(b, homes, ratingVa);
    return b;
  };

  test('that would overload is refused with the figures, and one that fits is not', () => {
    const b = street(['g', 'h'], 10_000);
    expect(tell(b, 'wall-g', chargerMode('start-charging'))).toMatch(/^cmd-/);
    expect(tell(b, 'wall-h', chargerMode('start-charging'))).toBe(
      'wall-h: transformer_limit: a start that draws 7000 W more would load transformer tr (10000 VA, now 0 VA, 2 of 2 sites known) over its rating; 3000 W fit',
    );
    expect(b.refusals.at(-1)?.code).toBe('conflict');
    expect(tell(b, 'wall-h', chargerMode('stop-charging'))).toMatch(/^cmd-/);
  });

  test('of what nothing is known is taken at 48 A and 240 V, and says so; else at what was said, or seen if more', () => {
    const b = street([], 10_000);
    connect(b, 'charger', 'new', 'n');
    under(b, ['n'], 30_000);
    see(b, 'new', 0, {});
    // The site has no meter: its share, which is everything, is its own.
    expect(tell(b, 'new', chargerMode('start-charging'))).toContain(
      'draws 11520 W more, assumed as nothing is known of it,',
    );
    connect(b, 'charger', 'said', 's', { chargeWMax: 3_700 });
    under(b, ['n', 's'], 30_000);
    expect(tell(b, 'said', chargerMode('start-charging'))).toContain('draws 3700 W more would load');
    see(b, 'said', 4_000);
    see(b, 'said');
    expect(tell(b, 'said', chargerMode('start-charging'))).toContain('draws 4000 W more would load');
  });

  test('asks for nothing where its site charges already: the car at the charger', () => {
    const b = street(['h'], 8_000);
    connect(b, 'vehicle', 'car', 'h');
    see(b, 'wall-h', 7_000);
    see(b, 'car', 7_000);
    b.observe('h', { gridPower: 7_000 });
    expect(tell(b, 'car', vehicleMode('start-charging'))).toMatch(/^cmd-/);
  });

  test('is also what a raised limit makes of a full car at its plug, and of no other car', () => {
    const b = street(['h'], 5_000);
    connect(b, 'vehicle', 'car', 'h');
    const raise = (over: object): string => {
      see(b, 'car', 7_000);
      see(b, 'car', 0, over);
      return tell(b, 'car', { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 90 } });
    };
    expect(raise({ chargePercentage: 80 })).toContain('transformer_limit: a start that draws 7000 W more');
    expect(raise({ chargePercentage: 80, isPluggedIn: false })).toMatch(/^cmd-/);
    expect(raise({ chargePercentage: 60 })).toMatch(/^cmd-/);
    expect(raise({ chargePercentage: 95, chargeLimit: 95 })).toMatch(/^cmd-/);
  });

  test('is held by the feeder above as well', () => {
    const b = street(['h'], 50_000);
    const feeder = { feederId: 'f', workspaceId: 'ws', name: 'F', ratingVa: 5_000 };
    b.put({ kind: 'set-feeder', feeder, actor: 'ana' });
    under(b, ['h'], 50_000, { feederId: 'f' });
    expect(tell(b, 'wall-h', chargerMode('start-charging'))).toContain('would load feeder f (5000 VA');
  });

  test('of a batch is given to as many, by id, as fit; the others are named', () => {
    const b = street(['f', 'g', 'h'], 15_000);
    const window = { startMs: b.nowMs, endMs: null, notAfterMs: b.nowMs + HOUR };
    const batch = { workspaceId: 'ws', tag: 't', setting: chargerMode('start-charging'), ...window, actor: 'ana' };
    b.put({ kind: 'appliance-batch', batch });
    const made = b.factsOf('appliance.command-accepted').map((f) => f.command.deviceId);
    expect(made).toEqual(['wall-f', 'wall-g']);
    expect(b.factsOf('appliance.command-ended')).toEqual([]);
    const [batched] = b.factsOf('batch.accepted');
    expect(batched?.skipped.map((s) => s.deviceId)).toEqual(['wall-h']);
    expect(batched?.skipped[0]?.why).toContain('1000 W fit');
  });

  test('that sets back what stood before ends for want of room, and is tried again until there is some', () => {
    const b = street(['g', 'h'], 10_000);
    see(b, 'wall-h', 7_000);
    b.observe('h', { gridPower: 7_000 });
    const id = tell(b, 'wall-h', chargerMode('stop-charging'), { forMs: HOUR });
    b.advance(MIN);
    see(b, 'wall-h');
    expect(outcome(b, id)).toEqual(['succeeded', 'effect_seen']);
    b.observe('h', { gridPower: 0 });
    see(b, 'wall-g', 7_000);
    b.observe('g', { gridPower: 7_000 });
    b.advance(HOUR - MIN);
    const last = () => b.factsOf('appliance.command-accepted').at(-1)?.command;
    expect(last()).toMatchObject({ deviceId: 'wall-h', cause: { kind: 'restore', commandId: id } });
    expect(outcome(b, last()?.commandId ?? '')).toEqual(['failed', 'transformer_limit']);
    see(b, 'wall-g');
    for (const home of ['g', 'h']) b.observe(home, { gridPower: 0 });
    b.advance(15 * MIN);
    expect(b.factsOf('appliance.command-sent').at(-1)?.commandId).toBe(last()?.commandId);
    expect(outcome(b, last()?.commandId ?? '')).toBeNull();
  });
});
