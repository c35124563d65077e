import { encodeFrame } from '../../src/dnp3/link/frame.ts';
import type { Segmenter } from '../../src/dnp3/transport/segmenter.ts';
import { concatOctets } from '../../src/dnp3/util/bytes.ts';
import { ADDRESSES, type Target } from './targets.ts';

/** Marsaglia's xorshift32; a period of 2^32 - 1 is enough for a fuzz run, and it costs nothing. */
export class Xorshift {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0 || 1;
  }

  /** 0 to limit - 1. */
  below(limit: number): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return (x >>> 0) % limit;
  }

  pick<T>(from: readonly T[]): T {
    const item = from[this.below(from.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

/** Octets that break things: limits, qualifiers, groups, functions. */
const INTERESTING = [
  0x00, 0x01, 0x02, 0x05, 0x06, 0x07, 0x08, 0x09, 0x17, 0x28, 0x39, 0x3f, 0x5b, 0x64, 0x7f, 0x80, 0xc0, 0xf0, 0xff, 12,
  30, 32, 34, 41, 50, 51, 60, 70, 80, 110, 111, 112,
] as const;
const FRAGMENT_MAX = 2100;

/** One to four edits: a bit, an octet, an insertion, a deletion, a piece of another fragment. */
export function mutate(random: Xorshift, fragment: Uint8Array, other: Uint8Array): Uint8Array {
  let out: Uint8Array = fragment.slice();
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    if (out.length === 0) return other.slice();
    const at = random.below(out.length);
    switch (random.below(6)) {
      case 0:
        out[at] = (out[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        out[at] = random.pick(INTERESTING);
        break;
      case 2:
        out = concatOctets([out.subarray(0, at), Uint8Array.of(random.pick(INTERESTING)), out.subarray(at)]);
        break;
      case 3:
        out = concatOctets([out.subarray(0, at), out.subarray(at + 1 + random.below(4))]);
        break;
      case 4:
        // Object headers of the other one behind this one's.
        out = concatOctets([out, other.subarray(Math.min(other.length, 2 + random.below(3)))]);
        break;
      default:
        out = concatOctets([out.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
  }
  return out.subarray(0, FRAGMENT_MAX);
}

/**
 * A fragment as octets on the wire. Most of the time link and transport are right (CRCs, lengths, addresses), so that the
 * layer above is reached; else one of them is broken.
 */
export function onWire(random: Xorshift, target: Target, segmenter: Segmenter, fragment: Uint8Array): Uint8Array {
  const fromMaster = target.role === 'outstation';
  const [destination, source] = fromMaster
    ? [ADDRESSES.outstation, ADDRESSES.master]
    : [ADDRESSES.master, ADDRESSES.outstation];
  const layer = random.below(20);
  const segments = segmenter.segments(fragment);
  // Transport octet and order broken.
  if (layer === 0) for (const s of segments) s[0] = random.below(256);
  if (layer === 1) segments.reverse();
  const frames = segments.map((userData) =>
    encodeFrame({
      fromMaster: layer === 2 ? random.below(2) === 0 : fromMaster,
      primary: layer === 2 ? random.below(2) === 0 : true,
      fcb: layer === 2 && random.below(2) === 0,
      fcvOrDfc: layer === 2 && random.below(2) === 0,
      functionCode: layer === 2 ? random.below(16) : 4,
      destination: layer === 3 ? 0xfff0 + random.below(16) : destination,
      source: layer === 3 && random.below(4) === 0 ? random.below(0x10000) : source,
      userData,
    }),
  );
  const wire = concatOctets(frames);
  // Octets broken behind the CRCs' back.
  if (layer === 4) for (let n = 1 + random.below(3); n > 0; n--) wire[random.below(wire.length)] = random.below(256);
  return layer === 5 ? wire.subarray(random.below(wire.length)) : wire;
}
