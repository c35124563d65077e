import { ProblemError } from './problems.ts';
import { pageSize } from './schemas.ts';

/**
 * Lists come in pages, by cursor: a cursor names the last one shown, so what is added or taken away meanwhile neither
 * repeats nor skips others. It is opaque to the client; it belongs to one list.
 */
export interface PageQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface Page<T> {
  readonly data: readonly T[];
  /** null: this was the last page. */
  readonly nextCursor: string | null;
}

const badCursor = (): ProblemError =>
  new ProblemError('invalid_request', 'query: cursor', {
    errors: [{ place: 'cursor', found: 'a cursor of no page of this list', expected: 'nextCursor of the page before' }],
  });

const encode = (list: string, last: string): string =>
  btoa(JSON.stringify([list, last]))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

function decode(list: string, cursor: string): string {
  try {
    const read: unknown = JSON.parse(atob(cursor.replaceAll('-', '+').replaceAll('_', '/')));
    if (Array.isArray(read) && read[0] === list && typeof read[1] === 'string') return read[1];
  } catch {
    // Not of our making.
  }
  throw badCursor();
}

/**
 * One page of things that lie in memory in a fixed order.
 * @param list  its name; a cursor of another list is refused
 * @throws      ProblemError when the cursor is none of this list, or what it names is gone
 */
export function pageOf<T, V>(
  request: {
    readonly list: string;
    readonly all: Iterable<T>;
    readonly idOf: (item: T) => string;
    /** Whether the caller may know of it. */
    readonly isMine: (item: T) => boolean;
    readonly matches?: (item: T) => boolean;
    readonly view: (item: T) => V;
  },
  query: PageQuery,
): Page<V> {
  const { list, all, idOf, isMine, matches = () => true, view } = request;
  const limit = pageSize(query);
  const after = query.cursor === undefined ? null : decode(list, query.cursor);
  let begun = after === null;
  const data: V[] = [];
  let last: string | null = null;
  for (const item of all) {
    if (!isMine(item)) continue;
    if (!begun) {
      // It need not match any more: the page begins after it all the same.
      begun = idOf(item) === after;
      continue;
    }
    if (!matches(item)) continue;
    if (data.length === limit) return { data, nextCursor: last === null ? null : encode(list, last) };
    data.push(view(item));
    last = idOf(item);
  }
  if (!begun) throw badCursor();
  return { data, nextCursor: null };
}

/** Sequence number to go on from in a list that is kept by the journal, newest first; null = from the newest. */
export function beforeSeqOf(list: string, query: PageQuery): number | null {
  if (query.cursor === undefined) return null;
  const seq = Number(decode(list, query.cursor));
  if (!Number.isSafeInteger(seq) || seq < 1) throw badCursor();
  return seq;
}

export const cursorAt = (list: string, seq: number): string => encode(list, String(seq));
