import { describe, expect, test } from 'vitest';
import { newState } from '../../../src/core/state.ts';
import { EVENT_TYPE_NAMES, EVENT_TYPES } from '../../../src/domain/eventTypes.ts';
import type { Fact } from '../../../src/domain/fact.ts';
import { eventsOf } from '../../../src/live/host/outbox.ts';
import type { JournalEntry } from '../../../src/ports/journal.ts';
import { Bench, HOUR, T0 } from '../../helpers/coreBench.ts';

const entryOf = (facts: readonly Fact[], atMs = T0): JournalEntry => ({
  ...{ plantId: 'main', seq: 1, atMs, wallMs: atMs, facts },
  origin: { workspaceId: 'ws', actor: 'ana', requestId: null },
});

/** A site with a battery behind DNP3, an approval, a stop, a command to a home battery that is taken back. */
function story(): { readonly bench: Bench; readonly entries: readonly JournalEntry[] } {
  const bench = new Bench();
  bench.device('tesla', 't');
  bench.device('dnp3', 'x');
  const commandId = bench.command('t', { enableGridInteraction: false });
  bench.put({ kind: 'cancel-command', commandId, actor: 'ana' });
  bench.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
  return { bench, entries: bench.facts.map(({ fact, atMs }) => entryOf([fact], atMs)) };
}

describe('the journal as events', () => {
  test('every event is of a type that is listed, with its version', () => {
    const { bench, entries } = story();
    const events = entries.flatMap((e) => eventsOf(e, bench.core.state));
    expect(events.map((e) => e.type)).toEqual(
      expect.arrayContaining(['site.created', 'device.discovered', 'command.failed', 'stop.latched', 'alert.opened']),
    );
    for (const e of events) {
      expect(EVENT_TYPE_NAMES).toContain(e.type);
      expect(e.version).toBe(EVENT_TYPES[e.type].version);
    }
  });

  test('instants are RFC 3339, in what is inside as well', () => {
    const request = {
      ...{ approvalId: 'apr-1', siteId: 's', requestedBy: 'ana', fromMs: T0, untilMs: T0 + HOUR },
      ...{ chargeWMax: 1, dischargeWMax: 1, mapRevision: 'r' },
    };
    const state = newState();
    state.sites.set('s', { siteId: 's', workspaceId: 'ws', customerId: 'c', name: 's', timeZone: 'UTC' });
    const [event] = eventsOf(entryOf([{ type: 'approval.requested', request }]), state);
    expect(event?.data).toMatchObject({
      workspaceId: 'ws',
      occurredAt: new Date(T0).toISOString(),
      request: { from: new Date(T0).toISOString(), until: new Date(T0 + HOUR).toISOString() },
    });
    expect(JSON.stringify(event?.data)).not.toMatch(/Ms"/);
  });

  test('the text that an approval is bound to stays inside', () => {
    const state = newState();
    state.sites.set('s', { siteId: 's', workspaceId: 'ws', customerId: 'c', name: 's', timeZone: 'UTC' });
    const approval = {
      ...{ approvalId: 'apr-1', siteId: 's', requestedBy: 'ana', approvedBy: 'ben', fromMs: T0, untilMs: T0 + HOUR },
      ...{ chargeWMax: 1, dischargeWMax: 1, mapRevision: 'r', binding: 'all of it' },
    };
    const [event] = eventsOf(entryOf([{ type: 'site.control-approved', approval }]), state);
    expect(event).toMatchObject({ type: 'approval.approved', data: { approvalId: 'apr-1' } });
    expect(JSON.stringify(event?.data)).not.toContain('all of it');
  });

  test('what happens a second time is other news than the first', () => {
    const { bench } = story();
    const lost: Fact = { type: 'device.reachable', deviceId: 't', reachable: false, why: 'no answer' };
    const [first] = eventsOf(entryOf([lost], T0), bench.core.state);
    const [second] = eventsOf(entryOf([lost], T0 + HOUR), bench.core.state);
    expect(first?.data).not.toEqual(second?.data);
  });
});
