import { ProblemError } from './problems.ts';
import { pageSize } from './schemas.ts';

/**
 * Lists come in pages, in the order of their ids: those that are numbered oldest first. A cursor names the last id shown
 * and the next page has those after it, so what is added or taken away meanwhile, the one it names as well, neither repeats
 * nor skips others. It is opaque to the client; it belongs to one list.
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

/** "cmd-9" before "cmd-10"; ids are unique within a list. */
const isBefore = (a: string, b: string): boolean => (a.length === b.length ? a < b : a.length < b.length);

/**
 * One page of things that lie in memory, in whatever order.
 * @param list  its name; a cursor of another list is refused
 * @throws      ProblemError when the cursor is none of this list
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
  // The first of what comes after, in order; one more than the page tells that there is another one.
  const first: { readonly id: string; readonly item: T }[] = [];
  for (const item of all) {
    if (!isMine(item)) continue;
    const id = idOf(item);
    if (after !== null && !isBefore(after, id)) continue;
    if (first.length > limit && !isBefore(id, first[limit]?.id ?? '')) continue;
    if (!matches(item)) continue;
    let at = first.length;
    while (at > 0 && isBefore(id, first[at - 1]?.id ?? '')) at -= 1;
    first.splice(at, 0, { id, item });
    if (first.length > limit + 1) first.pop();
  }
  const shown = first.slice(0, limit);
  const last = shown[shown.length - 1];
  const isMore = first.length > limit && last !== undefined;
  return { data: shown.map(({ item }) => view(item)), nextCursor: isMore ? encode(list, last.id) : null };
}

/** Sequence number to go on from in a list that is kept by the journal, newest first; null = from the newest. */
export function beforeSeqOf(list: string, query: PageQuery): number | null {
  if (query.cursor === undefined) return null;
  const seq = Number(decode(list, query.cursor));
  if (!Number.isSafeInteger(seq) || seq < 1) throw badCursor();
  return seq;
}

export const cursorAt = (list: string, seq: number): string => encode(list, String(seq));
