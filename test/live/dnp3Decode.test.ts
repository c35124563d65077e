import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeCommand } from '../../harness/cli/dnp3Decode.ts';
import { LayerDecoder, type Layers } from '../../harness/cli/dnp3Layers.ts';
import { readPcap, tcpStreams } from '../../harness/cli/dnp3Pcap.ts';
import type { CliIo } from '../../harness/cli/io.ts';
import { PcapWriter } from '../../harness/wire/pcap.ts';

/** `vpp dnp3 decode` against the counts that Wireshark gave for the same captures. */
const FOLDER = new URL('../../../shared/data/dnp3/', import.meta.url).pathname;
const INDEX = `${FOLDER}INDEX.json`;

interface Indexed {
  readonly file: string;
  readonly link_frames: number;
  readonly function_codes: Readonly<Record<string, number>>;
  readonly objects: Readonly<Record<string, number>>;
  readonly bad_crc: number;
  readonly segmented: number;
  readonly malformed: number;
  readonly iin: Readonly<Record<string, number>>;
}

/** Names in the index -> ours. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  AssignClass: 'assign class',
  CloseFile: 'close file',
  ColdRestart: 'cold restart',
  Confirm: 'confirm',
  DelayMeasure: 'delay measure',
  DeleteFile: 'delete file',
  DirectOperate: 'direct operate',
  DirectOperateNR: 'direct operate no response',
  DisableUnsol: 'disable unsolicited',
  EnableUnsol: 'enable unsolicited',
  Freeze: 'freeze',
  ImmFreeze: 'freeze',
  OpenFile: 'open file',
  Operate: 'operate',
  Read: 'read',
  RecordTime: 'record current time',
  RecordCurrentTime: 'record current time',
  Response: 'response',
  Select: 'select',
  StopAppl: 'stop application',
  UnsolResponse: 'unsolicited response',
  WarmRestart: 'warm restart',
  Write: 'write',
};

/** Where Wireshark's export counts otherwise, and why. */
const DIFFERENT: Readonly<
  Record<string, { readonly why: string; readonly objects?: true; readonly malformed?: number }>
> = {
  'iti_assign_class.pcap': { why: 'the export leaves out the headers of an assign class', objects: true },
  'iti_direct_operate_crob_malform_but_good_crc.pcap': {
    why: 'a CROB with a stray octet is not shown in part',
    objects: true,
  },
  'iti_dnp3_test_data_part1.pcap': {
    why: 'qualifier ED and g1v7 do not exist; the export shows them as if they were',
    objects: true,
    malformed: 6,
  },
  'iti_write_vto_empty_string.pcap': { why: 'g112v0 is not shown in part', objects: true },
};

const count = (words: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const w of words) counts[w] = (counts[w] ?? 0) + 1;
  return counts;
};

function decodeFile(file: string) {
  const streams = tcpStreams(readPcap(readFileSync(FOLDER + file), file));
  const decoder = new LayerDecoder();
  const layers = streams.chunks.flatMap((c) => decoder.push(c));
  const applications = layers.flatMap((l) => l.application ?? []);
  return { streams, decoder, layers, applications };
}

describe.skipIf(!existsSync(INDEX))('captures of ../shared/data/dnp3 (needs INDEX.json)', () => {
  const index = existsSync(INDEX) ? (JSON.parse(readFileSync(INDEX, 'utf8')) as Indexed[]) : [];

  test.each(index.map((e) => [e.file, e] as const))(
    '%s: frames, fragments, functions, objects and indications',
    (file, e) => {
      const { streams, decoder, applications } = decodeFile(file);
      const different = DIFFERENT[file];
      const { frames, badCrc, segmented, unreadable } = decoder.counts;
      expect({ frames, badCrc, segmented, unreadable, missing: streams.missing }).toEqual({
        frames: e.link_frames,
        badCrc: e.bad_crc,
        segmented: e.segmented,
        unreadable: different?.malformed ?? e.malformed,
        missing: 0,
      });
      const functions = Object.entries(e.function_codes).map(([name, n]) => [FUNCTIONS[name] ?? name, n]);
      expect(count(applications.map((a) => a.functionName))).toEqual(Object.fromEntries(functions));
      expect(count(applications.flatMap((a) => a.iin?.hex ?? []))).toEqual(e.iin);
      const objects = count(applications.flatMap((a) => a.objects.map((o) => `g${o.group}v${o.variation}`)));
      if (different?.objects === true) expect(objects, different.why).not.toEqual(e.objects);
      else expect(objects).toEqual(e.objects);
    },
  );

  test('the command prints each of them without complaint, in words and as JSON', () => {
    let frames = 0;
    for (const { file } of index) {
      const words = run(FOLDER + file);
      const lines = run(FOLDER + file, { json: true });
      expect([words.code, lines.code], file).toEqual([0, 0]);
      const parsed = lines.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Layers);
      expect(words.out.match(/^ {2}link /gm)).toHaveLength(parsed.length);
      frames += parsed.length;
    }
    expect(frames).toBe(index.reduce((n, e) => n + e.link_frames, 0));
    console.info(`decode: ${index.length} captures, ${frames} frames`);
  });
});

function run(word: string, flags: { json?: boolean } = {}) {
  const got = { out: '', err: '', code: -1 };
  const io: CliIo = {
    out: (text) => {
      got.out += text;
    },
    err: (text) => {
      got.err += text;
    },
    color: false,
    interactive: false,
    cwd: process.cwd(),
    nowMs: () => 0,
  };
  got.code = decodeCommand(io, word, flags);
  return got;
}

describe('vpp dnp3 decode of hex digits', () => {
  // A frame of the certification log: read of classes 1, 2, 3, 0 by master 1 of outstation 10.
  const READ = '056414c40a0001008fedc0c0013c02063c03063c04063c01068a51';

  test('prints the layers', () => {
    const { out, code } = run(READ);
    expect(code).toBe(0);
    expect(out.split('\n').slice(0, 4)).toEqual([
      '  link         master 1 to 10, primary: unconfirmed data, 20 octets'.replace('20', '15'),
      '  transport    sequence 0 FIR FIN',
      '  application  read, sequence 0 FIR FIN, 14 octets',
      '    g60v2 class, qualifier 06, all',
    ]);
  });

  test('takes blanks, colons and 0x, and a fragment without a frame', () => {
    expect(run('05:64 14,C4 0x0a0001008fed c0c0013c02063c03063c04063c01068a51').out).toBe(run(READ).out);
    expect(run('c0 01 3c 02 06').out).toContain('application  read, sequence 0 FIR FIN, 5 octets');
  });

  test('counts a bad CRC and finds nothing else', () => {
    const { err, code } = run(`${READ.slice(0, -2)}00`);
    expect(err).toContain('0 frames, 0 fragments, 1 bad CRC');
    expect(code).toBe(1);
  });

  test('says what it expected of anything else', () => {
    expect(() => run('0564zz')).toThrow(/found "0564zz", expected an existing capture file or pairs of hex digits/);
    expect(() => run('056')).toThrow(/found 3 hex digits/);
  });
});

describe('TCP streams of a capture', () => {
  const packets = (make: (tap: ReturnType<PcapWriter['tap']>) => void): Uint8Array => {
    const pieces: Uint8Array[] = [];
    const writer = new PcapWriter({ write: (octets) => void pieces.push(octets) });
    make(writer.tap());
    return Buffer.concat(pieces);
  };
  const data = (octets: number[]) =>
    ({ atMs: 0, from: 'a', connection: 1, kind: 'data', octets: Uint8Array.from(octets), lost: false }) as const;
  const syn = { atMs: 0, from: 'a', connection: 1, kind: 'syn', octets: new Uint8Array(0), lost: false } as const;
  /** The file header and each packet with its header. */
  const pieces = (file: Uint8Array): { head: Uint8Array; list: Uint8Array[] } => {
    const { packets: list } = readPcap(file, 'x');
    const cut = list.map((p) =>
      file.subarray(
        p.octets.byteOffset - file.byteOffset - 16,
        p.octets.byteOffset - file.byteOffset + p.octets.length,
      ),
    );
    return { head: file.subarray(0, 24), list: cut };
  };
  const streamOf = (file: Uint8Array): number[] => tcpStreams(readPcap(file, 'x')).chunks.flatMap((c) => [...c.octets]);
  const file = packets((tap) => [syn, data([1, 2]), data([3]), data([4, 5, 6])].forEach(tap));
  const { head, list } = pieces(file);
  const order = (...which: number[]): Uint8Array => Buffer.concat([head, ...which.flatMap((i) => list[i] ?? [])]);

  test('come in order whatever order the packets have, each octet once', () => {
    expect(streamOf(order(0, 1, 2, 3))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(streamOf(order(0, 3, 2, 1))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(streamOf(order(0, 1, 1, 2, 1, 3, 2))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('go on behind a hole, which is counted', () => {
    expect(streamOf(order(0, 1, 3))).toEqual([1, 2, 4, 5, 6]);
    expect(tcpStreams(readPcap(order(0, 1, 3), 'x')).missing).toBe(1);
  });

  test("a capture that is none, or of a link type not known, is the author's mistake", () => {
    expect(() => readPcap(Uint8Array.of(1, 2, 3), 'a.pcap')).toThrow(/a\.pcap: its first octets: found no pcap/);
    const strange = Uint8Array.from(file);
    strange[23] = 147;
    expect(() => readPcap(strange, 'a.pcap')).toThrow(/link type: found 147, expected one of 0 \(BSD loopback\), 1/);
  });
});
