import { existsSync, readFileSync } from 'node:fs';
import type { Damage } from './errors.ts';

/**
 * SQLite's write-ahead log, read for damage. SQLite takes the first frame whose check sum is wrong for the end of the log
 * and says nothing, because that is what a torn write looks like. Here the frames behind it are looked at too.
 *
 * Header, 32 octets: magic, version, page size, checkpoint number, salt 1, salt 2, check sum (2 words). Frame: page number,
 * pages of the database (not 0 = a commit), salt 1, salt 2, check sum (2 words), the page. Each check sum runs on from the
 * one before. After a reset the log is written from the front with new salts.
 * @source sqlite.org/fileformat2.html 4 "The Write-Ahead Log"
 *
 * A commit is synced before the next begins, so only the last one can be torn by a power cut. Two or more commits of the
 * same salts behind a wrong frame mean that what stood there was on the disk once: damage. With one or none it may have
 * been torn, and the high-water mark decides. Of a torn header one part may be of an older round of the log, with that round's
 * mark of a commit: a commit counts where its check sum runs on from the one that the frame before it has, or, of the wrong
 * frame itself, where its header stands in one sector.
 */
export const HEADER = 32;
export const FRAME_HEADER = 24;
const MAGIC_LITTLE = 0x377f0682;
const MAGIC_BIG = 0x377f0683;

/** What is wrong with the log; null = nothing, or nothing that can be told from a torn end. */
export function walDamage(file: string): Damage | null {
  if (!existsSync(file)) return null;
  const octets = readFileSync(file);
  if (octets.length <= HEADER) return null;
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const at = (place: number, what: string): Damage => ({ file, place: `octet ${place}`, what });
  const magic = view.getUint32(0);
  if (magic !== MAGIC_LITTLE && magic !== MAGIC_BIG) return at(0, 'this is no write-ahead log');
  const little = magic === MAGIC_LITTLE;
  const pageSize = view.getUint32(8);
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return at(8, `page size ${pageSize}`);
  let sum = checkSum(view, { from: 0, octets: 24, little, s0: 0, s1: 0 });
  if (!isSum(view, 24, sum)) return at(24, 'the check sum of its header is wrong');
  const size = FRAME_HEADER + pageSize;
  let place = HEADER;
  for (; place + size <= octets.length; place += size) {
    if (!isOfLog(view, place)) break;
    sum = frameSum(view, { frame: place, pageSize, little, before: sum });
    if (!isSum(view, place + 16, sum)) break;
  }
  let commits = isWholeCommit(view, place) ? 1 : 0;
  for (let p = place + size; p + size <= octets.length; p += size) {
    if (!isOfLog(view, p) || view.getUint32(p + 4) === 0) continue;
    const before = { s0: view.getUint32(p - size + 16), s1: view.getUint32(p - size + 20) };
    if (isSum(view, p + 16, frameSum(view, { frame: p, pageSize, little, before }))) commits += 1;
  }
  if (commits < 2) return null;
  return at(place, `the frame here is not as it was written, and ${commits} commits stand behind it`);
}

const isOfLog = (view: DataView, frame: number): boolean =>
  view.getUint32(frame + 8) === view.getUint32(16) && view.getUint32(frame + 12) === view.getUint32(20);

const SECTOR = 512;

const isWholeCommit = (view: DataView, frame: number): boolean =>
  (frame % SECTOR) + FRAME_HEADER <= SECTOR &&
  frame + FRAME_HEADER <= view.byteLength &&
  isOfLog(view, frame) &&
  view.getUint32(frame + 4) !== 0;

interface Sum {
  readonly s0: number;
  readonly s1: number;
}

const isSum = (view: DataView, at: number, { s0, s1 }: Sum): boolean =>
  view.getUint32(at) === s0 && view.getUint32(at + 4) === s1;

/** The check sum of a frame, running on from the one before. */
function frameSum(
  view: DataView,
  at: { readonly frame: number; readonly pageSize: number; readonly little: boolean; readonly before: Sum },
): Sum {
  const { frame, pageSize, little, before } = at;
  const ofHeader = checkSum(view, { from: frame, octets: 8, little, ...before });
  return checkSum(view, { from: frame + FRAME_HEADER, octets: pageSize, little, ...ofHeader });
}

/** The Fibonacci-weighted sum of 4.2, over pairs of 32-bit words. */
function checkSum(
  view: DataView,
  { from, octets, little, s0, s1 }: { readonly from: number; readonly octets: number; readonly little: boolean } & Sum,
): Sum {
  let a = s0;
  let b = s1;
  for (let i = from; i < from + octets; i += 8) {
    a = (a + view.getUint32(i, little) + b) >>> 0;
    b = (b + view.getUint32(i + 4, little) + a) >>> 0;
  }
  return { s0: a, s1: b };
}
