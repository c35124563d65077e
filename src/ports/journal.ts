import type { Fact } from '../domain/fact.ts';
import type { EpochMs } from '../domain/units.ts';

/**
 * The journal: what the core decided, in order, before anybody outside hears of it. State is a fold of it; the audit
 * trail, the idempotency replies and the webhook outbox are views of it.
 */

/** Who or what made the core decide, and for whom. */
export interface Origin {
  /** The workspace of the request; null for what belongs to none (time, the plant's set-up). */
  readonly workspaceId: string | null;
  /** "client/<id>", "key/<id>", "timer", "cloud/enphase", "site/<connection>", "system". */
  readonly actor: string;
  /** The request it came with; null for what no request asked for. */
  readonly requestId: string | null;
}

export interface NewEntry {
  readonly plantId: string;
  /** Time of the plant when the core decided [epoch ms]; not the wall clock where the plant's clock is stepped. */
  readonly atMs: EpochMs;
  readonly origin: Origin;
  readonly facts: readonly Fact[];
  /** Names under which the entry is looked up later, e.g. "command/cmd-1"; at most SUBJECTS_MAX. */
  readonly subjects: readonly string[];
  /** The answer to be given again when the same request comes twice; stored in the same transaction. */
  readonly reply: StoredReply | null;
}

export interface JournalEntry extends Omit<NewEntry, 'subjects' | 'reply'> {
  /** 1, 2, 3 … without a gap. */
  readonly seq: number;
  /** When it was written [epoch ms, wall clock]. */
  readonly wallMs: EpochMs;
}

export interface StoredReply {
  readonly workspaceId: string;
  /** The client's Idempotency-Key with its route. */
  readonly key: string;
  /** Of method, path and body: the same key with another request is a mistake of the client. */
  readonly requestHash: string;
  readonly status: number;
  readonly body: string;
}

export type Appended =
  /** It is on the disk. */
  | { readonly kind: 'durable'; readonly seq: number }
  /** Nothing was written. */
  | { readonly kind: 'refused'; readonly reason: JournalTrouble | 'overload' | 'closed'; readonly why: string };

/** 'full' passes when there is room again; 'failed' and 'read-only' last until the next start. */
export type JournalTrouble = 'full' | 'failed' | 'read-only';

export type JournalHealth =
  | { readonly kind: 'ok' }
  | { readonly kind: JournalTrouble; readonly why: string; readonly sinceMs: EpochMs };

/** A decision over the largest batch is one entry: 10,000 devices, as many commands, and whose they are. */
export const SUBJECTS_MAX = 25_000;

export interface Journal {
  /** Resolves when it is durable or surely not written; entries become durable in the order of the calls. */
  append(entry: NewEntry): Promise<Appended>;
  health(): JournalHealth;
  /**
   * What a reading that goes on in the background found not as it was written, with file and place, among the entries
   * older than the newest snapshot; null = nothing, or not yet. The state does not rest on them any more.
   */
  damage(): string | null;
  /** Appends that wait for the disk. */
  pending(): number;
  /** Sequence number of the last durable entry; 0 = none. */
  lastSeq(): number;
  /** Entries in order from a sequence number on. */
  read(fromSeq: number): Iterable<JournalEntry>;
  /** Entries of a subject, newest first, older than `beforeSeq`. */
  bySubject(
    subject: string,
    page: { readonly beforeSeq: number | null; readonly limit: number },
  ): readonly JournalEntry[];
  replyOf(workspaceId: string, key: string): StoredReply | null;
  /** Everything up to `seq` as the plants' own JSON; null = there is none that can be trusted. */
  snapshot(): { readonly seq: number; readonly plants: Readonly<Record<string, unknown>> } | null;
  /** Lists in it may be iterables, which are read once and a piece at a time; what they give must be as of the call. */
  writeSnapshot(plants: Readonly<Record<string, unknown>>, seq: number): Promise<void>;
  /** Writes what waits, sets the mark and lets the folder go. */
  close(): Promise<void>;
}
