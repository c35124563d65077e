import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Core } from '../../src/core/core.ts';
import type { CoreInput } from '../../src/core/input.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import { restoreState, snapshotOf } from '../../src/core/snapshot.ts';
import { holderOf, type Reach, sourceKey } from '../../src/core/sources.ts';
import type { Fact } from '../../src/domain/fact.ts';
import { CAPABILITIES, T0, ZONE } from '../helpers/coreBench.ts';

const WORKSPACES = ['A', 'B'] as const;
const OEMS = ['enphase', 'tesla', 'open', 'dnp3'] as const;
/** Names that a maker may read as one device, and others. */
const NAMES = ['1', '01', '001', '10', 'x', 'X', '0'] as const;

interface Act {
  readonly who: (typeof WORKSPACES)[number];
  /** Whose site it says. */
  readonly at: (typeof WORKSPACES)[number];
  readonly oem: (typeof OEMS)[number];
  readonly name: (typeof NAMES)[number];
  /** A device's id may be tried again. */
  readonly deviceId: number;
  /** Afterwards the core goes on from a snapshot. */
  readonly restart: boolean;
}

const act: fc.Arbitrary<Act> = fc.record({
  who: fc.constantFrom(...WORKSPACES),
  at: fc.constantFrom(...WORKSPACES),
  oem: fc.constantFrom(...OEMS),
  name: fc.constantFrom(...NAMES),
  deviceId: fc.nat(30),
  restart: fc.boolean(),
});

const reaches: readonly (Reach | undefined)[] = [
  undefined,
  { sites: new Map(NAMES.map((n) => [n, null])), clouds: new Map() },
  {
    sites: new Map(NAMES.map((n) => [n, n === 'x' ? 'A' : n === '1' ? 'B' : null])),
    clouds: new Map([['tesla', 'B']]),
  },
];

function inputOf({ who, at, oem, name, deviceId }: Act): CoreInput {
  const bare = {
    deviceId: `d${deviceId}`,
    workspaceId: who,
    siteId: `s${at}`,
    manufacturer: 'M',
    model: 'M',
    tags: [],
  };
  if (oem === 'open') {
    const source = { kind: 'oem', oem, vendorDeviceId: name } as const;
    return { kind: 'connect-appliance', appliance: { ...bare, kind: 'vehicle', source } };
  }
  const nameplate = { usableWh: 1, chargeWMax: 1, dischargeWMax: 1 };
  const source =
    oem === 'dnp3'
      ? ({ kind: 'dnp3', connectionId: name, mapRevision: 'r' } as const)
      : ({ kind: 'oem', oem, vendorDeviceId: name } as const);
  return { kind: 'connect-device', device: { ...bare, kind: 'battery', nameplate, source } };
}

const connectedBy = (fact: Fact) =>
  fact.type === 'device.connected' ? fact.device : fact.type === 'appliance.connected' ? fact.appliance : null;

test('whatever two tenants connect, no source has two devices, and none is had by whom it is not for', () => {
  let [taken, refused] = [0, 0];
  fc.assert(
    fc.property(fc.constantFrom(...reaches), fc.array(act, { maxLength: 40 }), (reach, acts) => {
      const settings = { ...defaultSettings(CAPABILITIES), ...(reach === undefined ? {} : { reach }) };
      let core = new Core(settings);
      const devices = new Map<string, string>();
      for (const w of WORKSPACES) {
        core.handle({ kind: 'create-workspace', workspace: { workspaceId: w, name: w, gridServices: true } }, T0);
        const site = { siteId: `s${w}`, workspaceId: w, customerId: 'c', name: w, timeZone: ZONE };
        core.handle({ kind: 'create-site', site }, T0);
      }
      for (const a of acts) {
        const { facts, refusals } = core.handle(inputOf(a), T0);
        refused += refusals.length;
        // A refusal says nothing of the other workspace.
        const other = [...core.state.devices.values()].filter((e) => e.device.workspaceId !== a.who);
        for (const { why } of refusals) {
          for (const { device } of other)
            if (device.deviceId !== `d${a.deviceId}`) expect(why).not.toContain(device.deviceId);
        }
        for (const fact of facts) {
          const device = connectedBy(fact);
          if (device === null) continue;
          taken += 1;
          expect(a.who).toBe(a.at);
          const key = sourceKey(device.source);
          expect(devices.get(key), key).toBeUndefined();
          devices.set(key, device.deviceId);
          const owner = device.source.kind === 'dnp3' ? reach?.sites.get(device.source.connectionId) : null;
          expect([null, undefined, device.workspaceId]).toContain(owner);
          expect(holderOf(core.state, reach, device.source)).not.toBeNull();
        }
        if (a.restart) core = new Core(settings, restoreState(JSON.parse(JSON.stringify(snapshotOf(core.state)))));
      }
      expect(core.state.sources).toEqual(devices);
    }),
  );
  expect(Math.min(taken, refused)).toBeGreaterThan(100);
});
