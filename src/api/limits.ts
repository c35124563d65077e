import type { EpochMs } from '../domain/units.ts';
import { Buckets } from './rate.ts';

/** Of one client's token requests. A token lives a quarter of an hour. */
const TOKEN_RATE = { perSecond: 5, burst: 20 };
/** scrypt takes some 40 ms and 16 MB each: so many at a time, what is more is turned away. */
const HASHING_MAX = 16;

/** Limits of what is dear, beside the one of each workspace. */
export class Limits {
  readonly #tokens = new Buckets(TOKEN_RATE);
  #hashing = 0;

  /** @returns 0, or the seconds to wait */
  token(clientId: string, nowMs: EpochMs): number {
    return this.#tokens.take(clientId, nowMs);
  }

  /** Runs a slow hash. @returns null when too many run already */
  async hashing<T>(fn: () => Promise<T>): Promise<T | null> {
    if (this.#hashing >= HASHING_MAX) return null;
    this.#hashing += 1;
    try {
      return await fn();
    } finally {
      this.#hashing -= 1;
    }
  }
}
