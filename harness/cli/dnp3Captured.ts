import { writeFileSync } from 'node:fs';
import { PcapWriter } from '../wire/pcap.ts';

/** A capture of what passes, written to a file at the end; null = none is wanted. */
export function captureTo(path: string | null) {
  if (path === null) return null;
  const pieces: Uint8Array[] = [];
  const writer = new PcapWriter({ write: (octets) => void pieces.push(octets) });
  return { tap: writer.tap(), write: () => writeFileSync(path, Buffer.concat(pieces)) };
}
