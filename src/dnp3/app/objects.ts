/**
 * The one table of objects: every codec, the parser's sizes, and the tests are made from it.
 *
 * "packed" objects are bits without octet boundary (lowest bit first); "fields" are octets in order; "marker" objects
 * (classes, variation 0 = "any variation") hold nothing and only stand in requests; "octets" are strings whose length is
 * the variation; "free" objects carry their own length (qualifier 5B, file transfer) and are not looked into.
 * @source IEEE 1815 annex A [S]; sizes checked against the conformance log and captures of opendnp3 and ITI
 */
export type PointKind = 'BI' | 'DBI' | 'BOS' | 'CTR' | 'FCTR' | 'AI' | 'AOS';
/** Octet strings (g110, g111) hold octets and not a number. */
export type DataKind = PointKind | 'OCT';
export const POINT_KINDS: readonly PointKind[] = ['BI', 'DBI', 'AI', 'CTR', 'FCTR', 'BOS', 'AOS'];

export type FieldType = 'u8' | 'u16' | 'u32' | 'i16' | 'i32' | 'f32' | 'f64' | 'u48';
export type FieldName =
  | 'flags'
  | 'value'
  | 'timeMs'
  | 'relativeMs'
  | 'status'
  | 'code'
  | 'count'
  | 'onMs'
  | 'offMs'
  | 'intervalMs'
  | 'delay';
export interface FieldSpec {
  readonly name: FieldName;
  readonly type: FieldType;
  /** Octets of its object before it. */
  readonly at: number;
}
export type ObjectShape =
  | { readonly kind: 'packed'; readonly bits: 1 | 2 }
  | { readonly kind: 'fields'; readonly fields: readonly FieldSpec[]; readonly octets: number }
  | { readonly kind: 'octets'; readonly octets: number }
  | { readonly kind: 'free' }
  | { readonly kind: 'marker' };
export type ObjectRole =
  | 'static'
  | 'event'
  | 'command'
  | 'command-event'
  | 'deadband'
  | 'time'
  | 'class'
  | 'iin'
  | 'octets'
  | 'octets-event'
  | 'terminal'
  | 'file';

export interface ObjectSpec {
  readonly group: number;
  readonly variation: number;
  readonly role: ObjectRole;
  readonly point: PointKind | null;
  readonly shape: ObjectShape;
}

export const FIELD_OCTETS: Readonly<Record<FieldType, number>> = {
  u8: 1,
  u16: 2,
  u32: 4,
  i16: 2,
  i32: 4,
  f32: 4,
  f64: 8,
  u48: 6,
};

/** "flags:u8 value:i32" per variation, in order of variations from the first number on. */
type Row = readonly [group: number, variation: number, role: ObjectRole, point: PointKind | null, layout: string];

const ROWS: readonly Row[] = [
  [1, 0, 'static', 'BI', 'marker'],
  [1, 1, 'static', 'BI', 'bits1'],
  [1, 2, 'static', 'BI', 'flags:u8'],
  [2, 0, 'event', 'BI', 'marker'],
  [2, 1, 'event', 'BI', 'flags:u8'],
  [2, 2, 'event', 'BI', 'flags:u8 timeMs:u48'],
  [2, 3, 'event', 'BI', 'flags:u8 relativeMs:u16'],
  [3, 0, 'static', 'DBI', 'marker'],
  [3, 1, 'static', 'DBI', 'bits2'],
  [3, 2, 'static', 'DBI', 'flags:u8'],
  [4, 0, 'event', 'DBI', 'marker'],
  [4, 1, 'event', 'DBI', 'flags:u8'],
  [4, 2, 'event', 'DBI', 'flags:u8 timeMs:u48'],
  [4, 3, 'event', 'DBI', 'flags:u8 relativeMs:u16'],
  [10, 0, 'static', 'BOS', 'marker'],
  [10, 1, 'static', 'BOS', 'bits1'],
  [10, 2, 'static', 'BOS', 'flags:u8'],
  [11, 0, 'event', 'BOS', 'marker'],
  [11, 1, 'event', 'BOS', 'flags:u8'],
  [11, 2, 'event', 'BOS', 'flags:u8 timeMs:u48'],
  [12, 1, 'command', 'BOS', 'code:u8 count:u8 onMs:u32 offMs:u32 status:u8'],
  [13, 1, 'command-event', 'BOS', 'flags:u8'],
  [13, 2, 'command-event', 'BOS', 'flags:u8 timeMs:u48'],
  [20, 0, 'static', 'CTR', 'marker'],
  [20, 1, 'static', 'CTR', 'flags:u8 value:u32'],
  [20, 2, 'static', 'CTR', 'flags:u8 value:u16'],
  [20, 5, 'static', 'CTR', 'value:u32'],
  [20, 6, 'static', 'CTR', 'value:u16'],
  [21, 0, 'static', 'FCTR', 'marker'],
  [21, 1, 'static', 'FCTR', 'flags:u8 value:u32'],
  [21, 2, 'static', 'FCTR', 'flags:u8 value:u16'],
  [21, 5, 'static', 'FCTR', 'flags:u8 value:u32 timeMs:u48'],
  [21, 6, 'static', 'FCTR', 'flags:u8 value:u16 timeMs:u48'],
  [21, 9, 'static', 'FCTR', 'value:u32'],
  [21, 10, 'static', 'FCTR', 'value:u16'],
  [22, 0, 'event', 'CTR', 'marker'],
  [22, 1, 'event', 'CTR', 'flags:u8 value:u32'],
  [22, 2, 'event', 'CTR', 'flags:u8 value:u16'],
  [22, 5, 'event', 'CTR', 'flags:u8 value:u32 timeMs:u48'],
  [22, 6, 'event', 'CTR', 'flags:u8 value:u16 timeMs:u48'],
  [23, 0, 'event', 'FCTR', 'marker'],
  [23, 1, 'event', 'FCTR', 'flags:u8 value:u32'],
  [23, 2, 'event', 'FCTR', 'flags:u8 value:u16'],
  [23, 5, 'event', 'FCTR', 'flags:u8 value:u32 timeMs:u48'],
  [23, 6, 'event', 'FCTR', 'flags:u8 value:u16 timeMs:u48'],
  [30, 0, 'static', 'AI', 'marker'],
  [30, 1, 'static', 'AI', 'flags:u8 value:i32'],
  [30, 2, 'static', 'AI', 'flags:u8 value:i16'],
  [30, 3, 'static', 'AI', 'value:i32'],
  [30, 4, 'static', 'AI', 'value:i16'],
  [30, 5, 'static', 'AI', 'flags:u8 value:f32'],
  [30, 6, 'static', 'AI', 'flags:u8 value:f64'],
  [32, 0, 'event', 'AI', 'marker'],
  [32, 1, 'event', 'AI', 'flags:u8 value:i32'],
  [32, 2, 'event', 'AI', 'flags:u8 value:i16'],
  [32, 3, 'event', 'AI', 'flags:u8 value:i32 timeMs:u48'],
  [32, 4, 'event', 'AI', 'flags:u8 value:i16 timeMs:u48'],
  [32, 5, 'event', 'AI', 'flags:u8 value:f32'],
  [32, 6, 'event', 'AI', 'flags:u8 value:f64'],
  [32, 7, 'event', 'AI', 'flags:u8 value:f32 timeMs:u48'],
  [32, 8, 'event', 'AI', 'flags:u8 value:f64 timeMs:u48'],
  [34, 0, 'deadband', 'AI', 'marker'],
  [34, 1, 'deadband', 'AI', 'value:u16'],
  [34, 2, 'deadband', 'AI', 'value:u32'],
  [34, 3, 'deadband', 'AI', 'value:f32'],
  [40, 0, 'static', 'AOS', 'marker'],
  [40, 1, 'static', 'AOS', 'flags:u8 value:i32'],
  [40, 2, 'static', 'AOS', 'flags:u8 value:i16'],
  [40, 3, 'static', 'AOS', 'flags:u8 value:f32'],
  [40, 4, 'static', 'AOS', 'flags:u8 value:f64'],
  [41, 1, 'command', 'AOS', 'value:i32 status:u8'],
  [41, 2, 'command', 'AOS', 'value:i16 status:u8'],
  [41, 3, 'command', 'AOS', 'value:f32 status:u8'],
  [41, 4, 'command', 'AOS', 'value:f64 status:u8'],
  [42, 0, 'event', 'AOS', 'marker'],
  [42, 1, 'event', 'AOS', 'flags:u8 value:i32'],
  [42, 2, 'event', 'AOS', 'flags:u8 value:i16'],
  [42, 3, 'event', 'AOS', 'flags:u8 value:i32 timeMs:u48'],
  [42, 4, 'event', 'AOS', 'flags:u8 value:i16 timeMs:u48'],
  [42, 5, 'event', 'AOS', 'flags:u8 value:f32'],
  [42, 6, 'event', 'AOS', 'flags:u8 value:f64'],
  [42, 7, 'event', 'AOS', 'flags:u8 value:f32 timeMs:u48'],
  [42, 8, 'event', 'AOS', 'flags:u8 value:f64 timeMs:u48'],
  [43, 1, 'command-event', 'AOS', 'status:u8 value:i32'],
  [43, 2, 'command-event', 'AOS', 'status:u8 value:i16'],
  [43, 3, 'command-event', 'AOS', 'status:u8 value:i32 timeMs:u48'],
  [43, 4, 'command-event', 'AOS', 'status:u8 value:i16 timeMs:u48'],
  [43, 5, 'command-event', 'AOS', 'status:u8 value:f32'],
  [43, 6, 'command-event', 'AOS', 'status:u8 value:f64'],
  [43, 7, 'command-event', 'AOS', 'status:u8 value:f32 timeMs:u48'],
  [43, 8, 'command-event', 'AOS', 'status:u8 value:f64 timeMs:u48'],
  [50, 1, 'time', null, 'timeMs:u48'],
  [50, 2, 'time', null, 'timeMs:u48 intervalMs:u32'],
  [50, 3, 'time', null, 'timeMs:u48'],
  [51, 1, 'time', null, 'timeMs:u48'],
  [51, 2, 'time', null, 'timeMs:u48'],
  [52, 1, 'time', null, 'delay:u16'],
  [52, 2, 'time', null, 'delay:u16'],
  [60, 1, 'class', null, 'marker'],
  [60, 2, 'class', null, 'marker'],
  [60, 3, 'class', null, 'marker'],
  [60, 4, 'class', null, 'marker'],
  [70, 2, 'file', null, 'free'],
  [70, 3, 'file', null, 'free'],
  [70, 4, 'file', null, 'free'],
  [70, 5, 'file', null, 'free'],
  [70, 6, 'file', null, 'free'],
  [70, 7, 'file', null, 'free'],
  [70, 8, 'file', null, 'free'],
  [80, 1, 'iin', null, 'bits1'],
];

const FIELD_TYPES = new Map<string, FieldType>(
  (['u8', 'u16', 'u32', 'i16', 'i32', 'f32', 'f64', 'u48'] as const).map((t) => [t, t]),
);

function shapeOf(layout: string): ObjectShape {
  if (layout === 'free') return { kind: 'free' };
  if (layout === 'marker') return { kind: 'marker' };
  if (layout === 'bits1') return { kind: 'packed', bits: 1 };
  if (layout === 'bits2') return { kind: 'packed', bits: 2 };
  let octets = 0;
  const fields = layout.split(' ').map((part): FieldSpec => {
    const [name, typeName] = part.split(':');
    const type = FIELD_TYPES.get(typeName ?? '') ?? 'u8';
    const at = octets;
    octets += FIELD_OCTETS[type];
    return { name: name as FieldName, type, at };
  });
  return { kind: 'fields', fields, octets };
}

export const OBJECTS: readonly ObjectSpec[] = ROWS.map(([group, variation, role, point, layout]) => ({
  group,
  variation,
  role,
  point,
  shape: shapeOf(layout),
}));

/** Of each group its variations. */
const BY_GROUP: ObjectSpec[][] = [];
const enter = (spec: ObjectSpec): void => {
  BY_GROUP[spec.group] ??= [];
  const variations = BY_GROUP[spec.group];
  if (variations !== undefined) variations[spec.variation] = spec;
};
for (const spec of OBJECTS) enter(spec);

/** Groups whose variation is the length of their octets, 1 to 255; 0 is "any length" and holds nothing. */
export const SIZED_GROUPS: Readonly<Record<110 | 111 | 112 | 113, ObjectRole>> = {
  110: 'octets',
  111: 'octets-event',
  112: 'terminal',
  113: 'terminal',
};
for (const [name, role] of Object.entries(SIZED_GROUPS)) {
  const group = Number(name);
  for (let variation = 0; variation <= 255; variation++) {
    const shape: ObjectShape = variation === 0 ? { kind: 'marker' } : { kind: 'octets', octets: variation };
    enter({ group, variation, role, point: null, shape });
  }
}

export const objectSpec = (group: number, variation: number): ObjectSpec | null => BY_GROUP[group]?.[variation] ?? null;

export interface KindGroups {
  readonly staticGroup: number;
  readonly eventGroup: number;
  readonly staticVariation: number;
  readonly eventVariation: number;
}

/** Groups of each kind, with default variations (with flags, events with time; of octet strings their length). */
export const KIND_GROUPS: Readonly<Record<DataKind, KindGroups>> = {
  BI: { staticGroup: 1, eventGroup: 2, staticVariation: 2, eventVariation: 2 },
  DBI: { staticGroup: 3, eventGroup: 4, staticVariation: 2, eventVariation: 2 },
  AI: { staticGroup: 30, eventGroup: 32, staticVariation: 1, eventVariation: 3 },
  CTR: { staticGroup: 20, eventGroup: 22, staticVariation: 1, eventVariation: 5 },
  FCTR: { staticGroup: 21, eventGroup: 23, staticVariation: 1, eventVariation: 5 },
  BOS: { staticGroup: 10, eventGroup: 11, staticVariation: 2, eventVariation: 2 },
  AOS: { staticGroup: 40, eventGroup: 42, staticVariation: 1, eventVariation: 3 },
  OCT: { staticGroup: 110, eventGroup: 111, staticVariation: 0, eventVariation: 0 },
};
