import { type CloudWorldOptions, createCloudWorld, type DeviceShown } from '../../harness/cloud/cloudWorld.ts';
import { CloudServer } from '../../harness/cloud/server.ts';
import { randomSource } from '../../harness/kernel/random.ts';
import { OemHttpLink, type OemHttpOptions } from '../../src/live/oemHttp.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { createOemSession, type OemConfig } from '../../src/oem/index.ts';
import type { BatteryOem, OemJob, OemReply } from '../../src/ports/oem.ts';

/** A served cloud and a link to it over the loopback, on one clock that a test steps. */
export const START_MS = Date.UTC(2024, 6, 10);
export const DEVICE = '1000001';

export interface LiveCloud {
  readonly clock: SteppedClock;
  readonly server: CloudServer;
  readonly link: OemHttpLink;
  readonly replies: OemReply[];
  /** Lets time pass; everything due and in flight happens. */
  run(ms: number): Promise<void>;
  /** Submits a job and lets time pass in steps until its reply is there. */
  ask(job: OemJob): Promise<OemReply>;
  replyTo(jobId: string): OemReply | undefined;
  device(vendorDeviceId?: string): DeviceShown;
  /** Another link with a session that knows nothing, as after a restart; its replies come into the same list. */
  restart(): OemHttpLink;
  close(): Promise<void>;
}

export interface LiveCloudOptions {
  readonly world?: Partial<CloudWorldOptions>;
  readonly link?: Partial<OemHttpOptions>;
  readonly session?: Partial<OemConfig>;
}

/** Limits of the machine's time are short here: a test does not wait ten seconds for a body that never ends. */
const LIMIT_MS = 300;
const ASK_STEPS = 600;

export async function liveCloud(oem: BatteryOem, options: LiveCloudOptions = {}): Promise<LiveCloud> {
  const clock = new SteppedClock({ startMs: START_MS, frozen: true });
  const random = randomSource('test');
  const world = createCloudWorld({
    oem,
    scheduler: clock,
    random,
    devices: 3,
    programIds: ['prog-1'],
    enrolled: true,
    behaviour: { deliveryFailureRatio: 0, commandTailRatio: 0 },
    ...options.world,
  });
  const server = await CloudServer.listen({ world, scheduler: clock, random: random('faults'), port: 0 });
  const replies: OemReply[] = [];
  const links: OemHttpLink[] = [];
  const connect = (): OemHttpLink => {
    const link = new OemHttpLink({
      session: createOemSession(oem, { ...world.credentials, ...options.session }),
      baseUrl: server.url,
      clock,
      limitMs: LIMIT_MS,
      onReply: (reply) => void replies.push(reply),
      ...options.link,
    });
    links.push(link);
    clock.watch(() => link.inFlight(), `requests to ${oem}`);
    return link;
  };
  const link = connect();
  await clock.advanceTo(START_MS + 1);
  const replyTo = (jobId: string): OemReply | undefined => replies.find((r) => r.jobId === jobId && r.kind !== 'kept');
  const run = (ms: number): Promise<void> => clock.advanceTo(clock.nowMs() + ms);
  return {
    clock,
    server,
    link,
    replies,
    run,
    ask: async (job) => {
      link.submit(job);
      for (let n = 0; n < ASK_STEPS; n++) {
        const reply = replyTo(job.jobId);
        if (reply !== undefined) return reply;
        await run(n === 0 ? 0 : 2_000);
      }
      throw new Error(`no reply to ${job.jobId}`);
    },
    replyTo,
    device: (id = DEVICE) => {
      const found = world.shown().devices.find((d) => d.vendorDeviceId === id);
      if (found === undefined) throw new Error(`no device ${id}`);
      return found;
    },
    restart: connect,
    close: async () => {
      clock.stop();
      for (const l of links) l.stop();
      await server.close();
    },
  };
}

type Control = Extract<OemJob, { kind: 'control' }>;

export const control = (jobId: string, change: Partial<Control> = {}): Control => ({
  kind: 'control',
  jobId,
  vendorDeviceId: DEVICE,
  route: 'grid_services',
  mode: 'discharge',
  mayExport: true,
  powerW: 3_000,
  startMs: START_MS + 600_000,
  endMs: START_MS + 4_200_000,
  reservePctMin: 20,
  reservePctMax: 100,
  notAfterMs: START_MS + 900_000,
  ...change,
});

export const read = (jobId: string, vendorDeviceId: string = DEVICE): OemJob => ({
  kind: 'read-state',
  jobId,
  vendorDeviceId,
});
