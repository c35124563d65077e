import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  carriesObjects,
  type Fragment,
  type ObjectHeader,
  parseFragment,
  parseHeaders,
} from '../../src/dnp3/app/parse.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import { Reassembler } from '../../src/dnp3/transport/reassembler.ts';
import { octets } from '../unit/dnp3/hex.ts';

/**
 * Our decode of recorded traffic (ITI, Zeek, and the certification log) against Wireshark's decode of the same octets:
 * link header, transport header, application header, objects, indices and values.
 */
const FOLDER = new URL('../../../shared/data/dnp3/', import.meta.url).pathname;
const missing = !existsSync(FOLDER);

interface Expected {
  readonly ctl: string;
  readonly dst: number;
  readonly src: number;
  readonly hdr_crc: string;
  readonly chunk_crc?: readonly string[];
  readonly tr?: { readonly fin: number; readonly fir: number; readonly seq: number };
  readonly app?: {
    readonly fc: number;
    readonly seq: number;
    readonly con: number;
    readonly uns: number;
    readonly iin?: string;
  };
  readonly objects?: readonly ExpectedHeader[];
}
interface ExpectedHeader {
  readonly group: number;
  readonly variation: number;
  readonly qualifier: string;
  readonly items?: number;
  readonly points: readonly {
    readonly index: number;
    readonly flags?: string;
    readonly fields?: Record<string, string>;
  }[];
}
interface Packet {
  readonly frame: number;
  readonly payload_hex: string;
  readonly dir?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly dnp3: readonly Expected[];
}

/** Octets that must be refused though Wireshark shows something of them. */
const MUST_REFUSE: Readonly<Record<string, readonly string[]>> = {
  // Two controls promised, one and a half there.
  'iti_direct_operate_crob_malform_but_good_crc.expected.json': [
    'frame 1: the objects of g12v1 are cut short or cannot stand here',
  ],
  // Strings of no octets, 65536 of them, in each of many headers.
  'iti_write_vto_empty_string.expected.json': ['frame 2: the objects of g112v0 are cut short or cannot stand here'],
  'iti_dnp3_test_data_part1.expected.json.gz': [
    'frame 154: qualifier 0xed is unknown or its range is cut short',
    'frame 156: qualifier 0xed is unknown or its range is cut short',
    'frame 163: g1v7 is unknown',
    'frame 166: g1v7 is unknown',
    'frame 174: g1v7 is unknown',
    'frame 176: g1v7 is unknown',
  ],
};

const read = (name: string): string => {
  const raw = readFileSync(FOLDER + name);
  return (name.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8');
};

interface Tally {
  frames: number;
  fragments: number;
  headers: number;
  objects: number;
  /** Objects of file transfer, free format. */
  files: number;
  values: number;
  refused: string[];
  onlyOurs: number;
}

/** Frames may be cut over packets, so each direction of each connection is one stream. */
function compare(packets: readonly Packet[], tally: Tally): void {
  const flows = new Map<string, Packet[]>();
  for (const p of packets) {
    const key = p.dir ?? `${p.sport}>${p.dport}`;
    flows.set(key, [...(flows.get(key) ?? []), p]);
  }
  for (const flow of flows.values()) compareFlow(flow, tally);
}

function compareFlow(packets: readonly Packet[], tally: Tally): void {
  const parser = new LinkParser(1e9);
  const frames = packets.flatMap((p) => parser.push(octets(p.payload_hex), 0));
  const good = packets.flatMap((p) =>
    p.dnp3
      .filter((d) => d.hdr_crc === 'Good' && (d.chunk_crc ?? []).every((c) => c === 'Good'))
      .map((want) => ({ want, where: `frame ${p.frame}` })),
  );
  expect(frames.map((f) => [f.destination, f.source])).toEqual(good.map(({ want }) => [want.dst, want.src]));
  const reassembler = new Reassembler();
  for (const [i, frame] of frames.entries()) {
    const expected = good[i];
    if (expected === undefined) continue;
    tally.frames += 1;
    expect(frame.functionCode, expected.where).toBe(Number(expected.want.ctl) & 0x0f);
    const whole = expected.want.tr === undefined ? null : reassembler.push(frame.userData, frame.source);
    if (expected.want.tr !== undefined) expect((frame.userData[0] ?? 0) & 0x3f).toBe(expected.want.tr.seq);
    const fragment = whole === null ? null : parseFragment(whole);
    if (fragment !== null) compareFragment(fragment, expected.want, expected.where, tally);
  }
}

function compareFragment(fragment: Fragment, want: Expected, where: string, tally: Tally): void {
  if (want.app === undefined) return;
  tally.fragments += 1;
  const { functionCode, control, iin } = fragment;
  expect([functionCode, control.sequence, Number(control.con), Number(control.uns)], where).toEqual([
    want.app.fc,
    want.app.seq,
    want.app.con,
    want.app.uns,
  ]);
  if (iin !== null) expect(iin.first * 256 + iin.second, where).toBe(Number.parseInt(want.app.iin ?? '', 16));
  const parsed = parseHeaders(fragment.body, carriesObjects(functionCode));
  if (parsed.kind === 'headers') compareHeaders(parsed.headers, want.objects ?? [], where, tally);
  else tally.refused.push(`${where}: ${parsed.why}`);
}

function compareHeaders(
  got: readonly ObjectHeader[],
  want: readonly ExpectedHeader[],
  where: string,
  tally: Tally,
): void {
  const ours = got.map((h) => `g${h.group}v${h.variation} ${h.qualifier}`);
  const theirs = want.map((h) => `g${h.group}v${h.variation} ${Number(h.qualifier)}`);
  // Wireshark's export leaves out what follows a g51v2, and the headers of an assign class.
  expect(ours.slice(0, theirs.length), where).toEqual(theirs);
  tally.onlyOurs += ours.length - theirs.length;
  for (const [i, header] of got.entries()) {
    tally.headers += 1;
    tally.objects += header.objects.length;
    const items = want[i]?.items;
    if (items !== undefined && header.objects.length > 0) expect(header.objects.length, where).toBe(items);
    if (header.range.kind === 'free') tally.files += 1;
    const points = want[i]?.points ?? [];
    if (points.length === 0 || header.objects.length !== points.length) continue;
    for (const [j, point] of points.entries()) {
      const object = header.objects[j];
      if (object === undefined) continue;
      if (header.group !== 51 && header.group !== 50 && header.group !== 52)
        expect(object.index, where).toBe(point.index);
      compareValue(
        header,
        object.fields,
        point,
        `${where} g${header.group}v${header.variation} [${point.index}]`,
        tally,
      );
    }
  }
}

const VALUE_FIELDS = ['ana.int', 'ana.float', 'cnt', 'anaout.int', 'anaout.float', 'bit'];

function compareValue(
  header: ObjectHeader,
  fields: readonly number[],
  point: ExpectedHeader['points'][number],
  where: string,
  tally: Tally,
): void {
  const { shape } = header.spec;
  const at = (name: string): number | undefined =>
    shape.kind === 'fields' ? fields[shape.fields.findIndex((f) => f.name === name)] : fields[0];
  if (point.flags !== undefined && shape.kind === 'fields') expect(at('flags'), where).toBe(Number(point.flags));
  for (const name of VALUE_FIELDS) {
    const text = point.fields?.[name];
    // Wireshark's "bit" of an object with flags is the state in the flags octet.
    if (text === undefined || (name === 'bit' && shape.kind !== 'packed')) continue;
    const want = text === 'True' ? 1 : text === 'False' ? 0 : Number(text);
    const got = at('value') ?? Number.NaN;
    // Wireshark prints floats with few digits.
    expect(Math.abs(got - want), `${where} ${name}`).toBeLessThanOrEqual(
      name.endsWith('float') ? Math.abs(want) * 1e-5 : 0,
    );
    tally.values += 1;
  }
}

const newTally = (): Tally => ({
  frames: 0,
  fragments: 0,
  headers: 0,
  objects: 0,
  files: 0,
  values: 0,
  refused: [],
  onlyOurs: 0,
});

describe('recorded traffic is decoded as Wireshark decodes it', () => {
  const files = missing ? [] : readdirSync(FOLDER).filter((f) => f.includes('.expected.json'));

  test.skipIf(missing)('captures of shared/data/dnp3', () => {
    const all = newTally();
    for (const file of files) {
      const tally = newTally();
      compare(JSON.parse(read(file)) as Packet[], tally);
      expect(tally.refused, file).toEqual(MUST_REFUSE[file] ?? []);
      all.frames += tally.frames;
      all.fragments += tally.fragments;
      all.headers += tally.headers;
      all.objects += tally.objects;
      all.files += tally.files;
      all.values += tally.values;
    }
    console.info(`captures: ${files.length} files, ${JSON.stringify({ ...all, refused: undefined })}`);
    expect(all).toMatchObject({ frames: 230, fragments: 192, files: 28, onlyOurs: 0 });
    expect(all.values).toBeGreaterThan(1500);
  });

  test.skipIf(missing)('all frames of shared/data/dnp3/opendnp3_conformance.jsonl.gz', () => {
    const tally = newTally();
    for (const line of read('opendnp3_conformance.jsonl.gz').trim().split('\n')) {
      compare((JSON.parse(line) as { frames: Packet[] }).frames, tally);
    }
    // Procedure 8.6.3.2 asks for an object that does not exist.
    expect(tally.refused).toEqual(['frame 4: g0v0 is unknown']);
    console.info(`certification log: ${JSON.stringify({ ...tally, refused: undefined })}`);
    expect(tally.values).toBeGreaterThan(1000);
  });
});
