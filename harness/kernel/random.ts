/**
 * Named random streams from one seed.
 *
 * Each label has its own Alea generator, seeded by the text "<seed>/<label>". A stream's numbers depend on the seed and
 * its own label only, never on which other labels exist or were drawn from: adding a device leaves the noise of every
 * other as it was. Alea is J. Baagøe's multiply-with-carry generator in seedrandom's port, 32 random bits a draw; it
 * gets text, never a number. Sine and logarithm come from V8, so streams are equal on one Node build, not across all.
 */
import seedrandom from 'seedrandom';
import { invariant } from '../../src/domain/errors.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';

/** More labels than this is a label built from something that never repeats, such as a time. */
const STREAMS_MAX = 2_000_000;
/** One draw has 32 bits; a wider integer range would have holes. */
const INT_SPAN_MAX = 2 ** 32;

class AleaStream implements RandomStream {
  readonly #draw: () => number;

  constructor(draw: () => number) {
    this.#draw = draw;
  }

  next(): number {
    return this.#draw();
  }

  int(min: number, max: number): number {
    const span = max - min + 1;
    invariant(
      Number.isSafeInteger(min) && Number.isSafeInteger(max) && span >= 1 && span <= INT_SPAN_MAX,
      `int() needs whole min <= max at most 2^32 apart, not ${min}..${max}`,
    );
    return min + Math.floor(this.#draw() * span);
  }

  uniform(min: number, max: number): number {
    return min + this.#draw() * (max - min);
  }

  /** Always two draws; the second Box–Muller value is not kept, so that a draw's cost does not depend on history. */
  normal(mean: number, sd: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.#draw()));
    return mean + sd * radius * Math.cos(2 * Math.PI * this.#draw());
  }

  /** 1 − u lies in (0, 1], so the result is finite and ≥ 0. */
  exponential(mean: number): number {
    return mean * Math.abs(Math.log(1 - this.#draw()));
  }

  chance(p: number): boolean {
    return this.#draw() < p;
  }
}

/**
 * @param seed  any text
 * @returns     label -> stream; the same label gives the same stream, which goes on where it stands
 */
export function randomSource(seed: string): RandomSource {
  const streams = new Map<string, RandomStream>();
  return (label) => {
    const known = streams.get(label);
    if (known !== undefined) return known;
    invariant(streams.size < STREAMS_MAX, `more than ${STREAMS_MAX} random streams; the last label was "${label}"`);
    const stream = new AleaStream(seedrandom.alea(`${seed}/${label}`));
    streams.set(label, stream);
    return stream;
  };
}
