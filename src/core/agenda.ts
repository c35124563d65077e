import type { SettingSlug } from '../domain/setting.ts';
import type { EpochMs } from '../domain/units.ts';

/** Something the core has to look at when its time comes. Entries are not taken back: a due entry checks what still holds. */
export type AgendaItem =
  | { readonly kind: 'plan'; readonly eventId: string }
  | { readonly kind: 'event-start'; readonly eventId: string }
  | { readonly kind: 'event-end'; readonly eventId: string }
  | { readonly kind: 'event-measure'; readonly eventId: string }
  | { readonly kind: 'command-send'; readonly commandId: string }
  | { readonly kind: 'command-check'; readonly commandId: string }
  | { readonly kind: 'command-finish'; readonly commandId: string }
  | { readonly kind: 'command-verify'; readonly commandId: string }
  | { readonly kind: 'appliance-ask'; readonly commandId: string }
  | { readonly kind: 'appliance-check'; readonly commandId: string }
  /** restoreOf: the command whose effect is taken back; it may have ended long before. */
  | {
      readonly kind: 'appliance-restore';
      readonly deviceId: string;
      readonly slug: SettingSlug;
      readonly restoreOf: string;
    }
  /** atMs: the time of the rule that this entry is for. */
  | { readonly kind: 'automation'; readonly automationId: string; readonly atMs: EpochMs }
  | { readonly kind: 'schedule'; readonly scheduleId: string; readonly atMs: EpochMs }
  | { readonly kind: 'undo-check'; readonly deviceId: string; readonly jobId: string }
  | { readonly kind: 'approval-end'; readonly approvalId: string }
  /** sinceMs: when the device went out of reach. */
  | { readonly kind: 'alert-check'; readonly deviceId: string; readonly sinceMs: EpochMs }
  | { readonly kind: 'silence-check'; readonly deviceId: string }
  /** Key of the enrollment in the state, and which one of that key. */
  | { readonly kind: 'enrollment-check'; readonly enrollmentKey: string; readonly enrollmentId: string };

interface Entry {
  readonly atMs: EpochMs;
  readonly seq: number;
  readonly item: AgendaItem;
}

export interface SavedAgenda {
  /** How many entries there ever were: the next one's place among equal times. */
  readonly seq: number;
  readonly entries: readonly Entry[];
}

/** Below this many ended commands clearing up costs more than it saves. */
const ENDED_MIN = 1_024;

/** A binary heap in the order (time, order of entry). */
export class Agenda {
  #heap: Entry[] = [];
  #seq = 0;
  /** Commands that have ended: what stands here for them is passed over, and cleared up when it is the larger part. */
  #ended = new Set<string>();

  add(atMs: EpochMs, item: AgendaItem): void {
    this.#rise({ atMs, seq: this.#seq++, item });
  }

  nextMs(): EpochMs | null {
    this.#passOver();
    return this.#heap[0]?.atMs ?? null;
  }

  /** Takes the first entry that is due, or null. */
  takeDue(nowMs: EpochMs): AgendaItem | null {
    this.#passOver();
    const first = this.#heap[0];
    if (first === undefined || first.atMs > nowMs) return null;
    this.#drop();
    return first.item;
  }

  /** What stands here, in the order in which it comes due, as plain values for a snapshot. */
  saved(): SavedAgenda {
    const entries = this.#heap.filter((e) => !this.#isOver(e.item)).sort((a, b) => (before(a, b) ? -1 : 1));
    return { seq: this.#seq, entries };
  }

  /** As it is now. What is added to either is not in the other. */
  copy(): Agenda {
    const agenda = new Agenda();
    agenda.#seq = this.#seq;
    agenda.#heap = this.#heap.slice();
    agenda.#ended = new Set(this.#ended);
    return agenda;
  }

  /** What saved() gives, a piece at a time; what was read is gone from here. */
  drained(): { readonly seq: number; readonly entries: Iterable<Entry> } {
    return { seq: this.#seq, entries: this.#drain() };
  }

  *#drain(): Generator<Entry> {
    for (;;) {
      this.#passOver();
      const first = this.#heap[0];
      if (first === undefined) return;
      yield first;
      this.#drop();
    }
  }

  static restored({ seq, entries }: SavedAgenda): Agenda {
    const agenda = new Agenda();
    agenda.#seq = seq;
    for (const entry of entries) agenda.#rise(entry);
    return agenda;
  }

  /** Nothing is looked at for this command any more. */
  commandEnded(commandId: string): void {
    this.#ended.add(commandId);
    // A command has at most four entries here.
    if (this.#ended.size < ENDED_MIN || this.#ended.size * 4 < this.#heap.length) return;
    const alive = this.#heap.filter((e) => !this.#isOver(e.item));
    this.#heap = [];
    this.#ended.clear();
    for (const entry of alive) this.#rise(entry);
  }

  #isOver(item: AgendaItem): boolean {
    return 'commandId' in item && this.#ended.has(item.commandId);
  }

  #passOver(): void {
    for (let first = this.#heap[0]; first !== undefined && this.#isOver(first.item); first = this.#heap[0])
      this.#drop();
  }

  #drop(): void {
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#sink(last);
  }

  #rise(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, entry)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let i = 0;
    for (;;) {
      const left = heap[2 * i + 1];
      const right = heap[2 * i + 2];
      if (left === undefined) break;
      const takeRight = right !== undefined && before(right, left);
      const child = takeRight ? right : left;
      if (before(entry, child)) break;
      heap[i] = child;
      i = takeRight ? 2 * i + 2 : 2 * i + 1;
    }
    heap[i] = entry;
  }
}

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
