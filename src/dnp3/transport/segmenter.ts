import { FIN, FIR, SEGMENT_DATA_MAX } from './reassembler.ts';

/** Cuts fragments into transport segments; the sequence runs on over fragments, as opendnp3 and the standard do. */
export class Segmenter {
  private sequence = 0;
  /** Room for the segments of one fragment; it grows to the largest one sent. */
  private room = new Uint8Array(0);

  /** @returns views that the next call overwrites */
  segments(fragment: Uint8Array): Uint8Array[] {
    const count = Math.max(1, Math.ceil(fragment.length / SEGMENT_DATA_MAX));
    if (this.room.length < fragment.length + count) this.room = new Uint8Array(fragment.length + count);
    const out: Uint8Array[] = [];
    let at = 0;
    for (let i = 0; i < count; i++) {
      const data = fragment.subarray(i * SEGMENT_DATA_MAX, (i + 1) * SEGMENT_DATA_MAX);
      const segment = this.room.subarray(at, at + 1 + data.length);
      segment[0] = (i === 0 ? FIR : 0) | (i === count - 1 ? FIN : 0) | this.sequence;
      segment.set(data, 1);
      this.sequence = (this.sequence + 1) & 0x3f;
      at += segment.length;
      out.push(segment);
    }
    return out;
  }

  reset(): void {
    this.sequence = 0;
  }
}
