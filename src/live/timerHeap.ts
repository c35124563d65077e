import type { EpochMs } from '../domain/units.ts';
import type { TimerHandle } from '../ports/clock.ts';

/** Timers in the order (time, priority, sequence): a binary heap that also removes from its middle, each in O(log n). */
export interface Timer {
  readonly atMs: EpochMs;
  readonly priority: number;
  readonly fn: () => void;
}

interface Entry extends Timer {
  readonly handle: TimerHandle;
  place: number;
}

const isBefore = (a: Entry, b: Entry): boolean =>
  a.atMs !== b.atMs ? a.atMs < b.atMs : a.priority !== b.priority ? a.priority < b.priority : a.handle < b.handle;

export class TimerHeap {
  readonly #heap: Entry[] = [];
  readonly #byHandle = new Map<TimerHandle, Entry>();
  #handles = 0;

  /** The handle that was given out last. */
  get newest(): TimerHandle {
    return this.#handles;
  }

  get size(): number {
    return this.#heap.length;
  }

  push(timer: Timer): TimerHandle {
    this.#handles += 1;
    const entry: Entry = { ...timer, handle: this.#handles, place: this.#heap.length };
    this.#heap.push(entry);
    this.#byHandle.set(entry.handle, entry);
    this.#up(entry);
    return entry.handle;
  }

  peek(): Timer | undefined {
    return this.#heap[0];
  }

  /** False when there is none of that handle any more. */
  remove(handle: TimerHandle): boolean {
    const entry = this.#byHandle.get(handle);
    if (entry === undefined) return false;
    this.#byHandle.delete(handle);
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return true;
    last.place = entry.place;
    this.#heap[last.place] = last;
    this.#up(last);
    this.#down(last);
    return true;
  }

  /** Takes out the first one if it is due by then and not newer than the handle given. */
  takeDue(byMs: EpochMs, newest: TimerHandle = this.#handles): Timer | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.atMs > byMs || first.handle > newest) return undefined;
    this.remove(first.handle);
    return first;
  }

  clear(): void {
    this.#heap.length = 0;
    this.#byHandle.clear();
  }

  #up(entry: Entry): void {
    while (entry.place > 0) {
      const above = this.#heap[(entry.place - 1) >> 1];
      if (above === undefined || !isBefore(entry, above)) return;
      this.#swap(entry, above);
    }
  }

  #down(entry: Entry): void {
    for (;;) {
      const left = this.#heap[2 * entry.place + 1];
      const right = this.#heap[2 * entry.place + 2];
      const least = left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (least === undefined || !isBefore(least, entry)) return;
      this.#swap(entry, least);
    }
  }

  #swap(a: Entry, b: Entry): void {
    [a.place, b.place] = [b.place, a.place];
    this.#heap[a.place] = a;
    this.#heap[b.place] = b;
  }
}
