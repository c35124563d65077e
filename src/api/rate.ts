import type { EpochMs } from '../domain/units.ts';

/**
 * Token buckets, one per name: `perSecond` requests in the long run, `burst` at once. At most NAMES_MAX are kept; the one
 * that was used longest ago goes first and begins full again, which only ever lets more through.
 */
const NAMES_MAX = 10_000;

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export class Buckets {
  readonly #rate: Rate;
  readonly #held = new Map<string, { tokens: number; atMs: EpochMs }>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Takes one token. @returns 0, or the whole seconds after which there is one */
  take(name: string, nowMs: EpochMs): number {
    const { perSecond, burst } = this.#rate;
    let bucket = this.#held.get(name);
    if (bucket === undefined) {
      bucket = { tokens: burst, atMs: nowMs };
      this.#held.set(name, bucket);
      this.#forget();
    }
    // A clock that was set back gives nothing and takes nothing.
    const passedMs = Math.max(0, nowMs - bucket.atMs);
    bucket.tokens = Math.min(burst, bucket.tokens + (passedMs * perSecond) / 1000);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond));
    bucket.tokens -= 1;
    return 0;
  }

  #forget(): void {
    if (this.#held.size <= NAMES_MAX) return;
    const [first] = this.#held.keys();
    if (first !== undefined) this.#held.delete(first);
  }
}
