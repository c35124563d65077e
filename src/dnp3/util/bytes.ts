/**
 * Octets in and out, little-endian as everything in DNP3 (IEEE 1815-2012 clause 4.4.1, [S]).
 *
 * A reader never throws on input: a read past the end gives 0 and sets `ok` to false for good, so that a parser may
 * read a whole structure and ask once. A writer has a fixed capacity and refuses what does not fit; a mark taken before
 * a structure lets the caller undo it. Objects are not moved number by number: whoever knows how many there are takes
 * their octets at once, with one check, and goes through them with a view (codec.ts).
 */
/**
 * New octets, all 0. Small ones are cut from a larger piece that is never used twice: an allocation of its own for each
 * frame and fragment costs more than to fill it. A piece lives as long as anything cut from it.
 */
export function newOctets(count: number): Uint8Array {
  if (count > PIECE_OCTETS / 4) return new Uint8Array(count);
  if (piece.length - pieceUsed < count) {
    piece = new Uint8Array(PIECE_OCTETS);
    pieceUsed = 0;
  }
  pieceUsed += count;
  return piece.subarray(pieceUsed - count, pieceUsed);
}

const PIECE_OCTETS = 16_384;
let piece = new Uint8Array(0);
let pieceUsed = 0;

export class ByteReader {
  private readonly octets: Uint8Array;
  private at: number;
  private failed = false;

  constructor(octets: Uint8Array, at = 0) {
    this.octets = octets;
    this.at = at;
  }

  get ok(): boolean {
    return !this.failed;
  }
  get position(): number {
    return this.at;
  }
  get remaining(): number {
    return this.octets.length - this.at;
  }

  u8(): number {
    return this.take(1) ? (this.octets[this.at - 1] ?? 0) : 0;
  }
  u16(): number {
    return this.take(2) ? (this.octets[this.at - 2] ?? 0) | ((this.octets[this.at - 1] ?? 0) << 8) : 0;
  }
  /** A view, not a copy. Empty when too few octets are left. */
  bytes(count: number): Uint8Array {
    return this.take(count) ? this.octets.subarray(this.at - count, this.at) : this.octets.subarray(0, 0);
  }
  /** A view of what was read from a position on. */
  since(position: number): Uint8Array {
    return this.octets.subarray(position, this.at);
  }

  private take(count: number): boolean {
    if (this.failed || this.remaining < count) {
      this.failed = true;
      return false;
    }
    this.at += count;
    return true;
  }
}

export class ByteWriter {
  /** The same room twice, for who reserved some of it. */
  readonly octets: Uint8Array;
  readonly view: DataView;
  private at = 0;

  constructor(capacity: number) {
    this.octets = newOctets(capacity);
    this.view = viewOf(this.octets);
  }

  get length(): number {
    return this.at;
  }
  get free(): number {
    return this.octets.length - this.at;
  }
  /** Goes back to an earlier length; room after it is all 0 again. */
  rollback(length: number): void {
    if (length >= this.at) return;
    this.octets.fill(0, length, this.at);
    this.at = length;
  }
  /** A view of what was written, not a copy: the writer is done with. */
  toOctets(): Uint8Array {
    return this.octets.subarray(0, this.at);
  }

  /**
   * Takes room, all 0, that the caller fills.
   * @returns where it begins; -1 when it does not fit
   */
  reserve(count: number): number {
    if (this.free < count) return -1;
    const from = this.at;
    this.at += count;
    return from;
  }

  /** Each writer answers whether it fitted; nothing is written when it did not. */
  u8(value: number): boolean {
    const i = this.reserve(1);
    if (i >= 0) this.octets[i] = value;
    return i >= 0;
  }
  u16(value: number): boolean {
    const i = this.reserve(2);
    if (i >= 0) this.view.setUint16(i, value, true);
    return i >= 0;
  }
  bytes(octets: Uint8Array): boolean {
    const i = this.reserve(octets.length);
    if (i >= 0) this.octets.set(octets, i);
    return i >= 0;
  }
}

export const viewOf = (octets: Uint8Array): DataView =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

export function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concatOctets(parts: readonly Uint8Array[]): Uint8Array {
  const out = newOctets(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
