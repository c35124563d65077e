import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CloudWorld } from '../../harness/cloud/cloudWorld.ts';
import type { OpenWorld } from '../../harness/cloud/openWorld.ts';
import { randomSource } from '../../harness/kernel/random.ts';
import {
  DEMO,
  DEMO_ADDRESSES,
  DEMO_OEMS,
  demoCloud,
  demoOpenCloud,
  demoSite,
  furnish,
} from '../../harness/serve/demo.ts';
import { HttpWire, PERFECT_LINK } from '../../harness/wire/http.ts';
import { BytePipe } from '../../harness/wire/pipe.ts';
import { createOemLink } from '../../harness/world/oemLink.ts';
import { createApi } from '../../src/api/server.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import { STANDARD_MAP } from '../../src/domain/pointsMap.ts';
import { FieldConnector } from '../../src/field/connector.ts';
import { createApiTools, keysInMemory } from '../../src/live/apiTools.ts';
import { Around, type CloudLink, type SiteLink } from '../../src/live/host/around.ts';
import { Host } from '../../src/live/host/host.ts';
import { openTelemetry } from '../../src/live/host/telemetry.ts';
import { openJournal } from '../../src/live/journal/journal.ts';
import { newApiKey } from '../../src/live/keys.ts';
import type { SteppedClock } from '../../src/live/steppedClock.ts';
import { DirectPost } from '../../src/live/webhooks/directPost.ts';
import { SecretStore } from '../../src/live/webhooks/secrets.ts';
import { WebhookSender } from '../../src/live/webhooks/sender.ts';
import { CAPABILITIES, createOemSession } from '../../src/oem/index.ts';
import { PRIORITY, type TimerHandle } from '../../src/ports/clock.ts';
import type { FieldEvent } from '../../src/ports/field.ts';
import type { OemReply } from '../../src/ports/oem.ts';
import { BATTERIES, type World, type WorldOptions } from './flowsWorld.ts';

/** The same plant without a socket: what the demo speaks with over the loopback is called in this process. */
export async function openDirect({ dir, clock, onHook }: WorldOptions): Promise<World> {
  mkdirSync(dir, { recursive: true });
  const random = randomSource('flows');
  const clouds = new Map(DEMO_OEMS.map((oem) => [oem, demoCloud(oem, { clock, random, devices: BATTERIES })]));
  const open = demoOpenCloud({ clock, random });
  const telemetry = openTelemetry(join(dir, 'telemetry.db'), () => clock.nowMs());
  const secrets = new SecretStore(join(dir, 'secrets.json'));
  const receive = (request: { headers: Readonly<Record<string, string>>; body: string }) => {
    onHook(request);
    return { status: 204, headers: {}, body: '' };
  };
  const outbox = new WebhookSender({
    dir: join(dir, 'deliveries'),
    secrets,
    post: new DirectPost({ scheduler: clock, receiverAt: (origin) => (origin === RECEIVER ? receive : null) }),
    schedulerOf: () => clock,
    wallNowMs: () => clock.nowMs(),
  });
  const around = new Around({
    clock,
    testClock: true,
    capabilities: CAPABILITIES,
    clouds: new Map([...clouds.values(), open].map((world) => [world.oem, cloudLink(world, clock)])),
    sites: new Map([[DEMO.connectionId, (onEvent) => new PipeSite(clock, onEvent)]]),
    telemetry,
  });
  const journal = await openJournal({ dir: join(dir, 'journal'), build: 'test' });
  const settings = defaultSettings(CAPABILITIES);
  const host = new Host({ journal, settings, telemetry, outbox, secrets, outside: () => around });
  await host.begin();
  const { api, operator } = await openFace(host);
  const keys = await furnish(host);
  return {
    keys: { ...keys, operator },
    clouds,
    open,
    receiverUrl: `${RECEIVER}/hooks`,
    request: async (method, url, headers, body) => {
      const reply = await api.inject({
        method: method as 'GET',
        url,
        headers,
        ...(body === undefined ? {} : { payload: body }),
      });
      return { status: reply.statusCode, text: reply.body };
    },
    close: async () => {
      await api.close();
      await host.close();
      telemetry.close();
      clock.stop();
    },
  };
}

const RECEIVER = 'https://receiver.example';

/** @throws what the service would report as a bug, out of the request that met it */
async function openFace(host: Host) {
  const report = (error: unknown): void => {
    throw error;
  };
  const tools = createApiTools({ keys: await keysInMemory(), report });
  const { text: operator, hash } = newApiKey();
  const api = await createApi(host, tools, {
    version: 'test',
    issuer: 'vpp-testbed',
    audience: 'vpp-testbed',
    operatorKeyHashes: [hash],
    rate: { perSecond: 10_000, burst: 10_000 },
  });
  await api.ready();
  return { api, operator };
}

const cloudLink =
  (world: CloudWorld | OpenWorld, clock: SteppedClock) =>
  (onReply: (reply: OemReply) => void): CloudLink => {
    const { oem, credentials, cloud } = world;
    const random = randomSource(oem);
    const wire = new HttpWire({ scheduler: clock, random, name: oem, link: PERFECT_LINK, handler: cloud.handle });
    const session = createOemSession(oem, { ...credentials, random: random('retries') });
    const link = createOemLink({ scheduler: clock, session, wire, onReply });
    return {
      submit: (job) => link.submit(job),
      inFlight: () => 0,
      health: () => ({ ok: true, why: 'in this process' }),
      stop: () => {},
    };
  };

/** The connector and the RTAC with a pipe between them, in the time of the clock. */
class PipeSite implements SiteLink {
  readonly #clock: SteppedClock;
  readonly #onEvent: (event: FieldEvent) => void;
  readonly #pipe: BytePipe;
  readonly #connector = new FieldConnector({
    siteId: DEMO.connectionId,
    safety: null,
    approvals: [],
    pointsMap: STANDARD_MAP,
    addresses: DEMO_ADDRESSES,
    controlMode: 'agc',
  });
  #wake: { readonly handle: TimerHandle; readonly atMs: number } | null = null;
  #linkUp = false;

  constructor(clock: SteppedClock, onEvent: (event: FieldEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
    this.#pipe = new BytePipe({ scheduler: clock, random: randomSource('flows'), name: DEMO.connectionId });
    const { rtac } = demoSite(clock);
    rtac.onOutput(() => {
      for (const octets of rtac.takeOutput()) this.#pipe.b.send(octets);
    });
    this.#pipe.b.attach({
      onOpen: () => rtac.connected(clock.nowMs()),
      onClose: () => rtac.disconnected(clock.nowMs()),
      onData: (octets) => rtac.receive(octets, clock.nowMs()),
    });
    this.#pipe.a.attach({
      onOpen: () => this.#use((nowMs) => this.#connector.connected(nowMs)),
      onClose: () => this.#use((nowMs) => this.#connector.disconnected(nowMs)),
      onData: (octets) => this.#use((nowMs) => this.#connector.receive(octets, nowMs)),
    });
  }

  start(): void {
    this.#pipe.open();
  }

  submit(job: Parameters<SiteLink['submit']>[0]): void {
    this.#use((nowMs) => this.#connector.submit(job, nowMs));
  }

  configure(...[safety, approvals]: Parameters<SiteLink['configure']>): void {
    this.#use((nowMs) => this.#connector.configure(safety, approvals, nowMs));
  }

  inFlight(): number {
    return 0;
  }

  health(): { readonly ok: boolean; readonly why: string } {
    return { ok: this.#linkUp, why: this.#linkUp ? 'up' : 'down' };
  }

  stop(): void {
    this.#pipe.a.close();
  }

  #use(work: (nowMs: number) => void): void {
    work(this.#clock.nowMs());
    this.#connector.takeIntents();
    for (const octets of this.#connector.takeOutput()) this.#pipe.a.send(octets);
    for (const event of this.#connector.takeEvents()) {
      if (event.kind === 'link') this.#linkUp = event.up;
      this.#onEvent(event);
    }
    this.#arm();
  }

  #arm(): void {
    const atMs = this.#connector.nextTimeoutMs();
    if (this.#wake !== null && this.#wake.atMs === atMs) return;
    if (this.#wake !== null) this.#clock.cancel(this.#wake.handle);
    const onWake = (): void => {
      this.#wake = null;
      this.#use((nowMs) => this.#connector.timeout(nowMs));
    };
    this.#wake = atMs === null ? null : { atMs, handle: this.#clock.at(atMs, onWake, PRIORITY.wire) };
  }
}
