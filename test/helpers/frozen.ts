import { expect } from 'vitest';
import { apply } from '../../src/core/apply.ts';
import type { CoreSettings } from '../../src/core/settings.ts';
import { frozenSnapshotOf, snapshotOf } from '../../src/core/snapshot.ts';
import { type CoreState, newState } from '../../src/core/state.ts';
import { canonicalJson } from '../../src/domain/canonicalJson.ts';
import type { Fact } from '../../src/domain/fact.ts';
import { partsOf } from '../../src/live/journal/snapshotFile.ts';

/** A value whose lists may be iterables, as the journal writes it and reads it back. */
export function writtenOf(value: unknown): unknown {
  const [, plants = ''] = [...partsOf({ seq: 0, hash: '', build: '' }, { main: value })].join('').split('\n');
  return (JSON.parse(plants) as { main: unknown }).main;
}

/** A command of a battery that has ended does not change any more: a snapshot rests on it. */
function expectNotEnded(state: CoreState, fact: Fact): void {
  if (!('commandId' in fact) || typeof fact.commandId !== 'string') return;
  if (!fact.type.startsWith('command.')) return;
  expect(
    state.commands.get(fact.commandId)?.outcome ?? null,
    `${fact.type} of ${fact.commandId}, which has ended`,
  ).toBeNull();
}

/** A snapshot of the state in the middle of these facts that is written after the last of them is the state in the middle. */
export function expectFrozen(
  facts: readonly { readonly atMs: number; readonly fact: Fact }[],
  { cut, settings }: { readonly cut: number; readonly settings: CoreSettings },
): void {
  const state = newState();
  const fold = (some: typeof facts): void => {
    for (const { atMs, fact } of some) {
      expectNotEnded(state, fact);
      apply(state, structuredClone(fact), atMs, settings);
    }
  };
  fold(facts.slice(0, cut));
  const expected = canonicalJson(snapshotOf(state));
  const snapshot = frozenSnapshotOf(state);
  fold(facts.slice(cut));
  state.agenda.takeDue(Number.MAX_SAFE_INTEGER);
  expect(canonicalJson(writtenOf(snapshot))).toBe(expected);
}
