import { describe, expect, test } from 'vitest';
import { type CloudWorld, type CloudWorldOptions, createCloudWorld } from '../../../harness/cloud/cloudWorld.ts';
import { controlRoute, type Served } from '../../../harness/cloud/control.ts';
import { Faults } from '../../../harness/cloud/faults.ts';
import { Kernel } from '../../../harness/kernel/kernel.ts';
import { randomSource } from '../../../harness/kernel/random.ts';
import type { HttpRequest } from '../../../src/ports/http.ts';
import type { BatteryOem } from '../../../src/ports/oem.ts';

const START_MS = Date.UTC(2024, 6, 10, 3, 7);
const DEVICE = '1000001';
const OEMS: readonly BatteryOem[] = ['enphase', 'solaredge', 'tesla'];

interface Bench extends Served {
  readonly kernel: Kernel;
  readonly world: CloudWorld;
}

function bench(oem: BatteryOem = 'enphase', options: Partial<CloudWorldOptions> = {}): Bench {
  const kernel = new Kernel({ startMs: START_MS });
  const random = randomSource('test');
  const world = createCloudWorld({
    oem,
    scheduler: kernel,
    random,
    devices: 4,
    programIds: ['prog-1'],
    enrolled: true,
    ...options,
  });
  const faults = new Faults(random('faults'));
  kernel.run(START_MS + 1);
  return { kernel, world, scheduler: kernel, server: { world, faults, requests: 0 } };
}

function ask(
  b: Bench,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): { status: number; body: Record<string, unknown> } {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  const response = controlRoute(b, { method, path, headers: {}, body: text });
  return { status: response.status, body: JSON.parse(response.body) };
}

const of = (b: Bench, id = DEVICE) => b.world.shown().devices.find((d) => d.vendorDeviceId === id);

describe('a cloud for a test', () => {
  test.each(OEMS)('of %s has batteries that live with their homes for weeks', (oem) => {
    const b = bench(oem);
    const before = of(b)?.socPct;
    b.kernel.run(START_MS + 3 * 7 * 86_400_000);
    expect(of(b)?.operation).toBe('self-consumption');
    expect(of(b)?.socPct).not.toBe(before);
  });

  test('is the same from the same seed, and another from another', () => {
    const shown = (seed: string): string =>
      JSON.stringify(bench('enphase', { random: randomSource(seed) }).world.shown());
    expect(shown('a')).toBe(shown('a'));
    expect(shown('a')).not.toBe(shown('b'));
  });

  test('puts one device, or a zone, into a storm at once and takes it out again', () => {
    const b = bench('tesla', { behaviour: { commandDelayMsMin: 0, commandDelayMsMean: 0 } });
    expect(ask(b, 'POST', '/testbed/storm', { vendorDeviceId: DEVICE, active: true }).body).toEqual({
      why: '"High Wind Warning" triggers; 1 devices in its zones',
    });
    b.kernel.run(START_MS + 1_000);
    expect(b.world.shown().devices.map((d) => d.operation === 'storm' || d.storm === 'active')).toEqual([
      true,
      false,
      false,
      false,
    ]);
    ask(b, 'POST', '/testbed/storm', { zone: 'CAC071', active: true });
    b.kernel.run(START_MS + 2_000);
    expect(b.world.shown().devices.map((d) => d.storm === 'active')).toEqual([true, true, false, true]);
    ask(b, 'POST', '/testbed/storm', { vendorDeviceId: DEVICE, active: false });
    ask(b, 'POST', '/testbed/storm', { zone: 'CAC071', active: false });
    b.kernel.run(START_MS + 3_000);
    expect(b.world.shown().devices.map((d) => d.storm === 'active')).toEqual([false, false, false, false]);
    expect(b.world.cloud.behaviour().alertPollMs).toBe(300_000);
  });

  test('changes a device, its behaviour and its programs, and revokes its tokens', () => {
    const b = bench();
    const device = ask(b, 'POST', '/testbed/device', { vendorDeviceId: DEVICE, online: false, reservePct: 35 });
    expect(device.body).toMatchObject({ online: false, reservePct: 35 });
    expect(ask(b, 'POST', '/testbed/behaviour', { down: true, throttleFactor: 0.5 }).body).toMatchObject({
      down: true,
      throttleFactor: 0.5,
    });
    expect(ask(b, 'POST', '/testbed/program', { programId: 'another' }).status).toBe(200);
    expect(ask(b, 'POST', '/testbed/revoke-tokens').status).toBe(200);
  });

  test.each([
    ['POST', '/testbed/behaviour', { donw: true }, 400, /Did you mean "down"/],
    ['POST', '/testbed/behaviour', { down: 1 }, 400, /expected true or false/],
    ['POST', '/testbed/behaviour', { swallowRatio: 2 }, 400, /a number from 0 to 1/],
    ['POST', '/testbed/behaviour', '{', 400, /not JSON/],
    ['POST', '/testbed/storm', { vendorDeviceId: DEVICE }, 400, /active/],
    ['POST', '/testbed/storm', { active: true }, 400, /a vendorDeviceId or a zone/],
    ['POST', '/testbed/storm', { vendorDeviceId: 'nobody', active: true }, 404, /no such device/],
    ['POST', '/testbed/fault', { kind: 'reset', nxt: 1 }, 400, /nxt/],
    ['POST', '/testbed/device', { vendorDeviceId: 'nobody' }, 404, /no such device/],
    ['POST', '/testbed/nothing', {}, 404, /no such path/],
    ['GET', '/testbed/state?device=nobody', undefined, 404, /no such device/],
    ['GET', '/testbed/storm', undefined, 404, /no such path/],
  ] as const)('answers %s %s %j with %i', (method, path, body, status, words) => {
    const answer = ask(bench(), method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatch(words);
  });
});

describe('faults that wait', () => {
  const request = (method: HttpRequest['method'], path: string): HttpRequest => ({
    method,
    path,
    headers: {},
    body: '',
  });
  const read = request('GET', '/api/v1/systems/1/live_status');

  test('strike what they are meant for, as often as asked, first asked first', () => {
    const faults = new Faults(randomSource('test')('faults'));
    faults.add('reset', 'control', 1);
    faults.add('garbage', 'any', 2);
    expect(faults.take(read)).toBe('garbage');
    expect(faults.take(request('POST', '/api/v2/events'))).toBe('reset');
    expect(faults.take(request('POST', '/auth/oauth2/token?grant_type=x'))).toBe('garbage');
    expect([faults.take(read), faults.struck, faults.list()]).toEqual([null, 3, []]);
  });

  test('have a limit', () => {
    const faults = new Faults(randomSource('test')('faults'));
    const taken = Array.from({ length: 1_001 }, () => faults.add('reset', 'any', 1));
    expect(taken.filter((t) => !t)).toHaveLength(1);
  });
});
