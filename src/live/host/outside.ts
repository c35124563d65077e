import type { TestClock } from '../../api/service.ts';
import type { CoreInput, Effect } from '../../core/input.ts';
import type { CoreState } from '../../core/state.ts';
import type { Fact } from '../../domain/fact.ts';
import type { Scheduler } from '../../ports/clock.ts';

/**
 * What surrounds a plant: its clock, the clouds and sites that its effects go to, and what they say. Production has wall
 * time and real sockets; a sandbox has a stepped clock and simulated makers in the same process.
 */
export interface Outside {
  readonly scheduler: Scheduler;
  readonly clock: TestClock | null;
  perform(effect: Effect): void;
  /** Begins to speak with the outside; `tell` puts what it says into the plant. */
  start(tell: Tell, state: () => CoreState): void;
  /** Counts something in flight, which a clock that is stepped waits for. */
  watch(probe: () => number, name: string): void;
  /** Facts that have become durable: a device to poll, a site whose safety changed. */
  onFacts(facts: readonly Fact[]): void;
  /** Part → how it is, in words. */
  health(): Readonly<Record<string, { readonly ok: boolean; readonly why: string }>>;
  stop(): Promise<void>;
}

/** @param actor  "cloud/enphase", "site/north" */
export type Tell = (input: CoreInput, actor: string) => void;
