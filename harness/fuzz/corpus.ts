import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { writeCounted, writeFree, writeHeaderOnly, writeObjects } from '../../src/dnp3/app/build.ts';
import { OBJECTS, objectSpec } from '../../src/dnp3/app/objects.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import { Reassembler } from '../../src/dnp3/transport/reassembler.ts';
import { ByteWriter } from '../../src/dnp3/util/bytes.ts';

/** Application fragments to start from, per direction. */
export interface Corpus {
  readonly requests: readonly Uint8Array[];
  readonly responses: readonly Uint8Array[];
  readonly captures: number;
}

/** Fragments built from the object table, and those of recorded traffic when its folder is there. */
export function readCorpus(folder: string): Corpus {
  const requests = new Map<string, Uint8Array>();
  const responses = new Map<string, Uint8Array>();
  const add = (fragment: Uint8Array): void => {
    const isResponse = (fragment[1] ?? 0) >= 0x80;
    (isResponse ? responses : requests).set(Buffer.from(fragment).toString('hex'), fragment);
  };
  for (const fragment of builtFragments()) add(fragment);
  const built = requests.size + responses.size;
  if (existsSync(folder)) for (const fragment of recordedFragments(folder)) add(fragment);
  const all = { requests: [...requests.values()], responses: [...responses.values()] };
  return { ...all, captures: all.requests.length + all.responses.length - built };
}

function* builtFragments(): Generator<Uint8Array> {
  const sized = [110, 111].flatMap((group) => objectSpec(group, 5) ?? []);
  for (const spec of [...OBJECTS, ...sized]) {
    const object = (writer: ByteWriter): boolean => {
      switch (spec.shape.kind) {
        case 'marker':
          return writeHeaderOnly(writer, spec.group, spec.variation, { kind: 'all' });
        case 'free':
          return writeFree(writer, spec, [new Uint8Array(20)]);
        case 'packed':
          return writeObjects(writer, spec, 0x00, [
            { index: 0, fields: [1] },
            { index: 1, fields: [1] },
          ]);
        case 'octets':
          return writeObjects(writer, spec, 0x28, [
            { index: 1, fields: [], octets: new Uint8Array(spec.shape.octets) },
          ]);
        case 'fields': {
          const fields = spec.shape.fields.map(() => 1);
          if (spec.role === 'time') return writeCounted(writer, spec, [fields]);
          return writeObjects(writer, spec, 0x28, [{ index: 1, fields }]);
        }
      }
    };
    for (const head of [
      [0xc0, 1],
      [0xc0, 2],
      [0xc0, 3],
      [0xc1, 4],
      [0xc0, 5],
      [0xc0, 6],
      [0xc0, 7],
      [0xc0, 22],
      [0xc0, 0x81, 0, 0],
      [0xf0, 0x82, 0, 0],
    ]) {
      const writer = new ByteWriter(300);
      for (const octet of head) writer.u8(octet);
      const isRead = head[1] === 1;
      if (isRead ? writeHeaderOnly(writer, spec.group, spec.variation, { kind: 'all' }) : object(writer))
        yield writer.toOctets();
    }
  }
  for (const functionCode of [0, 13, 14, 20, 21, 23, 24])
    yield Uint8Array.of(0xc0, functionCode, ...(functionCode === 20 || functionCode === 21 ? [60, 2, 6] : []));
}

interface Recorded {
  readonly payload_hex: string;
  readonly dir?: string;
  readonly sport?: number;
}

function* recordedFragments(folder: string): Generator<Uint8Array> {
  const read = (name: string): string => {
    const raw = readFileSync(join(folder, name));
    return (name.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8');
  };
  for (const name of readdirSync(folder)) {
    if (name.includes('.expected.json')) yield* fragmentsOf(JSON.parse(read(name)) as Recorded[]);
    if (!name.includes('.jsonl')) continue;
    for (const line of read(name).trim().split('\n'))
      yield* fragmentsOf((JSON.parse(line) as { frames: Recorded[] }).frames);
  }
}

function* fragmentsOf(packets: readonly Recorded[]): Generator<Uint8Array> {
  const flows = new Map<string, { parser: LinkParser; reassembler: Reassembler }>();
  for (const p of packets) {
    const key = p.dir ?? String(p.sport);
    const flow = flows.get(key) ?? { parser: new LinkParser(1e9), reassembler: new Reassembler() };
    flows.set(key, flow);
    for (const frame of flow.parser.push(Uint8Array.from(Buffer.from(p.payload_hex, 'hex')), 0)) {
      const whole = frame.userData.length === 0 ? null : flow.reassembler.push(frame.userData, frame.source);
      if (whole !== null) yield whole;
    }
  }
}
