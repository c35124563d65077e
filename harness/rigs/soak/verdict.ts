/** What a soak is judged by. */
export interface Sample {
  /** Since the start of the load. */
  readonly ms: number;
  /** [octets] */
  readonly rss: number;
  /** JavaScript heap right after a collection [octets]; null: none was made for this sample. */
  readonly heap: number | null;
  readonly descriptors: number;
  readonly status: string;
  readonly healthMs: number;
  /** Entries of the journal that the webhooks have not taken. */
  readonly behind: number | null;
}

export interface Line {
  readonly what: string;
  readonly found: string;
  readonly goal: string;
  readonly met: boolean;
}

/** Least squares over the samples [MB/min]; 0 for fewer than two. */
export function slopeMbPerMin(samples: readonly Pick<Sample, 'ms' | 'rss'>[]): number {
  const n = samples.length;
  if (n < 2) return 0;
  const meanMs = samples.reduce((sum, s) => sum + s.ms, 0) / n;
  const mean = samples.reduce((sum, s) => sum + s.rss, 0) / n;
  const above = samples.reduce((sum, s) => sum + (s.ms - meanMs) * (s.rss - mean), 0);
  const below = samples.reduce((sum, s) => sum + (s.ms - meanMs) ** 2, 0);
  return below === 0 ? 0 : ((above / below) * 60_000) / 1e6;
}
