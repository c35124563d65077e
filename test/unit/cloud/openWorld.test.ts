import { expect, test } from 'vitest';
import { controlRoute } from '../../../harness/cloud/control.ts';
import { Faults } from '../../../harness/cloud/faults.ts';
import { createOpenWorld } from '../../../harness/cloud/openWorld.ts';
import { Kernel } from '../../../harness/kernel/kernel.ts';
import { randomSource } from '../../../harness/kernel/random.ts';

const START_MS = Date.UTC(2024, 6, 10, 22);

function bench() {
  const scheduler = new Kernel({ startMs: START_MS });
  const random = randomSource('open');
  const world = createOpenWorld({ scheduler, random, devices: 8 });
  const served = { server: { world, faults: new Faults(random('faults')), requests: 0 }, scheduler };
  const ask = (method: 'GET' | 'POST', path: string, body: unknown = null) => {
    const request = { method, path, headers: {}, body: body === null ? '' : JSON.stringify(body) };
    const response = controlRoute(served, request);
    return { status: response.status, body: JSON.parse(response.body) };
  };
  return { scheduler, world, ask };
}

test('the open cloud has two of each kind behind it, which live as time passes', () => {
  const { scheduler, world, ask } = bench();
  const kinds = ask('GET', '/testbed/state').body.devices.map((d: { kind: string }) => d.kind);
  const round = ['charger', 'vehicle', 'thermostat', 'inverter'];
  expect(kinds).toEqual([...round, ...round]);
  const before = world.shown().devices[2]?.state;
  scheduler.run(START_MS + 24 * 3_600_000);
  const after = world.shown().devices[2]?.state;
  expect(after).toMatchObject({ kind: 'thermostat', operatingMode: 'cool', coolTarget: 76 });
  expect(after?.kind === 'thermostat' && after.ambientTemperature).not.toBe(
    before?.kind === 'thermostat' && before.ambientTemperature,
  );
});

test('a test takes a device off its cloud; what the cloud does not know is refused in words', () => {
  const { ask } = bench();
  const vendorDeviceId = '1000002';
  expect(ask('POST', '/testbed/device', { vendorDeviceId, online: false }).body).toMatchObject({ online: false });
  expect(ask('GET', `/testbed/state?device=${vendorDeviceId}`).body.devices).toMatchObject([{ online: false }]);
  expect(ask('POST', '/testbed/device', { vendorDeviceId, reservePct: 20 }).status).toBe(409);
  expect(ask('POST', '/testbed/storm', { vendorDeviceId, active: true })).toEqual({
    status: 409,
    body: { error: 'this cloud knows no storms' },
  });
  expect(ask('POST', '/testbed/program', { programId: 'p' }).status).toBe(409);
  expect(ask('POST', '/testbed/behaviour', { down: true }).body).toMatchObject({ down: true });
});
