import { describe, expect, test } from 'vitest';
import { randomSource } from '../../../harness/kernel/random.ts';
import { load } from '../../../harness/run.ts';
import { makeAppliances } from '../../../harness/world/appliances.ts';
import { homeHistory } from '../../../harness/world/history.ts';
import { makeHomes } from '../../../harness/world/homes.ts';
import { HISTORY_DAYS } from '../../../harness/world/inputs.ts';
import { prepare } from '../../../harness/world/world.ts';
import type { Scenario } from '../../../scenarios/schema.ts';
import type { LogRecord } from '../../../src/ports/records.ts';
import { flexible } from '../../helpers/flexibleScenario.ts';
import { type LoggedRun, runLogged } from '../../helpers/library.ts';

/** Cars, thermostats and inverters in the world of a run: on the wire, in the core, in the meters. */
type Of<K extends LogRecord['kind']> = Extract<LogRecord, { kind: K }>;
const of = <K extends LogRecord['kind']>({ records }: LoggedRun, kind: K): Of<K>[] =>
  records.filter((r): r is Of<K> => r.kind === kind);
const factsOf = (run: LoggedRun, type: string) =>
  of(run, 'fact').flatMap((r) => (r.fact.type === type ? [r.fact] : []));
const endsOf = (run: LoggedRun, slug: string): string[] => {
  const settings = run.result.measures.appliances?.settings ?? [];
  return settings.filter((s) => s.slug === slug && !s.setsBack).map((s) => `${s.status} ${s.reason}`);
};
const withFaults = (...faults: Scenario['faults']): Scenario => ({ ...flexible(), faults });

describe('a run with appliances', () => {
  const run = runLogged(flexible());

  test('connects each device over the open cloud, in its home', () => {
    expect(of(run, 'appliance').map((a) => `${a.deviceId} ${a.applianceKind}`)).toEqual([
      'homes-0001-ev vehicle',
      'homes-0001-thermostat thermostat',
      'homes-0001-inverter inverter',
      'homes-0002-ev vehicle',
      'homes-0002-thermostat thermostat',
      'homes-0002-inverter inverter',
      'homes-0003-thermostat thermostat',
      'homes-0003-inverter inverter',
    ]);
    expect(factsOf(run, 'appliance.connected')).toHaveLength(8);
    expect(of(run, 'exchange').some((x) => x.to === 'open' && x.method === 'POST')).toBe(true);
  });

  test('keeps its promises, and closes its books with the devices in them', () => {
    expect(run.result.expectations.filter((e) => !e.passed)).toEqual([]);
    expect(run.result.measures.ledger).toMatchObject({
      siteResidualMj: 0,
      batteryResidualMj: 0,
      applianceResidualMj: 0,
    });
  });

  test('sets every device and sets back what stood before at the end', () => {
    const settings = run.result.measures.appliances?.settings ?? [];
    expect(settings.filter((s) => s.status !== 'succeeded')).toEqual([]);
    const back = settings.filter((s) => s.setsBack).map((s) => `${s.deviceId}: ${s.asked}`);
    expect(back.sort()).toEqual([
      'homes-0001-ev: charge limit 80 %',
      'homes-0001-inverter: no export limit',
      'homes-0002-ev: charge limit 80 %',
      'homes-0002-inverter: no export limit',
      'homes-0003-inverter: no export limit',
    ]);
  });

  test('exports nothing while a limit of 0 W stands, and does so after it', () => {
    const full = runLogged(flexible('socPct: { mean: 60 }', 'socPct: { mean: 100 }'));
    const t = (hour: number) => run.result.measures.run.startMs + (hour - 12) * 3_600_000;
    const meters = of(full, 'meter');
    const exported = (from: number, until: number) =>
      meters.filter((m) => m.startMs >= t(from) && m.endMs <= t(until)).reduce((sum, m) => sum + m.exportMj, 0);
    expect(exported(13, 16.5)).toBe(0);
    expect(exported(12, 12.5)).toBeGreaterThan(0);
  });

  test('gives the same log when it is run again, and another one with another seed', () => {
    expect(runLogged(flexible()).result.hash).toBe(run.result.hash);
    expect(runLogged({ ...flexible(), seed: '12' }).result.hash).not.toBe(run.result.hash);
  });

  test('leaves batteries, customers and household load as they are without appliances', () => {
    const [group] = flexible().fleet.homes;
    if (group === undefined) throw new Error('no group');
    // A thermostat takes the cooling out of the load model, so it stays in both.
    const { ev: _ev, inverter: _inverter, ...rest } = group;
    const bare: Scenario = {
      ...flexible(),
      timeline: [],
      expect: [],
      fleet: { homes: [rest], bess: [] },
    };
    const plain = runLogged(bare);
    const same = (r: LoggedRun) => [of(r, 'site'), factsOf(r, 'customer.created'), of(r, 'meter').map((m) => m.loadMj)];
    expect(same(plain)).toEqual(same(run));
  });
});

describe('the open cloud has the same faults as the others', () => {
  test('down for the hour in which a limit may come into force: no car is limited, and it says why', () => {
    const run = runLogged(withFaults({ kind: 'oem-down', oem: 'open', from: '12:58', until: '15:30' }));
    expect(endsOf(run, 'vehicle:set-charge-limit')).toEqual(['expired not_after_passed', 'expired not_after_passed']);
    expect(endsOf(run, 'thermostat:set-fan-mode')).toEqual(['succeeded effect_seen']);
    expect(run.result.verdict.passed).toBe(false);
  });

  test('accepts and does nothing: the samples show it', () => {
    const run = runLogged(withFaults({ kind: 'oem-swallow', oem: 'open', share: 1, from: '12:50', until: '15:30' }));
    expect(endsOf(run, 'vehicle:set-charge-limit')).toEqual(['failed no_effect', 'failed no_effect']);
    expect(of(run, 'cloud').filter((c) => c.what === 'swallowed').length).toBeGreaterThan(0);
  });

  test('lossy and throttled: what the wire loses is asked again, and the settings come through', () => {
    const span = { from: '12:20', until: '18:00' } as const;
    const run = runLogged(
      withFaults(
        { kind: 'oem-lossy', oem: 'open', requestLossRatio: 0.3, replyLossRatio: 0.2, delay: '200ms', ...span },
        { kind: 'oem-throttled', oem: 'open', factor: 0.05, ...span },
      ),
    );
    expect(of(run, 'exchange').filter((x) => x.to === 'open' && x.fault !== null).length).toBeGreaterThan(10);
    expect(endsOf(run, 'vehicle:set-charge-limit')).toEqual(['succeeded effect_seen', 'succeeded effect_seen']);
  });

  test('a home that loses its connection takes its devices along', () => {
    const offline = { kind: 'device-offline', group: 'homes', share: 1, from: '12:10', until: '20:00' } as const;
    const run = runLogged(withFaults(offline));
    const gone = factsOf(run, 'appliance.reachable').filter((f) => f.type === 'appliance.reachable' && !f.reachable);
    expect(gone).toHaveLength(8);
    const modes = of(run, 'appliance-mode').filter((m) => m.connection === 'offline' && m.cause.startsWith('fault'));
    expect(modes).toHaveLength(8);
    expect(endsOf(run, 'vehicle:set-charge-limit').every((end) => !end.startsWith('succeeded'))).toBe(true);
  });
});

describe('the meter history of homes with appliances', () => {
  test('has their cars and their cooling in it, so that a baseline does not take them for something new', () => {
    const imported = (scenario: Scenario): number => {
      const random = () => randomSource(scenario.seed);
      const inputs = load({ scenario, dataDir: '.' });
      const profiles = prepare({ scenario, inputs, random: random() });
      const homes = makeHomes(scenario, random());
      const appliances = makeAppliances({ scenario, inputs, random: random(), homes });
      const devices = homes.map((h) => ({
        ...{ deviceId: h.deviceId, siteId: h.siteId, spec: h.spec, reservePct: 20, stormGuardEnabled: false },
        ...{ strategy: 'backup' as const, loadProfile: 0, loadScale: 1, pvProfile: 0, pvW: 0, exportWMax: null },
      }));
      const readings = homeHistory({ scenario, inputs, random: random(), devices, appliances, profiles });
      return readings.reduce((sum, r) => sum + (r.kind === 'meter' ? r.gridWh.reduce((a, b) => a + b, 0) : 0), 0);
    };
    const all = imported(flexible());
    const noCars = imported(flexible('      ev:\n        count: 2\n', '      ev:\n        share: 0\n'));
    // Two cars that drive 9 kWh a day, charged at 0.9, over the days of the history.
    expect((all - noCars) / 1000 / HISTORY_DAYS / 2).toBeGreaterThan(7);
    expect((all - noCars) / 1000 / HISTORY_DAYS / 2).toBeLessThan(13);
  });
});
