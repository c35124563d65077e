import { rtacEnd } from '../../harness/serve/batterySite.ts';
import { createRtac, type Rtac } from '../../simulators/rtac/rtac.ts';
import { STANDARD_MAP } from '../../src/domain/pointsMap.ts';
import { Dnp3Server, type ServerOptions } from '../../src/live/dnp3Server.ts';
import type { Dnp3End, Dnp3Link } from '../../src/live/dnp3Tcp.ts';
import { FieldLink, type FieldLinkOptions } from '../../src/live/fieldLive.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import type { FieldEvent, FieldReply } from '../../src/ports/field.ts';
import { ADDRESSES, APPROVAL, RTAC, SAFETY, START_MS } from '../unit/field/bench.ts';

/** A battery behind an RTAC and the connector of its site, over the loopback, on one clock that a test steps. */
export interface LiveSite {
  readonly clock: SteppedClock;
  readonly rtac: Rtac;
  readonly server: Dnp3Server;
  readonly field: FieldLink;
  readonly events: FieldEvent[];
  readonly intents: string[];
  readonly states: string[];
  run(ms: number): Promise<void>;
  replyTo(jobId: string): FieldReply | undefined;
  /** The network closes the connection that stands. */
  cut(): void;
  /** The outstation takes octets and answers nothing. */
  deafen(deaf: boolean): void;
  close(): Promise<void>;
}

export async function liveSite(
  change: Partial<FieldLinkOptions> = {},
  server: Partial<ServerOptions> = {},
): Promise<LiveSite> {
  const clock = new SteppedClock({ startMs: START_MS, frozen: true });
  const rtac = createRtac(RTAC, clock);
  let link: Dnp3Link | null = null;
  let deaf = false;
  rtac.onOutput(() => link?.flush());
  const hearing = rtacEnd(rtac);
  const end: Dnp3End = {
    ...hearing,
    receive: (octets, nowMs) => {
      if (!deaf) hearing.receive(octets, nowMs);
    },
    takeOutput: () => (deaf ? [] : hearing.takeOutput()),
  };
  const listening = await Dnp3Server.listen({
    port: 0,
    clock,
    accept: () => ({
      kind: 'session',
      end,
      onLink: (l) => {
        link = l;
      },
    }),
    ...server,
  });
  const events: FieldEvent[] = [];
  const intents: string[] = [];
  const states: string[] = [];
  const field = new FieldLink({
    siteId: 'yard',
    host: '127.0.0.1',
    port: listening.address.port,
    safety: SAFETY,
    approvals: [APPROVAL],
    pointsMap: STANDARD_MAP,
    addresses: ADDRESSES,
    clock,
    random: () => 0,
    onEvent: (event) => void events.push(event),
    onIntent: ({ detail }) => void intents.push(detail),
    onState: (s) => void states.push(s.kind === 'connected' ? 'connected' : `down: ${s.why}`),
    ...change,
  });
  clock.watch(() => field.inFlight(), 'connections to the site');
  clock.watch(() => field.octetsInFlight(listening), 'octets to and from the site');
  return {
    clock,
    rtac,
    server: listening,
    field,
    events,
    intents,
    states,
    run: (ms) => clock.advanceTo(clock.nowMs() + ms),
    replyTo: (jobId) => {
      for (const e of events) if (e.kind === 'reply' && e.reply.jobId === jobId) return e.reply;
      return undefined;
    },
    cut: () => link?.close('the network was cut'),
    deafen: (to) => {
      deaf = to;
    },
    close: async () => {
      clock.stop();
      await field.stop();
      await listening.close();
    },
  };
}
