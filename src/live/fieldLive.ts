import type { PointsMapConfig } from '../domain/pointsMap.ts';
import type { Approval, SiteSafety } from '../domain/safety.ts';
import type { ConnectorConfig } from '../field/config.ts';
import { FieldConnector } from '../field/connector.ts';
import type { OperateIntent } from '../field/jobs.ts';
import type { PointMap } from '../field/pointMap.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../ports/clock.ts';
import type { FieldEvent, FieldJob } from '../ports/field.ts';
import { type ClientOptions, type ClientState, Dnp3Client } from './dnp3Client.ts';
import type { Dnp3Server } from './dnp3Server.ts';
import type { Dnp3End } from './dnp3Tcp.ts';

/**
 * A utility-scale site over TCP or TLS: the connector (src/field) on a client that keeps one connection to the site's
 * outstation. The connector has jobs and deadlines while there is no connection as well, so its timer is kept here and not
 * with the connection. A link that the connector calls dead while the connection stands is half-open: the connection is
 * closed and made anew.
 */
export interface FieldLinkOptions {
  readonly siteId: string;
  readonly host: string;
  readonly port: number;
  readonly tls?: ClientOptions['tls'];
  readonly safety: SiteSafety | null;
  readonly approvals: readonly Approval[];
  readonly pointsMap: PointsMapConfig;
  readonly addresses: ConnectorConfig['addresses'];
  readonly controlMode?: ConnectorConfig['controlMode'];
  readonly pollMs?: number;
  readonly clock: Scheduler;
  /** Uniform in [0, 1), for the waits between tries. */
  readonly random: () => number;
  /** In order; may submit. */
  readonly onEvent: (event: FieldEvent) => void;
  /** What is about to leave for the site, before its octets. */
  readonly onIntent?: (intent: OperateIntent) => void;
  readonly onState?: (state: ClientState) => void;
  readonly retryMsMin?: number;
  readonly retryMsMax?: number;
  readonly tap?: ClientOptions['tap'];
}

export interface FieldLinkHealth {
  readonly connected: boolean;
  /** Why there is no connection; null = there is one, or none was tried yet. */
  readonly why: string | null;
  /** False also while a connection stands whose other end was found not to answer. */
  readonly linkUp: boolean;
}

export class FieldLink {
  readonly #options: FieldLinkOptions;
  readonly #connector: FieldConnector;
  readonly #client: Dnp3Client;
  #wake: { readonly handle: TimerHandle; readonly atMs: number } | null = null;
  #why: string | null = null;
  #linkUp = false;
  #stopped = false;

  /** @throws InputError for a points map that cannot be used */
  constructor(options: FieldLinkOptions) {
    this.#options = options;
    this.#connector = new FieldConnector(connectorConfig(options));
    this.#client = new Dnp3Client({
      host: options.host,
      port: options.port,
      tls: options.tls,
      tap: options.tap,
      clock: options.clock,
      random: options.random,
      end: endOf(this.#connector),
      onWork: () => this.#drain(),
      onState: (state) => this.#onState(state),
      ...(options.retryMsMin === undefined ? {} : { retryMsMin: options.retryMsMin }),
      ...(options.retryMsMax === undefined ? {} : { retryMsMax: options.retryMsMax }),
    });
  }

  /** The points of the site, as its map has them. */
  get map(): PointMap {
    return this.#connector.map;
  }

  start(): void {
    this.#client.start();
  }

  /** After stop() nothing is taken: the job gets no reply, as in a crash. */
  submit(job: FieldJob): void {
    if (!this.#stopped) this.#client.use((nowMs) => this.#connector.submit(job, nowMs));
  }

  /** New safety configuration or approvals; what they no longer cover ends at once. */
  configure(safety: SiteSafety | null, approvals: readonly Approval[]): void {
    if (!this.#stopped) this.#client.use((nowMs) => this.#connector.configure(safety, approvals, nowMs));
  }

  /** For a stepped clock to watch: a connection is being made or ended. Octets: see octetsInFlight(). */
  inFlight(): number {
    return this.#client.inFlight();
  }

  /**
   * Octets that left one end and have not come to the other, when the outstation is served by this process; a connection
   * that only one end knows of counts as one.
   */
  octetsInFlight(server: Dnp3Server): number {
    const near = this.#client.openLink;
    if (near === null) return server.inFlight();
    const far = server.linkFrom(near.ports.local);
    if (far === null) return 1;
    return Math.abs(near.octetsOut - far.octetsIn) + Math.abs(far.octetsOut - near.octetsIn) + server.inFlight();
  }

  health(): FieldLinkHealth {
    return { connected: this.#client.isConnected, why: this.#why, linkUp: this.#linkUp };
  }

  /** Closes the connection; the site's own watchdog brings it to its safe state. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#wake !== null) this.#options.clock.cancel(this.#wake.handle);
    this.#wake = null;
    await this.#client.stop();
  }

  #onState(state: ClientState): void {
    this.#why = state.kind === 'down' ? state.why : null;
    this.#options.onState?.(state);
  }

  /** Everything the connector has to say; its octets are taken by the connection right after. */
  #drain(): void {
    const { onEvent, onIntent } = this.#options;
    for (const intent of this.#connector.takeIntents()) onIntent?.(intent);
    for (const event of this.#connector.takeEvents()) {
      if (event.kind === 'link') this.#onLink(event.up);
      onEvent(event);
    }
    this.#arm();
  }

  #onLink(up: boolean): void {
    this.#linkUp = up;
    if (up || !this.#client.isConnected) return;
    // Not now: the connection is in the middle of its work.
    queueMicrotask(() => {
      if (!this.#linkUp) this.#client.reconnect('nobody answers');
    });
  }

  #arm(): void {
    const { clock } = this.#options;
    const atMs = this.#stopped ? null : this.#connector.nextTimeoutMs();
    if (this.#wake !== null && this.#wake.atMs === atMs) return;
    if (this.#wake !== null) clock.cancel(this.#wake.handle);
    this.#wake = atMs === null ? null : { atMs, handle: clock.at(atMs, () => this.#onWake(), PRIORITY.wire) };
  }

  #onWake(): void {
    this.#wake = null;
    this.#client.use((nowMs) => this.#connector.timeout(nowMs));
  }
}

function connectorConfig(o: FieldLinkOptions): ConnectorConfig {
  const { siteId, safety, approvals, pointsMap, addresses } = o;
  return {
    siteId,
    safety,
    approvals,
    pointsMap,
    addresses,
    ...(o.controlMode === undefined ? {} : { controlMode: o.controlMode }),
    ...(o.pollMs === undefined ? {} : { pollMs: o.pollMs }),
  };
}

/** The connector as a connection drives it, which keeps no timer for it. */
const endOf = (connector: FieldConnector): Dnp3End => ({
  connected: (nowMs) => connector.connected(nowMs),
  disconnected: (nowMs) => connector.disconnected(nowMs),
  receive: (octets, nowMs) => connector.receive(octets, nowMs),
  timeout: () => {},
  nextTimeoutMs: () => null,
  takeOutput: () => connector.takeOutput(),
});
