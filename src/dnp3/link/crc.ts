/**
 * CRC-16/DNP: polynomial 0x3D65, reflected 0xA6BC, start 0, complemented at the end, sent low octet first.
 * @source IEEE 1815 clause 9.2.7 [S]; checked against frames of opendnp3's TestLinkFrame.cpp
 */
const TABLE: Uint16Array = makeTable();

function makeTable(): Uint16Array {
  const table = new Uint16Array(256);
  for (let octet = 0; octet < 256; octet++) {
    let crc = octet;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa6bc : crc >>> 1;
    table[octet] = crc;
  }
  return table;
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
  for (let i = 0; i < count; i++) {
    const octet = octets[from + i] ?? 0;
    target[at + i] = octet;
    crc = (crc >>> 8) ^ (TABLE[(crc ^ octet) & 0xff] ?? 0);
  }
  return ~crc & 0xffff;
}

/** CRC over octets[from, to). */
export function crcDnp(octets: Uint8Array, from = 0, to: number = octets.length): number {
  let crc = 0;
  for (let i = from; i < to; i++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (octets[i] ?? 0)) & 0xff] ?? 0);
  return ~crc & 0xffff;
}
