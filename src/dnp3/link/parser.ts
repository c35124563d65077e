import { ByteWriter, concatOctets, viewOf } from '../util/bytes.ts';
import { copyWithCrc, crcDnp } from './crc.ts';
import { BLOCK_OCTETS, frameOctets, HEADER_OCTETS, type LinkFrame, START_1, START_2 } from './frame.ts';

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
  private room = new ByteWriter(0);
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
    const view = viewOf(stream);
    let at = 0;
    while (at < stream.length) {
      const found = this.look(stream, view, at);
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

  private look(stream: Uint8Array, view: DataView, at: number): LinkFrame | 'more' | 'no' {
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
    const userData = this.userData(view, at + HEADER_OCTETS, length - 5);
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

  /** User data without the block CRCs; null when one of them is wrong. */
  private userData(stream: DataView, from: number, octets: number): Uint8Array | null {
    if (this.room.free < octets) this.room = new ByteWriter(ROOM_OCTETS);
    const start = this.room.reserve(octets);
    let at = from;
    for (let done = 0; done < octets; done += BLOCK_OCTETS) {
      const count = Math.min(BLOCK_OCTETS, octets - done);
      const crc = copyWithCrc(stream, { from: at, count }, this.room.view, start + done);
      if (crc !== stream.getUint16(at + count, true)) {
        this.room.rollback(start);
        return null;
      }
      at += count + 2;
    }
    return this.room.octets.subarray(start, start + octets);
  }
}

/** User data of some 16 frames shares one buffer, which is left to them when it is full. */
const ROOM_OCTETS = 4096;
const NO_OCTETS = new Uint8Array(0);

const u16 = (octets: Uint8Array, at: number): number => (octets[at] ?? 0) | ((octets[at + 1] ?? 0) << 8);
