import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { createApi } from '../../src/api/server.ts';
import { type CoreSettings, defaultSettings } from '../../src/core/settings.ts';
import type { Reach } from '../../src/core/sources.ts';
import { inputError } from '../../src/domain/errors.ts';
import { createApiTools, keysInFile } from '../../src/live/apiTools.ts';
import { FieldLink } from '../../src/live/fieldLive.ts';
import { Around, type CloudLink, type SiteLink } from '../../src/live/host/around.ts';
import { Host, REGISTRY } from '../../src/live/host/host.ts';
import { openTelemetry, type TelemetrySink } from '../../src/live/host/telemetry.ts';
import type { JournalError } from '../../src/live/journal/errors.ts';
import { makeFolder } from '../../src/live/journal/folder.ts';
import { openJournal } from '../../src/live/journal/journal.ts';
import { JOURNAL_FOLDER } from '../../src/live/journal/verify.ts';
import { operatorKeyIn } from '../../src/live/keys.ts';
import { OemHttpLink } from '../../src/live/oemHttp.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { HttpPost } from '../../src/live/webhooks/httpPost.ts';
import { SecretStore } from '../../src/live/webhooks/secrets.ts';
import { type SenderOptions, WebhookSender } from '../../src/live/webhooks/sender.ts';
import { PUBLIC_ONLY, type UrlPolicy } from '../../src/live/webhooks/urls.ts';
import { CAPABILITIES, createOemSession } from '../../src/oem/index.ts';
import type { FieldEvent } from '../../src/ports/field.ts';
import type { OemId, OemReply } from '../../src/ports/oem.ts';
import { randomSource } from '../kernel/random.ts';
import { VERSION } from '../version.ts';
import type { CloudConfig, ServeConfig, SiteConfig } from './config.ts';
import { Opened } from './opened.ts';
import { sandboxAround } from './sandbox.ts';

/** The service as one value: journal, core, clouds, sites, webhooks and the HTTP face, on a folder and a port. */
export interface RunningService {
  readonly host: Host;
  readonly api: FastifyInstance;
  readonly url: string;
  /** The key of whoever runs the service; it stands in a file of the data folder. */
  readonly operatorKey: string;
  /** The clock of production. */
  readonly clock: SteppedClock;
  /** Resolves when the journal's disk failed: reads go on until the service is closed, nothing is taken any more. */
  readonly failed: Promise<JournalError>;
  close(): Promise<void>;
}

export interface ServiceOptions {
  readonly config: ServeConfig;
  readonly settings?: CoreSettings;
  /** Production's clock; a test bed gives one that it can step, which its workspaces then may step too. */
  readonly clock?: SteppedClock;
  readonly report?: (error: unknown, requestId: string) => void;
  /** Gets the link to each site behind DNP3, for a test bed that watches its octets. */
  readonly onFieldLink?: (connectionId: string, link: FieldLink) => void;
}

const OEMS: readonly OemId[] = ['enphase', 'solaredge', 'tesla', 'open'];

/** @throws InputError for a folder, a file in it or an address that cannot be used; then nothing stays open */
export function openService(options: ServiceOptions): Promise<RunningService> {
  const opened = new Opened();
  return opened.orNothing(() => open(options, opened));
}

async function open(options: ServiceOptions, opened: Opened): Promise<RunningService> {
  const { config } = options;
  const settings = {
    ...(options.settings ?? settingsOf(config)),
    sandboxesMax: config.limits.sandboxes,
    reach: reachOf(config),
  };
  const clock = options.clock ?? new SteppedClock();
  makeDataFolder(config.data);
  const inData = (name: string): string => join(config.data, name);
  const journal = await openJournal({ dir: inData(JOURNAL_FOLDER), build: VERSION });
  opened.add(() => journal.close());
  const telemetry = openTelemetry(inData('telemetry.db'), () => clock.nowMs());
  opened.add(() => telemetry.close());
  const secrets = new SecretStore(inData('secrets.json'));
  const policy: UrlPolicy = config.webhooks.allowLoopback
    ? { allowLoopback: true, allowHttp: true, ports: 'any' }
    : PUBLIC_ONLY;
  const outbox = new WebhookSender({
    dir: inData('deliveries'),
    secrets,
    policy,
    post: new HttpPost({ policy }),
    ...paceOfWebhooks(config),
    schedulerOf: (workspaceId) => host.schedulerOf(workspaceId),
    wallNowMs: () => Date.now(),
    onBehind: () => host.catchUp(),
  });
  opened.add(() => outbox.close());
  // The outbox asks the host for clocks as soon as the host begins.
  const host: Host = new Host({
    journal,
    settings,
    telemetry,
    outbox,
    secrets,
    outside: (plantId, lastMs, isFrozen) => {
      if (plantId !== REGISTRY) return sandboxAround({ plantId, lastMs, isFrozen, settings, telemetry });
      const testClock = options.clock !== undefined;
      // A clock that was advanced is not the machine's.
      if (testClock && lastMs !== null) clock.notBefore(lastMs);
      if (testClock && isFrozen) clock.freeze();
      return production({ ...options, config, clock, testClock, settings, telemetry });
    },
  });
  opened.add(() => host.close());
  await host.begin();
  const operatorKey = operatorKeyIn(inData('operator.key'));
  const tools = createApiTools({
    keys: await keysInFile(inData('signing-keys.json')),
    report: options.report ?? silent,
  });
  const { host: address, port } = config.listen;
  const api = await createApi(host, tools, {
    version: VERSION,
    issuer: 'vpp-testbed',
    audience: 'vpp-testbed',
    operatorKeyHashes: [tools.sha256(operatorKey)],
    rate: { perSecond: config.limits.requestsPerSecond, burst: 2 * config.limits.requestsPerSecond },
  });
  opened.add(() => api.close());
  const url = await listen(api, address, port);
  return { host, api, url, operatorKey, clock, failed: journal.failed, close: () => opened.close() };
}

function makeDataFolder(folder: string): void {
  try {
    makeFolder(folder, 0o700);
  } catch (error) {
    const value = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw inputError({
      source: folder,
      place: 'data folder',
      value,
      expected: 'a folder that can be made and written',
    });
  }
}

/** What the makers and the core have, with the pace of a test bed where the file sets one. */
function settingsOf({ pace }: ServeConfig): CoreSettings {
  const { telemetrySeconds, effectSeconds, checkSeconds, verifySeconds } = pace;
  const base = defaultSettings(telemetrySeconds === undefined ? CAPABILITIES : withPeriod(telemetrySeconds * 1_000));
  return {
    ...base,
    ...(effectSeconds === undefined ? {} : { effectGraceMs: effectSeconds * 1_000 }),
    ...(checkSeconds === undefined ? {} : { commandCheckMs: checkSeconds * 1_000 }),
    ...(verifySeconds === undefined ? {} : { verifySlackMs: verifySeconds * 1_000 }),
  };
}

function paceOfWebhooks({ pace }: ServeConfig): Pick<SenderOptions, 'schedule' | 'attemptMsMax'> {
  const { webhookDelaysSeconds: delays, webhookTimeoutSeconds: timeout } = pace;
  return {
    ...(delays === undefined ? {} : { schedule: { delaysMs: delays.map((s) => s * 1_000), jitterRatio: 0.1 } }),
    ...(timeout === undefined ? {} : { attemptMsMax: timeout * 1_000 }),
  };
}

/** Whose the sites and clouds are. */
function reachOf({ sites, clouds }: ServeConfig): Reach {
  const named = OEMS.flatMap((oem) => {
    const workspace = clouds[oem]?.workspace;
    return workspace === undefined ? [] : [[oem, workspace] as const];
  });
  return {
    sites: new Map(sites.map((site) => [site.connectionId, site.workspace ?? null])),
    clouds: new Map(named),
  };
}

const withPeriod = (telemetryPeriodMs: number): CoreSettings['capabilities'] => {
  const entries = Object.entries(CAPABILITIES).map(([oem, c]) => [oem, { ...c, telemetryPeriodMs }] as const);
  return Object.fromEntries(entries) as CoreSettings['capabilities'];
};

const silent = (): void => {};

async function listen(api: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await api.listen({ host, port });
  } catch (error) {
    const value = error instanceof Error ? error.message : String(error);
    throw inputError({ source: 'vpp serve', place: `${host}:${port}`, value, expected: 'an address and a free port' });
  }
}

function production(r: {
  readonly config: ServeConfig;
  readonly clock: SteppedClock;
  readonly testClock: boolean;
  readonly settings: CoreSettings;
  readonly telemetry: TelemetrySink;
  readonly onFieldLink?: ServiceOptions['onFieldLink'] | undefined;
}): Around {
  const { config, clock, testClock, telemetry, settings, onFieldLink } = r;
  const clouds = OEMS.flatMap((oem) => {
    const cloud = config.clouds[oem];
    return cloud === undefined ? [] : [[oem, cloudLink(oem, cloud, clock)] as const];
  });
  return new Around({
    clock,
    testClock,
    capabilities: settings.capabilities,
    clouds: new Map(clouds),
    sites: new Map(config.sites.map((s) => [s.connectionId, siteLink(s, clock, onFieldLink)])),
    telemetry,
    reach: settings.reach,
  });
}

const cloudLink =
  (oem: OemId, { url, clientId, clientSecret, apiKey }: CloudConfig, clock: SteppedClock) =>
  (onReply: (reply: OemReply) => void): CloudLink => {
    const random = randomSource(oem)('retries');
    const session = createOemSession(oem, { clientId, clientSecret, apiKey, random });
    const link = new OemHttpLink({ session, clock, baseUrl: url, onReply });
    return {
      submit: (job) => link.submit(job),
      inFlight: () => link.inFlight(),
      health: () => {
        const { circuit, why: wrong, lastLost, requests, lost } = link.health();
        const told =
          lastLost === null ? `${requests} requests` : `${lost} of ${requests} lost, the last: ${lastLost.why}`;
        const why = [...(circuit === 'closed' ? [] : [`circuit ${circuit}`]), ...(wrong === null ? [] : [wrong]), told];
        return { ok: circuit === 'closed' && wrong === null, why: why.join('; ') };
      },
      stop: () => link.stop(),
    };
  };

const siteLink =
  (site: SiteConfig, clock: SteppedClock, onFieldLink: ServiceOptions['onFieldLink']) =>
  (onEvent: (event: FieldEvent) => void): SiteLink => {
    const { connectionId, host, port, master, outstation, pointsMap, controlMode } = site;
    const random = randomSource(connectionId)('reconnect');
    const link = new FieldLink({
      siteId: connectionId,
      host,
      port,
      safety: null,
      approvals: [],
      pointsMap,
      addresses: { master, outstation },
      controlMode,
      clock,
      random: () => random.uniform(0, 1),
      onEvent,
    });
    onFieldLink?.(connectionId, link);
    return {
      start: () => link.start(),
      submit: (job) => link.submit(job),
      configure: (safety, approvals) => link.configure(safety, approvals),
      inFlight: () => link.inFlight(),
      health: () => {
        const { connected, why, linkUp } = link.health();
        return {
          ok: connected && linkUp,
          why: connected ? (linkUp ? 'up' : 'the site does not answer') : (why ?? 'down'),
        };
      },
      stop: () => link.stop(),
    };
  };
