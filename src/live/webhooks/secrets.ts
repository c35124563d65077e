import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { inputError, invariant } from '../../domain/errors.ts';
import { secureRandom } from '../secureRandom.ts';
import { KEY_OCTETS, secretOf, secretRefusal } from './signing.ts';

/**
 * What receivers and we alone know: signing secrets, two live ones per destination while one replaces the other, and the
 * values of the headers a receiver asked for, which are as good as passwords. One JSON file of mode 0600 beside the journal
 * and never in it. It is rewritten whole under another name, synced and renamed: the old one or the new one, never half of
 * one. No message of this file holds anything that stands in it, and printing the store prints nothing of it.
 */
const SECRETS_MAX = 100_000;

const entryShape = z.strictObject({
  secrets: z.array(z.string()).max(2),
  headers: z.record(z.string(), z.string()),
});
const fileShape = z.strictObject({ format: z.literal(1), destinations: z.record(z.string(), entryShape) });
type Entry = z.infer<typeof entryShape>;

export class SecretStore {
  readonly #file: string;
  #entries: Map<string, Entry>;

  /** @throws InputError when the file is no such store, or when others may read it */
  constructor(file: string) {
    this.#file = file;
    this.#entries = read(file);
  }

  /** Live secrets of a destination, the newest first. */
  webhookSecrets(destinationId: string): readonly string[] {
    return this.#entries.get(destinationId)?.secrets ?? [];
  }

  /** Makes a new secret; the one before stays valid until the next rotation. Shown once. Durable when it returns. */
  rotateWebhook(destinationId: string): string {
    const secret = secretOf(secureRandom(KEY_OCTETS.min));
    this.adoptWebhook(destinationId, secret);
    return secret;
  }

  /**
   * Takes a secret that the receiver chose, as a rotation.
   * @throws InputError, which does not say it
   */
  adoptWebhook(destinationId: string, secret: string): void {
    const refusal = secretRefusal(secret);
    if (refusal !== null) {
      throw inputError({ source: destinationId, place: 'secret', value: 'something else', expected: refusal });
    }
    const { secrets, headers } = this.#entryOf(destinationId);
    this.#put(destinationId, { secrets: [secret, ...secrets.slice(0, 1)], headers });
  }

  /** Ends the older of two secrets before the next rotation does. */
  retirePrevious(destinationId: string): void {
    const { secrets, headers } = this.#entryOf(destinationId);
    if (secrets.length > 1) this.#put(destinationId, { secrets: secrets.slice(0, 1), headers });
  }

  /** Header values that replace HIDDEN in the destination's headers. */
  headersOf(destinationId: string): Readonly<Record<string, string>> {
    return this.#entries.get(destinationId)?.headers ?? {};
  }

  setHeaders(destinationId: string, headers: Readonly<Record<string, string>>): void {
    this.#put(destinationId, { secrets: this.#entryOf(destinationId).secrets, headers: { ...headers } });
  }

  forgetWebhook(destinationId: string): void {
    if (!this.#entries.has(destinationId)) return;
    this.#write(new Map([...this.#entries].filter(([id]) => id !== destinationId)));
  }

  #entryOf(destinationId: string): Entry {
    return this.#entries.get(destinationId) ?? { secrets: [], headers: {} };
  }

  #put(destinationId: string, entry: Entry): void {
    invariant(
      this.#entries.has(destinationId) || this.#entries.size < SECRETS_MAX,
      `the secret store holds at most ${SECRETS_MAX} destinations`,
    );
    this.#write(new Map(this.#entries).set(destinationId, entry));
  }

  /** What is in memory is what is on the disk: it changes when the write is through. */
  #write(entries: Map<string, Entry>): void {
    const fresh = `${this.#file}.new`;
    const text = `${JSON.stringify({ format: 1, destinations: Object.fromEntries(entries) })}\n`;
    // What a crash left under that name might have another mode.
    rmSync(fresh, { force: true });
    const fd = openSync(fresh, 'wx', 0o600);
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, this.#file);
    this.#entries = entries;
    const folder = openSync(dirname(this.#file), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }
}

function read(file: string): Map<string, Entry> {
  if (!existsSync(file)) return new Map();
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const value = `mode ${mode.toString(8).padStart(4, '0')}`;
    throw inputError({ source: file, place: 'the file', value, expected: 'mode 0600: others may not read it' });
  }
  const parsed = fileShape.safeParse(jsonOf(readFileSync(file, 'utf8')));
  if (!parsed.success) {
    // Neither the parser's words nor the place, which is a key of the file, go into the message.
    throw inputError({ source: file, place: 'the file', value: 'something else', expected: 'a secret store' });
  }
  return new Map(Object.entries(parsed.data.destinations));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
