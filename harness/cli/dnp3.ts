import { type Command, Option } from 'commander';
import {
  analogControl,
  binaryControl,
  integer,
  linkAddress,
  objectRead,
  portNumber,
  positive,
  seconds,
} from './dnp3Args.ts';
import { decodeCommand } from './dnp3Decode.ts';
import { masterCommand } from './dnp3Master.ts';
import { outstationCommand } from './dnp3Outstation.ts';
import type { CliIo, GlobalOptions } from './io.ts';

/** `vpp dnp3`: DNP3 on real sockets, and captures in words. */
const PORT = 20_000;
const MASTER_ADDRESS = 1;
const OUTSTATION_ADDRESS = 10;
const POINTS_MAX = 10_000;

/** Adds the group; made by the program itself, so that it ends and prints as the program does. */
export function addDnp3Commands(
  program: Command,
  to: { readonly io: CliIo; readonly globals: () => GlobalOptions; readonly finish: (code: number) => void },
): void {
  const group = program.command('dnp3').description('DNP3 over TCP or TLS: an outstation, a master, captures in words');
  addOutstation(group, to);
  addMaster(group, to);
  group
    .command('decode')
    .description('print a capture file or a hex string as link, transport, application and objects')
    .argument('<file.pcap|hex>', 'a classic capture file, or octets as hex digits')
    .action((word: string) => to.finish(decodeCommand(to.io, word, to.globals())));
}

type To = Parameters<typeof addDnp3Commands>[1];

const withTls = (command: Command): Command =>
  command
    .option('--tls-cert <file>', 'own certificate (PEM); with --tls-key and --tls-ca: mutual TLS 1.2 or newer')
    .option('--tls-key <file>', 'own private key (PEM)')
    .option('--tls-ca <file>', 'certificates of who signs the peer (PEM)')
    .option('--pcap <file>', 'leave a capture of what passed, before encryption');

function addOutstation(group: Command, { io, globals, finish }: To): void {
  withTls(
    group
      .command('outstation')
      .description('serve an outstation: a battery behind an RTAC, or made-up points; prints its address as JSON')
      .option('--address <host>', 'address to listen on', '127.0.0.1')
      .option('--port <n>', 'port to listen on, 0 = any free one', portNumber, PORT)
      .option('--local <n>', 'own DNP3 address', linkAddress, OUTSTATION_ADDRESS)
      .option('--remote <n>', 'DNP3 address of the master', linkAddress, MASTER_ADDRESS)
      .option(
        '--points <n>',
        'so many analog inputs that walk, and a tenth of each other kind',
        integer(1, POINTS_MAX, 'points'),
      )
      .option('--profile <file>', 'points from a YAML file')
      .option('--deadband <x>', 'dead-band of the analog inputs, where the profile has none', positive)
      .option('--seed <seed>', 'what fixes the walk', '1')
      .option('--unsolicited', 'send events unasked once the master enabled it (default)', true)
      .option('--no-unsolicited', 'never send unasked'),
  ).action(async (options) => finish(await outstationCommand(io, { ...globals(), ...options })));
}

function addMaster(group: Command, { io, globals, finish }: To): void {
  withTls(
    group
      .command('master')
      .description('do things at an outstation and print each value as a JSON line')
      .option('--host <host>', 'where the outstation listens', '127.0.0.1')
      .option('--port <n>', 'its port', integer(1, 65_535, 'a port'), PORT)
      .option('--local <n>', 'own DNP3 address', linkAddress, MASTER_ADDRESS)
      .option('--remote <n>', 'DNP3 address of the outstation', linkAddress, OUTSTATION_ADDRESS)
      .option('--timeout <seconds>', 'how long to wait for a connection and for an answer', seconds, 5)
      .option('--integrity', 'read everything: classes 1, 2, 3 and 0 (default when nothing else is asked)')
      .addOption(new Option('--time-sync [method]', 'set the clock').choices(['lan', 'non-lan']).preset('lan'))
      .option('--read <object>', 'read an object like g30v5:0-9; may be repeated', objectRead)
      .option('--sbo <index=on|off>', 'select and operate a binary output; may be repeated', binaryControl)
      .option('--analog <index=value>', 'select and operate a set-point; may be repeated', analogControl)
      .option('--direct', 'operate without select')
      .addOption(new Option('--restart <how>', 'restart the outstation').choices(['cold', 'warm']))
      .option('--bench <seconds>', 'read everything again and again and say how fast', seconds)
      .option('--listen [seconds]', 'print what comes unasked, until interrupted when no time is given', seconds),
  ).action(async (options) => finish(await masterCommand(io, { ...globals(), ...options })));
}
