import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Verified, verifyJournal } from '../../src/live/journal/verify.ts';
import type { CliIo, GlobalOptions } from './io.ts';

/** `vpp verify-journal`: reads a journal from end to end. Exit code 0 = all of it is as it was written, 1 = it is not. */
export function addJournalCommands(
  program: Command,
  {
    io,
    globals,
    finish,
  }: { readonly io: CliIo; readonly globals: () => GlobalOptions; readonly finish: (code: number) => void },
): void {
  program
    .command('verify-journal')
    .description('read a journal from end to end and say where it is not as it was written; changes nothing')
    .argument('<dir>', 'folder of the journal, or the data folder of a service')
    .option('--high-water-dir <dir>', 'folder of its high-water mark (default: the one its folder is in)')
    .action((dir: string, options: { highWaterDir?: string }) => finish(verify(io, dir, { ...globals(), ...options })));
}

function verify(io: CliIo, dir: string, options: GlobalOptions & { readonly highWaterDir?: string }): number {
  const began = io.nowMs();
  const { highWaterDir } = options;
  const verified = verifyJournal(
    resolve(io.cwd, dir),
    highWaterDir === undefined ? {} : { highWaterDir: resolve(io.cwd, highWaterDir) },
  );
  const seconds = (io.nowMs() - began) / 1000;
  const perS = seconds > 0 ? Math.round(verified.entries / seconds) : null;
  io.out(
    options.json === true ? `${JSON.stringify({ ...verified, seconds, perS })}\n` : textOf(verified, { seconds, perS }),
  );
  if (options.quiet !== true) for (const note of verified.notes) io.err(`note: ${note}\n`);
  return verified.damage.length === 0 ? 0 : 1;
}

function textOf(
  { entries, firstSeq, lastSeq, replies, snapshots, damage }: Verified,
  { seconds, perS }: { readonly seconds: number; readonly perS: number | null },
): string {
  const range = entries === 0 ? 'none' : `${firstSeq} to ${lastSeq}`;
  const speed = perS === null ? '' : `, ${perS} entries a second`;
  const lines = [
    `entries    ${entries} (${range})`,
    `replies    ${replies}`,
    `snapshots  ${snapshots}`,
    `read in    ${seconds.toFixed(2)} s${speed}`,
    ...damage.map(({ file, place, what }) => `damage     ${file}: ${place}: ${what}`),
    damage.length === 0
      ? 'the journal is as it was written'
      : `the journal is damaged (${damage.length} ${damage.length === 1 ? 'place' : 'places'})`,
  ];
  return `${lines.join('\n')}\n`;
}
