import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createRtac } from '../../simulators/rtac/rtac.ts';
import { inputError } from '../../src/domain/errors.ts';
import { Dnp3Server } from '../../src/live/dnp3Server.ts';
import type { Dnp3End, Dnp3Link } from '../../src/live/dnp3Tcp.ts';
import { liveNowMs } from '../../src/live/liveClock.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { randomSource } from '../kernel/random.ts';
import { PcapWriter } from '../wire/pcap.ts';
import { generatedPoints, PointBank } from './dnp3Bank.ts';
import { readProfile } from './dnp3Profile.ts';
import { interrupted } from './dnp3Signals.ts';
import { readTlsFlags, type TlsFlags } from './dnp3TlsFlags.ts';
import type { CliIo, GlobalOptions } from './program.ts';

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

/** A 10 MW, 40 MWh battery behind an RTAC; figures are made up. */
function rtac(flags: OutstationFlags, say: (text: string) => void): Served {
  if (flags.deadband !== undefined) {
    throw inputError({
      source: 'vpp dnp3 outstation',
      place: '--deadband',
      value: String(flags.deadband),
      expected: '--points or --profile with it; the battery brings its own dead-bands',
    });
  }
  const scheduler = new SteppedClock();
  const site = createRtac(
    {
      siteId: 'bess',
      addresses: { master: flags.remote, outstation: flags.local },
      battery: {
        usableWh: 40_000_000,
        chargeWMax: 10_000_000,
        dischargeWMax: 10_000_000,
        chargeRatio: 0.94,
        dischargeRatio: 0.94,
        standbyW: 20_000,
        storedWh: 24_000_000,
      },
      reservePct: 10,
      rampWPerS: 2_000_000,
      watchdogMs: 60_000,
      unsolicited: flags.unsolicited,
    },
    scheduler,
  );
  let link: Dnp3Link | null = null;
  site.onOutput(() => link?.flush());
  site.onPlantChange(({ state, powerW, cause }) => say(`plant ${state}, ${powerW} W: ${cause}`));
  const end: Dnp3End = {
    connected: (nowMs) => site.connected(nowMs),
    disconnected: (nowMs) => site.disconnected(nowMs),
    receive: (octets, nowMs) => site.receive(octets, nowMs),
    // The site keeps its own timers.
    timeout: () => {},
    nextTimeoutMs: () => null,
    takeOutput: () => site.takeOutput(),
  };
  return {
    end,
    what: 'a battery of 10 MW and 40 MWh',
    points: countPoints(site.outstation.database),
    onLink: (l) => {
      link = l;
    },
    onWork: () => {},
    stop: () => scheduler.stop(),
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

/** A capture of what passed, written at the end. */
export function captureTo(path: string | null) {
  if (path === null) return null;
  const pieces: Uint8Array[] = [];
  const writer = new PcapWriter({ write: (octets) => void pieces.push(octets) });
  return { tap: writer.tap(), write: () => writeFileSync(path, Buffer.concat(pieces)) };
}
