/**
 * Named random streams: one stream per purpose and thing, derived from the seed and a label, so that adding a device
 * never shifts another one's noise.
 */
export interface RandomStream {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [min, max]. */
  int(min: number, max: number): number;
  /** Uniform in [min, max). */
  uniform(min: number, max: number): number;
  /** Normal by Box–Muller. */
  normal(mean: number, sd: number): number;
  /** Exponential with the given mean. */
  exponential(mean: number): number;
  /** True with probability p. */
  chance(p: number): boolean;
}

export type RandomSource = (label: string) => RandomStream;
