import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeCounted, writeFree, writeHeaderOnly, writeIndices, writeObjects } from '../../src/dnp3/app/build.ts';
import { type FieldType, OBJECTS, type ObjectSpec, objectSpec, SIZED_GROUPS } from '../../src/dnp3/app/objects.ts';
import {
  HEADERS_MAX,
  type HeaderRange,
  type ObjectValue,
  parseFragment,
  parseHeaders,
} from '../../src/dnp3/app/parse.ts';
import { encodeFrame, FRAME_OCTETS_MAX, type LinkFrame } from '../../src/dnp3/link/frame.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import { MasterSession } from '../../src/dnp3/master/session.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import { Stack } from '../../src/dnp3/stack.ts';
import { Reassembler } from '../../src/dnp3/transport/reassembler.ts';
import { Segmenter } from '../../src/dnp3/transport/segmenter.ts';
import { ByteWriter } from '../../src/dnp3/util/bytes.ts';

const anyOctets = (max: number) => fc.uint8Array({ maxLength: max });

const fieldValue = (type: FieldType): fc.Arbitrary<number> => {
  switch (type) {
    case 'u8':
      return fc.integer({ min: 0, max: 0xff });
    case 'u16':
      return fc.integer({ min: 0, max: 0xffff });
    case 'u32':
      return fc.integer({ min: 0, max: 0xffff_ffff });
    case 'i16':
      return fc.integer({ min: -0x8000, max: 0x7fff });
    case 'i32':
      return fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    case 'u48':
      return fc.integer({ min: 0, max: 0xffff_ffff_ffff });
    case 'f32':
      return fc.float({ noNaN: true });
    case 'f64':
      return fc.double({ noNaN: true });
  }
};

const objectOf = (spec: ObjectSpec): fc.Arbitrary<{ fields: number[]; octets?: Uint8Array }> => {
  switch (spec.shape.kind) {
    case 'packed':
      return fc.integer({ min: 0, max: spec.shape.bits === 1 ? 1 : 3 }).map((x) => ({ fields: [x] }));
    case 'fields':
      return fc.tuple(...spec.shape.fields.map((f) => fieldValue(f.type))).map((fields) => ({ fields }));
    case 'octets': {
      const { octets } = spec.shape;
      return fc.uint8Array({ minLength: octets, maxLength: octets }).map((o) => ({ fields: [], octets: o }));
    }
    case 'free':
      return fc.uint8Array({ maxLength: 100 }).map((o) => ({ fields: [], octets: o }));
    case 'marker':
      return fc.constant({ fields: [] });
  }
};

describe('objects', () => {
  const sized = Object.keys(SIZED_GROUPS).map((group) => ({ group: Number(group), variation: 0 }));

  /** What is written under a qualifier, or null when it cannot stand there. */
  const write = (writer: ByteWriter, spec: ObjectSpec, qualifier: number, objects: readonly ObjectValue[]): boolean => {
    if (spec.shape.kind === 'free')
      return writeFree(
        writer,
        spec,
        objects.flatMap((o) => o.octets ?? []),
      );
    if (qualifier !== 0x07) return writeObjects(writer, spec, qualifier, objects);
    return writeCounted(
      writer,
      spec,
      objects.map((o) => o.fields),
    );
  };
  const qualifiersOf = (spec: ObjectSpec): number[] => {
    if (spec.shape.kind === 'free') return [0x5b];
    if (spec.shape.kind === 'packed') return [0x00, 0x01];
    return spec.shape.kind === 'octets' ? [0x00, 0x01, 0x17, 0x28] : [0x00, 0x01, 0x07, 0x17, 0x28];
  };
  const roundTrip = (spec: ObjectSpec): void =>
    fc.assert(
      fc.property(
        fc.constantFrom(...qualifiersOf(spec)),
        fc.array(objectOf(spec), { minLength: 1, maxLength: 7 }),
        fc.integer({ min: 0, max: 200 }),
        (qualifier, values, first) => {
          const from = qualifier === 0x07 || qualifier === 0x5b ? 0 : first;
          const objects = values.map((value, i) => ({ index: from + i, ...value }));
          const writer = new ByteWriter(2048);
          expect(write(writer, spec, qualifier, objects)).toBe(true);
          expect(parseHeaders(writer.toOctets(), true)).toMatchObject({
            kind: 'headers',
            headers: [{ group: spec.group, variation: spec.variation, qualifier, objects }],
          });
        },
      ),
      { numRuns: 20 },
    );

  for (const spec of OBJECTS.filter((o) => o.shape.kind !== 'marker')) {
    test(`g${spec.group}v${spec.variation}: what is built is parsed again, under each qualifier`, () =>
      roundTrip(spec));
  }

  test.each(sized)('g$group: strings of any length from 1 to 255 are parsed again', ({ group }) => {
    for (let variation = 1; variation <= 255; variation += 1 + (variation % 7)) {
      const spec = objectSpec(group, variation);
      expect(spec).not.toBeNull();
      if (spec !== null) roundTrip(spec);
    }
  });

  test.each([...OBJECTS.filter((o) => o.shape.kind === 'marker'), ...sized])(
    'g$group v$variation: as a header without objects it is parsed again, and with objects it is refused',
    ({ group, variation }) => {
      const range: fc.Arbitrary<HeaderRange> = fc.oneof(
        fc.constant({ kind: 'all' as const }),
        fc.integer({ min: 0, max: 0xffff }).map((count) => ({ kind: 'count' as const, count })),
        fc
          .tuple(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 0xffff }))
          .map(([a, b]) => ({ kind: 'range' as const, start: Math.min(a, b), stop: Math.max(a, b) })),
      );
      fc.assert(
        fc.property(range, (r) => {
          const writer = new ByteWriter(16);
          expect(writeHeaderOnly(writer, group, variation, r)).toBe(true);
          const headers = [{ group, variation, range: r, objects: [] }];
          expect(parseHeaders(writer.toOctets(), false)).toMatchObject({ kind: 'headers', headers });
          if (r.kind !== 'all') expect(parseHeaders(writer.toOctets(), true).kind).toBe('bad');
        }),
        { numRuns: 20 },
      );
    },
  );

  test('indices without objects are parsed again', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 300 }), (indices) => {
        const writer = new ByteWriter(2048);
        expect(writeIndices(writer, { group: 30, variation: 0 }, indices)).toBe(true);
        const objects = indices.map((index) => ({ index, fields: [] }));
        expect(parseHeaders(writer.toOctets(), false)).toMatchObject({ kind: 'headers', headers: [{ objects }] });
      }),
    );
  });

  test('any octets are parsed or refused, never thrown at, and never give more objects than bits', () => {
    fc.assert(
      fc.property(anyOctets(300), fc.boolean(), (octets, withObjects) => {
        parseFragment(octets);
        const parsed = parseHeaders(octets, withObjects);
        if (parsed.kind === 'bad') return;
        const count = parsed.headers.reduce((n, h) => n + h.objects.length, 0);
        expect(count).toBeLessThanOrEqual(octets.length * 8);
        if (!withObjects) expect(parsed.headers.length).toBeLessThanOrEqual(HEADERS_MAX);
      }),
      { numRuns: 2000 },
    );
  });
});

const frame: fc.Arbitrary<LinkFrame> = fc.record({
  fromMaster: fc.boolean(),
  primary: fc.boolean(),
  fcb: fc.boolean(),
  fcvOrDfc: fc.boolean(),
  functionCode: fc.integer({ min: 0, max: 15 }),
  destination: fc.integer({ min: 0, max: 0xffff }),
  source: fc.integer({ min: 0, max: 0xffff }),
  userData: fc.uint8Array({ maxLength: 250 }),
});

/** Garbage that likes start octets, so that false starts are common. */
const garbage = fc.array(fc.oneof(fc.constantFrom(0x05, 0x64), fc.integer({ min: 0, max: 255 })), { maxLength: 30 });

const stream: fc.Arbitrary<number[]> = fc
  .array(
    fc.oneof(
      frame.map((f) => [...encodeFrame(f)]),
      garbage,
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.flat());

function chunks(octets: readonly number[], sizes: readonly number[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0, i = 0; at < octets.length; i++) {
    const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? 1);
    out.push(Uint8Array.from(octets.slice(at, at + size)));
    at += size;
  }
  return out;
}

describe('link', () => {
  test('a frame that is encoded is parsed again', () => {
    fc.assert(
      fc.property(frame, (f) => {
        expect(new LinkParser(1000).push(encodeFrame(f), 0)).toEqual([f]);
      }),
    );
  });

  test('any chunking of any octets gives the same frames and leaves no more than one frame behind', () => {
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        (octets, sizes) => {
          const whole = new LinkParser(1000);
          const cut = new LinkParser(1000);
          const single = new LinkParser(1000);
          const expected = whole.push(Uint8Array.from(octets), 0);
          const got = chunks(octets, sizes).flatMap((c) => cut.push(c, 0));
          expect(got).toEqual(expected);
          expect(octets.flatMap((o) => single.push(Uint8Array.of(o), 0))).toEqual(expected);
          expect(cut.stats).toMatchObject({ frames: expected.length, skipped: whole.stats.skipped });
          for (const parser of [whole, cut, single]) expect(parser.pendingOctets).toBeLessThan(FRAME_OCTETS_MAX);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('whatever came before, the next good frame is found: at once, or after the silence at the latest', () => {
    fc.assert(
      fc.property(stream, frame, (before, f) => {
        const parser = new LinkParser(1000);
        parser.push(Uint8Array.from(before), 0);
        // The last of the garbage may be the start of a frame that takes this one's octets as its own; silence tells.
        const got = [...parser.push(encodeFrame(f), 500), ...parser.expire(1500)];
        expect(got).toContainEqual(f);
      }),
      { numRuns: 500 },
    );
  });

  /** Headers that are right, bodies that are right but for their last block: the dearest garbage there is. */
  const dearest = (): Uint8Array => {
    const whole = encodeFrame({
      fromMaster: true,
      primary: true,
      fcb: false,
      fcvOrDfc: false,
      functionCode: 4,
      destination: 10,
      source: 1,
      userData: new Uint8Array(250),
    });
    whole[whole.length - 1] = (whole.at(-1) ?? 0) ^ 0xff;
    return Uint8Array.from({ length: 65_536 }, (_, i) => whole[i % whole.length] ?? 0);
  };
  test.each([
    ['05', () => new Uint8Array(65_536).fill(0x05)],
    ['05 64', () => Uint8Array.from({ length: 65_536 }, (_, i) => (i % 2 === 0 ? 0x05 : 0x64))],
    ['frames that are wrong in their last octet', dearest],
  ])(
    '64 KiB of %s: no more work than ten octets through a CRC for each, and no more memory than a frame',
    (_, make) => {
      for (const size of [65_536, 1]) {
        const parser = new LinkParser(1000);
        const octets = make();
        for (let at = 0; at < octets.length; at += size) parser.push(octets.subarray(at, at + size), 0);
        expect(parser.stats.checked).toBeLessThanOrEqual(10 * octets.length);
        expect(parser.pendingOctets).toBeLessThan(FRAME_OCTETS_MAX);
      }
    },
  );

  test('a frame carried inside the user data of another is data', () => {
    fc.assert(
      fc.property(frame, frame, (outer, inner) => {
        // Ten octets of an empty inner frame fit into one block, so no block CRC cuts them.
        const whole = { ...outer, userData: encodeFrame({ ...inner, userData: new Uint8Array(0) }) };
        expect(new LinkParser(1000).push(encodeFrame(whole), 0)).toEqual([whole]);
      }),
    );
  });

  test('a good frame behind a frame that never ends is found after the silence', () => {
    fc.assert(
      fc.property(frame, fc.integer({ min: 10, max: 30 }), (f, octetsKept) => {
        const parser = new LinkParser(1000);
        const long = encodeFrame({ ...f, userData: new Uint8Array(250) });
        parser.push(long.slice(0, octetsKept), 0);
        const got = [...parser.push(encodeFrame(f), 500), ...parser.expire(1500)];
        expect(got).toContainEqual(f);
      }),
    );
  });
});

describe('transport', () => {
  test('segments come together to the same fragment', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2048 }), fc.integer({ min: 0, max: 70 }), (length, before) => {
        const octets = Uint8Array.from({ length }, (_, i) => (i * 7 + before) & 0xff);
        const segmenter = new Segmenter();
        for (let i = 0; i < before; i++) segmenter.segments(new Uint8Array(1));
        const reassembler = new Reassembler();
        const got = segmenter.segments(octets).map((s) => reassembler.push(s, 1));
        expect(got.at(-1)).toEqual(octets);
        expect(got.slice(0, -1).every((x) => x === null)).toBe(true);
      }),
    );
  });
});

function outstation(operated: Control[] = []): OutstationSession {
  return new OutstationSession({
    localAddress: 10,
    remoteAddress: 1,
    points: [0, 1, 2, 3].flatMap((index) => [
      { kind: 'AI' as const, index, eventClass: 2 as const },
      { kind: 'BI' as const, index, eventClass: 1 as const },
    ]),
    eventsMax: () => 8,
    onControl: (step, control) => {
      if (step === 'operate') operated.push(control);
      return 0;
    },
  });
}

const master = (): MasterSession =>
  new MasterSession({ localAddress: 1, remoteAddress: 10, known: (_, index) => index < 4, eventPollMs: 30_000 });

describe('sessions', () => {
  const appLike = fc.oneof(
    anyOctets(60),
    fc
      .tuple(
        fc.constantFrom(0xc0, 0xc1, 0xe0, 0xf0, 0x80),
        fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 9, 13, 20, 21, 22, 23, 24, 129, 130, 131),
        fc.constantFrom(1, 2, 12, 30, 32, 41, 50, 51, 60, 80, 110),
        anyOctets(40),
      )
      .map(([c, f, g, rest]) => Uint8Array.from([c, f, g, ...rest])),
  );

  test('whatever a peer sends, both ends live on and answer a link status request', () => {
    fc.assert(
      fc.property(fc.array(appLike, { maxLength: 10 }), fc.boolean(), (fragments, toMaster) => {
        const role = toMaster ? 'outstation' : 'master';
        const [local, remote] = toMaster ? [10, 1] : [1, 10];
        const peer = new Stack({
          role,
          localAddress: local,
          remoteAddress: remote,
          interOctetMs: 1000,
          fragmentOctetsMax: 2048,
        });
        const victim = toMaster ? master() : outstation();
        victim.connected(0);
        victim.takeOutput();
        for (const f of fragments) peer.sendFragment(f);
        for (const out of peer.takeOutput()) victim.receive(out, 10);
        victim.timeout(20);
        victim.takeOutput();
        peer.requestLinkStatus();
        for (const out of peer.takeOutput()) victim.receive(out, 30);
        const answers = victim.takeOutput().flatMap((out) => peer.receive(out, 30));
        expect(answers.some((a) => a.kind === 'link-status')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
