import type { EpochMs } from '../domain/units.ts';

/** A binary heap of deadlines, first in first out among equal times. */
export interface DeadlineHeap<T> {
  push(atMs: EpochMs, item: T): void;
  /** The earliest deadline, or null. */
  peekMs(): EpochMs | null;
  peek(): T | undefined;
  pop(): T | undefined;
  size(): number;
}

interface Entry<T> {
  readonly atMs: EpochMs;
  readonly seq: number;
  readonly item: T;
}

export function createHeap<T>(): DeadlineHeap<T> {
  const heap: Entry<T>[] = [];
  let seq = 0;
  const before = (a: Entry<T>, b: Entry<T>): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
  const up = (entry: Entry<T>): void => {
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(entry, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  };
  const down = (entry: Entry<T>): void => {
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let least = left;
      if (right !== undefined && before(right, left)) {
        child += 1;
        least = right;
      }
      if (!before(least, entry)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = entry;
  };
  return {
    push: (atMs, item) => {
      seq += 1;
      up({ atMs, seq, item });
    },
    peekMs: () => heap[0]?.atMs ?? null,
    peek: () => heap[0]?.item,
    pop: () => {
      const top = heap[0];
      const last = heap.pop();
      if (top !== undefined && last !== undefined && heap.length > 0) down(last);
      return top?.item;
    },
    size: () => heap.length,
  };
}
