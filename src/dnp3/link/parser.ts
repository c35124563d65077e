import { concatOctets } from '../util/bytes.ts';
import { BLOCK_OCTETS, copyWithCrc, crcDnp } from './crc.ts';
import { frameOctets, HEADER_OCTETS, type LinkFrame, START_1, START_2 } from './frame.ts';

/**
 * Finds frames in a stream of octets that may be cut anywhere and may hold garbage.
 *
 * At each position: no start octets, a header CRC that fails, a length below 5 or a block CRC that fails moves on by one
 * octet; a good frame moves past itself. What is decided depends on the octets alone, so any chunking gives the same
 * frames. A position is left after at most one header and one body check (292 octets), so the time is linear.
 *
 * A header that promises more octets than come would swallow the next good frame. When the stream is silent for
 * `interOctetMs` inside a frame, the unfinished frame is given up and what it swallowed is searched again.
 */
export interface ParserStats {
  frames: number;
  headerCrcErrors: number;
  bodyCrcErrors: number;
  lengthErrors: number;
  /** Octets that belong to no frame. */
  skipped: number;
  /** Unfinished frames given up after silence. */
  expired: number;
  /** Octets that went through a CRC, some more than once: the work done. */
  checked: number;
}

export class LinkParser {
  readonly stats: ParserStats = {
    frames: 0,
    headerCrcErrors: 0,
    bodyCrcErrors: 0,
    lengthErrors: 0,
    skipped: 0,
    expired: 0,
    checked: 0,
  };
  private readonly interOctetMs: number;
  private pending: Uint8Array = NO_OCTETS;
  private lastOctetMs = 0;

  constructor(interOctetMs: number) {
    this.interOctetMs = interOctetMs;
  }

  push(octets: Uint8Array, nowMs: number): LinkFrame[] {
    const frames = this.expire(nowMs);
    if (octets.length === 0) return frames;
    this.lastOctetMs = nowMs;
    const stream = this.pending.length === 0 ? octets : concatOctets([this.pending, octets]);
    frames.push(...this.scan(stream, false));
    return frames;
  }

  /** Gives up an unfinished frame whose rest did not come in time; frames hidden inside it are returned. */
  expire(nowMs: number): LinkFrame[] {
    const deadline = this.nextTimeoutMs();
    if (deadline === null || nowMs < deadline) return [];
    this.stats.expired += 1;
    return this.scan(this.pending, true);
  }

  nextTimeoutMs(): number | null {
    return this.pending.length === 0 ? null : this.lastOctetMs + this.interOctetMs;
  }

  /** Octets kept for later: less than one frame. */
  get pendingOctets(): number {
    return this.pending.length;
  }

  reset(): void {
    this.pending = NO_OCTETS;
  }

  private scan(stream: Uint8Array, final: boolean): LinkFrame[] {
    const frames: LinkFrame[] = [];
    const room: Room = { octets: new Uint8Array(stream.length), used: 0 };
    let at = 0;
    while (at < stream.length) {
      const found = this.look(stream, at, room);
      if (found === 'more' && !final) break;
      if (typeof found === 'string') {
        at += 1;
        this.stats.skipped += 1;
        continue;
      }
      frames.push(found);
      this.stats.frames += 1;
      at += frameOctets(found.userData.length);
    }
    this.pending = at === stream.length ? NO_OCTETS : stream.slice(at);
    return frames;
  }

  private look(stream: Uint8Array, at: number, room: Room): LinkFrame | 'more' | 'no' {
    if (stream[at] !== START_1) return 'no';
    if (at + 1 >= stream.length) return 'more';
    if (stream[at + 1] !== START_2) return 'no';
    if (at + HEADER_OCTETS > stream.length) return 'more';
    this.stats.checked += 8;
    if (crcDnp(stream, at, at + 8) !== u16(stream, at + 8)) {
      this.stats.headerCrcErrors += 1;
      return 'no';
    }
    const length = stream[at + 2] ?? 0;
    if (length < 5) {
      this.stats.lengthErrors += 1;
      return 'no';
    }
    if (at + frameOctets(length - 5) > stream.length) return 'more';
    this.stats.checked += length - 5;
    const userData = body(stream, { from: at + HEADER_OCTETS, octets: length - 5 }, room);
    if (userData === null) {
      this.stats.bodyCrcErrors += 1;
      return 'no';
    }
    const control = stream[at + 3] ?? 0;
    return {
      fromMaster: (control & 0x80) !== 0,
      primary: (control & 0x40) !== 0,
      fcb: (control & 0x20) !== 0,
      fcvOrDfc: (control & 0x10) !== 0,
      functionCode: control & 0x0f,
      destination: u16(stream, at + 4),
      source: u16(stream, at + 6),
      userData,
    };
  }
}

/** User data of all frames of one search, one behind the other: they come together, and one buffer serves them. */
interface Room {
  readonly octets: Uint8Array;
  used: number;
}

/** User data without the block CRCs; null when one of them is wrong. */
function body(stream: Uint8Array, part: { from: number; octets: number }, room: Room): Uint8Array | null {
  const start = room.used;
  let at = part.from;
  for (let done = 0; done < part.octets; done += BLOCK_OCTETS) {
    const count = Math.min(BLOCK_OCTETS, part.octets - done);
    if (copyWithCrc(stream, { from: at, count }, room.octets, start + done) !== u16(stream, at + count)) return null;
    at += count + 2;
  }
  room.used = start + part.octets;
  return room.octets.subarray(start, room.used);
}

const NO_OCTETS = new Uint8Array(0);
const u16 = (octets: Uint8Array, at: number): number => (octets[at] ?? 0) | ((octets[at + 1] ?? 0) << 8);
