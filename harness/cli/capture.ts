import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PcapWriter } from '../wire/pcap.ts';
import type { Segment } from '../wire/pipe.ts';

/** One capture file for all DNP3 links of a run. */
export interface Capture {
  readonly tapOf: (siteId: string) => (segment: Segment) => void;
  /** Writes dnp3.pcap and returns its path; nothing when no link was there. */
  readonly write: (dir: string) => string[];
}

export function createCapture(): Capture {
  const pieces: Uint8Array[] = [];
  const writer = new PcapWriter({ write: (octets) => void pieces.push(octets) });
  return {
    tapOf: () => writer.tap(),
    write(dir) {
      if (writer.packets === 0) return [];
      const path = join(dir, 'dnp3.pcap');
      writeFileSync(path, Buffer.concat(pieces));
      return [path];
    },
  };
}
