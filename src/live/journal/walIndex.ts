import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { messageOf } from './errors.ts';
import { FRAME_HEADER, HEADER as LOG_HEADER } from './walFile.ts';

/**
 * How far the write-ahead log goes for SQLite: its index, a file that all connections share in memory. It is written after
 * the sync of a commit, so after a sync that failed it still says where the last good commit ends, while the log has the
 * whole of the refused one, which the next start would take for good.
 *
 * Header, in the byte order of the machine: octet 14 the size of a page (16 bits, 1 = 65,536), 16 the number of the last
 * valid frame, 32 the two salts as they stand in the log at octet 16.
 * @source sqlite.org/walformat.html 2.1 "The WAL-Index Header"
 */
const INDEX_HEADER = 48;
const SALTS = 8;

/**
 * Cuts off the log what follows on its last good commit, which a later start on this machine's memory does not find then.
 * The sync after it may fail as well: then a loss of power may bring it back, which cannot be helped from here.
 * @returns null when it is done, or there is nothing to cut; else what is not done, in words
 */
export function cutRefused(database: string): string | null {
  const log = `${database}-wal`;
  if (!existsSync(log)) return null;
  try {
    const index = octetsOf(`${database}-shm`, 0, INDEX_HEADER);
    const salts = octetsOf(log, 16, SALTS);
    // Of another round of the log: the refused commit did not come to its first frame.
    if (!salts.equals(index.subarray(32, 32 + SALTS))) return null;
    const view = new DataView(index.buffer, index.byteOffset);
    const little = endianness() === 'LE';
    const size = view.getUint16(14, little);
    const frame = FRAME_HEADER + (size === 1 ? 65_536 : size);
    return cutAt(log, LOG_HEADER + view.getUint32(16, little) * frame);
  } catch (e) {
    return `the next start may find the last entries all the same: ${messageOf(e)}`;
  }
}

function octetsOf(file: string, from: number, length: number): Buffer {
  const octets = Buffer.alloc(length);
  const fd = openSync(file, 'r');
  try {
    const read = readSync(fd, octets, 0, length, from);
    if (read < length) throw new Error(`${file} ends at octet ${from + read}`);
    return octets;
  } finally {
    closeSync(fd);
  }
}

function cutAt(file: string, octet: number): string | null {
  const fd = openSync(file, 'r+');
  try {
    ftruncateSync(fd, octet);
    return synced(fd);
  } finally {
    closeSync(fd);
  }
}

function synced(fd: number): string | null {
  try {
    fsyncSync(fd);
    return null;
  } catch (e) {
    return `a loss of power may bring the last entries back: ${messageOf(e)}`;
  }
}
