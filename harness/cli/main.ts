import { DISK_FAILED, runVpp } from './entry.ts';
import type { CliIo } from './io.ts';

/** The entry point of `vpp`. */
const NODE_MIN = [20, 19] as const;

function nodeIsOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]);
}

/** NO_COLOR wins over FORCE_COLOR (no-color.org); a pipe gets none. */
function wantsColor(): boolean {
  if (process.env.NO_COLOR !== undefined && process.env.NO_COLOR !== '') return false;
  if (process.env.FORCE_COLOR !== undefined && process.env.FORCE_COLOR !== '0') return true;
  return process.stdout.isTTY === true;
}

async function main(): Promise<number> {
  if (nodeIsOld()) {
    process.stderr.write(`error: Node ${process.versions.node} is too old, expected ${NODE_MIN.join('.')} or newer.\n`);
    return 2;
  }
  const io: CliIo = {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    color: wantsColor(),
    interactive: process.stderr.isTTY === true,
    cwd: process.cwd(),
    nowMs: () => performance.now(),
  };
  return runVpp(process.argv, io);
}

// A reader that closes early (`vpp list | head -1`) is no error.
process.stdout.on('error', (e: NodeJS.ErrnoException) => process.exit(e.code === 'EPIPE' ? 0 : 3));

process.exitCode = await main();
// A disk that fails may hold up what is still open for ever.
if (process.exitCode === DISK_FAILED) process.exit();
