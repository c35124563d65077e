import type { CoreInput } from '../../src/core/input.ts';
import { SCOPE_NAMES, type Scope } from '../../src/domain/client.ts';
import { DEFAULT_REVISION } from '../../src/domain/pointsMap.ts';
import { programTag } from '../../src/domain/program.ts';
import { Dnp3Server } from '../../src/live/dnp3Server.ts';
import type { Host } from '../../src/live/host/host.ts';
import { newApiKey } from '../../src/live/keys.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import { type CloudWorld, createCloudWorld } from '../cloud/cloudWorld.ts';
import { createOpenWorld, type OpenWorld } from '../cloud/openWorld.ts';
import { CloudServer } from '../cloud/server.ts';
import { randomSource } from '../kernel/random.ts';
import { type BatterySite, batterySite } from './batterySite.ts';
import type { ServeConfig } from './config.ts';
import { Opened } from './opened.ts';
import { openService, type RunningService } from './service.ts';

/**
 * A whole plant on the loopback: the service, three clouds with a few batteries each, one with chargers, vehicles,
 * thermostats and inverters, an RTAC with a battery of 10 MW, and a workspace with keys for two people. Everything is on
 * one clock that runs with the machine's and can be advanced over HTTP, so that the end of an hour's command is seen in a
 * second.
 */
export interface Demo {
  readonly service: RunningService;
  readonly clouds: ReadonlyMap<BatteryOem, CloudServer>;
  readonly open: CloudServer<OpenWorld>;
  readonly site: Dnp3Server;
  readonly keys: { readonly ana: string; readonly ben: string };
  close(): Promise<void>;
}

export interface DemoOptions {
  readonly config: ServeConfig;
  readonly seed: string;
  /** Batteries per cloud. */
  readonly devices?: number;
  readonly clock?: SteppedClock;
}

export const DEMO = { workspaceId: 'demo', programId: 'demo-program', connectionId: 'demo-site' } as const;
export const DEMO_OEMS: readonly BatteryOem[] = ['enphase', 'solaredge', 'tesla'];
export const DEMO_ADDRESSES = { master: 1, outstation: 10 } as const;
const DEVICES = 5;
/** Nothing fails by chance; an application is approved after an hour. */
const BEHAVIOUR = {
  deliveryFailureRatio: 0,
  commandTailRatio: 0,
  enrollMsMin: 3_600_000,
  enrollMsMax: 3_600_000,
  enrollRejectRatio: 0,
};

/** @throws InputError as openService does; then nothing stays open */
export function openDemo(options: DemoOptions): Promise<Demo> {
  const opened = new Opened();
  return opened.orNothing(() => open(options, opened));
}

async function open(
  { config, seed, devices = DEVICES, clock = new SteppedClock() }: DemoOptions,
  opened: Opened,
): Promise<Demo> {
  opened.add(() => clock.stop());
  const random = randomSource(seed);
  const clouds = new Map<BatteryOem, CloudServer>();
  for (const oem of DEMO_OEMS) {
    const world = demoCloud(oem, { clock, random, devices });
    const cloud = await CloudServer.listen({ world, scheduler: clock, random: random(`faults/${oem}`), port: 0 });
    opened.add(() => cloud.close());
    clouds.set(oem, cloud);
  }
  const others = demoOpenCloud({ clock, random });
  const open = await CloudServer.listen({ world: others, scheduler: clock, random: random('faults/open'), port: 0 });
  opened.add(() => open.close());
  const site = await openSite(clock);
  opened.add(() => site.server.close());
  const service = await openService({
    config: {
      ...config,
      clouds: {
        ...Object.fromEntries([...clouds].map(([oem, c]) => [oem, { url: c.url, ...c.world.credentials }])),
        open: { url: open.url, ...others.credentials },
      },
      sites: [
        {
          connectionId: DEMO.connectionId,
          host: site.server.address.host,
          port: site.server.address.port,
          ...DEMO_ADDRESSES,
          pointsMap: { revision: DEFAULT_REVISION, overrides: {} },
          controlMode: 'agc',
          workspace: DEMO.workspaceId,
        },
      ],
      webhooks: { allowLoopback: true },
    },
    clock,
    onFieldLink: (_, link) => clock.watch(() => link.octetsInFlight(site.server), 'octets on the loopback'),
  });
  opened.add(() => service.close());
  const keys = await furnish(service.host);
  return { service, clouds, open, site: site.server, keys, close: () => opened.close() };
}

/** A maker's cloud with its batteries; Enphase's are yet to be enrolled, the others are. */
export const demoCloud = (
  oem: BatteryOem,
  r: { readonly clock: SteppedClock; readonly random: RandomSource; readonly devices?: number },
): CloudWorld =>
  createCloudWorld({
    oem,
    scheduler: r.clock,
    random: r.random,
    devices: r.devices ?? DEVICES,
    programIds: [DEMO.programId],
    enrolled: oem !== 'enphase',
    behaviour: BEHAVIOUR,
  });

/** Two of each kind. */
const OTHERS = 8;

export const demoOpenCloud = (r: { readonly clock: SteppedClock; readonly random: RandomSource }): OpenWorld =>
  createOpenWorld({
    scheduler: r.clock,
    random: r.random,
    devices: OTHERS,
    behaviour: { deliveryFailureRatio: 0, commandTailRatio: 0 },
  });

/** The workspace, its program and two people's keys; keys are made anew at each start. */
export async function furnish(host: Host): Promise<Demo['keys']> {
  const { workspaceId, programId } = DEMO;
  const registry = async (input: CoreInput): Promise<void> => {
    await host.submit({ workspaceId: null, input, actor: 'system', requestId: 'demo', reply: null });
  };
  await registry({ kind: 'create-workspace', workspace: { workspaceId, name: 'Demo', gridServices: true } });
  await registry({
    kind: 'create-program',
    program: {
      programId,
      workspaceId,
      name: 'Demo program',
      timeZone: 'America/Los_Angeles',
      node: 'DEMO',
      trigger: { kind: 'called' },
      nominatedW: 20_000,
      paymentUsdPerKwh: 2,
      provenance: { source: 'made up for the demo', standing: 'assumed' },
    },
  });
  const key = async (name: string, scopes: readonly Scope[]): Promise<string> => {
    const { text, hash, keyId } = newApiKey();
    await registry({
      kind: 'create-api-key',
      key: { keyId, workspaceId, name, scopes, hash, createdMs: Date.now() },
      actor: 'system',
    });
    return text;
  };
  for (const { keyId, workspaceId: of } of [...host.registry.state.apiKeys.values()]) {
    if (of === workspaceId) await registry({ kind: 'revoke-api-key', keyId, actor: 'system' });
  }
  const everything = SCOPE_NAMES.filter((s) => s !== 'admin:service');
  return {
    ana: await key(
      'ana',
      everything.filter((s) => s !== 'approve:control'),
    ),
    ben: await key('ben', ['read', 'approve:control']),
  };
}

/** The tag that lets a device of the demo be enrolled. */
export const DEMO_TAG = programTag(DEMO.programId);

export const demoSite = (clock: SteppedClock): BatterySite =>
  batterySite({ clock, siteId: DEMO.connectionId, addresses: DEMO_ADDRESSES });

async function openSite(clock: SteppedClock): Promise<{ readonly server: Dnp3Server }> {
  const site = demoSite(clock);
  const server = await Dnp3Server.listen({
    host: '127.0.0.1',
    port: 0,
    clock,
    accept: () =>
      site.link !== null
        ? { kind: 'refused', why: 'another master is connected' }
        : {
            kind: 'session',
            end: site.end,
            onLink: (l) => {
              site.link = l;
            },
            onEnded: () => {
              site.link = null;
            },
          },
  });
  return { server };
}
