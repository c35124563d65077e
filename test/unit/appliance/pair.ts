import { randomSource } from '../../../harness/kernel/random.ts';
import type { ApplianceDevice } from '../../../simulators/appliance/fleet.ts';
import { createOpenCloud, type OpenCloud, type OpenNote } from '../../../simulators/oem/appliance.ts';
import type { Behaviour } from '../../../simulators/oem/behaviour.ts';
import type { EpochMs } from '../../../src/domain/units.ts';
import { createOemSession } from '../../../src/oem/index.ts';
import type { HttpOutcome, HttpRequest, HttpResponse } from '../../../src/ports/http.ts';
import type { OemJob, OemReply, OemSession } from '../../../src/ports/oem.ts';
import { type Fate, GOOD } from '../../helpers/oemPair.ts';
import { ev, inverter, START_MS, thermostat, type World, world } from './world.ts';

/** An open cloud with its devices and a session of the core's side, in virtual time, over a wire that is a function. */
export const CLIENT = { clientId: 'partner', clientSecret: 'päss' } as const;

/** car and wall (a charger) stay plugged in for two days; house and roof are there as well. */
export const FOUR: readonly ApplianceDevice[] = [
  ev({ visits: { list: [{ arriveMs: START_MS, departMs: START_MS + 47 * 3_600_000, usedWh: 0 }] } }),
  ev({
    kind: 'charger',
    deviceId: 'wall',
    visits: { list: [{ arriveMs: START_MS, departMs: START_MS + 47 * 3_600_000, usedWh: 0 }] },
  }),
  thermostat(),
  inverter(),
];

/** No chance: commands take one second. */
export const SURE: Partial<Behaviour> = {
  commandDelayMsMin: 1_000,
  commandDelayMsMean: 0,
  commandTailRatio: 0,
  deliveryFailureRatio: 0,
};

export interface SeenExchange {
  readonly request: HttpRequest;
  readonly status: number | null;
}

export class OpenPair {
  readonly world: World;
  readonly cloud: OpenCloud;
  session: OemSession;
  readonly notes: OpenNote[] = [];
  readonly replies: OemReply[] = [];
  readonly exchanges: SeenExchange[] = [];
  wire: (request: HttpRequest, n: number) => Fate = () => GOOD;
  #sent = 0;
  #timerMs: EpochMs | null = null;

  constructor(behaviour: Partial<Behaviour> = {}, devices: readonly ApplianceDevice[] = FOUR) {
    this.world = world(devices);
    this.cloud = createOpenCloud({
      scheduler: this.world.kernel,
      random: randomSource('open'),
      fleet: this.world.fleet,
      devices: devices.map((d, device) => ({ device, vendorDeviceId: `v-${d.deviceId}` })),
      behaviour: { ...SURE, ...behaviour },
      credentials: CLIENT,
      onNote: (note) => this.notes.push(note),
    });
    this.session = createOemSession('open', { ...CLIENT, apiKey: '' });
    this.run(1);
  }

  nowMs(): EpochMs {
    return this.world.kernel.nowMs();
  }

  run(ms: number): void {
    this.world.kernel.run(this.nowMs() + ms);
  }

  submit(job: OemJob): void {
    this.session.submit(job, this.nowMs());
    this.#flush();
  }

  /** Submits and runs until the reply is there, at most `ms`. */
  ask(job: OemJob, ms = 600_000): OemReply {
    const from = this.replies.length;
    this.submit(job);
    for (const endMs = this.nowMs() + ms; this.nowMs() < endMs; this.run(100)) {
      const found = this.replies.slice(from).find((r) => r.jobId === job.jobId);
      if (found !== undefined) return found;
    }
    throw new Error(`no reply to ${job.jobId} within ${ms} ms`);
  }

  posts(): number {
    return this.exchanges.filter((e) => e.request.method === 'POST' && e.request.path.endsWith('/commands')).length;
  }

  /** A new session, as after a restart: what the one before knew is gone. */
  restart(): void {
    this.session = createOemSession('open', { ...CLIENT, apiKey: '' });
    this.#timerMs = null;
  }

  #flush(): void {
    const { session } = this;
    this.replies.push(...session.takeReplies());
    for (const out of session.takeOutput()) this.#send(session, out.requestId, out.request, out.timeoutMs);
    const nextMs = session.nextTimeoutMs();
    if (nextMs === null || (this.#timerMs !== null && this.#timerMs <= nextMs)) return;
    this.#timerMs = nextMs;
    this.world.kernel.at(nextMs, () => {
      if (session !== this.session) return;
      this.#timerMs = null;
      session.timeout(this.nowMs());
      this.#flush();
    });
  }

  #send(session: OemSession, id: number, request: HttpRequest, timeoutMs: EpochMs): void {
    const fate = this.wire(request, this.#sent++);
    const { kernel } = this.world;
    let open = true;
    const done = (outcome: HttpOutcome): void => {
      if (!open || session !== this.session) return;
      open = false;
      this.exchanges.push({ request, status: outcome.kind === 'lost' ? null : outcome.response.status });
      session.receive(id, outcome, this.nowMs());
      this.#flush();
    };
    kernel.at(timeoutMs, () => done({ kind: 'lost' }));
    if (fate.thereMs === null) return;
    kernel.at(this.nowMs() + fate.thereMs, () => {
      const response = this.cloud.handle(request, this.nowMs());
      if (fate.twice === true) this.cloud.handle(request, this.nowMs());
      if (fate.backMs === null) return;
      const body = fate.garbage;
      const seen: HttpResponse = body === undefined ? response : { status: 200, headers: {}, body };
      kernel.at(this.nowMs() + fate.backMs, () => done({ kind: 'response', response: seen }));
    });
  }
}

type SetJob = Extract<OemJob, { kind: 'set' }>;

export const setJob = (jobId: string, change: Partial<SetJob> = {}): SetJob => ({
  kind: 'set',
  jobId,
  vendorDeviceId: 'v-car',
  setting: { slug: 'vehicle:set-operating-mode', input: { operatingMode: 'stop-charging' } },
  startMs: START_MS,
  notAfterMs: START_MS + 600_000,
  ...change,
});
