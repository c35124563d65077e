import { writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { inputError } from '../../src/domain/errors.ts';
import { defaultConfig, readConfig, type ServeConfig } from '../serve/config.ts';
import { DEMO, DEMO_TAG, openDemo } from '../serve/demo.ts';
import { openService, type RunningService } from '../serve/service.ts';
import { portNumber } from './dnp3Args.ts';
import { onSignal } from './dnp3Signals.ts';
import type { CliIo, GlobalOptions } from './io.ts';

/** `vpp serve`: the coordination core as a service, until it is interrupted. */
interface ServeFlags extends GlobalOptions {
  readonly config?: string;
  readonly demo?: boolean;
  readonly data?: string;
  readonly host?: string;
  readonly port?: number;
  readonly seed: string;
}

export function addServeCommand(
  program: Command,
  to: { readonly io: CliIo; readonly globals: () => GlobalOptions; readonly finish: (code: number) => void },
): void {
  program
    .command('serve')
    .description('serve the core over HTTP and WebSocket; prints its address as JSON')
    .option('--config <file>', 'settings: listen, data, clouds, sites, webhooks, limits (YAML or JSON)')
    .option('--demo', 'with three clouds, a site behind DNP3 and a workspace with keys, on this machine')
    .option('--data <folder>', 'where the journal is kept')
    .option('--host <host>', 'address to listen on')
    .option('--port <n>', 'port to listen on, 0 = any free one', portNumber)
    .option('--seed <seed>', 'what fixes the homes and delays of the demo', '1')
    .action(async (flags) => to.finish(await serveCommand(to.io, { ...to.globals(), ...flags })));
}

async function serveCommand(io: CliIo, flags: ServeFlags): Promise<number> {
  const config = configOf(io, flags);
  const say = (text: string): void => {
    if (flags.quiet !== true) io.err(`${text}\n`);
  };
  const report = (error: unknown, requestId: string): void =>
    io.err(`${requestId}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return flags.demo === true
    ? serveDemo({ io, say, config, seed: flags.seed })
    : serveAlone({ io, say, config, report });
}

function configOf(io: CliIo, flags: ServeFlags): ServeConfig {
  const read = flags.config === undefined ? defaultConfig() : readConfig(resolve(io.cwd, flags.config), process.env);
  const data = flags.data ?? (flags.demo === true && flags.config === undefined ? 'vpp-demo' : read.data);
  const { host = read.listen.host, port = read.listen.port } = flags;
  return { ...read, data: resolve(io.cwd, data), listen: { host, port } };
}

async function serveAlone(r: {
  readonly io: CliIo;
  readonly say: (text: string) => void;
  readonly config: ServeConfig;
  readonly report: (error: unknown, requestId: string) => void;
}): Promise<number> {
  const { io, say, config, report } = r;
  const service = await openService({ config, report });
  io.out(
    `${JSON.stringify({ url: service.url, data: config.data, operatorKeyFile: `${config.data}/operator.key` })}\n`,
  );
  say(`serving on ${service.url}, journal in ${config.data}; Ctrl-C ends it`);
  return untilStopped(service);
}

/** Its keys stand in a file and on the screen: it is for this machine alone. */
async function serveDemo(r: {
  readonly io: CliIo;
  readonly say: (text: string) => void;
  readonly config: ServeConfig;
  readonly seed: string;
}): Promise<number> {
  const { io, say, config, seed } = r;
  guardLoopback(config);
  const demo = await openDemo({ config, seed });
  const { service, clouds, open, site, keys } = demo;
  const devices = Object.fromEntries([...clouds].map(([oem, c]) => [oem, c.world.deviceIds]));
  const urls = Object.fromEntries([...clouds].map(([oem, c]) => [oem, c.url]));
  const { host, port } = site.address;
  const siteUrl = `dnp3://${host}:${port}`;
  const kinds = open.world.deviceIds.map((id, i) => ({ id, kind: open.world.fleet.kind(i) }));
  const told = {
    url: service.url,
    data: config.data,
    keys,
    clouds: urls,
    devices,
    open: { url: open.url, devices: kinds },
    site: siteUrl,
    ...DEMO,
    tag: DEMO_TAG,
  };
  io.out(`${JSON.stringify(told)}\n`);
  say(`service    ${service.url}   (document: ${service.url}/v1/openapi.json)`);
  for (const [oem, cloud] of clouds) {
    say(`${oem.padEnd(10)} ${cloud.url}   batteries ${cloud.world.deviceIds.join(', ')}`);
  }
  say(`${'open'.padEnd(10)} ${open.url}   ${kinds.map(({ id, kind }) => `${kind} ${id}`).join(', ')}`);
  say(`site       ${siteUrl}   10 MW, 40 MWh`);
  say(`keys       ana ${keys.ana}\n           ben ${keys.ben}   (the second person for approvals)`);
  const env = join(config.data, 'demo.env');
  writeFileSync(env, `URL=${service.url}\nKEY=${keys.ana}\nBEN=${keys.ben}\n`, { mode: 0o600 });
  say(
    `shell      . ${relative(io.cwd, env)}   sets URL, KEY (ana) and BEN; the README shows what to ask; Ctrl-C ends it`,
  );
  return untilStopped({ failed: service.failed, close: () => demo.close() });
}

function guardLoopback({ listen: { host } }: ServeConfig): void {
  if (host.startsWith('127.') || host === '::1' || host === 'localhost') return;
  throw inputError({
    source: 'vpp serve --demo',
    place: '--host',
    value: host,
    expected: 'an address of the loopback',
  });
}

/** What a failed disk may still hold up; the answers to what was refused take milliseconds. */
const CLOSE_MS_MAX = 5_000;

/**
 * Until it is interrupted, or the disk under its journal fails: then everything under way is refused and the process ends,
 * because after a failed sync nobody knows what the disk holds until it is read anew. Sites are in their safe state by
 * their watchdogs; whoever runs the service starts it again.
 * @throws JournalError of kind 'failed'
 */
async function untilStopped(service: Pick<RunningService, 'failed' | 'close'>): Promise<number> {
  const { promise, forget } = onSignal();
  const failed = await Promise.race([promise.then(() => null), service.failed]);
  if (failed === null) {
    await service.close();
    return 0;
  }
  forget();
  const limit = setTimeout(CLOSE_MS_MAX, null, { ref: false });
  // What else goes wrong with such a disk says less than the failure itself.
  await Promise.race([service.close().catch(() => null), limit]);
  throw failed;
}
