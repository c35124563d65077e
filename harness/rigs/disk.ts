import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Histogram } from './histogram.ts';

const WRITES = 200;
const OCTETS = 16_384;

/** How long the disk of a folder takes to make a write durable: a figure for a service says little without it. */
export function diskWords(dir: string): string {
  const waits = new Histogram();
  const file = openSync(join(dir, 'disk'), 'w');
  const octets = Buffer.alloc(OCTETS, 1);
  for (let n = 0; n < WRITES; n++) {
    const beganMs = performance.now();
    writeSync(file, octets);
    fsyncSync(file);
    waits.add((performance.now() - beganMs) * 1_000);
  }
  closeSync(file);
  const [p50, p99] = [waits.quantileMs(0.5), waits.quantileMs(0.99)];
  return `${OCTETS / 1_024} KiB and fsync: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, at most ${waits.maxMs.toFixed(2)} ms`;
}
