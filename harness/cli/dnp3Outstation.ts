import { resolve } from 'node:path';
import { inputError } from '../../src/domain/errors.ts';
import { Dnp3Server } from '../../src/live/dnp3Server.ts';
import type { Dnp3End, Dnp3Link } from '../../src/live/dnp3Tcp.ts';
import { liveNowMs } from '../../src/live/liveClock.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { randomSource } from '../kernel/random.ts';
import { BATTERY_SITE_IS, batterySite } from '../serve/batterySite.ts';
import { generatedPoints, PointBank } from './dnp3Bank.ts';
import { captureTo } from './dnp3Captured.ts';
import { readProfile } from './dnp3Profile.ts';
import { interrupted } from './dnp3Signals.ts';
import { readTlsFlags, type TlsFlags } from './dnp3TlsFlags.ts';
import type { CliIo, GlobalOptions } from './io.ts';

/** `vpp dnp3 outstation`: serves one outstation until it is interrupted. */
export interface OutstationFlags extends GlobalOptions, TlsFlags {
  readonly address: string;
  readonly port: number;
  readonly local: number;
  readonly remote: number;
  readonly unsolicited: boolean;
  readonly points?: number;
  readonly profile?: string;
  readonly deadband?: number;
  readonly seed: string;
  readonly pcap?: string;
}

/** What is served: a DNP3 end, how often it moves by itself, and how it is stopped. */
interface Served {
  readonly end: Dnp3End;
  readonly what: string;
  readonly points: number;
  readonly onLink: (link: Dnp3Link | null) => void;
  readonly onWork: (nowMs: number) => void;
  readonly stop: () => void;
}

const DEADBAND = 1;

export async function outstationCommand(io: CliIo, flags: OutstationFlags): Promise<number> {
  const say = (text: string): void => {
    if (flags.quiet !== true) io.err(`${text}\n`);
  };
  const tls = readTlsFlags(flags, io.cwd);
  const capture = captureTo(flags.pcap === undefined ? null : resolve(io.cwd, flags.pcap));
  const served = flags.points === undefined && flags.profile === undefined ? rtac(flags, say) : bank(flags, io, say);
  let busy = false;
  const server = await Dnp3Server.listen({
    host: flags.address,
    port: flags.port,
    tls,
    tap: capture?.tap,
    accept: () => {
      if (busy) return { kind: 'refused', why: 'another master is connected' };
      busy = true;
      return {
        kind: 'session',
        end: served.end,
        onWork: served.onWork,
        onLink: served.onLink,
        onEnded: () => {
          busy = false;
          served.onLink(null);
        },
      };
    },
    onState: (s) => say(s.kind === 'connected' ? `${s.peer} connected` : `${s.peer} ${s.kind}: ${s.why}`),
  });
  const { host, port } = server.address;
  const { local, remote } = flags;
  io.out(`${JSON.stringify({ host, port, tls: tls !== undefined, local, remote, points: served.points })}\n`);
  if (!isLoopback(host) && tls === undefined)
    say('warning: open to the network without TLS; DNP3 asks nobody who he is');
  say(`${served.what} as outstation ${local} for master ${remote} on ${host}:${port}; Ctrl-C ends it`);
  const code = await interrupted();
  served.stop();
  await server.close();
  capture?.write();
  return code;
}

const isLoopback = (host: string): boolean => host.startsWith('127.') || host === '::1';

function rtac(flags: OutstationFlags, say: (text: string) => void): Served {
  if (flags.deadband !== undefined) {
    throw inputError({
      source: 'vpp dnp3 outstation',
      place: '--deadband',
      value: String(flags.deadband),
      expected: '--points or --profile with it; the battery brings its own dead-bands',
    });
  }
  const clock = new SteppedClock();
  const addresses = { master: flags.remote, outstation: flags.local };
  const site = batterySite({ clock, siteId: 'bess', addresses, unsolicited: flags.unsolicited });
  site.rtac.onPlantChange(({ state, powerW, cause }) => say(`plant ${state}, ${powerW} W: ${cause}`));
  return {
    end: site.end,
    what: BATTERY_SITE_IS,
    points: countPoints(site.rtac.outstation.database),
    onLink: (l) => {
      site.link = l;
    },
    onWork: () => {},
    stop: () => clock.stop(),
  };
}

function bank(flags: OutstationFlags, io: CliIo, say: (text: string) => void): Served {
  if (flags.points !== undefined && flags.profile !== undefined) {
    throw inputError({
      source: 'vpp dnp3 outstation',
      place: '--points and --profile',
      value: 'both',
      expected: 'one of them',
    });
  }
  const { profile, points = 0, deadband, local, remote, unsolicited, seed } = flags;
  const rows =
    profile === undefined
      ? generatedPoints(points, deadband ?? DEADBAND)
      : readProfile(resolve(io.cwd, profile), profile).map((p) => (deadband === undefined ? p : { deadband, ...p }));
  const made = new PointBank({ local, remote, unsolicited, points: rows, random: randomSource(seed) });
  let link: Dnp3Link | null = null;
  const timer = setInterval(() => {
    made.step(liveNowMs());
    link?.flush();
  }, 1_000);
  return {
    end: made.session,
    what: `${rows.length} points (seed ${seed})`,
    points: rows.length,
    onLink: (l) => {
      link = l;
    },
    onWork: () => {
      for (const e of made.session.takeEvents()) {
        if (e.kind === 'controls') {
          const words = e.controls.map(({ control, status }) => `${control.kind} ${control.index} status ${status}`);
          say(`function ${e.functionCode}: ${words.join(', ')}`);
        } else if (e.kind === 'clock-set') say(`the master set the clock to ${new Date(e.timeMs).toISOString()}`);
        else if (e.kind === 'restart') say(`the master asked for a ${e.cold ? 'cold' : 'warm'} restart`);
      }
    },
    stop: () => clearInterval(timer),
  };
}

function countPoints(database: PointBank['session']['database']): number {
  return (['BI', 'DBI', 'AI', 'CTR', 'FCTR', 'BOS', 'AOS'] as const).reduce((n, k) => n + database.all(k).length, 0);
}
