import { describe, expect, it } from 'vitest';
import { MS_PER_HOUR, MS_PER_MIN } from '../../../src/domain/units.ts';
import { BatteryRig } from '../../helpers/batteryRig.ts';
import { Bench } from '../../helpers/coreBench.ts';
import { OEMS } from '../../helpers/oemWorld.ts';

const PERIODS = 50 * MS_PER_MIN;

describe('the backup reserve of a battery', () => {
  it.each(OEMS)('is set at the device of %s, and succeeds when a sample shows it', (oem) => {
    const r = new BatteryRig(oem);
    const id = r.setReserve(35);
    r.run(10_000);
    expect(r.standing(id)).toEqual(['acknowledged']);
    r.run(PERIODS);
    expect(r.fleet.reservePct.get(0)).toBe(35);
    expect(r.standing(id)).toEqual(['succeeded', 'effect_seen']);
    expect(r.core.telemetry.latest.get('b')?.state.backupReserve).toBe(35);
  });

  // Tesla's cloud shows the setting as it was written, whether the device has heard of it or not.
  it.each(['enphase', 'solaredge'] as const)('has no effect at %s when the device never hears of it', (oem) => {
    const r = new BatteryRig(oem, { swallowRatio: 1 });
    const id = r.setReserve(35);
    r.run(PERIODS);
    expect(r.standing(id)).toEqual(['failed', 'no_effect']);
  });

  it('reaches a device that was offline when it is back', () => {
    const r = new BatteryRig('enphase');
    r.fleet.offline.add(0);
    r.setReserve(35);
    r.run(20 * MS_PER_MIN);
    r.fleet.offline.delete(0);
    r.run(MS_PER_MIN);
    expect(r.fleet.reservePct.get(0)).toBe(35);
  });

  it('takes the place of an open one, and of no operating mode', () => {
    const r = new BatteryRig('solaredge');
    const mode = r.setMode('discharge');
    const first = r.setReserve(30);
    const second = r.setReserve(40);
    expect(r.standing(first)).toEqual(['superseded', 'newer_command']);
    r.run(10_000);
    expect([r.standing(mode), r.standing(second)]).toEqual([['acknowledged'], ['acknowledged']]);
    const later = r.setMode('charge');
    expect([r.standing(mode), r.standing(later)[0]]).toEqual([['superseded', 'newer_command'], 'sent']);
    expect(r.standing(second)).toEqual(['acknowledged']);
  });

  it('that has an end goes back to what stood before it', () => {
    const r = new BatteryRig('enphase');
    r.run(MS_PER_MIN);
    r.setReserve(60, { forMs: 2 * MS_PER_HOUR });
    r.run(MS_PER_HOUR);
    expect(r.fleet.reservePct.get(0)).toBe(60);
    r.run(2 * MS_PER_HOUR);
    expect(r.fleet.reservePct.get(0)).toBe(20);
  });

  it('that is cancelled goes back to what stood before it', () => {
    const r = new BatteryRig('solaredge');
    r.run(MS_PER_MIN);
    const id = r.setReserve(60);
    r.run(5 * MS_PER_MIN);
    r.put({ kind: 'cancel-command', commandId: id, actor: 'ana' });
    r.run(30 * MS_PER_MIN);
    expect(r.standing(id)).toEqual(['cancelled', 'cancelled_by_actor']);
    expect(r.fleet.reservePct.get(0)).toBe(20);
  });

  it('is refused in the future, above 100 %, for a stopped device and for one that is not there', () => {
    const r = new BatteryRig('enphase');
    expect(r.setReserve(30, { inMs: MS_PER_HOUR })).toMatch(/takes effect at once/);
    expect(r.setReserve(101)).toMatch(/chargePercentage is 101, expected a number in 0..100 %/);
    r.put({ kind: 'emergency-stop', deviceId: 'b', actor: 'ana' });
    expect(r.setReserve(30)).toMatch(/stopped/);
  });

  it('waits with what is to be set back while the device is stopped, and nothing of it leaves', () => {
    const r = new BatteryRig('enphase');
    r.run(MS_PER_MIN);
    r.setReserve(60, { forMs: MS_PER_HOUR });
    r.run(30 * MS_PER_MIN);
    r.put({ kind: 'emergency-stop', deviceId: 'b', actor: 'ana' });
    r.run(45 * MS_PER_MIN);
    const sets = () => r.effects.filter((e) => e.kind === 'oem' && e.job.kind === 'set').length;
    expect([sets(), r.fleet.reservePct.get(0)]).toEqual([1, 60]);
    r.put({ kind: 'request-release', deviceId: 'b', by: 'ana' });
    r.put({ kind: 'confirm-release', deviceId: 'b', by: 'bob' });
    r.run(30 * MS_PER_MIN);
    expect([sets(), r.fleet.reservePct.get(0)]).toEqual([2, 20]);
  });

  it('is said again after a crash that may have come before it left', () => {
    const r = new BatteryRig('solaredge');
    r.pair.wire = () => ({ thereMs: null, backMs: null });
    const id = r.setReserve(35);
    r.run(1_000);
    r.restart();
    r.run(PERIODS);
    expect(r.standing(id)).toEqual(['succeeded', 'effect_seen']);
    expect(r.folded().state).toEqual(r.core.state);
  });
});

describe('the reserve of a site behind DNP3', () => {
  const order = (b: Bench, chargePercentage: number) => {
    const setting = { slug: 'battery:set-reserve', input: { chargePercentage } } as const;
    const times = { startMs: b.nowMs, endMs: null, notAfterMs: b.nowMs + MS_PER_HOUR };
    const request = { workspaceId: 'ws', deviceId: 'x', setting, ...times, actor: 'ana' };
    return b.put({ kind: 'appliance-command', request });
  };
  const standing = (b: Bench) => [...b.core.state.applianceCommands.values()].map((e) => e.outcome?.reason ?? e.status);

  it('goes to the site, and succeeds when the site shows it', () => {
    const b = new Bench();
    b.device('dnp3', 'x');
    order(b, 40);
    expect(b.fieldJobs('x')).toEqual(['reserve']);
    expect(standing(b)).toEqual(['acknowledged']);
    b.advance(MS_PER_MIN);
    b.observe('x', { backupReserve: 40 });
    expect(standing(b)).toEqual(['effect_seen']);
  });

  it('is refused without a safety configuration, and without an approval in force', () => {
    const b = new Bench();
    b.device('dnp3', 'x', { safety: 'none' });
    expect(order(b, 40).refusals).toMatchObject([{ why: expect.stringMatching(/no safety configuration/) }]);
    const c = new Bench();
    c.device('dnp3', 'x', { safety: 'unapproved' });
    expect(order(c, 40).refusals).toMatchObject([{ why: expect.stringMatching(/no valid approval/) }]);
    expect([...b.fieldJobs('x'), ...c.fieldJobs('x')]).toEqual([]);
  });
});

/** What the Tesla cloud holds of the site. */
const settings = (r: BatteryRig): unknown =>
  'settings' in r.cloud ? (r.cloud.settings as (id: string) => unknown)('1000') : null;

describe('the reserve under a control of Tesla, whose settings it shares', () => {
  it('raises the floor of a discharge at once when it is higher, and stays when the control is over', () => {
    const r = new BatteryRig('tesla');
    r.setMode('discharge', 30 * MS_PER_MIN);
    r.run(2 * MS_PER_MIN);
    expect(settings(r)).toMatchObject({ price: 'peak', reservePct: 20 });
    r.setReserve(50);
    r.run(2 * MS_PER_MIN);
    expect(settings(r)).toMatchObject({ price: 'peak', reservePct: 50 });
    r.run(MS_PER_HOUR);
    expect(settings(r)).toMatchObject({ price: 'own', mode: 'self_consumption', reservePct: 50 });
    expect(r.fleet.reservePct.get(0)).toBe(50);
  });

  it('leaves floor and ceiling of a control alone when it is lower, and comes when the control is over', () => {
    const r = new BatteryRig('tesla');
    r.setMode('charge', 30 * MS_PER_MIN);
    r.run(2 * MS_PER_MIN);
    const id = r.setReserve(10);
    r.run(2 * MS_PER_MIN);
    expect(settings(r)).toMatchObject({ price: 'trough', reservePct: 100 });
    r.run(MS_PER_HOUR);
    expect(r.standing(id)).toEqual(['succeeded', 'effect_seen']);
    expect(settings(r)).toMatchObject({ price: 'own', reservePct: 10 });
  });
});

describe('what a Tesla site had before a control', () => {
  it('is back after a reset, though the service was restarted in between', () => {
    const r = new BatteryRig('tesla');
    const write = (leaf: string, body: unknown) => ownerWrites(r, leaf, body);
    write('operation', { default_real_mode: 'autonomous' });
    write('backup', { backup_reserve_percent: 33 });
    write('grid_import_export', {
      customer_preferred_export_rule: 'never',
      disallow_charge_from_grid_with_solar_installed: false,
    });
    const own = settings(r);
    const id = r.setMode('discharge', 30 * MS_PER_MIN);
    r.run(2 * MS_PER_MIN);
    expect(r.standing(id)).toEqual(['acknowledged']);
    expect(settings(r)).toMatchObject({ price: 'peak', exportRule: 'battery_ok' });
    expect(r.core.state.devices.get('b')?.kept).toContain('"exportRule":"never"');
    r.restart();
    r.run(10 * MS_PER_MIN);
    expect(r.core.telemetry.latest.get('b')?.state).toMatchObject({ backupReserve: 33, strategy: 'time_of_use' });
    r.run(30 * MS_PER_MIN);
    expect(settings(r)).toEqual(own);
    expect(r.core.state.devices.get('b')?.kept).toBeNull();
    expect(r.folded().state).toEqual(r.core.state);
  });

  it('is known though the crash came before the cloud answered', () => {
    const r = new BatteryRig('tesla');
    ownerWrites(r, 'grid_import_export', { customer_preferred_export_rule: 'never' });
    const own = settings(r);
    r.pair.wire = (request) => ({
      thereMs: 40,
      backMs: request.method === 'POST' && !request.path.includes('token') ? null : 40,
    });
    r.setMode('discharge', 30 * MS_PER_MIN);
    r.run(5_000);
    expect(r.core.state.devices.get('b')?.kept).toContain('"exportRule":"never"');
    r.restart();
    r.run(MS_PER_HOUR);
    expect(settings(r)).toEqual(own);
  });

  it('outlives an emergency stop that overtook a write of the control, which is taken back when it is known', () => {
    const r = new BatteryRig('tesla');
    ownerWrites(r, 'grid_import_export', { customer_preferred_export_rule: 'never' });
    const own = settings(r);
    r.pair.wire = (request) => ({ thereMs: request.path.endsWith('time_of_use_settings') ? 5_000 : 40, backMs: 40 });
    r.setMode('discharge', 30 * MS_PER_MIN);
    r.run(1_000);
    r.pair.wire = () => ({ thereMs: 40, backMs: 40 });
    r.put({ kind: 'emergency-stop', deviceId: 'b', actor: 'ana' });
    r.run(2_000);
    expect(settings(r)).toEqual(own);
    r.run(5 * MS_PER_MIN);
    expect(settings(r)).toEqual(own);
    expect(r.core.state.devices.get('b')?.kept).toBeNull();
  });

  it('is forgotten when the control never wrote anything', () => {
    const r = new BatteryRig('tesla');
    r.pair.wire = (request) => ({ thereMs: request.path.includes('live_status') ? null : 40, backMs: 40 });
    const id = r.setMode('idle', 30 * MS_PER_MIN);
    r.run(5 * MS_PER_MIN);
    expect(r.standing(id)).toEqual(['expired', 'not_after_passed']);
    expect(r.core.state.devices.get('b')?.kept).toBeNull();
  });
});

/** The owner, in the maker's own app: past the session. */
function ownerWrites(r: BatteryRig, leaf: string, body: unknown): void {
  const { cloud, clock } = r;
  const auth = { grant_type: 'client_credentials', client_id: 'partner', client_secret: 'päss' };
  const ask = (path: string, headers: Record<string, string>, what: unknown) =>
    cloud.handle({ method: 'POST', path, headers, body: JSON.stringify(what) }, clock.nowMs());
  const { access_token: token } = JSON.parse(ask('/oauth2/v3/token', {}, auth).body) as { access_token: string };
  const { status } = ask(`/api/1/energy_sites/1000/${leaf}`, { authorization: `Bearer ${token}` }, body);
  expect(status).toBe(200);
}
