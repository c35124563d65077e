/**
 * Keeps a reaction to a peer from becoming a storm: it may fire once in `minMs`, and each time it fires again soon after
 * that (within twice the hold) the hold doubles, up to `maxMs`.
 */
export class Hold {
  private readonly minMs: number;
  private readonly maxMs: number;
  private lastMs = Number.NEGATIVE_INFINITY;
  private holdMs: number;

  constructor(minMs: number, maxMs: number) {
    this.minMs = minMs;
    this.maxMs = Math.max(minMs, maxMs);
    this.holdMs = minMs;
  }

  /** First instant at which it may fire. */
  readyMs(): number {
    return this.lastMs + this.holdMs;
  }

  fired(nowMs: number): void {
    const again = nowMs < this.lastMs + 2 * this.holdMs;
    this.holdMs = again ? Math.min(this.maxMs, 2 * this.holdMs) : this.minMs;
    this.lastMs = nowMs;
  }

  reset(): void {
    this.lastMs = Number.NEGATIVE_INFINITY;
    this.holdMs = this.minMs;
  }
}
