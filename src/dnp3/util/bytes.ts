/**
 * Octets in and out, little-endian as everything in DNP3 (IEEE 1815-2012 clause 4.4.1, [S]).
 *
 * A reader never throws on input: a read past the end gives 0 and sets `ok` to false for good, so that a parser may
 * read a whole structure and ask once. A writer has a fixed capacity and refuses what does not fit; a mark taken before
 * a structure lets the caller undo it.
 */
export class ByteReader {
  private readonly view: DataView;
  private readonly octets: Uint8Array;
  private at: number;
  private failed = false;

  constructor(octets: Uint8Array, at = 0) {
    this.octets = octets;
    this.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
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

  private take(count: number): number {
    if (this.failed || this.remaining < count) {
      this.failed = true;
      return -1;
    }
    const from = this.at;
    this.at += count;
    return from;
  }

  u8(): number {
    const i = this.take(1);
    return i < 0 ? 0 : this.view.getUint8(i);
  }
  u16(): number {
    const i = this.take(2);
    return i < 0 ? 0 : this.view.getUint16(i, true);
  }
  u32(): number {
    const i = this.take(4);
    return i < 0 ? 0 : this.view.getUint32(i, true);
  }
  i16(): number {
    const i = this.take(2);
    return i < 0 ? 0 : this.view.getInt16(i, true);
  }
  i32(): number {
    const i = this.take(4);
    return i < 0 ? 0 : this.view.getInt32(i, true);
  }
  /** 48-bit unsigned; exact, since a number holds 53 bits. */
  u48(): number {
    const low = this.u32();
    return this.u16() * 0x1_0000_0000 + low;
  }
  f32(): number {
    const i = this.take(4);
    return i < 0 ? 0 : this.view.getFloat32(i, true);
  }
  f64(): number {
    const i = this.take(8);
    return i < 0 ? 0 : this.view.getFloat64(i, true);
  }
  /** A view, not a copy. Empty when too few octets are left. */
  bytes(count: number): Uint8Array {
    const i = this.take(count);
    return i < 0 ? this.octets.subarray(0, 0) : this.octets.subarray(i, i + count);
  }
}

export class ByteWriter {
  private readonly octets: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(capacity: number) {
    this.octets = new Uint8Array(capacity);
    this.view = new DataView(this.octets.buffer);
  }

  get length(): number {
    return this.at;
  }
  get free(): number {
    return this.octets.length - this.at;
  }
  /** Goes back to an earlier length. */
  rollback(length: number): void {
    this.at = Math.min(this.at, length);
  }
  toOctets(): Uint8Array {
    return this.octets.slice(0, this.at);
  }

  private room(count: number): number {
    if (this.free < count) return -1;
    const from = this.at;
    this.at += count;
    return from;
  }

  /** Each writer answers whether it fitted; nothing is written when it did not. */
  u8(value: number): boolean {
    const i = this.room(1);
    if (i >= 0) this.view.setUint8(i, value);
    return i >= 0;
  }
  u16(value: number): boolean {
    const i = this.room(2);
    if (i >= 0) this.view.setUint16(i, value, true);
    return i >= 0;
  }
  u32(value: number): boolean {
    const i = this.room(4);
    if (i >= 0) this.view.setUint32(i, value, true);
    return i >= 0;
  }
  u48(value: number): boolean {
    const i = this.room(6);
    if (i < 0) return false;
    this.view.setUint32(i, value % 0x1_0000_0000, true);
    this.view.setUint16(i + 4, Math.floor(value / 0x1_0000_0000), true);
    return true;
  }
  f32(value: number): boolean {
    const i = this.room(4);
    if (i >= 0) this.view.setFloat32(i, value, true);
    return i >= 0;
  }
  f64(value: number): boolean {
    const i = this.room(8);
    if (i >= 0) this.view.setFloat64(i, value, true);
    return i >= 0;
  }
  bytes(octets: Uint8Array): boolean {
    const i = this.room(octets.length);
    if (i >= 0) this.octets.set(octets, i);
    return i >= 0;
  }

  /** Overwrites what was written before, for counts and stop indices known only later. */
  patchU8(at: number, value: number): void {
    if (at >= 0 && at + 1 <= this.at) this.view.setUint8(at, value);
  }
  patchU16(at: number, value: number): void {
    if (at >= 0 && at + 2 <= this.at) this.view.setUint16(at, value, true);
  }
}

export function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concatOctets(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
