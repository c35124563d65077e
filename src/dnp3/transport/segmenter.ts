import { FIN, FIR, SEGMENT_DATA_MAX } from './reassembler.ts';

/** Cuts fragments into transport segments; the sequence runs on over fragments, as opendnp3 and the standard do. */
export class Segmenter {
  private sequence = 0;

  segments(fragment: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = [];
    const count = Math.max(1, Math.ceil(fragment.length / SEGMENT_DATA_MAX));
    for (let i = 0; i < count; i++) {
      const data = fragment.subarray(i * SEGMENT_DATA_MAX, (i + 1) * SEGMENT_DATA_MAX);
      const segment = new Uint8Array(1 + data.length);
      segment[0] = (i === 0 ? FIR : 0) | (i === count - 1 ? FIN : 0) | this.sequence;
      segment.set(data, 1);
      this.sequence = (this.sequence + 1) & 0x3f;
      out.push(segment);
    }
    return out;
  }

  reset(): void {
    this.sequence = 0;
  }
}
