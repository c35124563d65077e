/** Latencies with a resolution of 1 %, in constant memory: bucket n holds 1.01^n microseconds. */
const BASE = Math.log(1.01);
const BUCKETS = 2_000;

export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS);
  #count = 0;
  #max = 0;

  /** @param us  one latency [µs] */
  add(us: number): void {
    const bucket = us <= 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log(us) / BASE));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
    if (us > this.#max) this.#max = us;
  }

  get count(): number {
    return this.#count;
  }

  /** @returns the latency that this share of all stays within [ms]; NaN without any */
  quantileMs(share: number): number {
    if (this.#count === 0) return Number.NaN;
    let left = Math.ceil(share * this.#count);
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.#buckets[i] ?? 0;
      if (left <= 0) return Math.min(this.#max, Math.exp((i + 1) * BASE)) / 1_000;
    }
    return this.#max / 1_000;
  }

  get maxMs(): number {
    return this.#max / 1_000;
  }
}
