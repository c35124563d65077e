import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { fieldsToPoint, type PointValue } from '../../src/dnp3/app/codec.ts';
import { FUNCTION, IIN1 } from '../../src/dnp3/app/control.ts';
import { POINT_KINDS, type PointKind } from '../../src/dnp3/app/objects.ts';
import { parseFragment, parseHeaders } from '../../src/dnp3/app/parse.ts';
import { LinkParser } from '../../src/dnp3/link/parser.ts';
import type { PointConfig } from '../../src/dnp3/outstation/database.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import { Reassembler } from '../../src/dnp3/transport/reassembler.ts';
import { hex, octets } from '../unit/dnp3/hex.ts';

/**
 * Replays a certification procedure recorded from opendnp3: what the tester sent goes in, what the outstation under test
 * answered is compared octet by octet (link, transport, application and all CRCs).
 *
 * The procedures also act on the device itself ("Generate known Class 1 event data", "Cycle power"). Those actions are
 * read from the procedure's log; which values the device then had is read from the recorded answers, since the log does
 * not say. Values are inputs here; their order, packing, sequence numbers, confirms and indications are what is tested.
 */
export interface Procedure {
  readonly id: string;
  readonly title: string;
  readonly frames: readonly { readonly dir: 'm2o' | 'o2m'; readonly payload_hex: string }[];
  readonly log: readonly string[];
}

const FILE = new URL('../../../shared/data/dnp3/opendnp3_conformance.jsonl.gz', import.meta.url).pathname;

/** Procedures that do not pass, each with the reason; one that passes must be taken off. */
export const NOT_YET: Readonly<Record<string, string>> = {};

/** The recorded procedures; none when shared/data/dnp3/opendnp3_conformance.jsonl.gz is not there. */
export const procedures: readonly Procedure[] = existsSync(FILE)
  ? gunzipSync(readFileSync(FILE))
      .toString('utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Procedure)
  : [];

type Action =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'generate'; readonly count: number }
  | { readonly kind: 'cycle' };

interface Turn {
  readonly request: Uint8Array | null;
  readonly expected: string;
  readonly actions: Action[];
}

interface Seen {
  readonly kind: PointKind;
  readonly index: number;
  readonly point: PointValue;
}

/** The device under test as its capture shows it: points 0, 41, 1024, 65535 of each input, outputs 0 to 19. */
const INPUTS = [0, 41, 1024, 65535];
const EVENT_CLASS = { BI: 1, DBI: 1, BOS: 1, AOS: 1, CTR: 2, FCTR: 1, AI: 3 } as const;
const FIRST_VALUE = { BI: 0, DBI: 0, BOS: 0, AOS: 0, CTR: 1, FCTR: 1, AI: 0 } as const;

function points(without: readonly PointKind[]): PointConfig[] {
  const outputs = Array.from({ length: 20 }, (_, i) => i);
  return POINT_KINDS.filter((k) => !without.includes(k)).flatMap((kind) =>
    (kind === 'BOS' || kind === 'AOS' ? outputs : INPUTS).map((index) => ({
      kind,
      index,
      eventClass: EVENT_CLASS[kind],
      staticVariation: 2,
      eventVariation: 1,
      value: FIRST_VALUE[kind],
    })),
  );
}

const START_MS = 1_600_000_000_000;

/** What differs, in words; null when every octet agrees. */
export function replay(procedure: Procedure): string | null {
  const turns = turnsOf(procedure);
  const bench = new Bench(procedure);
  for (const [i, turn] of turns.entries()) {
    bench.prepare(turns, i);
    if (turn.request !== null) bench.send(turn.request);
    for (const action of turn.actions) bench.act(action, turns, i);
    bench.waitFor(turn.expected.length / 2);
    const got = bench.takeReceived();
    if (got !== turn.expected) return `turn ${i}: expected ${turn.expected || 'silence'}, got ${got || 'silence'}`;
  }
  return null;
}

function turnsOf(procedure: Procedure): Turn[] {
  const turns: { request: Uint8Array | null; expected: string; actions: Action[] }[] = [
    { request: null, expected: '', actions: [] },
  ];
  for (const frame of procedure.frames) {
    if (frame.dir === 'm2o') turns.push({ request: octets(frame.payload_hex), expected: '', actions: [] });
    else {
      const turn = turns.at(-1);
      if (turn !== undefined) turn.expected += frame.payload_hex;
    }
  }
  let at = 0;
  for (const line of procedure.log) {
    if (line === '--P->') at += 1;
    const action = actionOf(line);
    if (action !== null && !(action.kind === 'cycle' && at === 0)) turns[at]?.actions.push(action);
  }
  return turns;
}

function actionOf(line: string): Action | null {
  const wait = /^- Wait for (\d+) milliseconds/.exec(line);
  if (wait !== null) return { kind: 'wait', ms: Number(wait[1]) };
  // How long the tester listens is told in 6.6.2.4: "no link layer frames are received within 3000 ms".
  if (/^- Expect no /.test(line)) return { kind: 'wait', ms: 3000 };
  if (/^- Input analog data/.test(line)) return { kind: 'generate', count: 0 };
  const generate = /^- Generate (\d+)?/.exec(line);
  if (generate !== null) return { kind: 'generate', count: Number(generate[1] ?? 0) };
  if (/^- Cycle power/.test(line)) return { kind: 'cycle' };
  if (/^- Wait for a period of time longer than the time returned/.test(line)) return { kind: 'wait', ms: 6000 };
  return null;
}

class Bench {
  private readonly parser = new LinkParser(1e9);
  private session: OutstationSession;
  private readonly config: ConstructorParameters<typeof OutstationSession>[0];
  private nowMs = START_MS;
  private received = '';
  /** Events the recorded device held: injected and not yet confirmed. */
  private outstanding: Seen[] = [];
  private lastSent: Seen[] = [];
  private generated = false;
  /** The recorded device shows a new output only after it answered. */
  private operated: { index: number; value: number }[] = [];

  constructor(procedure: Procedure) {
    const log = procedure.log.join('\n');
    const without: PointKind[] = [];
    if (/all Binary Input points are uninstalled/.test(log)) without.push('BI');
    if (/all Binary Output points are uninstalled/.test(log)) without.push('BOS');
    this.config = {
      localAddress: 1024,
      remoteAddress: 1,
      points: points(without),
      class0: ['BI', 'AI', 'CTR', 'FCTR', 'BOS', 'AOS'],
      unsolicited: /unsolicited response mode to 'true'/.test(log),
      eventsMax: () => 200,
      selectMs: 2000,
      confirmMs: 5000,
      needTime: true,
      onControl: (step, control) => {
        const kind = control.kind === 'crob' ? 'BOS' : 'AOS';
        if (control.index > 19 || without.includes(kind)) return 4;
        if (step === 'operate' && control.kind === 'analog') this.operated.push(control);
        return 0;
      },
    };
    this.session = new OutstationSession(this.config);
    this.session.connected(this.nowMs);
    this.drain();
  }

  /** Brings the device into the state that the recorded answer of this turn shows. */
  prepare(turns: readonly Turn[], i: number): void {
    const seen = readAnswer(turns[i]?.expected ?? '');
    this.session.setLocalControl((seen.iin1 & IIN1.localControl) !== 0);
    for (const { kind, index, point } of seen.statics) {
      const record = this.session.database.get(kind, index);
      if (record === null) continue;
      if (record.current.value === point.value && record.current.flags === point.flags) continue;
      if (this.generated) this.session.update(kind, index, { ...point, timeMs: this.nowMs }, this.nowMs);
      else {
        record.current = { ...point, timeMs: this.nowMs };
        record.reported = record.current;
      }
    }
  }

  send(request: Uint8Array): void {
    const isConfirm = this.parser.push(request, 0).some((f) => f.userData[2] === FUNCTION.confirm);
    if (isConfirm) this.outstanding = this.outstanding.filter((e) => !this.lastSent.includes(e));
    this.session.receive(request, this.nowMs);
    this.drain();
    for (const { index, value } of this.operated) {
      this.session.update('AOS', index, { value, flags: 1, timeMs: this.nowMs }, this.nowMs);
    }
    this.operated = [];
  }

  act(action: Action, turns: readonly Turn[], i: number): void {
    switch (action.kind) {
      case 'wait':
        this.advance(action.ms);
        return;
      case 'cycle':
        this.session = new OutstationSession(this.config);
        this.session.connected(this.nowMs);
        return;
      case 'generate':
        this.generate(action.count, turns, i);
        return;
    }
  }

  /** Events that first show in an answer between this action and the next one of its kind. */
  private generate(count: number, turns: readonly Turn[], from: number): void {
    this.generated = true;
    let made = 0;
    let iin1 = 0;
    let known = [...this.outstanding];
    for (let i = from; i < turns.length; i++) {
      const turn = turns[i];
      if (turn === undefined || (i > from && turn.actions.some((a) => a.kind === 'generate') && made > 0)) break;
      if (i === from) continue;
      const pool = [...known];
      const answer = readAnswer(turn.expected);
      if (i === from + 1) iin1 = answer.iin1;
      for (const e of answer.events) {
        const at = pool.findIndex((k) => sameSeen(k, e));
        if (at >= 0) {
          pool.splice(0, at + 1);
          continue;
        }
        this.inject(e);
        known = [...known, e];
        made += 1;
      }
      if (turn.actions.some((a) => a.kind === 'generate')) break;
    }
    const last = this.outstanding.at(-1);
    for (; made < count && last !== undefined; made++) this.inject({ ...last });
    this.hidden(iin1);
  }

  /** Events that the recorded indications tell of but no recorded answer shows. */
  private hidden(iin1: number): void {
    for (const [bit, eventClass, kind] of [
      [IIN1.class1, 1, 'BI'],
      [IIN1.class2, 2, 'CTR'],
      [IIN1.class3, 3, 'AI'],
    ] as const) {
      if ((iin1 & bit) === 0 || this.session.events.hasWaiting([eventClass])) continue;
      for (const r of this.session.database.all(kind)) {
        this.session.update(
          kind,
          r.index,
          { ...r.current, value: kind === 'BI' ? 1 : r.current.value + 1 },
          this.nowMs,
        );
      }
    }
  }

  private inject(e: Seen): void {
    const record = this.session.database.get(e.kind, e.index);
    if (record === null) return;
    // Force an event even when the value is the one of before.
    record.reported = { ...record.reported, flags: -1 };
    this.session.update(e.kind, e.index, e.point, this.nowMs);
    this.outstanding.push(e);
  }

  private advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let steps = 0; steps < 1000; steps++) {
      const next = this.session.nextTimeoutMs();
      if (next === null || next > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      this.session.timeout(this.nowMs);
      this.drain();
    }
    this.nowMs = untilMs;
  }

  /** Lets timers run until as many octets as recorded have come, one minute at most. */
  waitFor(octetCount: number): void {
    const limitMs = this.nowMs + 60_000;
    while (this.received.length / 2 < octetCount) {
      const next = this.session.nextTimeoutMs();
      if (next === null || next > limitMs) return;
      this.advance(Math.max(0, next - this.nowMs));
    }
  }

  takeReceived(): string {
    const got = this.received;
    this.received = '';
    this.lastSent = [];
    for (const e of readAnswer(got).events) {
      const match = this.outstanding.find((k) => sameSeen(k, e) && !this.lastSent.includes(k));
      if (match !== undefined) this.lastSent.push(match);
    }
    return got;
  }

  private drain(): void {
    for (const out of this.session.takeOutput()) this.received += hex(out);
  }
}

const sameSeen = (a: Seen, b: Seen): boolean =>
  a.kind === b.kind &&
  a.index === b.index &&
  a.point.value === b.point.value &&
  a.point.flags === b.point.flags &&
  a.point.timeMs === b.point.timeMs;

function readAnswer(recorded: string): { events: Seen[]; statics: Seen[]; iin1: number } {
  const events: Seen[] = [];
  const statics: Seen[] = [];
  let iin1 = 0;
  let before = '';
  const reassembler = new Reassembler();
  for (const frame of new LinkParser(1e9).push(octets(recorded), 0)) {
    const whole = frame.primary ? reassembler.push(frame.userData, frame.source) : null;
    // A retry says nothing new.
    if (whole === null || hex(whole) === before) continue;
    before = hex(whole);
    const fragment = parseFragment(whole);
    if (fragment === null) continue;
    iin1 |= fragment.iin?.first ?? 0;
    const parsed = parseHeaders(fragment.body, true);
    if (parsed.kind !== 'headers') continue;
    let baseMs: number | null = null;
    for (const h of parsed.headers) {
      if (h.group === 51) baseMs = h.objects[0]?.fields[0] ?? null;
      const kind = h.spec.point;
      if (kind === null || (h.spec.role !== 'event' && h.spec.role !== 'static')) continue;
      for (const o of h.objects) {
        const p = fieldsToPoint(h.spec, kind, o.fields, baseMs);
        const seen = { kind, index: o.index, point: { value: p.value, flags: p.flags, timeMs: p.timeMs ?? 0 } };
        (h.spec.role === 'event' ? events : statics).push(seen);
      }
    }
  }
  return { events, statics, iin1 };
}
