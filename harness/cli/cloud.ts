import { type Command, Option } from 'commander';
import type { Behaviour } from '../../simulators/oem/behaviour.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import type { OemId } from '../../src/ports/oem.ts';
import { createCloudWorld, DEVICES_MAX } from '../cloud/cloudWorld.ts';
import { createOpenWorld } from '../cloud/openWorld.ts';
import { CloudServer } from '../cloud/server.ts';
import { randomSource } from '../kernel/random.ts';
import { integer, portNumber } from './dnp3Args.ts';
import { onSignal } from './dnp3Signals.ts';
import type { CliIo, GlobalOptions } from './io.ts';

/** `vpp cloud`: a maker's cloud with devices behind it, on a socket, for any client. */
const OEMS: readonly OemId[] = ['enphase', 'solaredge', 'tesla', 'open'];
const SECONDS_MAX = 86_400 * 365;

interface CloudFlags extends GlobalOptions {
  readonly host: string;
  readonly port: number;
  readonly devices: number;
  readonly seed: string;
  readonly program: readonly string[];
  readonly enrollSeconds?: number;
  readonly telemetrySeconds?: number;
  readonly delaySeconds?: number;
  readonly reliable?: boolean;
}

export function addCloudCommands(
  program: Command,
  to: { readonly io: CliIo; readonly globals: () => GlobalOptions; readonly finish: (code: number) => void },
): void {
  const group = program.command('cloud').description("a maker's cloud with simulated devices, on a socket");
  for (const oem of OEMS) {
    group
      .command(oem)
      .description(`serve the ${oem} API; prints its address, credentials and devices as JSON`)
      .option('--host <host>', 'address to listen on', '127.0.0.1')
      .option('--port <n>', 'port to listen on, 0 = any free one', portNumber, 0)
      .option('--devices <n>', 'devices behind it', integer(1, DEVICES_MAX, 'devices'), 10)
      .option('--seed <seed>', 'what fixes delays, failures and the homes', '1')
      .addOption(new Option('--program <id...>', 'programs that the cloud knows').default(['program-1'], 'program-1'))
      .option(
        '--enroll-seconds <n>',
        'devices are no members of a program at first; an application takes so long and is approved',
        integer(0, SECONDS_MAX, 'seconds'),
      )
      .option('--telemetry-seconds <n>', 'a new sample so often', integer(1, SECONDS_MAX, 'seconds'))
      .option('--delay-seconds <n>', 'a command takes so long to its device', integer(0, SECONDS_MAX, 'seconds'))
      .option('--reliable', 'every command reaches its device')
      .action(async (flags) => to.finish(await cloudCommand(to.io, oem, { ...to.globals(), ...flags })));
  }
}

async function cloudCommand(io: CliIo, oem: OemId, flags: CloudFlags): Promise<number> {
  const say = (text: string): void => {
    if (flags.quiet !== true) io.err(`${text}\n`);
  };
  const clock = new SteppedClock();
  const random = randomSource(flags.seed);
  const { devices } = flags;
  const behaviour = behaviourOf(flags);
  const world =
    oem === 'open'
      ? createOpenWorld({ scheduler: clock, random, devices, behaviour })
      : createCloudWorld({
          oem,
          scheduler: clock,
          random,
          devices,
          programIds: flags.program,
          enrolled: flags.enrollSeconds === undefined,
          behaviour,
        });
  const { host, port } = flags;
  const server = await CloudServer.listen({ world, scheduler: clock, random: random('faults'), host, port });
  const { credentials, deviceIds } = world;
  io.out(
    `${JSON.stringify({ oem, url: server.url, credentials, programs: flags.program, devices: deviceIds, testbed: `${server.url}/testbed/state` })}\n`,
  );
  say(`${devices} devices behind ${oem} on ${server.url} (seed ${flags.seed}); Ctrl-C ends it`);
  if (!host.startsWith('127.') && host !== '::1' && host !== 'localhost')
    say('warning: open to the network; its credentials are known to everybody, and so is /testbed');
  const { promise } = onSignal();
  await promise;
  clock.stop();
  await server.close();
  return 0;
}

/** The maker's figures where no flag replaces them. */
function behaviourOf(flags: CloudFlags): Partial<Behaviour> {
  const { enrollSeconds, telemetrySeconds, delaySeconds, reliable } = flags;
  const enrollMs = enrollSeconds === undefined ? null : enrollSeconds * 1_000;
  const periodMs = telemetrySeconds === undefined ? null : telemetrySeconds * 1_000;
  const delayMs = delaySeconds === undefined ? null : delaySeconds * 1_000;
  return {
    ...(enrollMs === null ? {} : { enrollMsMin: enrollMs, enrollMsMax: enrollMs, enrollRejectRatio: 0 }),
    ...(periodMs === null ? {} : { telemetryPeriodMs: periodMs, telemetryDelayMs: 0 }),
    ...(delayMs === null ? {} : { commandDelayMsMin: delayMs, commandDelayMsMean: 0, commandTailRatio: 0 }),
    ...(reliable === true ? { deliveryFailureRatio: 0, commandTailRatio: 0 } : {}),
  };
}
