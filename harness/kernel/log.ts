/**
 * The run log as text: one canonical JSON line a record, and one SHA-256 over all lines.
 */
import { createHash, type Hash } from 'node:crypto';
import { canonicalJson } from '../../src/domain/canonicalJson.ts';
import type { LogRecord } from '../../src/ports/records.ts';

/** Lines are handed to SHA-256 in blocks of about this many characters: one call a line costs more than the hashing. */
const BLOCK_CHARS = 65_536;

export class RunLog {
  readonly #sink: ((line: string) => void) | undefined;
  readonly #hash: Hash = createHash('sha256');
  #block = '';
  #count = 0;

  /** @param sink  gets each line as it is written, without its line feed; left out, only count and hash remain */
  constructor(sink?: (line: string) => void) {
    this.#sink = sink;
  }

  /** Lines so far. */
  get count(): number {
    return this.#count;
  }

  /** @throws InvariantError when the record holds what JSON cannot; nothing of it is then counted or hashed */
  write(record: LogRecord): void {
    const line = canonicalJson(record);
    this.#count += 1;
    this.#block += `${line}\n`;
    if (this.#block.length >= BLOCK_CHARS) this.#flush();
    this.#sink?.(line);
  }

  /** SHA-256 [hex] over every line so far, each with its line feed, in UTF-8: what `sha256sum log.jsonl` prints. */
  hash(): string {
    this.#flush();
    return this.#hash.copy().digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#block, 'utf8');
    this.#block = '';
  }
}
