/** A queue with amortised O(1) at both ends of use: push at the back, take and put back at the front. */
export interface Fifo<T> {
  push(item: T): void;
  putBack(item: T): void;
  peek(): T | undefined;
  take(): T | undefined;
  size(): number;
}

export function createFifo<T>(): Fifo<T> {
  let items: (T | undefined)[] = [];
  let head = 0;
  return {
    push: (item) => {
      items.push(item);
    },
    putBack: (item) => {
      if (head > 0) {
        head -= 1;
        items[head] = item;
      } else items.unshift(item);
    },
    peek: () => items[head],
    take: () => {
      const item = items[head];
      if (head >= items.length) return undefined;
      items[head] = undefined;
      head += 1;
      if (head > 1024 && head * 2 > items.length) {
        items = items.slice(head);
        head = 0;
      }
      return item;
    },
    size: () => items.length - head,
  };
}
