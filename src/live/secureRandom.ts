import { randomFillSync } from 'node:crypto';

/** The one place where chance is not seeded: ids and secrets that nobody may guess. Nothing inside a run may use it. */
const BLOCK_OCTETS = 8_192;
const block = new Uint8Array(BLOCK_OCTETS);
let used = BLOCK_OCTETS;

/** Octets from the system's generator, fetched in blocks: one call for many ids. */
export function secureRandom(octets: number): Uint8Array {
  if (octets > BLOCK_OCTETS) return randomFillSync(new Uint8Array(octets));
  if (used + octets > BLOCK_OCTETS) {
    randomFillSync(block);
    used = 0;
  }
  used += octets;
  return block.slice(used - octets, used);
}

export const secureHex = (octets: number): string => Buffer.from(secureRandom(octets)).toString('hex');
