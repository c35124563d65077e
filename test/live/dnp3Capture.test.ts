import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { LayerDecoder } from '../../harness/cli/dnp3Layers.ts';
import { readPcap, tcpStreams } from '../../harness/cli/dnp3Pcap.ts';
import { PcapWriter } from '../../harness/wire/pcap.ts';
import { integrityOf, liveMaster, POINTS, serveBank } from './dnp3Ends.ts';

/** What passes a live connection, tapped and written as a capture, is read by Wireshark without complaint. */
const TSHARK = '/usr/bin/tshark';
const BAD_CRC = 'dnp3.hdr.CRC.incorrect || dnp3.data_chunk.CRC.incorrect';
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of cleanUp.splice(0).reverse()) await act();
});

/** A session with a bit of everything, as a capture file. */
async function capture(): Promise<string> {
  const many = Array.from({ length: 600 }, (_, i) => ({
    kind: 'AI' as const,
    index: 10 + i,
    eventClass: 2 as const,
    value: i,
    walk: 0,
  }));
  const pieces: Uint8Array[] = [];
  const writer = new PcapWriter({ write: (octets) => void pieces.push(octets) });
  const served = await serveBank([...POINTS, ...many]);
  const master = liveMaster(served.port, {}, { tap: writer.tap() });
  cleanUp.push(
    () => served.server.close(),
    () => master.client.stop(),
  );
  const enabled = served.events.next('enable unsolicited', (e) => e.kind === 'request' && e.functionCode === 20);
  const read = integrityOf(master);
  master.client.start();
  await read;
  await enabled;
  const unasked = master.notices.next(
    'a change',
    (n) => n.kind === 'measurements' && n.values[0]?.source === 'unsolicited',
  );
  served.use((nowMs) => {
    for (let i = 0; i < 200; i++)
      served.bank.session.update('AI', 10 + i, { value: -i, flags: 1, timeMs: nowMs }, nowMs);
  });
  await unasked;
  const over = master.notices.next('the last request', (n) => n.kind === 'request-ended' && n.id === 'last');
  master.client.use((nowMs) => {
    const controls = [{ kind: 'analog', index: 5, value: 1.5 }] as const;
    master.session.command({ id: 'set', steps: [{ mode: 'select-operate', controls }], urgent: false }, nowMs);
    master.session.timeSync({ id: 'lan', method: 'lan' }, nowMs);
    master.session.timeSync({ id: 'serial', method: 'non-lan' }, nowMs);
    const select = { kind: 'range', start: 10, stop: 300 } as const;
    master.session.readRange({ id: 'last', objects: [{ group: 30, variation: 6, select }] }, nowMs);
  });
  await over;
  const down = master.states.next('down', (s) => s.kind === 'down');
  await master.client.stop();
  await down;
  const dir = mkdtempSync(join(tmpdir(), 'dnp3-pcap-'));
  cleanUp.push(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'live.pcap');
  writeFileSync(path, Buffer.concat(pieces));
  return path;
}

const tshark = (path: string, filter: string): string[] =>
  execFileSync(
    TSHARK,
    ['-r', path, '-o', 'tcp.check_checksum:TRUE', '-Y', filter, '-T', 'fields', '-e', 'frame.number'],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
    .split('\n')
    .filter((line) => line !== '');

describe('a capture of a live connection', () => {
  test('is read by our own decoder to the last octet', async () => {
    const streams = tcpStreams(readPcap(readFileSync(await capture()), 'live.pcap'));
    const decoder = new LayerDecoder();
    const layers = streams.chunks.flatMap((c) => decoder.push(c));
    expect(decoder.counts).toMatchObject({ badCrc: 0, unreadable: 0, skipped: 0 });
    expect(streams.missing).toBe(0);
    const functions = new Set(layers.flatMap((l) => l.application?.functionName ?? []));
    for (const f of [
      'read',
      'response',
      'confirm',
      'unsolicited response',
      'select',
      'operate',
      'record current time',
      'delay measure',
      'write',
    ]) {
      expect(functions).toContain(f);
    }
  });

  test.skipIf(!existsSync(TSHARK))(
    `is read by Wireshark: nothing malformed, no bad CRC (needs ${TSHARK})`,
    async () => {
      const path = await capture();
      expect(tshark(path, 'dnp3').length).toBeGreaterThan(20);
      expect(tshark(path, '_ws.malformed')).toEqual([]);
      expect(tshark(path, BAD_CRC)).toEqual([]);
      expect(tshark(path, 'tcp.checksum.status == 0 || tcp.analysis.lost_segment')).toEqual([]);
      // The filter bites: one octet of the first frame's data turned over.
      const octets = readFileSync(path);
      const at = octets.indexOf(Buffer.from([0x05, 0x64]));
      octets[at + 11] = (octets[at + 11] ?? 0) ^ 0xff;
      writeFileSync(path, octets);
      expect(tshark(path, BAD_CRC).length).toBeGreaterThan(0);
    },
  );
});
