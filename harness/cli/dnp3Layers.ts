import { fieldsToPoint } from '../../src/dnp3/app/codec.ts';
import { FLAG, FLAG_OVER_RANGE, FUNCTION, IIN1, IIN2, statusName } from '../../src/dnp3/app/control.ts';
import {
  carriesObjects,
  type Fragment,
  type ObjectHeader,
  type ObjectValue,
  parseFragment,
  parseHeaders,
} from '../../src/dnp3/app/parse.ts';
import { broadcastKind, type LinkFrame, PRIMARY, SECONDARY } from '../../src/dnp3/link/frame.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import { FIN, FIR, Reassembler } from '../../src/dnp3/transport/reassembler.ts';
import type { TcpChunk } from './dnp3Pcap.ts';

/**
 * Octets of one direction of a connection as layers: link frame, transport segment, application fragment, objects.
 * What cannot be read stays in the picture with the reason and its octets.
 */
export interface Layers {
  /** Packet of the capture that completed the frame; 0 for a hex string. */
  readonly packet: number;
  readonly atUs: number;
  readonly from: string;
  readonly to: string;
  readonly link: LinkLayer;
  readonly transport?: { readonly fir: boolean; readonly fin: boolean; readonly sequence: number };
  /** Of the segment that completed a fragment. */
  readonly application?: ApplicationLayer;
}

export interface LinkLayer {
  readonly source: number;
  readonly destination: number;
  readonly fromMaster: boolean;
  readonly primary: boolean;
  readonly functionCode: number;
  readonly functionName: string;
  readonly broadcast: boolean;
  readonly octets: number;
}

export interface ApplicationLayer {
  readonly functionCode: number;
  readonly functionName: string;
  readonly sequence: number;
  readonly fir: boolean;
  readonly fin: boolean;
  readonly con: boolean;
  readonly uns: boolean;
  /** Indications as four hex digits and by name; of responses only. */
  readonly iin?: { readonly hex: string; readonly names: readonly string[] };
  readonly octets: number;
  readonly objects: readonly ObjectLayer[];
  /** Why the objects cannot be read, with their octets. */
  readonly problem?: { readonly why: string; readonly hex: string };
}

export interface ObjectLayer {
  readonly group: number;
  readonly variation: number;
  readonly qualifier: number;
  readonly role: string;
  readonly range: string;
  readonly values: readonly Readonly<Record<string, number | string | readonly string[]>>[];
}

export interface LayerCounts {
  frames: number;
  fragments: number;
  badCrc: number;
  /** Frames that hold a part of a fragment only. */
  segmented: number;
  unreadable: number;
  /** Octets that belong to no frame. */
  skipped: number;
}

const LINK_NAMES = new Map<string, string>([
  ...Object.entries(PRIMARY).map(([name, code]): [string, string] => [`primary ${code}`, words(name)]),
  ...Object.entries(SECONDARY).map(([name, code]): [string, string] => [`secondary ${code}`, words(name)]),
]);

/** Functions that the stack does not perform and a capture may show (IEEE 1815 table 4-2 [S]). */
const OTHER_FUNCTIONS: Readonly<Record<number, string>> = {
  11: 'freeze at time',
  12: 'freeze at time no response',
  15: 'initialize data',
  16: 'initialize application',
  17: 'start application',
  18: 'stop application',
  19: 'save configuration',
  25: 'open file',
  26: 'close file',
  27: 'delete file',
  28: 'get file information',
  29: 'authenticate file',
  30: 'abort file',
  31: 'activate configuration',
  32: 'authentication request',
  33: 'authentication request no response',
  131: 'authentication response',
};
const FUNCTION_NAMES = new Map<number, string>([
  ...Object.entries(OTHER_FUNCTIONS).map(([code, name]): [number, string] => [Number(code), name]),
  ...Object.entries(FUNCTION).map(([name, code]): [number, string] => [code, words(name)]),
]);

/** "directOperateNoResponse" -> "direct operate no response" */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
}

const bitNames = (names: Readonly<Record<string, number>>, bits: number): string[] =>
  Object.entries(names).flatMap(([name, bit]) => ((bits & bit) === 0 ? [] : [words(name)]));

export const flagNames = (flags: number): string[] => bitNames({ ...FLAG, overRange: FLAG_OVER_RANGE }, flags);

export const hexOf = (octets: Uint8Array): string =>
  Array.from(octets, (o) => o.toString(16).padStart(2, '0')).join('');

/** Largest fragment shown whole; captures hold larger ones than a device must take. */
const FRAGMENT_OCTETS_MAX = 65_536;

/** Decodes chunk by chunk; each direction has a stream of its own. */
export class LayerDecoder {
  readonly counts: LayerCounts = { frames: 0, fragments: 0, badCrc: 0, segmented: 0, unreadable: 0, skipped: 0 };
  private readonly flows = new Map<string, { parser: LinkParser; reassembler: Reassembler }>();

  push(chunk: TcpChunk): Layers[] {
    const key = `${chunk.from}>${chunk.to}`;
    const flow = this.flows.get(key) ?? {
      parser: new LinkParser(Number.POSITIVE_INFINITY),
      reassembler: new Reassembler(FRAGMENT_OCTETS_MAX),
    };
    this.flows.set(key, flow);
    const { stats } = flow.parser;
    const before = { ...stats };
    const frames = flow.parser.push(chunk.octets, chunk.atUs / 1000);
    this.counts.frames += frames.length;
    this.counts.badCrc += stats.headerCrcErrors + stats.bodyCrcErrors - before.headerCrcErrors - before.bodyCrcErrors;
    this.counts.skipped += stats.skipped - before.skipped;
    const { number: packet, atUs, from, to } = chunk;
    return frames.map((frame) => ({ packet, atUs, from, to, ...this.frame(frame, flow.reassembler) }));
  }

  private frame(frame: LinkFrame, reassembler: Reassembler): Pick<Layers, 'link' | 'transport' | 'application'> {
    const link = linkLayer(frame);
    const carries = frame.functionCode === PRIMARY.unconfirmedData || frame.functionCode === PRIMARY.confirmedData;
    const header = frame.userData[0];
    if (!frame.primary || !carries || header === undefined) return { link };
    const transport = { fir: (header & FIR) !== 0, fin: (header & FIN) !== 0, sequence: header & 0x3f };
    if (!transport.fir || !transport.fin) this.counts.segmented += 1;
    const whole = reassembler.push(frame.userData, frame.source);
    const application = whole === null ? null : this.fragment(whole);
    return application === null ? { link, transport } : { link, transport, application };
  }

  fragment(octets: Uint8Array): ApplicationLayer | null {
    const fragment = parseFragment(octets);
    if (fragment === null) {
      this.counts.unreadable += 1;
      return null;
    }
    this.counts.fragments += 1;
    const layer = applicationLayer(fragment, octets.length);
    if (layer.problem !== undefined) this.counts.unreadable += 1;
    return layer;
  }
}

function linkLayer(frame: LinkFrame): LinkLayer {
  const { source, destination, fromMaster, primary, functionCode } = frame;
  const name = LINK_NAMES.get(`${primary ? 'primary' : 'secondary'} ${functionCode}`) ?? `function ${functionCode}`;
  const broadcast = broadcastKind(destination) !== null;
  const octets = frame.userData.length;
  return { source, destination, fromMaster, primary, functionCode, functionName: name, broadcast, octets };
}

function applicationLayer(fragment: Fragment, octets: number): ApplicationLayer {
  const { control, functionCode, iin, body } = fragment;
  const parsed = parseHeaders(body, carriesObjects(functionCode));
  const iinHex = iin === null ? '' : hexOf(Uint8Array.of(iin.first, iin.second));
  return {
    functionCode,
    functionName: FUNCTION_NAMES.get(functionCode) ?? `function ${functionCode}`,
    ...control,
    octets,
    ...(iin === null
      ? {}
      : { iin: { hex: iinHex, names: [...bitNames(IIN1, iin.first), ...bitNames(IIN2, iin.second)] } }),
    objects: parsed.kind === 'headers' ? parsed.headers.map(objectLayer) : [],
    ...(parsed.kind === 'headers' ? {} : { problem: { why: parsed.why, hex: hexOf(body) } }),
  };
}

function objectLayer(header: ObjectHeader): ObjectLayer {
  const { group, variation, qualifier, spec } = header;
  const role = spec.point === null ? spec.role : `${spec.point} ${spec.role}`;
  return {
    group,
    variation,
    qualifier,
    role,
    range: rangeWords(header),
    values: header.objects.map((o) => pointOf(header, o)),
  };
}

function rangeWords({ range }: ObjectHeader): string {
  switch (range.kind) {
    case 'all':
      return 'all';
    case 'range':
      return `${range.start}..${range.stop}`;
    case 'count':
      return `count ${range.count}`;
    case 'indexed':
      return `${range.count} with index`;
    case 'free':
      return `${range.count} of free format`;
  }
}

/** A point's value and quality by name where the object is one; else its fields as they stand in the table. */
function pointOf(header: ObjectHeader, object: ObjectValue): Record<string, number | string | readonly string[]> {
  const { spec } = header;
  const { index } = object;
  const octets = object.octets === undefined ? {} : { octets: hexOf(object.octets) };
  if (spec.point !== null && (spec.role === 'static' || spec.role === 'event') && object.fields.length > 0) {
    const { value, flags, timeMs } = fieldsToPoint(spec, spec.point, object.fields, null);
    const hasFlags = spec.shape.kind === 'fields' && spec.shape.fields.some((f) => f.name === 'flags');
    const relative = fieldOf(header, object, 'relativeMs');
    return {
      index,
      value,
      ...(hasFlags ? { flags: flagNames(flags) } : {}),
      ...(timeMs === null ? {} : { time: isoOf(timeMs) }),
      ...(relative === undefined ? {} : { relativeMs: relative }),
    };
  }
  const named: Record<string, number | string> = { index };
  if (spec.shape.kind !== 'fields')
    for (const [i, x] of object.fields.entries()) named[i === 0 ? 'value' : `value${i}`] = x;
  else for (const [i, f] of spec.shape.fields.entries()) named[f.name] = fieldWords(f.name, object.fields[i]);
  return { ...named, ...octets };
}

function fieldWords(name: string, value: number | undefined): number | string {
  if (value === undefined) return '';
  if (name === 'timeMs') return isoOf(value);
  return name === 'status' ? statusName(value) : value;
}

function fieldOf(header: ObjectHeader, object: ObjectValue, name: string): number | undefined {
  const { shape } = header.spec;
  return shape.kind === 'fields' ? object.fields[shape.fields.findIndex((f) => f.name === name)] : undefined;
}

/** Times beyond the year 275760 have no date; a 48-bit time can hold them. */
function isoOf(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? `${timeMs} ms` : date.toISOString();
}
