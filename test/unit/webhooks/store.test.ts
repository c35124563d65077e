import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { JournalError } from '../../../src/live/journal/errors.ts';
import { type Batch, DeliveryStore } from '../../../src/live/webhooks/store.ts';
import { event, START_MS } from './rig.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vpp-outbox-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (firstCursor = 0): DeliveryStore => new DeliveryStore(dir, { firstCursor });
const batch = (seq: number): Batch => ({
  offered: [{ event: event(seq), to: [{ d: 1, dueMs: START_MS, dead: null }] }],
  cursor: seq,
  outcomes: [],
  destinations: [],
  wallMs: START_MS,
});

function kindOf(work: () => unknown): string {
  try {
    work();
  } catch (e) {
    return e instanceof JournalError ? e.kind : String(e);
  }
  return 'nothing';
}

describe('the store of deliveries', () => {
  test('a group that fails half way leaves nothing behind: rows, cursor and numbers are as before', () => {
    const store = open();
    store.changeDestinations({ added: [{ destinationId: 'a', fingerprint: 'f' }], removed: [] });
    store.write(batch(1));
    const other = new Database(join(dir, 'webhooks.db'));
    other.exec("CREATE TRIGGER no BEFORE INSERT ON delivery BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect(() => store.write(batch(2))).toThrow('no');
    other.exec('DROP TRIGGER no');
    other.close();
    expect([store.cursor, store.due(1, START_MS, 10).map(({ sequence }) => sequence)]).toEqual([1, [1]]);
    store.write(batch(3));
    expect([store.cursor, store.due(1, START_MS, 10).map(({ sequence }) => sequence)]).toEqual([3, [1, 2]]);
    store.close();
  });

  test('a new one begins where it is told; an old one where it stood', () => {
    const first = open(41);
    expect(first.cursor).toBe(41);
    first.write({ ...batch(42), offered: [] });
    first.close();
    const second = open(7);
    expect(second.cursor).toBe(42);
    second.close();
  });

  test('has one owner, and is free when that one lets go', () => {
    const store = open();
    expect(kindOf(open)).toBe('locked');
    store.close();
    open().close();
  });

  test('another file is refused, whatever it is', () => {
    writeFileSync(
      join(dir, 'webhooks.db'),
      'this is no database, and it is long enough to be looked at as one '.repeat(20),
    );
    expect(kindOf(open)).toBe('damaged');
    rmSync(join(dir, 'webhooks.db'));
    const other = new Database(join(dir, 'webhooks.db'));
    other.exec('PRAGMA application_id = 7');
    other.close();
    expect(kindOf(open)).toBe('format');
  });
});
