import { ByteWriter, viewOf } from '../util/bytes.ts';
import { copyWithCrc, crcDnp } from './crc.ts';

/**
 * The link frame (IEEE 1815 clause 9.2 [S]):
 *
 *   05 64 | length | control | destination (2) | source (2) | CRC (2)     header, 10 octets
 *   then blocks of up to 16 octets of user data, each with its CRC
 *
 * length counts control, addresses and user data: 5 to 255. Control holds DIR (1 = from a master), PRM (1 = primary),
 * FCB and FCV of a primary, DFC of a secondary, and a function code of 4 bits.
 */
export const START_1 = 0x05;
export const START_2 = 0x64;
export const HEADER_OCTETS = 10;
export const USER_DATA_MAX = 250;
/** User data under one CRC. */
export const BLOCK_OCTETS = 16;
/** 10 of header, 250 of user data, 16 block CRCs of 2. */
export const FRAME_OCTETS_MAX = 292;

/** Addresses from here up are reserved: self-address 0xFFFC and three broadcasts. */
export const SELF_ADDRESS = 0xfffc;
export const RESERVED_ADDRESS_MIN = 0xfff0;
export type Broadcast = 'confirm-not-needed' | 'confirm-wanted' | 'confirm-optional';
export function broadcastKind(destination: number): Broadcast | null {
  if (destination === 0xfffd) return 'confirm-not-needed';
  if (destination === 0xfffe) return 'confirm-wanted';
  return destination === 0xffff ? 'confirm-optional' : null;
}

export const PRIMARY = { resetLink: 0, testLink: 2, confirmedData: 3, unconfirmedData: 4, requestStatus: 9 } as const;
export const SECONDARY = { ack: 0, nack: 1, linkStatus: 11, notSupported: 15 } as const;

export interface LinkFrame {
  readonly fromMaster: boolean;
  readonly primary: boolean;
  /** Frame count bit of a primary frame. */
  readonly fcb: boolean;
  /** Frame count valid of a primary frame; data flow control of a secondary frame. */
  readonly fcvOrDfc: boolean;
  readonly functionCode: number;
  readonly destination: number;
  readonly source: number;
  /** 0 to 250 octets. */
  readonly userData: Uint8Array;
}

export function frameOctets(userDataOctets: number): number {
  return HEADER_OCTETS + userDataOctets + 2 * Math.ceil(userDataOctets / BLOCK_OCTETS);
}

/** @returns octets as they stand on the wire; user data beyond 250 octets is a bug of the caller and cut off. */
export function encodeFrame(frame: LinkFrame): Uint8Array {
  const writer = new ByteWriter(frameOctets(Math.min(frame.userData.length, USER_DATA_MAX)));
  writeFrame(writer, frame);
  return writer.toOctets();
}

/** The same behind what the writer holds; false when it does not fit. */
export function writeFrame(writer: ByteWriter, frame: LinkFrame): boolean {
  const octets = Math.min(frame.userData.length, USER_DATA_MAX);
  const start = writer.reserve(frameOctets(octets));
  if (start < 0) return false;
  const { view } = writer;
  view.setUint16(start, START_1 | (START_2 << 8), true);
  view.setUint8(start + 2, 5 + octets);
  view.setUint8(
    start + 3,
    (frame.fromMaster ? 0x80 : 0) |
      (frame.primary ? 0x40 : 0) |
      (frame.fcb ? 0x20 : 0) |
      (frame.fcvOrDfc ? 0x10 : 0) |
      (frame.functionCode & 0x0f),
  );
  view.setUint16(start + 4, frame.destination, true);
  view.setUint16(start + 6, frame.source, true);
  view.setUint16(start + 8, crcDnp(writer.octets, start, start + 8), true);
  const userData = viewOf(frame.userData);
  let at = start + HEADER_OCTETS;
  for (let from = 0; from < octets; from += BLOCK_OCTETS) {
    const count = Math.min(BLOCK_OCTETS, octets - from);
    view.setUint16(at + count, copyWithCrc(userData, { from, count }, view, at), true);
    at += count + 2;
  }
  return true;
}
