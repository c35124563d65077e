import { Core } from '../../src/core/core.ts';
import type { CoreInput, Effect } from '../../src/core/input.ts';
import type { CoreSettings } from '../../src/core/settings.ts';
import { InvariantError } from '../../src/domain/errors.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../../src/ports/clock.ts';
import type { LogBody } from '../../src/ports/records.ts';

/**
 * Drives the core in virtual time: puts inputs in one after another, records the facts before any effect leaves, hands
 * effects to whoever performs them, and comes back when the core asks to be woken.
 */
export interface CoreDriver {
  readonly core: Core;
  input(input: CoreInput): void;
}

export interface DriverOptions {
  readonly scheduler: Scheduler;
  readonly settings: CoreSettings;
  readonly record: (body: LogBody) => void;
  readonly perform: (effect: Effect) => void;
}

/** Inputs that wait for the one being handled; more is a loop between the core and an adapter. */
const QUEUE_MAX = 100_000;

export function createCoreDriver(options: DriverOptions): CoreDriver {
  const { scheduler, record, perform } = options;
  const core = new Core(options.settings);
  const queue: CoreInput[] = [];
  let busy = false;
  let wake: { handle: TimerHandle; atMs: number } | null = null;

  const one = (input: CoreInput): void => {
    const out = core.handle(input, scheduler.nowMs());
    for (const fact of out.facts) record({ kind: 'fact', fact });
    for (const { what, why } of out.refusals) record({ kind: 'refusal', what, why });
    for (const effect of out.effects) {
      if (effect.kind === 'notify') {
        const { workspaceId, type, subject, detail } = effect;
        record({ kind: 'notification', workspaceId, type, subject, detail });
      } else perform(effect);
    }
  };

  const arm = (): void => {
    const atMs = core.nextTimeoutMs();
    if (wake !== null && wake.atMs === atMs) return;
    if (wake !== null) scheduler.cancel(wake.handle);
    wake = atMs === null ? null : { atMs, handle: scheduler.at(atMs, onWake, PRIORITY.core) };
  };

  const onWake = (): void => {
    wake = null;
    input({ kind: 'time' });
  };

  const input = (next: CoreInput): void => {
    queue.push(next);
    if (queue.length > QUEUE_MAX) throw new InvariantError(`more than ${QUEUE_MAX} inputs wait for the core`);
    if (busy) return;
    busy = true;
    try {
      for (let q = queue.shift(); q !== undefined; q = queue.shift()) one(q);
    } finally {
      busy = false;
    }
    arm();
  };

  return { core, input };
}
