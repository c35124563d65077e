/**
 * CRC-16/DNP: polynomial 0x3D65, reflected 0xA6BC, start 0, complemented at the end, sent low octet first.
 *
 * A CRC that starts at 0 is linear: that of a block is the XOR of what each octet alone gives, with zeros in place of the
 * octets behind it. The link checks blocks of up to 16 octets, so 16 rows of 256 hold every such part, and no step has to
 * wait for the one before.
 * @source IEEE 1815 clause 9.2.7 [S]; checked against frames of opendnp3's TestLinkFrame.cpp
 */
export const BLOCK_OCTETS = 16;

/** Row k, column x: the CRC of octet x with k zeros behind it. */
const PARTS: Uint16Array = makeParts();

function makeParts(): Uint16Array {
  const parts = new Uint16Array(BLOCK_OCTETS * 256);
  for (let octet = 0; octet < 256; octet++) {
    let crc = octet;
    for (let row = 0; row < BLOCK_OCTETS; row++) {
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa6bc : crc >>> 1;
      parts[row * 256 + octet] = crc;
    }
  }
  return parts;
}

/** Copies octets[from, from + count) to target[at, …) and gives their CRC: one pass over a block instead of two. */
export function copyWithCrc(
  octets: Uint8Array,
  block: { readonly from: number; readonly count: number },
  target: Uint8Array,
  at: number,
): number {
  const { from, count } = block;
  let crc = 0;
  for (let i = 0, row = (count - 1) << 8; i < count; i++, row -= 256) {
    const octet = octets[from + i] ?? 0;
    target[at + i] = octet;
    crc ^= PARTS[row + octet] ?? 0;
  }
  return ~crc & 0xffff;
}

/** CRC over octets[from, to): one block at most. */
export function crcDnp(octets: Uint8Array, from = 0, to: number = octets.length): number {
  let crc = 0;
  for (let i = from, row = (to - from - 1) << 8; i < to; i++, row -= 256) crc ^= PARTS[row + (octets[i] ?? 0)] ?? 0;
  return ~crc & 0xffff;
}
