import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CoreInput } from '../../src/core/input.ts';
import { type LiveJournal, openJournal } from '../../src/live/journal/journal.ts';
import { markFile } from '../../src/live/journal/mark.ts';
import { Bench, HOUR, MIN, T0 } from '../helpers/coreBench.ts';
import { foldOf, textOf } from '../unit/host/handJournal.ts';
import { type HostRig, put, rigOn } from '../unit/host/hostRig.ts';
import { asKilled } from '../unit/journal/journals.ts';

/** The host on the journal it runs on: files, the writing thread, snapshots. */
let root = '';
const open: { readonly rig: HostRig; readonly journal: LiveJournal }[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'host-'));
});
afterEach(async () => {
  for (const { rig } of open.splice(0)) await rig.host.close();
  rmSync(root, { recursive: true });
});

async function started(name: string, over: { readonly snapshotEvery?: number; readonly cursor?: number } = {}) {
  const dir = join(root, name, 'journal');
  const journal = await openJournal({ dir, build: 'test' });
  const rig = await rigOn(journal, { startMs: T0, ...over });
  open.push({ rig, journal });
  return { dir, journal, rig };
}

const inputs = (): CoreInput[] => {
  const bench = new Bench({ answer: () => 'silent' });
  bench.device('enphase', 'a');
  bench.device('dnp3', 'x');
  bench.command('a');
  bench.command('x', {}, { inMs: 10 * MIN });
  bench.event(3_000);
  return bench.inputs.map(({ input }) => input);
};

async function playAll(rig: HostRig): Promise<void> {
  for (const input of inputs()) await put(rig.host, input);
}

const wholeOf = (rig: HostRig): string => rig.began.get('main')?.whole ?? '';

describe('a host on its journal', () => {
  test('comes back with the same state after it was closed, with its snapshot and without', async () => {
    const first = await started('a');
    await playAll(first.rig);
    const expected = textOf(first.rig.host.registry.state);
    await first.rig.host.close();
    expect(readdirSync(first.dir).filter((f) => f.startsWith('snapshot-'))).toHaveLength(1);
    const second = await started('a');
    expect(wholeOf(second.rig)).toBe(expected);
    await second.rig.host.close();
    for (const f of readdirSync(first.dir)) if (f.startsWith('snapshot-')) rmSync(join(first.dir, f));
    const third = await started('a');
    expect(third.journal.snapshot()).toBeNull();
    expect(wholeOf(third.rig)).toBe(textOf(foldOf(third.journal.read(1)).core.state));
    expect(third.rig.began.get('main')?.butAgenda).toBe(second.rig.began.get('main')?.butAgenda);
  });

  test('a damaged snapshot is passed over, and the state is folded from the entries', async () => {
    const first = await started('a');
    await playAll(first.rig);
    const expected = textOf(first.rig.host.registry.state);
    await first.rig.host.close();
    for (const f of readdirSync(first.dir).filter((name) => name.startsWith('snapshot-'))) {
      const file = join(first.dir, f);
      writeFileSync(file, readFileSync(file, 'utf8').replace('"site-a"', '"site-b"'));
    }
    const second = await started('a');
    expect(second.journal.notes).toEqual([expect.stringMatching(/check sum is wrong; it is not used/)]);
    expect(wholeOf(second.rig)).toBe(expected);
  });

  test('comes back from a kill with all that was acknowledged, and asks for what is in doubt', async () => {
    const first = await started('a', { snapshotEvery: 6 });
    await playAll(first.rig);
    const expected = first.rig.host.registry.state;
    asKilled(first.dir, join(root, 'b', 'journal'), readFileSync(markFile(first.dir), 'utf8'));
    const second = await started('b');
    expect(wholeOf(second.rig)).toBe(textOf(expected));
    const resumed = second.rig.performed.flatMap(({ effect }) =>
      effect.kind === 'oem' && effect.job.kind === 'control' ? [effect.job] : [],
    );
    expect(resumed).toMatchObject([{ jobId: 'job-1', resume: true }]);
    expect(second.rig.outbox.taken).toEqual(first.rig.outbox.taken);
  });

  test('many at once become durable in the order in which they were decided', async () => {
    const { rig, journal } = await started('a', { snapshotEvery: 40 });
    await playAll(rig);
    const names = Array.from({ length: 300 }, (_, i) => `customer-${i}`);
    const answers = await Promise.all(
      names.map((customerId) =>
        put(rig.host, { kind: 'create-customer', customer: { customerId, workspaceId: 'ws', name: customerId } }),
      ),
    );
    const seqs = answers.map((a) => (a.kind === 'done' ? a.seq : null));
    expect(seqs).toEqual(names.map((_, i) => (seqs[0] ?? 0) + i));
    expect(textOf(foldOf(journal.read(1)).core.state)).toBe(textOf(rig.host.registry.state));
    await rig.host.close();
    const again = await started('a');
    expect(wholeOf(again.rig)).toBe(textOf(rig.host.registry.state));
  });

  test('a decision over more devices than an entry once had names for is one entry, found under each of them', async () => {
    const { rig, journal } = await started('a');
    const bench = new Bench();
    const ids = Array.from({ length: 100 }, (_, i) => `home-${i}`);
    for (const id of ids) bench.device('tesla', id);
    for (const { input } of bench.inputs) await put(rig.host, input);
    const batch = {
      workspaceId: 'ws',
      tag: '',
      deviceIds: ids,
      input: { operatingMode: 'discharge' as const, enableGridInteraction: false },
      startMs: T0,
      endMs: T0 + HOUR,
      actor: 'ana',
    };
    const done = await put(rig.host, { kind: 'batch', batch }, 'ws');
    expect(done).toMatchObject({ kind: 'done', seq: journal.lastSeq() });
    for (const id of ids) {
      const [entry] = journal.bySubject(`device/${id}`, { beforeSeq: null, limit: 1 });
      expect(entry?.seq).toBe(journal.lastSeq());
    }
  });

  test('what is decided in the turn of an overload does not get behind the gap', async () => {
    const dir = join(root, 'small', 'journal');
    const journal = await openJournal({ dir, build: 'test', queueMax: 100, queueOctetsMax: 2_000 });
    const rig = await rigOn(journal, { startMs: T0 });
    open.push({ rig, journal });
    const workspace = (workspaceId: string, name: string): CoreInput => ({
      kind: 'create-workspace',
      workspace: { workspaceId, name, gridServices: true },
    });
    const answers = await Promise.all([
      put(rig.host, workspace('w1', 'fits')),
      put(rig.host, workspace('w2', 'x'.repeat(3_000))),
      put(rig.host, { kind: 'create-customer', customer: { customerId: 'c', workspaceId: 'w2', name: 'rests on w2' } }),
    ]);
    expect(answers.map((a) => a.kind)).toEqual(['done', 'unavailable', 'unavailable']);
    expect([...journal.read(1)].flatMap((e) => e.facts.map((f) => f.type))).toEqual(['workspace.created']);
    expect([...rig.host.registry.state.workspaces.keys()]).toEqual(['w1']);
    expect(rig.host.health()).toMatchObject({ status: 'degraded', parts: { 'plant/main': { ok: false } } });
  });
});
