import { MasterSession } from '../../src/dnp3/master/session.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';

/** The two ends that are fuzzed, fresh and past their start-up, and a count of what reached their application. */
export interface Target {
  readonly role: 'master' | 'outstation';
  /** Takes octets as from the peer, lets time pass, drains everything. */
  feed(octets: Uint8Array, nowMs: number): void;
  /** Starts a new connection. */
  reconnect(nowMs: number): void;
  /** Sequence number that the peer's next answer (of a master) or confirm (of an outstation) needs; null = none known. */
  wantedSequence(): number | null;
  /** Fragments understood by the application layer, so that a run can tell whether it got that deep. */
  depth(): number;
}

export const ADDRESSES = { master: 1, outstation: 10 } as const;
const POINTS_A_KIND = 8;

/** Application control octet of a fragment just sent, behind ten octets of link header and the transport octet; no confirm's. */
const sequenceOf = (outputs: readonly Uint8Array[]): number | null => {
  const last = outputs.findLast((o) => o.length > 12 && o[12] !== 0)?.[11];
  return last === undefined ? null : last & 0x0f;
};

export function outstationTarget(): Target {
  const session = new OutstationSession({
    localAddress: ADDRESSES.outstation,
    remoteAddress: ADDRESSES.master,
    points: (['BI', 'DBI', 'AI', 'CTR', 'FCTR', 'BOS', 'AOS', 'OCT'] as const).flatMap((kind) =>
      Array.from({ length: POINTS_A_KIND }, (_, index) => ({
        kind,
        index,
        eventClass: ((index % 3) + 1) as 1 | 2 | 3,
        octets: Uint8Array.of(65 + index),
      })),
    ),
    eventsMax: () => 20,
    onControl: (step, control, nowMs) => {
      if (step !== 'operate' || control.index >= POINTS_A_KIND) return control.index >= POINTS_A_KIND ? 4 : 0;
      const value = control.kind === 'analog' ? control.value : control.operation & 1;
      session.update(
        control.kind === 'analog' ? 'AOS' : 'BOS',
        control.index,
        { value, flags: 1, timeMs: nowMs },
        nowMs,
      );
      return 0;
    },
  });
  let depth = 0;
  let sequence: number | null = null;
  session.connected(0);
  return {
    role: 'outstation',
    feed(octets, nowMs) {
      session.receive(octets, nowMs);
      if (nowMs % 64 === 0)
        session.update('AI', nowMs % POINTS_A_KIND, { value: nowMs % 1000, flags: 1, timeMs: nowMs }, nowMs);
      const next = session.nextTimeoutMs();
      if (next !== null && next <= nowMs) session.timeout(nowMs);
      sequence = sequenceOf(session.takeOutput()) ?? sequence;
      depth += session.takeEvents().length;
    },
    reconnect(nowMs) {
      session.disconnected(nowMs);
      session.connected(nowMs);
    },
    wantedSequence: () => sequence,
    depth: () => depth,
  };
}

/** Its start-up ends when an unbroken answer with the awaited sequence happens to come, which is often. */
export function masterTarget(): Target {
  const session = new MasterSession({
    localAddress: ADDRESSES.master,
    remoteAddress: ADDRESSES.outstation,
    known: (_, index) => index < POINTS_A_KIND,
    knownOctets: (index) => index < POINTS_A_KIND,
    // Short pauses, or most of the time it would wait after an answer that could not be read.
    eventPollMs: 100,
    integrityMs: 10_000,
    responseMs: 200,
    retryMs: 20,
    retryMaxMs: 40,
  });
  let depth = 0;
  let requests = 0;
  let sequence: number | null = null;
  session.connected(0);
  return {
    role: 'master',
    feed(octets, nowMs) {
      session.receive(octets, nowMs);
      if (nowMs % 256 === 0) {
        requests += 1;
        session.readClasses({ id: `r${requests}`, classes: [0, 1] }, nowMs);
      }
      const next = session.nextTimeoutMs();
      if (next !== null && next <= nowMs) session.timeout(nowMs);
      sequence = sequenceOf(session.takeOutput()) ?? sequence;
      depth += session.takeNotices().length;
    },
    reconnect(nowMs) {
      session.disconnected(nowMs);
      session.connected(nowMs);
    },
    wantedSequence: () => sequence,
    depth: () => depth,
  };
}
