import { resolve } from 'node:path';
import type { MasterNotice } from '../../src/dnp3/master/config.ts';
import type { ObjectRead, RequestOutcome } from '../../src/dnp3/master/requests.ts';
import type { CommandOutcome } from '../../src/dnp3/master/tasks.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import { controlWords, stepOf } from './dnp3Args.ts';
import { captureTo } from './dnp3Captured.ts';
import { flagNames, hexOf } from './dnp3Layers.ts';
import { MasterLink } from './dnp3MasterLink.ts';
import { onSignal } from './dnp3Signals.ts';
import { readTlsFlags, type TlsFlags } from './dnp3TlsFlags.ts';
import type { CliIo, GlobalOptions } from './io.ts';

/**
 * `vpp dnp3 master`: connects to one outstation, does what the options ask in a fixed order (read everything, set the
 * clock, read objects, binary controls, set-points, restart, measure, listen) and ends. The first action that fails ends it.
 * One JSON line for each value and each outcome. Exit code 0 done, 1 refused by the outstation, 4 no answer.
 */
export interface MasterFlags extends GlobalOptions, TlsFlags {
  readonly host: string;
  readonly port: number;
  readonly local: number;
  readonly remote: number;
  readonly timeout: number;
  readonly integrity?: boolean;
  readonly listen?: number | true;
  readonly read?: readonly ObjectRead[];
  readonly sbo?: readonly Control[];
  readonly analog?: readonly Control[];
  readonly direct?: boolean;
  readonly timeSync?: 'lan' | 'non-lan';
  readonly restart?: 'cold' | 'warm';
  readonly bench?: number;
  readonly pcap?: string;
}

export const EXIT = { done: 0, refused: 1, noAnswer: 4 } as const;
const INTEGRITY_CLASSES = [1, 2, 3, 0] as const;

type Action = (link: MasterLink) => Promise<number>;

export async function masterCommand(io: CliIo, flags: MasterFlags): Promise<number> {
  const say = (text: string): void => {
    if (flags.quiet !== true) io.err(`${text}\n`);
  };
  const { host, port, local, remote, timeout } = flags;
  const capture = captureTo(flags.pcap === undefined ? null : resolve(io.cwd, flags.pcap));
  const link = new MasterLink({
    host,
    port,
    local,
    remote,
    unsolicited: flags.listen !== undefined,
    responseMs: timeout * 1000,
    tls: readTlsFlags(flags, io.cwd),
    tap: capture?.tap,
    say,
  });
  const signal = onSignal();
  const out = (line: object): void => io.out(`${JSON.stringify(line)}\n`);
  const code = await Promise.race([signal.promise, work(link, flags, out, say)]);
  signal.forget();
  await link.stop();
  capture?.write();
  return code;
}

async function work(
  link: MasterLink,
  flags: MasterFlags,
  out: (line: object) => void,
  say: (text: string) => void,
): Promise<number> {
  const todo = actions(flags, out);
  // The start-up of a connection reads everything; its values are shown when they were asked for.
  const forget = wantsIntegrity(flags) ? link.listen((n) => printValues(n, out)) : () => {};
  const ready = await start(link, flags.timeout * 1000);
  forget();
  if (ready !== null) {
    say(ready);
    return EXIT.noAnswer;
  }
  for (const action of todo) {
    const code = await action(link);
    if (code !== EXIT.done) return code;
  }
  return EXIT.done;
}

/** Nothing asked is the same as --integrity. */
const wantsIntegrity = (f: MasterFlags): boolean =>
  f.integrity === true ||
  [f.listen, f.read, f.sbo, f.analog, f.timeSync, f.restart, f.bench].every((x) => x === undefined);

/** Connects and waits for the start-up to be over. @returns why it did not come to that, or null */
async function start(link: MasterLink, timeoutMs: number): Promise<string | null> {
  let last = 'no connection';
  link.onDown((why) => {
    last = why;
  });
  const ready = link.wait((n) => {
    if (n.kind === 'task-failed') last = `${n.task}: ${n.why}`;
    return n.kind === 'integrity-complete' ? true : null;
  });
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<false>((r) => {
    timer = setTimeout(() => r(false), timeoutMs);
  });
  link.start();
  const isReady = await Promise.race([ready, limit]);
  clearTimeout(timer);
  return isReady ? null : `no answer within ${timeoutMs / 1000} s: ${last}`;
}

function actions(f: MasterFlags, out: (line: object) => void): Action[] {
  const list: Action[] = [];
  const { timeSync, restart, read, bench, listen } = f;
  if (timeSync !== undefined)
    list.push((link) => request(link, out, 'time-sync', (s, id, now) => s.timeSync({ id, method: timeSync }, now)));
  if (read !== undefined)
    list.push((link) => request(link, out, 'read', (s, id, now) => s.readRange({ id, objects: read }, now)));
  for (const c of f.sbo ?? []) list.push((link) => control(link, out, c, f.direct === true));
  for (const c of f.analog ?? []) list.push((link) => control(link, out, c, f.direct === true));
  if (restart !== undefined)
    list.push((link) => request(link, out, 'restart', (s, id, now) => s.restart({ id, how: restart }, now)));
  if (bench !== undefined) list.push((link) => measure(link, out, bench * 1000));
  if (listen !== undefined) list.push((link) => hear(link, out, listen === true ? null : listen * 1000));
  return list;
}

let ids = 0;

/** One request; the values it brings are printed as they come, its outcome after them. */
async function request(
  link: MasterLink,
  out: (line: object) => void,
  what: string,
  ask: (session: MasterLink['session'], id: string, nowMs: number) => void,
): Promise<number> {
  ids += 1;
  const id = `${what}#${ids}`;
  const forget = link.listen((n) => printValues(n, out));
  const outcome = await link.wait<RequestOutcome>(
    (n) => (n.kind === 'request-ended' && n.id === id ? n.outcome : null),
    (session, nowMs) => ask(session, id, nowMs),
  );
  forget();
  if (what !== 'read' || (outcome.kind !== 'done' && outcome.kind !== 'sent'))
    out({ type: what, outcome: outcome.kind, ...rest(outcome) });
  return requestCode(outcome);
}

function rest(o: RequestOutcome): object {
  if (o.kind === 'done') return o.restartMs === undefined ? {} : { restartMs: o.restartMs };
  return o.kind === 'sent' ? {} : { why: o.why };
}

function requestCode(o: RequestOutcome): number {
  switch (o.kind) {
    case 'done':
    case 'sent':
      return EXIT.done;
    case 'refused':
      return EXIT.refused;
    case 'not-sent':
    case 'no-answer':
      return EXIT.noAnswer;
  }
}

async function control(link: MasterLink, out: (line: object) => void, c: Control, direct: boolean): Promise<number> {
  ids += 1;
  const id = `control#${ids}`;
  const outcome = await link.wait<CommandOutcome>(
    (n) => (n.kind === 'command-ended' && n.id === id ? n.outcome : null),
    (session, nowMs) => session.command({ id, steps: [stepOf(c, direct)], urgent: false }, nowMs),
  );
  const why = outcome.kind === 'operated' ? {} : { why: outcome.why };
  out({ type: c.kind, control: controlWords(c), index: c.index, outcome: outcome.kind, ...why });
  if (outcome.kind === 'operated') return EXIT.done;
  return outcome.kind === 'refused' ? EXIT.refused : EXIT.noAnswer;
}

/** Reads everything again and again and says how fast. */
async function measure(link: MasterLink, out: (line: object) => void, forMs: number): Promise<number> {
  const tookMs: number[] = [];
  let values = 0;
  const forget = link.listen((n) => {
    if (n.kind === 'measurements') values += n.values.length;
  });
  const beganMs = performance.now();
  let code: number = EXIT.done;
  while (performance.now() - beganMs < forMs && code === EXIT.done) {
    const askedMs = performance.now();
    ids += 1;
    const id = `bench#${ids}`;
    const outcome = await link.wait<RequestOutcome>(
      (n) => (n.kind === 'request-ended' && n.id === id ? n.outcome : null),
      (session, nowMs) => session.readClasses({ id, classes: INTEGRITY_CLASSES }, nowMs),
    );
    tookMs.push(performance.now() - askedMs);
    code = requestCode(outcome);
    if (code !== EXIT.done) out({ type: 'bench', outcome: outcome.kind, ...rest(outcome) });
  }
  forget();
  const seconds = (performance.now() - beganMs) / 1000;
  tookMs.sort((a, b) => a - b);
  const at = (q: number): number => round(tookMs[Math.floor(tookMs.length * q)] ?? Number.NaN);
  const pollsPerS = round(tookMs.length / seconds);
  out({ type: 'bench', polls: tookMs.length, pollsPerS, p50Ms: at(0.5), p99Ms: at(0.99), values });
  return code;
}

const round = (x: number): number => Math.round(x * 1000) / 1000;

/** Prints what comes unasked and what event reads bring, for a while or until interrupted. */
async function hear(link: MasterLink, out: (line: object) => void, forMs: number | null): Promise<number> {
  link.listen((n) => printValues(n, out));
  await new Promise<void>((done) => {
    if (forMs !== null) setTimeout(done, forMs);
  });
  return EXIT.done;
}

/** type, index, value, names of the flags, time as the device says it, where it came from. */
function printValues(n: MasterNotice, out: (line: object) => void): void {
  if (n.kind === 'measurements') {
    for (const { kind, index, value, flags, timeMs, timeQuality, source } of n.values) {
      const time = timeMs === null ? null : new Date(timeMs).toISOString();
      out({ type: kind, index, value, flags: flagNames(flags), time, timeQuality, source });
    }
  }
  if (n.kind === 'octet-strings') {
    for (const { index, octets, source } of n.values) out({ type: 'OCT', index, value: hexOf(octets), source });
  }
  if (n.kind === 'deadbands') for (const d of n.values) out({ type: 'deadband', index: d.index, value: d.deadband });
}
