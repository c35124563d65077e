import { InputError } from '../../src/domain/errors.ts';
import { JournalError } from '../../src/live/journal/errors.ts';
import type { CliIo } from './io.ts';
import { buildProgram, isUsageError, type Outcome } from './program.ts';

/** The disk under a journal failed. @source sysexits.h EX_IOERR */
export const DISK_FAILED = 74;

/**
 * Runs one command line and turns whatever comes of it into an exit code and words.
 * @param argv  as Node gives it: two words, then those of the user
 */
export async function runVpp(argv: readonly string[], io: CliIo): Promise<number> {
  const outcome: Outcome = { code: 0 };
  try {
    await buildProgram(io, outcome).parseAsync([...argv]);
    return outcome.code;
  } catch (e) {
    if (isUsageError(e)) return e.exitCode === 0 ? 0 : 2;
    if (e instanceof InputError || e instanceof JournalError) {
      io.err(
        `${e.message
          .split('\n')
          .map((line) => `error: ${line}`)
          .join('\n')}\n`,
      );
      return e instanceof JournalError && e.kind === 'failed' ? DISK_FAILED : 2;
    }
    io.err(`This is a bug of vpp-testbed, please report it with the lines below.\n${stackOf(e)}\n`);
    return 3;
  }
}

const stackOf = (e: unknown): string => (e instanceof Error ? (e.stack ?? e.message) : String(e));
