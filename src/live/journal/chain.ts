import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { EpochMs } from '../../domain/units.ts';

/**
 * What holds the entries together. The sealed text of an entry is everything that is read back from it:
 *
 *   text = seq SP atMs SP wallMs SP plantId SP body      crc = CRC-32(text)      hash = SHA-256(hash before as hex + text)
 *
 * The CRC tells that this row is not as it was written; the hash tells that it is not the row that stood here: one that was
 * swapped, left out or put in breaks the chain though its own CRC is right. The hash is not keyed: who can write the
 * folder can write a chain of their own, which only the high-water mark in another folder would tell.
 */
export interface Row {
  readonly seq: number;
  /** CRC-32 of the text as it was written. */
  readonly crc: number;
  /** 64 hex digits. */
  readonly hash: string;
  readonly text: string;
}

export interface Sealed {
  readonly seq: number;
  readonly atMs: EpochMs;
  readonly wallMs: EpochMs;
  /** Without a space in it. */
  readonly plantId: string;
  /** Canonical JSON: facts, origin, subjects. */
  readonly body: string;
}

/** Stands before the first entry. */
export const GENESIS = '0'.repeat(64);

export const sealedText = ({ seq, atMs, wallMs, plantId, body }: Sealed): string =>
  `${seq} ${atMs} ${wallMs} ${plantId} ${body}`;

export function unsealed(text: string): Sealed {
  const at = text.indexOf(' ');
  const wall = text.indexOf(' ', at + 1);
  const plant = text.indexOf(' ', wall + 1);
  const body = text.indexOf(' ', plant + 1);
  return {
    seq: Number(text.slice(0, at)),
    atMs: Number(text.slice(at + 1, wall)),
    wallMs: Number(text.slice(wall + 1, plant)),
    plantId: text.slice(plant + 1, body),
    body: text.slice(body + 1),
  };
}

export const crcOf = (text: string): number => crc32(text);

/** @source node:crypto hash(): one call instead of an object; measured 1.0 µs for 1 KB */
export const hashOf = (before: string, text: string): string => hash('sha256', before + text, 'hex');

/** What is wrong with a row that should follow on `before`; null = nothing. */
export function faultOf(row: Row, before: { readonly seq: number; readonly hash: string }): string | null {
  if (row.seq !== before.seq + 1) return `entry ${before.seq + 1} is missing, ${row.seq} stands here`;
  if (hashOf(before.hash, row.text) === row.hash && crcOf(row.text) === row.crc) return null;
  return crcOf(row.text) === row.crc
    ? 'it does not follow on the entry before it: one was swapped, changed or left out'
    : 'its check sum is wrong: it is not as it was written';
}
