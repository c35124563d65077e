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
  | { readonly kind: 'undo-check'; readonly deviceId: string; readonly jobId: string }
  /** Key of the enrollment in the state. */
  | { readonly kind: 'enrollment-check'; readonly enrollmentKey: string };

interface Entry {
  readonly atMs: EpochMs;
  readonly seq: number;
  readonly item: AgendaItem;
}

/** A binary heap in the order (time, order of entry). */
export class Agenda {
  readonly #heap: Entry[] = [];
  #seq = 0;

  add(atMs: EpochMs, item: AgendaItem): void {
    const entry = { atMs, seq: this.#seq++, item };
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

  nextMs(): EpochMs | null {
    return this.#heap[0]?.atMs ?? null;
  }

  /** Takes the first entry that is due, or null. */
  takeDue(nowMs: EpochMs): AgendaItem | null {
    const first = this.#heap[0];
    if (first === undefined || first.atMs > nowMs) return null;
    const last = this.#heap.pop();
    if (last !== undefined && last !== first) this.#sink(last);
    return first.item;
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
