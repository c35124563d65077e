import { FIN, FIR, SEGMENT_DATA_MAX } from './reassembler.ts';

/** Cuts fragments into transport segments; the sequence runs on over fragments, as opendnp3 and the standard do. */
export class Segmenter {
  private sequence = 0;

  /** @returns views of one buffer that holds all segments of the fragment */
  segments(fragment: Uint8Array): Uint8Array[] {
    const count = Math.max(1, Math.ceil(fragment.length / SEGMENT_DATA_MAX));
    const octets = new Uint8Array(fragment.length + count);
    const out: Uint8Array[] = [];
    let at = 0;
    for (let i = 0; i < count; i++) {
      const start = at;
      const from = i * SEGMENT_DATA_MAX;
      const to = Math.min(fragment.length, from + SEGMENT_DATA_MAX);
      octets[at++] = (i === 0 ? FIR : 0) | (i === count - 1 ? FIN : 0) | this.sequence;
      for (let k = from; k < to; k++) octets[at++] = fragment[k] ?? 0;
      this.sequence = (this.sequence + 1) & 0x3f;
      out.push(octets.subarray(start, at));
    }
    return out;
  }

  reset(): void {
    this.sequence = 0;
  }
}
