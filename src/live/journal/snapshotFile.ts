import { createHash, hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { canonicalJson } from '../../domain/canonicalJson.ts';
import { messageOf } from './errors.ts';
import { replaceFile } from './mark.ts';

/**
 * Snapshots: what the plants were at one entry, so that a start folds only what came after. A file each, newest two kept:
 *
 *   line 1   {"build":…,"format":1,"hash":<hash of entry seq>,"seq":…}
 *   line 2   {"<plantId>":{…},…}
 *   line 3   SHA-256 of all before it, hex
 *
 * A snapshot only saves time. One that is damaged, of another build (its shapes may be others) or of another journal is
 * passed over with a note, and more of the journal is folded.
 */
export interface SnapshotHead {
  readonly seq: number;
  readonly hash: string;
  readonly build: string;
}

const FORMAT = 1;
const KEPT = 2;
const LINE_FEED = 10;
/** Half of one, from a process that was killed while it wrote. */
const LEFT_OVER = /^snapshot-\d{1,15}\.json\.new$/;
const NAME = /^snapshot-(\d{1,15})\.json$/;

export const snapshotPath = (dir: string, seq: number): string => join(dir, `snapshot-${seq}.json`);

/** Files, newest first. */
export function snapshotFiles(dir: string): { readonly file: string; readonly seq: number }[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .flatMap((name) => {
      const seq = NAME.exec(name)?.[1];
      return seq === undefined ? [] : [{ file: join(dir, name), seq: Number(seq) }];
    })
    .sort((a, b) => b.seq - a.seq);
}

/**
 * Writes one and removes the ones that are older than KEPT. The text is made a part at a time, with the event loop turning
 * between the parts.
 */
export async function writeSnapshotFile(
  dir: string,
  head: SnapshotHead,
  plants: Readonly<Record<string, unknown>>,
): Promise<void> {
  for (const name of readdirSync(dir)) if (LEFT_OVER.test(name)) rmSync(join(dir, name), { force: true });
  await replaceFile(snapshotPath(dir, head.seq), textOf(head, plants));
  for (const { file } of snapshotFiles(dir).slice(KEPT)) rmSync(file, { force: true });
}

async function* textOf(head: SnapshotHead, plants: Readonly<Record<string, unknown>>): AsyncGenerator<string> {
  const sum = createHash('sha256');
  for (const part of partsOf(head, plants)) {
    sum.update(part);
    yield part;
    await setImmediate();
  }
  yield `${sum.digest('hex')}\n`;
}

/** The text before the check sum, in parts that are short whatever the plants hold. */
export function* partsOf(head: SnapshotHead, plants: Readonly<Record<string, unknown>>): Generator<string> {
  yield `${canonicalJson({ ...head, format: FORMAT })}\n{`;
  let comma = '';
  for (const [plantId, plant] of Object.entries(plants)) {
    yield `${comma}${JSON.stringify(plantId)}:`;
    yield* spread(plant, LEVELS);
    comma = ',';
  }
  yield '}\n';
}

/** A plant, its state, the fields of that, the mark of a map in a field, and what an agenda has: below that are lists. */
const LEVELS = 5;
/** Length of one part: 21,000 commands in one piece stop the service for a quarter of a second, this for 3 ms. */
const PART = 32_768;

/** The text of a value in parts: objects of the first levels field by field, lists and whatever is read like one in slices. */
function* spread(value: unknown, levels: number): Generator<string> {
  if (isIterable(value)) {
    let part = '[';
    let comma = '';
    for (const item of value) {
      part += comma + canonicalJson(item);
      comma = ',';
      if (part.length < PART) continue;
      yield part;
      part = '';
    }
    yield `${part}]`;
    return;
  }
  if (levels === 0 || typeof value !== 'object' || value === null) {
    yield canonicalJson(value);
    return;
  }
  yield '{';
  let comma = '';
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue;
    yield `${comma}${JSON.stringify(key)}:`;
    yield* spread(field, levels - 1);
    comma = ',';
  }
  yield '}';
}

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.iterator in value;

export type Found =
  | { readonly kind: 'good'; readonly head: SnapshotHead; readonly plantsText: string }
  | { readonly kind: 'bad'; readonly place: string; readonly why: string };

/** Reads one and holds it against its own check sum. */
export function readSnapshotFile(file: string): Found {
  const bad = (place: number, why: string): Found => ({ kind: 'bad', place: `octet ${place}`, why });
  let octets: Buffer;
  try {
    octets = readFileSync(file);
  } catch (e) {
    return bad(0, messageOf(e));
  }
  const end = octets.lastIndexOf(LINE_FEED, octets.length - 2);
  if (end < 0 || octets.at(-1) !== LINE_FEED) return bad(octets.length, 'it ends too early');
  const sum = hash('sha256', octets.subarray(0, end + 1), 'hex');
  if (octets.toString('latin1', end + 1) !== `${sum}\n`) return bad(end + 1, 'its check sum is wrong');
  const first = octets.indexOf(LINE_FEED);
  const head = JSON.parse(octets.toString('utf8', 0, first)) as SnapshotHead & { format: number };
  if (head.format !== FORMAT) return bad(0, `its format is ${head.format}, this build reads ${FORMAT}`);
  const { seq, hash: of, build } = head;
  return { kind: 'good', head: { seq, hash: of, build }, plantsText: octets.toString('utf8', first + 1, end) };
}

/** The newest that can be relied on, and what is to be said of those that cannot. */
export function newestSnapshot(
  dir: string,
  by: { readonly build: string; readonly hashAt: (seq: number) => string | null },
): { readonly head: SnapshotHead | null; readonly notes: readonly string[] } {
  const notes: string[] = [];
  for (const { file } of snapshotFiles(dir)) {
    const found = readSnapshotFile(file);
    const why = unfit(found, by);
    if (why === null && found.kind === 'good') return { head: found.head, notes };
    notes.push(`${file}: ${why}; it is not used`);
  }
  return { head: null, notes };
}

function unfit(
  found: Found,
  { build, hashAt }: { readonly build: string; readonly hashAt: (seq: number) => string | null },
): string | null {
  if (found.kind === 'bad') return `${found.place}: ${found.why}`;
  if (found.head.build !== build) return `it was made by build ${found.head.build}, this is ${build}`;
  if (hashAt(found.head.seq) !== found.head.hash) return `it is not of this journal at entry ${found.head.seq}`;
  return null;
}
