import { BLOCK_OCTETS, copyWithCrc, crcDnp } from './crc.ts';

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
  const out = new Uint8Array(frameOctets(Math.min(frame.userData.length, USER_DATA_MAX)));
  putFrame(out, 0, frame);
  return out;
}

/**
 * Writes a frame into octets that have room for it.
 * @returns where it ends
 */
export function putFrame(out: Uint8Array, start: number, frame: LinkFrame): number {
  const { userData } = frame;
  const octets = Math.min(userData.length, USER_DATA_MAX);
  out[start] = START_1;
  out[start + 1] = START_2;
  out[start + 2] = 5 + octets;
  out[start + 3] =
    (frame.fromMaster ? 0x80 : 0) |
    (frame.primary ? 0x40 : 0) |
    (frame.fcb ? 0x20 : 0) |
    (frame.fcvOrDfc ? 0x10 : 0) |
    (frame.functionCode & 0x0f);
  putU16(out, start + 4, frame.destination);
  putU16(out, start + 6, frame.source);
  putU16(out, start + 8, crcDnp(out, start, start + 8));
  let at = start + HEADER_OCTETS;
  for (let from = 0; from < octets; from += BLOCK_OCTETS) {
    const count = Math.min(BLOCK_OCTETS, octets - from);
    putU16(out, at + count, copyWithCrc(userData, { from, count }, out, at));
    at += count + 2;
  }
  return at;
}

function putU16(out: Uint8Array, at: number, value: number): void {
  out[at] = value & 0xff;
  out[at + 1] = (value >>> 8) & 0xff;
}
