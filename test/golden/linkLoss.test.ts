import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { instantAt } from '../../scenarios/times.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import type { LogRecord } from '../../src/ports/records.ts';
import { tempFolder, vpp } from '../helpers/cli.ts';
import { libraryScenario, runLogged } from '../helpers/library.ts';

/** The link to a site is cut and comes back: what the plant and the master do, from the log and from the capture. */
const scenario = libraryScenario('rtac-link-loss');
const cutMs = instantAt(scenario, '18:30');
const backMs = instantAt(scenario, '18:50');
const TSHARK = '/usr/bin/tshark';
const DNP3_PORT = 20_000;

describe('rtac-link-loss, from its log', () => {
  const { records } = runLogged(scenario);
  const since = <K extends LogRecord['kind']>(kind: K, atMs: number) =>
    records.filter((r): r is Extract<LogRecord, { kind: K }> => r.kind === kind && r.atMs >= atMs);

  test('was cut and mended when the scenario says', () => {
    const cuts = records.filter((r) => r.kind === 'fault' && r.what === 'link-cut');
    expect(cuts.map((r) => r.atMs)).toEqual([cutMs, backMs]);
  });

  test('has a plant that follows before the cut and is safe within its watchdog and one second', () => {
    const before = records.filter((r) => r.kind === 'plant' && r.atMs < cutMs).at(-1);
    expect(before).toMatchObject({ state: 'following', powerW: 1_000_000 });
    const safe = since('plant', cutMs).find((r) => r.state === 'safe');
    expect(safe?.powerW).toBe(0);
    expect((safe?.atMs ?? Number.NaN) - cutMs).toBeLessThanOrEqual(31_000);
    expect(since('plant', cutMs).filter((r) => r.atMs < backMs)).toEqual([safe]);
  });

  test('has no energy from the plant between its safe state and the return of the link', () => {
    const dark = since('meter', cutMs).filter((r) => r.startMs >= cutMs + 5 * 60_000 && r.endMs <= backMs);
    expect(dark.map((r) => r.dischargeMj)).toEqual([0, 0, 0]);
  });

  test('has a master that sees the loss, and after the return reads everything before it operates', () => {
    expect(since('link', cutMs)[0]).toMatchObject({ up: false });
    const upMs = since('link', backMs).find((r) => r.up)?.atMs ?? Number.NaN;
    const field = since('field', upMs).filter((r) => r.what === 'integrity-read' || r.what === 'operate');
    expect(field[0]?.what).toBe('integrity-read');
    expect(field.some((r) => r.what === 'operate')).toBe(true);
    expect(since('field', cutMs + 60_000).filter((r) => r.what === 'operate' && r.atMs < upMs)).toEqual([]);
  });
});

interface Packet {
  readonly stream: string;
  readonly payload: Uint8Array;
}

/** Packets of a classic pcap of Ethernet, IPv4 and TCP; the stream is named by both ends. */
function readPcap(file: Uint8Array): Packet[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  expect(view.getUint32(0)).toBe(0xa1b2c3d4);
  const packets: Packet[] = [];
  let at = 24;
  while (at < file.length) {
    const length = view.getUint32(at + 8);
    const ip = at + 16 + 14;
    const tcp = ip + ((file[ip] ?? 0) & 0x0f) * 4;
    const data = tcp + ((file[tcp + 12] ?? 0) >> 4) * 4;
    const from = `${view.getUint32(ip + 12)}:${view.getUint16(tcp)}`;
    const to = `${view.getUint32(ip + 16)}:${view.getUint16(tcp + 2)}`;
    packets.push({ stream: `${from}>${to}`, payload: file.slice(data, ip + view.getUint16(ip + 2)) });
    at += 16 + length;
  }
  return packets;
}

const BAD = [
  '_ws.malformed',
  'ip.checksum_bad.expert',
  'tcp.checksum_bad.expert',
  'dnp3.hdr.CRC.incorrect',
  'dnp3.data_chunk.CRC.incorrect',
].join(' || ');

/** The packets that a display filter takes, a line each. */
function shark(path: string, filter: string): string[] {
  const checks = ['-o', 'ip.check_checksum:TRUE', '-o', 'tcp.check_checksum:TRUE'];
  const words = ['-r', path, '-n', ...checks, '-d', `tcp.port==${DNP3_PORT},dnp3`, '-Y', filter];
  const done = spawnSync(TSHARK, words, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  expect(done.status, done.stderr).toBe(0);
  return done.stdout.split('\n').filter((line) => line !== '');
}

describe('the capture of rtac-link-loss that --pcap leaves', () => {
  const dir = tempFolder();
  const path = join(dir, 'runs/rtac-link-loss-1815/dnp3.pcap');
  let said = '';

  beforeAll(async () => {
    const run = await vpp(['run', 'rtac-link-loss', '--pcap', '--out', 'runs'], dir);
    said = run.out;
    expect(run.code).toBe(0);
  }, 60_000);

  test('is named on standard output', () => {
    expect(said).toContain('runs/rtac-link-loss-1815/dnp3.pcap');
  });

  test('holds frames of both ends, all with right CRCs', () => {
    const parsers = new Map<string, { parser: LinkParser; fromMaster: Set<boolean> }>();
    for (const { stream, payload } of readPcap(readFileSync(path))) {
      const one = parsers.get(stream) ?? { parser: new LinkParser(1000), fromMaster: new Set<boolean>() };
      parsers.set(stream, one);
      for (const frame of one.parser.push(payload, 0)) one.fromMaster.add(frame.fromMaster);
    }
    const all = [...parsers.values()];
    expect(all.reduce((sum, p) => sum + p.parser.stats.frames, 0)).toBeGreaterThan(1000);
    for (const { parser, fromMaster } of all) {
      const { headerCrcErrors, bodyCrcErrors, lengthErrors, skipped } = parser.stats;
      expect({ headerCrcErrors, bodyCrcErrors, lengthErrors, skipped }).toEqual({
        headerCrcErrors: 0,
        bodyCrcErrors: 0,
        lengthErrors: 0,
        skipped: 0,
      });
      // A dial that reached nobody has no frame at all.
      expect(fromMaster.size).toBeLessThanOrEqual(1);
    }
    expect(new Set(all.flatMap((p) => [...p.fromMaster])).size).toBe(2);
  });

  test.skipIf(!existsSync(TSHARK))(`is read by ${TSHARK} without a malformed packet or a bad checksum`, () => {
    expect(shark(path, 'dnp3').length).toBeGreaterThan(1000);
    expect(shark(path, BAD)).toEqual([]);
    // The same capture with one octet of one frame changed must be noticed.
    const damaged = readFileSync(path);
    const last = damaged.lastIndexOf(Uint8Array.of(0x05, 0x64));
    damaged[last + 11] = (damaged[last + 11] ?? 0) ^ 0xff;
    writeFileSync(join(dir, 'damaged.pcap'), damaged);
    expect(shark(join(dir, 'damaged.pcap'), BAD)).toHaveLength(1);
  });
});
