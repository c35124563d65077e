import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeCounted, writeObjects } from '../../src/dnp3/app/build.ts';
import { type FieldType, OBJECTS, type ObjectSpec } from '../../src/dnp3/app/objects.ts';
import { HEADERS_MAX, parseFragment, parseHeaders } from '../../src/dnp3/app/parse.ts';
import { encodeFrame, type LinkFrame } from '../../src/dnp3/link/frame.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import { MasterSession } from '../../src/dnp3/master/session.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import { Stack } from '../../src/dnp3/stack.ts';
import { Reassembler } from '../../src/dnp3/transport/reassembler.ts';
import { Segmenter } from '../../src/dnp3/transport/segmenter.ts';
import { ByteWriter } from '../../src/dnp3/util/bytes.ts';
import { Pair } from '../unit/dnp3/pair.ts';

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

const objectOf = (spec: ObjectSpec): fc.Arbitrary<number[]> => {
  if (spec.shape.kind === 'packed') {
    return fc.integer({ min: 0, max: spec.shape.bits === 1 ? 1 : 3 }).map((x) => [x]);
  }
  return spec.shape.kind === 'marker' ? fc.constant([]) : fc.tuple(...spec.shape.fields.map((f) => fieldValue(f.type)));
};

describe('objects', () => {
  const withData = OBJECTS.filter((o) => o.shape.kind !== 'marker');

  for (const spec of withData) {
    test(`g${spec.group}v${spec.variation}: what is built is parsed again, under each qualifier`, () => {
      const qualifiers = spec.shape.kind === 'packed' ? [0x00, 0x01] : [0x00, 0x01, 0x07, 0x17, 0x28];
      fc.assert(
        fc.property(
          fc.constantFrom(...qualifiers),
          fc.array(objectOf(spec), { minLength: 1, maxLength: 20 }),
          fc.integer({ min: 0, max: 200 }),
          (qualifier, values, first) => {
            const objects = values.map((fields, i) => ({ index: (qualifier === 0x07 ? 0 : first) + i, fields }));
            const writer = new ByteWriter(2048);
            const fits =
              qualifier === 0x07 ? writeCounted(writer, spec, values) : writeObjects(writer, spec, qualifier, objects);
            expect(fits).toBe(true);
            const parsed = parseHeaders(writer.toOctets(), true);
            expect(parsed).toMatchObject({ kind: 'headers', headers: [{ qualifier, objects }] });
          },
        ),
        { numRuns: 20 },
      );
    });
  }

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
          const expected = whole.push(Uint8Array.from(octets), 0);
          const got = chunks(octets, sizes).flatMap((c) => cut.push(c, 0));
          expect(got).toEqual(expected);
          expect(cut.stats).toMatchObject({ frames: expected.length, skipped: whole.stats.skipped });
        },
      ),
      { numRuns: 500 },
    );
  });

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

  type Step =
    | { kind: 'update'; type: 'AI' | 'BI'; index: number; value: number }
    | { kind: 'cut' | 'silent' | 'connect' }
    | { kind: 'command' }
    | { kind: 'wait'; ms: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('update' as const),
        type: fc.constantFrom('AI' as const, 'BI' as const),
        index: fc.integer({ min: 0, max: 3 }),
        value: fc.integer({ min: 0, max: 1 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'silent' as const, 'connect' as const) }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'command' as const }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
    },
  );

  test('once all is quiet the master sees what the outstation holds, and no command was executed twice', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const operated: Control[] = [];
        const pair = new Pair(master(), outstation(operated));
        const view = new Map<string, number>();
        const outcomes = new Map<string, string>();
        const look = () => {
          for (const e of pair.a.takeEvents()) {
            if (e.kind === 'measurements') for (const m of e.values) view.set(m.kind + m.index, m.value);
            if (e.kind === 'command-ended') outcomes.set(e.id, e.outcome.kind);
          }
        };
        let commands = 0;
        pair.connect();
        for (const s of steps) {
          if (s.kind === 'update')
            pair.b.update(s.type, s.index, { value: s.value, flags: 1, timeMs: pair.nowMs }, pair.nowMs);
          else if (s.kind === 'cut') pair.cut();
          else if (s.kind === 'silent') pair.blackHole = true;
          else if (s.kind === 'connect') {
            pair.cut();
            pair.blackHole = false;
            pair.connect();
          } else if (s.kind === 'wait') pair.advance(s.ms);
          else {
            commands += 1;
            const control: Control = { kind: 'analog', index: commands, value: commands };
            const one = { mode: 'select-operate' as const, controls: [control] };
            pair.a.command({ id: String(commands), urgent: false, steps: [one] }, pair.nowMs);
            pair.settle();
          }
          look();
        }
        pair.cut();
        pair.blackHole = false;
        pair.connect();
        pair.advance(200_000);
        look();
        for (const kind of ['AI', 'BI'] as const) {
          for (const p of pair.b.database.all(kind))
            expect(view.get(kind + p.index), `${kind}${p.index}`).toBe(p.current.value);
        }
        const executed = operated.map((c) => c.index);
        expect(new Set(executed).size).toBe(executed.length);
        expect(outcomes.size).toBe(commands);
        for (const [id, outcome] of outcomes) {
          if (outcome === 'operated') expect(executed).toContain(Number(id));
          if (outcome === 'not-sent' || outcome === 'refused') expect(executed).not.toContain(Number(id));
        }
      }),
      { numRuns: 200 },
    );
  });
});
