import { describe, expect, test } from 'vitest';
import { holderOf, type Reach, sourceKey } from '../../../src/core/sources.ts';
import type { Device, DeviceSource } from '../../../src/domain/device.ts';
import { Bench, ZONE } from '../../helpers/coreBench.ts';

/** Two workspaces on one plant; a reach is told as `vpp serve` tells its file. */
function plant(reach?: Reach) {
  const bench = new Bench({ settings: reach === undefined ? {} : { reach } });
  for (const w of ['A', 'B']) {
    bench.put({ kind: 'create-workspace', workspace: { workspaceId: w, name: w, gridServices: true } });
    bench.put({
      kind: 'create-site',
      site: { siteId: `s${w}`, workspaceId: w, customerId: 'c', name: w, timeZone: ZONE },
    });
  }
  let devices = 0;
  const connect = (workspaceId: string, source: DeviceSource, siteId = `s${workspaceId}`): string => {
    devices += 1;
    const device: Device = {
      deviceId: `d${devices}`,
      workspaceId,
      siteId,
      kind: source.kind === 'dnp3' ? 'bess' : 'battery',
      manufacturer: 'M',
      model: 'M',
      nameplate: { usableWh: 1_000, chargeWMax: 1_000, dischargeWMax: 1_000 },
      source,
      tags: [],
    };
    const { facts, refusals } = bench.put({ kind: 'connect-device', device });
    const [refusal] = refusals;
    return facts.length > 0 ? device.deviceId : `${refusal?.code}: ${refusal?.why}`;
  };
  const holder = (source: DeviceSource): string | null => {
    const entry = holderOf(bench.core.state, reach, source);
    return entry !== null && 'device' in entry ? entry.device.deviceId : null;
  };
  return { bench, connect, holder };
}

const dnp3 = (connectionId: string): DeviceSource => ({ kind: 'dnp3', connectionId, mapRevision: 'r1' });
const tesla = (vendorDeviceId: string): DeviceSource => ({ kind: 'oem', oem: 'tesla', vendorDeviceId });
const reach = (
  sites: Readonly<Record<string, string | null>>,
  clouds: Readonly<Record<string, string>> = {},
): Reach => ({
  sites: new Map(Object.entries(sites)),
  clouds: new Map(Object.entries(clouds)) as Reach['clouds'],
});

describe('whose the outside is', () => {
  test('the first workspace that connects a site has it; to others it is as one that does not exist', () => {
    const p = plant(reach({ north: null }));
    expect(p.connect('A', dnp3('north'))).toBe('d1');
    expect(p.connect('B', dnp3('north'))).toBe('unknown: no connection "north"');
    expect(p.connect('B', dnp3('nowhere'))).toBe('unknown: no connection "nowhere"');
    expect(p.connect('A', dnp3('north'))).toBe('conflict: d1 is connected to it already');
    expect(p.holder(dnp3('north'))).toBe('d1');
  });

  test('a site that names its workspace waits for it', () => {
    const p = plant(reach({ north: 'B' }));
    expect(p.connect('A', dnp3('north'))).toBe('unknown: no connection "north"');
    expect(p.connect('B', dnp3('north'))).toBe('d2');
  });

  test('a device at its maker is connected once, however its name is written; nobody is told by whom', () => {
    const p = plant(reach({}));
    expect(p.connect('A', tesla('1000003'))).toBe('d1');
    for (const name of ['1000003', '01000003']) {
      const refused = p.connect('B', tesla(name));
      expect(refused).toBe(`conflict: ${name} at tesla is connected already`);
    }
    expect(p.connect('A', tesla('01000003'))).toBe('conflict: d1 is connected to it already');
    expect(p.connect('A', tesla('STE-1'))).toBe('d5');
    expect(p.connect('B', tesla('ste-1'))).toMatch(/^conflict/);
    expect(p.connect('B', { kind: 'oem', oem: 'enphase', vendorDeviceId: '1000003' })).toBe('d7');
  });

  test('a cloud that names its workspace is no connection of another; other clouds are for all', () => {
    const p = plant(reach({}, { tesla: 'A' }));
    expect(p.connect('B', tesla('1'))).toBe('unknown: no connection "tesla"');
    expect(p.connect('A', tesla('1'))).toBe('d2');
    expect(p.connect('B', { kind: 'oem', oem: 'enphase', vendorDeviceId: '1' })).toBe('d3');
  });

  test('a workspace that is named later cuts off the one that was quicker, and may connect', () => {
    const early = plant(reach({ north: null }));
    expect(early.connect('A', dnp3('north'))).toBe('d1');
    const { state } = early.bench.core;
    const named = reach({ north: 'B' });
    expect(holderOf(state, named, dnp3('north'))).toBeNull();
    const late = plant(named);
    late.bench.core.replay(
      early.bench.facts.map((f) => f.fact),
      late.bench.nowMs,
    );
    expect(late.holder(dnp3('north'))).toBeNull();
    expect(late.connect('A', dnp3('north'), 'sA')).toMatch(/^(unknown|conflict)/);
    const device = { ...state.devices.get('d1')?.device, deviceId: 'new', workspaceId: 'B', siteId: 'sB' } as Device;
    expect(late.bench.put({ kind: 'connect-device', device }).refusals).toEqual([]);
    expect(late.holder(dnp3('north'))).toBe('new');
  });

  test('nothing is connected at the site of another workspace', () => {
    const p = plant();
    expect(p.connect('A', tesla('1'), 'sB')).toBe('unknown: sB: no such site');
  });

  test('a simulated world is not told what there is: any name goes, once', () => {
    const p = plant();
    expect([p.connect('A', dnp3('x')), p.connect('A', dnp3('y'))]).toEqual(['d1', 'd2']);
    expect(p.connect('A', dnp3('x'))).toBe('conflict: d1 is connected to it already');
  });

  test('sites and makers share no names', () => {
    expect(sourceKey(dnp3('tesla/1'))).not.toBe(sourceKey(tesla('1')));
  });
});
