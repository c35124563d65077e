import type { DestinationHealth, TelemetryHistory } from '../../../src/api/service.ts';
import type { CoreInput, Effect } from '../../../src/core/input.ts';
import type { Destination, OutboxEvent } from '../../../src/domain/destination.ts';
import { Host, type Outbox } from '../../../src/live/host/host.ts';
import type { Outside } from '../../../src/live/host/outside.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { stateText } from '../../helpers/coreStory.ts';
import { HandClock, SETTINGS, textOf } from './handJournal.ts';

/** A host between a journal and an outside that only writes down what it is asked to do. */
export class KeptOutbox implements Outbox {
  at: number;
  readonly taken: OutboxEvent[] = [];
  readonly enabled: string[] = [];
  destinations: readonly Destination[] = [];
  closed = 0;

  constructor(at = 0) {
    this.at = at;
  }
  cursor(): number {
    return this.at;
  }
  offer(events: readonly OutboxEvent[], upToSeq: number): void {
    if (upToSeq <= this.at) return;
    this.taken.push(...events);
    this.at = upToSeq;
  }
  setDestinations(destinations: readonly Destination[]): void {
    this.destinations = destinations;
  }
  enable(destinationId: string): boolean {
    this.enabled.push(destinationId);
    return true;
  }
  status() {
    return { ok: true, why: 'by hand' };
  }
  inFlight(): number {
    return 0;
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
  list() {
    return [];
  }
  health(): DestinationHealth | null {
    return null;
  }
  async test() {
    return { ok: false, status: null, why: 'by hand' };
  }
  replay(): number {
    return 0;
  }
  refusalOf(): string | null {
    return null;
  }
}

/** What is due is taken off the agenda without an entry when nothing comes of it; a fold has it again. */
interface Began {
  readonly whole: string;
  readonly butAgenda: string;
}

export interface HostRig {
  readonly host: Host;
  readonly outbox: KeptOutbox;
  readonly clock: HandClock;
  readonly clocks: Map<string, HandClock>;
  readonly performed: { readonly plantId: string; readonly effect: Effect }[];
  /** Plants whose outside was stopped, in order. */
  readonly stopped: string[];
  /** State of a plant at its start, before it took up what was under way. */
  readonly began: Map<string, Began>;
}

const NO_TELEMETRY: TelemetryHistory = {
  states: () => [],
  points: () => [],
  applianceStates: () => [],
  windows: () => [],
};
const NO_SECRETS = { rotateWebhook: () => 'secret', forgetWebhook: () => {} };

export async function rigOn(
  journal: Journal,
  over: {
    readonly startMs: number;
    readonly cursor?: number;
    readonly snapshotEvery?: number;
    readonly stopFails?: string;
  },
): Promise<HostRig> {
  const rig = {
    outbox: new KeptOutbox(over.cursor),
    clock: new HandClock(over.startMs),
    clocks: new Map<string, HandClock>(),
    performed: [] as { plantId: string; effect: Effect }[],
    stopped: [] as string[],
    began: new Map<string, Began>(),
  };
  const outside = (plantId: string, lastMs: number | null): Outside => {
    const clock = plantId === 'main' ? rig.clock : new HandClock(Math.max(rig.clock.now, lastMs ?? 0));
    rig.clocks.set(plantId, clock);
    return {
      scheduler: clock,
      clock:
        plantId === 'main'
          ? null
          : {
              nowMs: () => clock.now,
              isFrozen: () => true,
              freeze: () => {},
              resume: () => {},
              canAdvance: () => true,
              advanceTo: async (atMs) => clock.setTo(atMs),
            },
      perform: (effect) => void rig.performed.push({ plantId, effect }),
      start: (_, state) => {
        rig.began.set(plantId, { whole: textOf(state()), butAgenda: stateText(state()) });
      },
      watch: () => {},
      onFacts: () => {},
      health: () => ({}),
      stop: async () => {
        rig.stopped.push(plantId);
        if (plantId === over.stopFails) throw new Error(`${plantId} does not stop`);
      },
    };
  };
  const host = new Host({
    journal,
    settings: SETTINGS,
    outside,
    telemetry: NO_TELEMETRY,
    outbox: rig.outbox,
    secrets: NO_SECRETS,
    ...(over.snapshotEvery === undefined ? {} : { snapshotEvery: over.snapshotEvery }),
  });
  await host.begin();
  return { host, ...rig };
}

export const put = (host: Host, input: CoreInput, workspaceId: string | null = null) =>
  host.submit({ workspaceId, input, actor: 'ana', requestId: 'r', reply: null });
