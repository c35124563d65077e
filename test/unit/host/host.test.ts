import { afterEach, describe, expect, test, vi } from 'vitest';
import type { CoreInput } from '../../../src/core/input.ts';
import type { OutboxEvent } from '../../../src/domain/destination.ts';
import type { Fact } from '../../../src/domain/fact.ts';
import { PROBE_MS } from '../../../src/live/host/plant.ts';
import { Bench, HOUR, T0 } from '../../helpers/coreBench.ts';
import { foldOf, HandJournal, textOf, turn } from './handJournal.ts';
import { put, rigOn } from './hostRig.ts';

const workspace = (workspaceId: string, environment: 'production' | 'sandbox' = 'production'): CoreInput => ({
  kind: 'create-workspace',
  workspace: { workspaceId, name: workspaceId, gridServices: true, environment },
});

const destination = (destinationId: string, over: object = {}): CoreInput =>
  ({
    kind: 'create-destination',
    actor: 'ana',
    destination: {
      destinationId,
      workspaceId: 'ws',
      label: destinationId,
      url: 'https://example.com/hook',
      signature: 'texture',
      headers: {},
      eventTypes: [],
      deviceTypes: [],
      enabled: true,
      ...over,
    },
  }) as CoreInput;

/** Puts inputs in, and writes each. */
async function story(journal: HandJournal, rig: Awaited<ReturnType<typeof rigOn>>): Promise<void> {
  const bench = new Bench();
  bench.device('enphase', 'a');
  bench.device('dnp3', 'x');
  for (const { input } of bench.inputs) {
    void put(rig.host, input);
    await journal.write();
  }
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a host', () => {
  test('a plant that comes back has the state and the time of its entries, with a snapshot and without', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0, snapshotEvery: 5 });
    await story(journal, rig);
    await turn();
    const expected = textOf(rig.host.registry.state);
    expect(journal.kept?.seq).toBeGreaterThan(1);
    for (const kept of [null, journal.kept]) {
      const again = await rigOn(HandJournal.after(journal.entries, kept), { startMs: T0 - HOUR });
      expect(textOf(again.host.registry.state)).toBe(expected);
      expect(again.host.registry.nowMs()).toBe(T0);
    }
  });

  test('a snapshot taken while entries wait holds them, and is kept only once they are durable', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0, snapshotEvery: 2 });
    void put(rig.host, workspace('w1'));
    void put(rig.host, workspace('w2'));
    void put(rig.host, workspace('w3'));
    await turn();
    await journal.write(2);
    await turn();
    expect(journal.kept).toBeNull();
    await journal.write();
    await turn();
    await turn();
    expect(journal.kept?.seq).toBe(3);
    const again = await rigOn(HandJournal.after(journal.entries, journal.kept), { startMs: T0 });
    expect([...again.host.registry.state.workspaces.keys()]).toEqual(['w1', 'w2', 'w3']);
  });

  test('a host that crashes before each snapshot still takes one: what it folded at its start counts', async () => {
    const before = new HandJournal();
    const rig = await rigOn(before, { startMs: T0, snapshotEvery: 4 });
    for (const id of ['w1', 'w2', 'w3']) {
      void put(rig.host, workspace(id));
      await before.write();
    }
    await turn();
    expect(before.kept).toBeNull();
    const journal = HandJournal.after(before.entries);
    const again = await rigOn(journal, { startMs: T0, snapshotEvery: 4 });
    void put(again.host, workspace('w4'));
    await journal.write();
    await turn();
    expect(journal.kept?.seq).toBe(4);
  });

  test('what was refused is in no snapshot', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0, snapshotEvery: 1 });
    void put(rig.host, workspace('w1'));
    await turn();
    const writing = journal.write();
    journal.full = 'the queue is full';
    void put(rig.host, workspace('w2'));
    await writing;
    await turn();
    await turn();
    expect(JSON.stringify(journal.kept ?? '')).not.toContain('w2');
    expect(rig.host.health().parts['plant/main']).toEqual({ ok: false, why: 'the queue is full' });
  });

  test('a clock that is before the newest entry is told: time stands until it is there', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    void put(rig.host, workspace('w1'));
    await journal.write();
    expect(rig.host.health().status).toBe('ok');
    rig.clock.now = T0 - 2 * HOUR;
    const why = 'the clock is 7200 s before the newest entry: time stands until it is there';
    expect(rig.host.health()).toMatchObject({ status: 'degraded', parts: { 'main/time': { ok: false, why } } });
  });

  test('damage below the snapshot degrades health with its place, and goes on', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    expect(rig.host.health()).toMatchObject({ status: 'ok' });
    journal.bent = 'journal.db: entry 20: its check sum is wrong';
    expect(rig.host.health()).toMatchObject({
      status: 'degraded',
      parts: { history: { ok: false, why: journal.bent } },
    });
    const made = put(rig.host, workspace('w1'));
    await journal.write();
    expect((await made).kind).toBe('done');
  });

  test('there is no snapshot of a plant that is stalled while its entries wait', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0, snapshotEvery: 1 });
    void put(rig.host, workspace('w1'));
    void put(rig.host, workspace('w2'));
    journal.full = 'the queue is full';
    void put(rig.host, workspace('w3'));
    await turn();
    journal.full = null;
    await journal.write(1);
    await turn();
    await journal.write();
    await turn();
    const again = await rigOn(HandJournal.after(journal.entries, journal.kept), { startMs: T0 });
    expect([...again.host.registry.state.workspaces.keys()]).toEqual(['w1', 'w2']);
  });

  test('a plant that stalls in the turn of another one has what became durable in between', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    for (const id of ['s0', 's1']) {
      void put(rig.host, workspace(id, 'sandbox'));
      await journal.write();
      await journal.write();
    }
    void put(rig.host, destination('d1', { workspaceId: 's1' }), 's1');
    journal.full = 'the queue is full';
    const refused = put(rig.host, destination('d0', { workspaceId: 's0' }), 's0');
    journal.full = null;
    expect(await refused).toMatchObject({ kind: 'unavailable' });
    void journal.write();
    // Promises go on, and the turn of the event loop is still the same.
    for (let n = 0; n < 20; n++) await Promise.resolve();
    expect(rig.host.plantOf('s1')?.state.destinations.has('d1')).toBe(true);
    const input = destination('d2', { workspaceId: 's1' });
    const broken = rig.host.submit({
      workspaceId: 's1',
      input,
      actor: 'ana',
      requestId: 'r',
      reply: () => {
        throw new Error('a bug');
      },
    });
    await expect(broken).rejects.toThrow('a bug');
    expect([...(rig.host.plantOf('s1')?.state.destinations.keys() ?? [])]).toEqual(['d1']);
  });

  test('plants that stall together are folded in one reading', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    for (let n = 0; n < 5; n++) {
      void put(rig.host, workspace(`s${n}`, 'sandbox'));
      await journal.write();
      await journal.write();
    }
    const states = ['s0', 's4'].map((id) => textOf(rig.host.plantOf(id)?.state ?? foldOf([]).core.state));
    const { reads } = journal;
    for (let n = 0; n < 5; n++) void put(rig.host, destination(`d${n}`, { workspaceId: `s${n}` }), `s${n}`);
    await turn();
    expect(journal.waiting).toHaveLength(5);
    await journal.refuse();
    expect(journal.reads - reads).toBe(1);
    expect(['s0', 's4'].map((id) => textOf(rig.host.plantOf(id)?.state ?? foldOf([]).core.state))).toEqual(states);
  });

  test('a new sandbox reads nothing from the journal', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    const { reads } = journal;
    void put(rig.host, workspace('s', 'sandbox'));
    await journal.write();
    await journal.write();
    expect(rig.host.plantOf('s')?.state.workspaces.has('s')).toBe(true);
    expect(journal.reads).toBe(reads);
  });

  test('a sandbox whose making was cut off is whole after the next start', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    void put(rig.host, workspace('s', 'sandbox'));
    await journal.write(1);
    expect(journal.entries.map((e) => e.plantId)).toEqual(['main']);
    const left = HandJournal.after(journal.entries);
    const opening = rigOn(left, { startMs: T0 });
    await turn();
    await left.write();
    const again = await opening;
    expect(left.entries.map((e) => e.plantId)).toEqual(['main', 's']);
    expect(again.host.plantOf('s')?.state.workspaces.has('s')).toBe(true);
  });

  test('a sandbox whose making was refused is made whole by the next request', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const made = put(rig.host, workspace('s', 'sandbox'));
    await turn();
    await journal.write(1);
    await journal.refuse();
    expect(await made).toMatchObject({ kind: 'done' });
    expect(await put(rig.host, destination('d', { workspaceId: 's' }), 's')).toMatchObject({ kind: 'unavailable' });
    expect(rig.host.plantOf('s')?.state.workspaces.has('s')).toBe(false);
    await vi.advanceTimersByTimeAsync(PROBE_MS);
    await journal.write();
    const again = put(rig.host, destination('d', { workspaceId: 's' }), 's');
    await turn();
    await journal.write();
    await journal.write();
    vi.useRealTimers();
    expect(await again).toMatchObject({ kind: 'done', refusals: [] });
    expect(rig.host.plantOf('s')?.state.workspaces.has('s')).toBe(true);
  });

  test('a sandbox comes back with the time it was stepped to, though nothing happened on the way', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    void put(rig.host, workspace('s', 'sandbox'));
    await journal.write();
    await journal.write();
    const advanced = rig.host.clockOf('s')?.advanceTo(T0 + 72 * HOUR);
    await turn();
    await journal.write();
    await advanced;
    const again = await rigOn(HandJournal.after(journal.entries), { startMs: T0 });
    expect(again.host.clockOf('s')?.nowMs()).toBe(T0 + 72 * HOUR);
    expect(again.host.plantOf('s')?.nowMs()).toBe(T0 + 72 * HOUR);
    expect(again.host.registry.nowMs()).toBe(T0);
    expect(again.host.clockOf('ws')).toBeNull();
  });

  test('the outbox gets what it misses, no more and no less, and with the same ids', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    await story(journal, rig);
    const all = rig.outbox.taken.map(idOf);
    expect(all.length).toBeGreaterThan(3);
    for (let cursor = 0; cursor <= journal.entries.length; cursor++) {
      const again = await rigOn(HandJournal.after(journal.entries), { startMs: T0, cursor });
      const missing = rig.outbox.taken.filter((e) => e.seq > cursor).map(idOf);
      expect(again.outbox.taken.map(idOf)).toEqual(missing);
      expect(again.outbox.at).toBe(journal.entries.length);
    }
  });

  test('an ended command that the state has forgotten is still told', async () => {
    const bench = new Bench();
    bench.device('tesla', 't');
    const commandId = bench.command('t', { enableGridInteraction: false });
    bench.put({ kind: 'cancel-command', commandId, actor: 'ana' });
    const journal = new HandJournal();
    bench.facts.forEach(({ fact, atMs }, i) => {
      const origin = { workspaceId: null, actor: 'timer', requestId: null };
      journal.entries.push({ plantId: 'main', atMs, origin, facts: [fact], seq: i + 1, wallMs: atMs });
    });
    const seq = 1 + bench.facts.findIndex(({ fact }) => fact.type === 'command.ended');
    journal.entries.push(...manyMore(bench, journal.entries.length));
    const rig = await rigOn(journal, { startMs: T0 + HOUR, cursor: seq - 1 });
    expect(rig.host.registry.state.commands.has(commandId)).toBe(false);
    expect(rig.outbox.taken[0]).toMatchObject({ seq, workspaceId: 'ws', data: { commandId, deviceId: 't' } });
    expect(rig.outbox.taken.filter((e) => e.type.startsWith('command.'))).toHaveLength(1 + MANY);
  });

  test('destinations are those that are durable', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    const ids = (): string[] => rig.outbox.destinations.map((d) => d.destinationId);
    void put(rig.host, workspace('ws'));
    await journal.write();
    void put(rig.host, destination('d1'));
    void put(rig.host, destination('d2'));
    await turn();
    expect(ids()).toEqual([]);
    await journal.write(1);
    expect(ids()).toEqual(['d1']);
    await journal.refuse();
    expect(ids()).toEqual(['d1']);
    const again = await rigOn(HandJournal.after(journal.entries), { startMs: T0 });
    expect(again.outbox.destinations.map((d) => d.destinationId)).toEqual(['d1']);
  });

  test('a listener hears what is durable, of its workspace, until it stops', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    const heard: string[] = [];
    const stop = rig.host.listen('ws', (e) => heard.push(e.type));
    rig.host.listen('foreign', (e) => heard.push(`foreign ${e.type}`));
    await story(journal, rig);
    expect(heard).toEqual(rig.outbox.taken.map((e) => e.type));
    const { length } = heard;
    stop();
    stop();
    void put(rig.host, { kind: 'create-customer', customer: { customerId: 'c2', workspaceId: 'ws', name: 'C' } });
    await journal.write();
    expect(heard).toHaveLength(length);
  });

  test('closing twice is closing once: plants first, then their outsides, a snapshot, the outbox and the journal', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0 });
    void put(rig.host, workspace('ws'));
    await journal.write();
    await Promise.all([rig.host.close(), rig.host.close()]);
    expect([rig.stopped, rig.outbox.closed, journal.closed, journal.kept?.seq]).toEqual([['main'], 1, 1, 1]);
    expect(await put(rig.host, workspace('late'))).toMatchObject({ kind: 'unavailable', reason: 'closing' });
  });

  test('an outside that does not stop keeps nothing else from being closed', async () => {
    const journal = new HandJournal();
    const rig = await rigOn(journal, { startMs: T0, stopFails: 'main' });
    await expect(rig.host.close()).rejects.toThrow('main does not stop');
    expect([rig.outbox.closed, journal.closed]).toEqual([1, 1]);
  });

  test('a request for a workspace that is not there is a bug of the caller', async () => {
    const rig = await rigOn(new HandJournal(), { startMs: T0 });
    await expect(put(rig.host, destination('d'), 'nobody')).rejects.toThrow('unknown workspace nobody');
    expect(rig.host.plantOf('nobody')).toBeNull();
  });
});

const idOf = (e: OutboxEvent): string => `${e.seq}/${e.index} ${e.workspaceId} ${e.type} ${JSON.stringify(e.data)}`;

const MANY = 20_000;

/** So many more commands that began and ended, in entries of a thousand facts. */
function manyMore(bench: Bench, lastSeq: number) {
  const accepted = bench.factsOf('command.accepted')[0];
  const ended = bench.factsOf('command.ended')[0];
  if (accepted === undefined || ended === undefined) throw new Error('the story has a command');
  const facts: Fact[] = Array.from({ length: MANY }, (_, i) => `more-${i}`).flatMap((commandId) => [
    { ...accepted, command: { ...accepted.command, commandId } },
    { ...ended, commandId },
  ]);
  const origin = { workspaceId: null, actor: 'timer', requestId: null };
  return Array.from({ length: (2 * MANY) / 1_000 }, (_, i) => {
    const seq = lastSeq + 1 + i;
    return { plantId: 'main', atMs: T0, origin, facts: facts.slice(i * 1_000, (i + 1) * 1_000), seq, wallMs: T0 };
  });
}
