import { describe, expect, test } from 'vitest';
import type { Expectation } from '../../../scenarios/expect.ts';
import { whToMj } from '../../../src/domain/units.ts';
import type { LogRecord } from '../../../src/ports/records.ts';
import { at, factAt, judgeRecords, minute, QUIET } from '../../helpers/checks.ts';
import { miniRun, siteIdOf } from '../../helpers/miniRun.ts';

/** Expectations about cars and houses on a hand-made log: eight quarter hours, a car and a thermostat at home `a`. */
type Of<K extends Expectation['kind']> = Extract<Expectation, { kind: K }>;
const fail = { severity: 'fail' } as const;
const SITE = siteIdOf('a');
const CAPACITY_MJ = whToMj(50_000);

/** 500 Wh of charging and 300 Wh of cooling in each interval from 00:30 to 01:00; twice the charging without settings. */
const withEnergy = (r: LogRecord): LogRecord => {
  if (!('siteId' in r) || r.siteId !== SITE || !('startMs' in r)) return r;
  const inside = r.startMs >= minute(30) && r.startMs < minute(60);
  const [ev, hvac] = inside ? [500, 300] : [0, 0];
  if (r.kind === 'counterfactual') return { ...r, evMj: whToMj(2 * ev), hvacMj: whToMj(hvac) };
  if (r.kind !== 'meter') return r;
  return { ...r, evMj: whToMj(ev), hvacMj: whToMj(hvac), loadMj: r.loadMj - whToMj(ev + hvac) };
};

const device = (deviceId: string, applianceKind: 'vehicle' | 'thermostat'): LogRecord =>
  at(0, {
    kind: 'appliance',
    siteId: SITE,
    deviceId,
    group: 'homes',
    applianceKind,
    model: 'any',
    capacityMj: applianceKind === 'vehicle' ? CAPACITY_MJ : null,
    powerWMax: 7_000,
    provenance: { source: 'test', standing: 'assumed' },
  });

const left = (minutes: number, pct: number): LogRecord =>
  at(minutes, {
    kind: 'appliance-mode',
    deviceId: 'car',
    mode: 'away',
    connection: 'online',
    cause: 'unplugged',
    storedMj: (CAPACITY_MJ * pct) / 100,
  });

const room = (fromMin: number, lowF: number, highF: number): LogRecord =>
  at(fromMin + 15, {
    kind: 'appliance-meter',
    siteId: SITE,
    deviceId: 'room',
    startMs: minute(fromMin),
    endMs: minute(fromMin + 15),
    what: 'hvac',
    hvacMj: 0,
    fanMj: 0,
    heatingMs: 0,
    coolingMs: 0,
    roomF: lowF,
    roomLowF: lowF,
    roomHighF: highF,
  });

const log = (...more: LogRecord[]): LogRecord[] =>
  miniRun({ ...QUIET, more: [device('car', 'vehicle'), device('room', 'thermostat'), ...more] }).map(withEnergy);
const judge = (x: Expectation, ...more: LogRecord[]) => {
  const { passed, found, where, when } = judgeRecords(x, log(...more));
  return { passed, found, where, when };
};

describe('energy', () => {
  const x = (over: Partial<Of<'energy'>>): Of<'energy'> => ({
    ...{ kind: 'energy', ...fail, what: 'ev', from: '+30min', until: '+60min', measure: 'used' },
    ...over,
  });

  test('holds and fails by its bounds, and says how much and where', () => {
    expect(judge(x({ atMostKwh: 1 }))).toMatchObject({ passed: true, found: '1.0 kWh', where: 'all sites' });
    expect(judge(x({ atMostKwh: 0.9, group: 'homes' }))).toMatchObject({ passed: false, where: 'homes' });
    expect(judge(x({ atLeastKwh: 1.1 }))).toMatchObject({ passed: false });
    expect(judge(x({ what: 'hvac', atLeastKwh: 0.6 }))).toMatchObject({ passed: true, found: '0.6 kWh' });
    expect(judge(x({ group: 'others', atLeastKwh: 0.1 }))).toMatchObject({ passed: false, found: '0.0 kWh' });
  });

  test('counts what is saved against the world without settings, and fails where that is not known', () => {
    expect(judge(x({ measure: 'saved', atLeastKwh: 1 }))).toMatchObject({ passed: true, found: '1.0 kWh saved' });
    const [first, ...rest] = log().filter((r) => r.kind === 'counterfactual');
    if (first === undefined || rest.length === 0) throw new Error('no counterfactual');
    const without = log().filter((r) => r.kind !== 'counterfactual');
    expect(judgeRecords(x({ measure: 'saved', atLeastKwh: 0 }), without)).toMatchObject({
      passed: false,
      found: '4 of 4 meter intervals have no world without events to compare with',
    });
  });

  test('fails where there is no meter interval', () => {
    const x0 = x({ from: '+30min', until: '+30min', atMostKwh: 5 });
    expect(judge(x0)).toMatchObject({ passed: false, found: 'no meter interval in that span' });
  });
});

describe('roomF', () => {
  const x = (over: Partial<Of<'roomF'>>): Of<'roomF'> => ({
    ...{ kind: 'roomF', ...fail, from: '+0min', until: '+60min', atLeastShare: 1 },
    ...over,
  });

  test('looks at the extremes within the intervals, and names the house and the time', () => {
    const rooms = [room(0, 71, 74), room(15, 72, 78.5), room(60, 60, 90)];
    expect(judge(x({ atLeast: 70, atMost: 79 }), ...rooms)).toMatchObject({
      passed: true,
      found: '1 of 1 houses; rooms 71.0 to 78.5 °F',
    });
    expect(judge(x({ atMost: 78 }), ...rooms)).toEqual({
      passed: false,
      found: '0 of 1 houses; rooms 71.0 to 78.5 °F',
      where: 'room',
      when: '1970-01-01 00:15',
    });
    expect(judge(x({ atLeast: 71.5 }), ...rooms)).toMatchObject({ passed: false, when: '1970-01-01 00:00' });
  });

  test('fails when no house is seen', () => {
    expect(judge(x({ atMost: 99 }))).toMatchObject({ passed: false, found: 'no house in that span' });
  });
});

describe('departureSocPct', () => {
  const x = (over: Partial<Of<'departureSocPct'>> = {}): Of<'departureSocPct'> => ({
    ...{ kind: 'departureSocPct', ...fail, from: '+0min', atLeast: 80, atLeastShare: 1 },
    ...over,
  });

  test('holds when every car leaves with enough, and names the one that is shortest', () => {
    expect(judge(x(), left(10, 80), left(50, 95))).toMatchObject({ passed: true, where: 'all cars' });
    expect(judge(x(), left(10, 79), left(50, 60), left(70, 95))).toEqual({
      passed: false,
      found: '1 of 3 departures; the lowest with 60.0 %',
      where: 'car',
      when: '1970-01-01 00:50',
    });
    expect(judge(x({ atLeastShare: 0.3 }), left(10, 79), left(50, 60), left(70, 95))).toMatchObject({ passed: true });
    expect(judge(x({ until: '+20min' }), left(10, 80), left(50, 60))).toMatchObject({ passed: true });
  });

  test('fails when none leaves', () => {
    expect(judge(x())).toMatchObject({ passed: false, found: 'no car leaves' });
  });
});

describe('commandsEnd', () => {
  const setting = (commandId: string, deviceId: string): LogRecord =>
    factAt(20, {
      type: 'appliance.command-accepted',
      command: {
        ...{ commandId, deviceId, workspaceId: 'w', startMs: minute(20), endMs: null, notAfterMs: minute(80) },
        setting: { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 50 } },
        cause: { kind: 'operator', actor: 'a' },
        before: null,
      },
    });
  const end = (commandId: string, status: 'succeeded' | 'failed'): LogRecord =>
    factAt(30, {
      type: 'appliance.command-ended',
      commandId,
      outcome: { status, reason: status === 'failed' ? 'no_effect' : 'effect_seen', detail: 'as the test says' },
    });
  const x = (where: Of<'commandsEnd'>['where']): Of<'commandsEnd'> => ({
    ...{ kind: 'commandsEnd', ...fail, status: 'succeeded', atLeastShare: 1 },
    where,
  });

  test('counts settings, by slug and by group', () => {
    const good = [setting('c1', 'car'), end('c1', 'succeeded')];
    expect(judge(x({ slug: 'vehicle:set-charge-limit' }), ...good)).toMatchObject({ passed: true });
    expect(judge(x({ group: 'homes' }), ...good)).toMatchObject({ passed: true, found: '1 of 1 commands' });
    expect(judge(x({ slug: 'thermostat:set-fan-mode' }), ...good)).toMatchObject({ passed: false });
    const bad = [setting('c2', 'car'), end('c2', 'failed')];
    expect(judge(x({}), ...good, ...bad)).toMatchObject({
      passed: false,
      found: '1 of 2 commands; c2 of car: failed (no_effect) as the test says',
    });
  });
});

describe('never ledger-residual', () => {
  const x: Of<'never'> = { kind: 'never', ...fail, what: 'ledger-residual' };
  const car = (lossWh: number): LogRecord[] =>
    [30, 45].map((m) =>
      at(m + 15, {
        kind: 'appliance-meter',
        siteId: SITE,
        deviceId: 'car',
        startMs: minute(m),
        endMs: minute(m + 15),
        what: 'ev',
        chargeMj: whToMj(500),
        lossMj: whToMj(lossWh),
        drivenMj: 0,
        shortMj: 0,
        storedStartMj: whToMj(1000),
        storedEndMj: whToMj(1450),
      }),
    );
  const house = [30, 45].map((m) => ({ ...room(m, 72, 72), hvacMj: whToMj(280), fanMj: whToMj(20) }) as LogRecord);

  test('holds when the devices of a site add up to its registers, and fails when one of them does not', () => {
    expect(judge(x, ...car(50), ...house)).toMatchObject({ passed: true });
    const lost = `${whToMj(20) * 2} mJ between cars and thermostats and the registers of their sites`;
    expect(judge(x, ...car(30), ...house)).toMatchObject({ passed: false, found: lost, where: 'appliances' });
    expect(judge(x, ...car(50))).toMatchObject({ passed: false, where: 'appliances' });
  });
});
