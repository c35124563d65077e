import { setTimeout as sleep } from 'node:timers/promises';
import { vitals } from '../processes.ts';
import { Bed, HOME_W } from './bed.ts';
import { type Bend, cutAfterEffect, drip, failWith, only, pour, type RigOem, rewrite, silence } from './cloud.ts';
import { type Group, group, must, type Row, seconds, until, yes } from './row.ts';

/**
 * What makers' clouds do wrong. SolarEdge's has no idempotency and keeps a record of each command: once is told from it.
 * Tesla's has tokens, tells when to come back, and shows a sample each second: effects are told from it.
 */
const component = 'cloud' as const;
/** An answer is waited for so long; reading back looks a second time after 30 s. */
const TIMEOUT_MS = 10_000;
const FLOOD_MS = 4_000;
const STRAY_MS = 1_000;

/** Runs with a cloud bent, and straightens it whatever happens. */
async function bent<T>(bed: Bed, oem: RigOem, bend: Bend, run: () => Promise<T>): Promise<T> {
  bed.cloud(oem).bend = bend;
  try {
    return await run();
  } finally {
    bed.cloud(oem).bend = null;
  }
}

const partOk = (bed: Bed, oem: RigOem, ms: number) => {
  let seen = '';
  return until(
    `${oem} is well again`,
    ms,
    async () => {
      const { ok, why } = await bed.part(`main/cloud/${oem}`);
      seen = why;
      return yes(ok);
    },
    () => seen,
  );
};

/** A cloud that is not broken takes a command at once. */
async function othersWell(bed: Bed, oem: RigOem, n: number): Promise<void> {
  const id = await bed.commanded(bed.deviceOf(oem, n).deviceId, oem === 'tesla' ? {} : { powerW: 1_234 });
  await bed.reaches(id, ['acknowledged'], 5_000);
}

const throttledSaying: Row<Bed> = {
  component,
  fault: '429 with Retry-After',
  expectation: 'nothing is asked before that time, then the command arrives',
  run: async (bed) => {
    const cloud = bed.cloud('tesla');
    const WAIT_S = 6;
    const fromMs = Date.now();
    let refusedMs = 0;
    const throttle: Bend = (exchange) => {
      if (exchange.target === 'token' || (refusedMs > 0 && Date.now() - refusedMs > 500)) return null;
      refusedMs ||= Date.now();
      return { status: 429, headers: { 'retry-after': String(WAIT_S) }, body: '{}' };
    };
    return bent(bed, 'tesla', throttle, async () => {
      await until('a request is refused', 10_000, () => yes(refusedMs > 0));
      const id = await bed.commanded(bed.deviceOf('tesla', 0).deviceId);
      await bed.reaches(id, ['acknowledged'], 20_000);
      // Those that were on the way when the first was refused do not count.
      const next = cloud.since(fromMs).find((e) => e.atMs > refusedMs + 500);
      const pauseMs = (next?.atMs ?? 0) - refusedMs;
      must(pauseMs >= WAIT_S * 1_000 - 100, `asked again after ${seconds(pauseMs)}`);
      return `asked again after ${seconds(pauseMs)}`;
    });
  },
};

const throttledSilent: Row<Bed> = {
  component,
  fault: '429 without Retry-After',
  expectation: 'after 4 s at most one try a second; what passes its end meanwhile expires and never leaves',
  run: async (bed) => {
    const { deviceId, vendorDeviceId } = bed.deviceOf('solaredge', 0);
    const fromMs = Date.now();
    const id = await bent(bed, 'solaredge', failWith(429), async () => {
      await until('a request is refused', 10_000, () => yes(bed.cloud('solaredge').since(fromMs).length > 0));
      // What may be under way at once halves at each refusal, from 20, and the pauses double from 1 s.
      await sleep(4_000);
      const late = await bed.commanded(deviceId, { powerW: 1_111, forS: 8 });
      const calmMs = Date.now();
      await sleep(10_000);
      const tries = bed.cloud('solaredge').since(calmMs).length;
      must(tries <= 10, `${tries} tries in 10 s`);
      return late;
    });
    await bed.reaches(id, ['expired'], 40_000);
    const kept = bed
      .cloud('solaredge')
      .device(vendorDeviceId)
      .commands.filter((c) => c.powerW === 1_111);
    must(kept.length === 0, 'the cloud has the command whose time was over');
    await partOk(bed, 'solaredge', 60_000);
    return `${bed.cloud('solaredge').since(fromMs).length} requests in all`;
  },
};

const broken = (status: number, oem: RigOem, other: RigOem): Row<Bed> => ({
  component,
  fault: `${status} to everything`,
  expectation:
    'the circuit opens after 5 failures, single probes follow, the other cloud does not notice; it closes again',
  run: async (bed) => {
    const cloud = bed.cloud(oem);
    const fromMs = Date.now();
    const words = await bent(bed, oem, failWith(status), async () => {
      const why = await until('the circuit opens', 60_000, async () => {
        const part = await bed.part(`main/cloud/${oem}`);
        return part.why.includes('circuit open') ? part.why : null;
      });
      const openMs = Date.now();
      await othersWell(bed, other, 1);
      await sleep(4_000);
      // What was under way when it opened comes in a little later.
      const during = cloud.since(openMs + STRAY_MS);
      const paths = during.map((e) => `${e.request.method} ${e.request.path}`).join(', ');
      must(during.length <= 2, `${during.length} requests while the circuit was open: ${paths}`);
      await until('a probe', 40_000, () => yes(cloud.since(openMs + STRAY_MS).length > 0));
      return why;
    });
    await partOk(bed, oem, 60_000);
    return `${words.split(';')[0]}; well again ${seconds(Date.now() - fromMs)} after the first failure`;
  },
});

/** The effect happened and nobody said so: read back, and not sent again. */
const lostAnswer = (name: string, bend: Bend, n: number): Row<Bed> => ({
  component,
  fault: name,
  expectation: 'it is read back, acknowledged, and stands at the cloud once',
  run: async (bed) => {
    const { deviceId, vendorDeviceId } = bed.deviceOf('solaredge', n);
    const powerW = 2_000 + n;
    const fromMs = Date.now();
    let struck = 0;
    const once = only('control', (...at) => (struck++ === 0 ? bend(...at) : null));
    const id = await bent(bed, 'solaredge', once, async () => {
      const accepted = await bed.commanded(deviceId, { powerW });
      await bed.reaches(accepted, ['acknowledged'], 2 * TIMEOUT_MS + 40_000);
      return accepted;
    });
    must(struck >= 1, 'the fault did not strike');
    const kept = bed
      .cloud('solaredge')
      .device(vendorDeviceId)
      .commands.filter((c) => c.powerW === powerW);
    must(kept.length === 1, `${kept.length} of it at the cloud`);
    return `${id} acknowledged after ${seconds(Date.now() - fromMs)}, 1 at the cloud`;
  },
});

const flooded: Row<Bed> = {
  component,
  fault: 'a body of 1 GB, announced',
  expectation: 'cut at 1 MB; memory does not grow with it',
  run: async (bed) => {
    await partOk(bed, 'tesla', 60_000);
    const before = vitals(bed.process.pid).rss;
    let largest = before;
    const fromMs = Date.now();
    await bent(bed, 'tesla', only('read', pour(true)), async () => {
      await until('the fault strikes three times', 40_000, () => {
        largest = Math.max(largest, vitals(bed.process.pid).rss);
        return yes(Date.now() - fromMs > FLOOD_MS && bed.cloud('tesla').since(fromMs, 'read').length >= 3);
      });
    });
    const grownMb = Math.round((largest - before) / 1e6);
    must(grownMb < 100, `memory grew by ${grownMb} MB`);
    await partOk(bed, 'tesla', 60_000);
    return `memory grew by ${grownMb} MB`;
  },
};

/** The same device's newest sample stays what it was, whatever the reads say. */
const nonsense = (
  name: string,
  bend: Bend,
  isBad: (state: { chargePercentage: number } | null) => boolean,
): Row<Bed> => ({
  component,
  fault: name,
  expectation: 'no such value is shown or used, the service stays up, and good answers are taken again',
  run: async (bed) => {
    await partOk(bed, 'tesla', 60_000);
    const { deviceId } = bed.deviceOf('tesla', 2);
    const device = () => bed.need(`/v1/devices/${deviceId}`);
    await until('there is a sample', 20_000, async () => yes((await device()).state !== null));
    const fromMs = Date.now();
    const last = await bent(bed, 'tesla', only('read', bend), async () => {
      await until('three reads', 20_000, () => yes(bed.cloud('tesla').since(fromMs, 'read').length >= 3));
      await sleep(2_000);
      const { state } = await device();
      must(!isBad(state), `the device shows ${JSON.stringify(state)}`);
      must(Date.parse(state.createdAt) <= fromMs + 1_000, 'a sample was taken from a broken answer');
      return state.createdAt;
    });
    await until('a good sample', 90_000, async () => yes((await device()).state.createdAt > last));
    return `${bed.cloud('tesla').since(fromMs, 'read').length} reads; good again after ${seconds(Date.now() - fromMs)}`;
  },
});

const stale: Row<Bed> = {
  component,
  fault: 'samples that stay an hour old',
  expectation: 'the device is not taken as reporting: a command ends without being called a success',
  run: async (bed) => {
    await partOk(bed, 'tesla', 60_000);
    const { deviceId } = bed.deviceOf('tesla', 3);
    const old = rewrite((text) =>
      text.replace(/"timestamp":"[^"]+"/, `"timestamp":"${new Date(Date.now() - 3_600_000).toISOString()}"`),
    );
    return bent(bed, 'tesla', only('read', old), async () => {
      const id = await bed.commanded(deviceId, { forS: 6 });
      const ended = await bed.reaches(id, ['failed', 'succeeded', 'partial', 'ignored'], 40_000);
      must(ended.status === 'failed', `it ${ended.status}: ${ended.detail}`);
      must(ended.reason === 'no_telemetry' || ended.reason === 'device_offline', `failed for ${ended.reason}`);
      const { isReachable } = await bed.need(`/v1/devices/${deviceId}`);
      return `${ended.reason}; reachable: ${isReachable}`;
    });
  },
};

const expiredToken: Row<Bed> = {
  component,
  fault: 'the token ends in the middle of a batch',
  expectation: 'one refresh for all of them, and each command arrives once',
  run: async (bed) => {
    await partOk(bed, 'tesla', 60_000);
    const cloud = bed.cloud('tesla');
    const ids = bed.devices.get('tesla') ?? [];
    const fromMs = Date.now();
    const input = { operatingMode: 'discharge', enableGridInteraction: true, executionPriority: ['baseline'] };
    const endsAt = new Date(fromMs + 600_000).toISOString();
    const body = { deviceIds: ids, command: { slug: 'battery:set-operating-mode', input }, endsAt };
    const asked = bed.need('/v1/batch-commands', { body });
    cloud.world.cloud.revokeTokens();
    const { commands } = await asked;
    for (const { id } of commands) await bed.reaches(id, ['acknowledged'], 20_000);
    const refreshes = cloud.since(fromMs, 'token').length;
    must(refreshes === 1, `${refreshes} token requests`);
    return `${commands.length} commands acknowledged, 1 refresh`;
  },
};

const refusedToken: Row<Bed> = {
  component,
  fault: 'the refresh is answered 401',
  expectation: 'the cloud is paused and health says so; the other goes on; it comes back by itself',
  run: async (bed) => {
    await partOk(bed, 'tesla', 60_000);
    const fromMs = Date.now();
    await bent(bed, 'tesla', only('token', failWith(401)), async () => {
      bed.cloud('tesla').world.cloud.revokeTokens();
      await until('health names the token', 20_000, async () =>
        yes((await bed.part('main/cloud/tesla')).why.includes('no access token')),
      );
      await othersWell(bed, 'solaredge', 4);
      await sleep(5_000);
      const tries = bed.cloud('tesla').since(fromMs, 'token').length;
      must(tries <= 2, `${tries} token requests in 5 s`);
    });
    await partOk(bed, 'tesla', 90_000);
    return `paused and back after ${seconds(Date.now() - fromMs)}`;
  },
};

const swallowed: Row<Bed> = {
  component,
  fault: 'accepts and never executes',
  expectation: 'failed: no_effect',
  run: async (bed) => {
    await partOk(bed, 'tesla', 60_000);
    const { deviceId } = bed.deviceOf('tesla', 4);
    bed.cloud('tesla').world.cloud.setBehaviour({ swallowRatio: 1 });
    try {
      const ended = await bed.reaches(
        await bed.commanded(deviceId, { powerW: HOME_W, forS: 8 }),
        ['failed', 'succeeded', 'partial'],
        40_000,
      );
      must(ended.reason === 'no_effect', `${ended.status} ${ended.reason}: ${ended.detail}`);
      return ended.detail ?? '';
    } finally {
      bed.cloud('tesla').world.cloud.setBehaviour({ swallowRatio: 0 });
    }
  },
};

const executed: Row<Bed> = {
  component,
  fault: 'none (the measure of the row above)',
  expectation: 'succeeded: effect_seen',
  run: async (bed) => {
    await partOk(bed, 'tesla', 60_000);
    const id = await bed.commanded(bed.deviceOf('tesla', 5).deviceId, { powerW: HOME_W, forS: 8 });
    const ended = await bed.reaches(id, ['failed', 'succeeded', 'partial'], 40_000);
    must(ended.reason === 'effect_seen', `${ended.status} ${ended.reason}: ${ended.detail}`);
    return ended.detail ?? '';
  },
};

const storm: Row<Bed> = {
  component,
  fault: 'Storm Guard begins between the look and the send',
  expectation: 'accepted and sent, then ignored: storm_guard',
  run: async (bed) => {
    await partOk(bed, 'tesla', 60_000);
    const { deviceId, vendorDeviceId } = bed.deviceOf('tesla', 1);
    const cloud = bed.cloud('tesla');
    // What was known before the storm is all that the service has: its reads wait.
    const id = await bent(
      bed,
      'tesla',
      only('read', (e) => (e.request.path.includes('live_status') ? { status: 503, headers: {}, body: '' } : null)),
      async () => {
        cloud.world.storm({ vendorDeviceId }, true);
        const accepted = await bed.commanded(deviceId);
        await bed.reaches(accepted, ['sent', 'acknowledged'], 10_000);
        return accepted;
      },
    );
    const ended = await bed.reaches(id, ['ignored'], 60_000);
    must(ended.reason === 'storm_guard', `ignored for ${ended.reason}`);
    const second = await bed.commanded(deviceId);
    must((await bed.statusOf(second)).status === 'ignored', 'a later command was not ignored at once');
    cloud.world.storm({ vendorDeviceId }, false);
    await until('the storm is over for the service', 10_000, async () =>
      yes((await bed.need(`/v1/devices/${deviceId}`)).isStormModeActive === false),
    );
    return ended.detail ?? '';
  },
};

const page: Bend = () => ({
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: '<!DOCTYPE html><html><body>Please log in</body></html>',
});
const soc = (value: string): Bend =>
  rewrite((text) => text.replace(/"percentage_charged":[^,}]+/, `"percentage_charged":${value}`));
const isOutside = (state: { chargePercentage: number } | null): boolean =>
  state === null || !(state.chargePercentage >= 0 && state.chargePercentage <= 100);
const drifted: Bend = rewrite((text) => text.replaceAll('battery_power', 'batteryPower').replaceAll('backup_', 'b_'));
const halved: Bend = rewrite((text) => text.slice(0, Math.floor(text.length / 2)));

/** The effect happens, then the bent answer. */
const after =
  (bend: Bend): Bend =>
  (exchange, answer, to) => {
    answer();
    return bend(exchange, answer, to);
  };

const bed = (name: string) => (): Promise<Bed> => Bed.open({ name, clouds: ['tesla', 'solaredge'] });
const close = (b: Bed): Promise<void> => b.close();

export const CLOUD_GROUPS: readonly Group[] = [
  group('lost', bed('lost'), close, [
    lostAnswer('an answer that never comes, after the effect', silence, 1),
    lostAnswer('the connection is cut after the effect', cutAfterEffect, 2),
    lostAnswer('an answer octet by octet', after(drip), 3),
    lostAnswer('an answer without an end', after(pour(false)), 4),
    lostAnswer('garbage in place of the answer', halved, 5),
    lostAnswer('a web page with status 200 in place of the answer', after(page), 0),
    throttledSilent,
    broken(503, 'solaredge', 'tesla'),
  ]),
  group('values', bed('values'), close, [
    executed,
    swallowed,
    storm,
    expiredToken,
    throttledSaying,
    nonsense('garbage JSON', halved, isOutside),
    nonsense('a web page with status 200', page, isOutside),
    nonsense('names of the answer have changed', drifted, isOutside),
    nonsense('a state of charge that is no number', soc('"NaN"'), isOutside),
    nonsense('a state of charge of 140 %', soc('140'), isOutside),
    stale,
    flooded,
    refusedToken,
    broken(500, 'tesla', 'solaredge'),
  ]),
];
