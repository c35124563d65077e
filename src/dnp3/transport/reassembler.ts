import { newOctets } from '../util/bytes.ts';

/**
 * The transport function (IEEE 1815 clause 8 [S]): one octet before each segment, FIN 0x80, FIR 0x40, sequence 0 to 63.
 * A fragment begins with FIR, goes on with consecutive sequence numbers and ends with FIN. FIR drops whatever was
 * unfinished; a gap, another sender or a fragment above the cap drops all up to the next FIR.
 */
export const FIN = 0x80;
export const FIR = 0x40;
export const SEGMENT_DATA_MAX = 249;

export class Reassembler {
  dropped = 0;
  /** The unfinished fragment: copied, so that no segment keeps the buffer alive that it came in. */
  private readonly octets: Uint8Array;
  private size = 0;
  private expected: { source: number; sequence: number } | null = null;

  /** @param octetsMax  largest fragment taken; 2048 is what every implementation must receive */
  constructor(octetsMax = 2048) {
    this.octets = new Uint8Array(octetsMax);
  }

  /** @returns the whole fragment when this segment completed one */
  push(segment: Uint8Array, source: number): Uint8Array | null {
    const header = segment[0];
    if (header === undefined) return null;
    const sequence = header & 0x3f;
    const octets = segment.length - 1;
    if (header & FIR) {
      if (this.expected !== null) this.drop();
    } else if (this.expected === null || this.expected.source !== source || this.expected.sequence !== sequence) {
      this.drop();
      return null;
    }
    if (this.size + octets > this.octets.length) {
      this.drop();
      return null;
    }
    this.octets.set(segment.subarray(1), this.size);
    this.size += octets;
    if (header & FIN) {
      const whole = newOctets(this.size);
      whole.set(this.octets.subarray(0, this.size));
      this.reset();
      return whole;
    }
    this.expected = { source, sequence: (sequence + 1) & 0x3f };
    return null;
  }

  reset(): void {
    this.size = 0;
    this.expected = null;
  }

  private drop(): void {
    this.dropped += 1;
    this.reset();
  }
}
