import type { NewEntry } from '../../../src/ports/journal.ts';

/** Entries for tests, by number. */
export const T0 = Date.UTC(2024, 6, 10, 22);

export const entry = (n: number, over: Partial<NewEntry> = {}): NewEntry => ({
  plantId: 'main',
  atMs: T0 + n,
  origin: { workspaceId: 'ws-1', actor: 'client/c', requestId: `req-${n}` },
  facts: [{ type: 'event.cancelled', eventId: `evt-${n}`, by: 'x'.repeat(200) }],
  subjects: [`event/evt-${n}`, `device/dev-${n % 3}`],
  reply: null,
  ...over,
});

export const reply = (key: string, status = 202) => ({
  workspaceId: 'ws-1',
  key,
  requestHash: `hash of ${key}`,
  status,
  body: `{"key":"${key}"}`,
});
