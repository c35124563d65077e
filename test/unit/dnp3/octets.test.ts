import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeObjects } from '../../../src/dnp3/app/build.ts';
import { objectSpec } from '../../../src/dnp3/app/objects.ts';
import { copyWithCrc, crcDnp } from '../../../src/dnp3/link/crc.ts';
import { ByteReader, ByteWriter, newOctets, viewOf } from '../../../src/dnp3/util/bytes.ts';
import { hex } from './hex.ts';

/** The definition, bit by bit. */
function crcOf(octets: Uint8Array): number {
  let crc = 0;
  for (const octet of octets) {
    crc ^= octet;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa6bc : crc >>> 1;
  }
  return ~crc & 0xffff;
}

describe('CRC', () => {
  test('of any octets is what the polynomial says, and the copy is the same octets and no more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 5 }), (octets, before) => {
        const stream = Uint8Array.from([...new Array<number>(before).fill(0xee), ...octets]);
        const target = new Uint8Array(octets.length + 2).fill(0xaa);
        const block = { from: before, count: octets.length };
        expect(copyWithCrc(viewOf(stream), block, viewOf(target), 1)).toBe(crcOf(octets));
        expect(crcDnp(stream, before)).toBe(crcOf(octets));
        expect(target).toEqual(Uint8Array.from([0xaa, ...octets, 0xaa]));
      }),
    );
  });
});

describe('octets', () => {
  test('new ones are all 0 and nobody else has them, small or large', () => {
    const sizes = Array.from({ length: 400 }, (_, i) => (i * 37) % 6000);
    const all = sizes.map((size) => {
      const octets = newOctets(size);
      expect(octets.length).toBe(size);
      expect(octets.every((o) => o === 0)).toBe(true);
      return octets;
    });
    for (const [i, octets] of all.entries()) octets.fill(i % 256);
    expect(all.every((octets, i) => octets.every((o) => o === i % 256))).toBe(true);
  });

  test('room that was given back by a writer is all 0 when it is taken again', () => {
    const writer = new ByteWriter(8);
    writer.u16(0xffff);
    writer.rollback(1);
    expect(writer.reserve(7)).toBe(1);
    expect(hex(writer.toOctets())).toBe('ff00000000000000');
  });

  test('a writer refuses what does not fit and writes none of it', () => {
    const writer = new ByteWriter(3);
    expect([writer.u16(0x0201), writer.u16(0x0403), writer.bytes(Uint8Array.of(3, 4)), writer.reserve(2)]).toEqual([
      true,
      false,
      false,
      -1,
    ]);
    expect(writer.u8(9)).toBe(true);
    expect(hex(writer.toOctets())).toBe('010209');
  });

  test('a reader that went past the end gives 0 from then on', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3));
    expect([reader.u16(), reader.ok, reader.u16(), reader.ok, reader.u8()]).toEqual([0x0201, true, 0, false, 0]);
  });
});

describe('objects that do not fit or cannot stand under a qualifier', () => {
  const objects = [0, 1].map((index) => ({ index, fields: [1, index] }));
  test.each([
    ['an object too many', 11, 30, 2, 0x00, objects],
    ['not even the header', 3, 30, 2, 0x00, objects],
    ['none at all', 100, 30, 2, 0x28, []],
    ['a range that 8 bits do not hold', 100, 30, 2, 0x00, [{ index: 256, fields: [1, 1] }]],
    ['packed bits with an index', 100, 1, 1, 0x17, [{ index: 0, fields: [1] }]],
    ['a string of another length', 100, 110, 2, 0x00, [{ index: 0, fields: [], octets: Uint8Array.of(1, 2, 3) }]],
  ])('%s: nothing is written', (_, capacity, group, variation, qualifier, list) => {
    const spec = objectSpec(group, variation);
    const writer = new ByteWriter(capacity);
    writer.u8(7);
    expect(spec !== null && writeObjects(writer, spec, qualifier, list)).toBe(false);
    expect(hex(writer.toOctets())).toBe('07');
  });
});
