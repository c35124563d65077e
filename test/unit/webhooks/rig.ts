import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Destination, OutboxEvent } from '../../../src/domain/destination.ts';
import { SteppedClock } from '../../../src/live/steppedClock.ts';
import { DirectPost } from '../../../src/live/webhooks/directPost.ts';
import { SecretStore } from '../../../src/live/webhooks/secrets.ts';
import { type SenderOptions, WebhookSender } from '../../../src/live/webhooks/sender.ts';
import type { HttpOutcome, HttpRequest } from '../../../src/ports/http.ts';

/** A sender in virtual time, with receivers in the same process. */
export const START_MS = Date.UTC(2024, 6, 10);

export interface Got extends HttpRequest {
  readonly atMs: number;
  readonly origin: string;
}

export type Answer = (request: HttpRequest, nth: number) => HttpOutcome;

export const answer = (status: number, headers: Readonly<Record<string, string>> = {}): HttpOutcome => ({
  kind: 'response',
  response: { status, headers, body: '' },
});
export const always =
  (status: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  () =>
    answer(status, headers);

export const destination = (name: string, change: Partial<Destination> = {}): Destination => ({
  destinationId: name,
  workspaceId: 'ws-1',
  label: name,
  url: `https://${name}.example/hook`,
  signature: 'texture',
  headers: {},
  eventTypes: [],
  deviceTypes: [],
  enabled: true,
  ...change,
});

export const event = (seq: number, change: Partial<OutboxEvent> = {}): OutboxEvent => ({
  seq,
  index: 0,
  workspaceId: 'ws-1',
  type: 'command.succeeded',
  version: '0.0.2',
  deviceType: 'battery',
  timestampMs: START_MS + seq,
  data: { workspaceId: 'ws-1', commandId: `cmd-${seq}`, deviceId: 'dev-1' },
  ...change,
});

export const events = (from: number, to: number, change: Partial<OutboxEvent> = {}): OutboxEvent[] =>
  Array.from({ length: to - from + 1 }, (_, i) => event(from + i, change));

export class Rig {
  readonly dir = mkdtempSync(join(tmpdir(), 'vpp-webhooks-'));
  readonly clock = new SteppedClock({ startMs: START_MS, frozen: true });
  readonly got: Got[] = [];
  readonly answers = new Map<string, Answer>();
  readonly latencyMs = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly secrets = new SecretStore(join(this.dir, 'secrets.json'));
  sender: WebhookSender;
  #unwatch: () => void = () => {};
  readonly #options: Partial<SenderOptions>;

  constructor(options: Partial<SenderOptions> = {}) {
    this.#options = options;
    this.sender = this.start();
  }

  /** A new sender on the same file, as after a restart. */
  start(options: Partial<SenderOptions> = {}): WebhookSender {
    const post = new DirectPost({
      scheduler: this.clock,
      receiverAt: (origin) => (request, nowMs) => this.#receive(origin, request, nowMs),
      latencyMs: (origin) => this.latencyMs.get(origin) ?? 0,
    });
    this.sender = new WebhookSender({
      dir: join(this.dir, 'outbox'),
      secrets: this.secrets,
      post,
      schedulerOf: () => this.clock,
      wallNowMs: () => this.clock.nowMs(),
      ...this.#options,
      ...options,
    });
    this.#unwatch();
    this.#unwatch = this.clock.watch(() => this.sender.inFlight(), 'webhooks');
    return this.sender;
  }

  /** Tells the sender of destinations, each with a secret, and how they answer. */
  setUp(destinations: readonly Destination[], answers: Readonly<Record<string, Answer>> = {}): void {
    for (const { destinationId } of destinations) this.secrets.rotateWebhook(destinationId);
    for (const [name, answer] of Object.entries(answers)) this.answers.set(name, answer);
    this.sender.setDestinations(destinations);
  }

  /** Moves the clock [ms after the start]. */
  to(ms: number): Promise<void> {
    return this.clock.advanceTo(START_MS + ms);
  }

  settle(): Promise<void> {
    return this.clock.settle();
  }

  /** What one receiver got. */
  at(name: string): Got[] {
    return this.got.filter(({ origin }) => origin === `https://${name}.example`);
  }

  async close(): Promise<void> {
    await this.sender.close();
    this.clock.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #receive(origin: string, request: HttpRequest, nowMs: number): HttpOutcome {
    this.got.push({ ...request, origin, atMs: nowMs - START_MS });
    const name = new URL(origin).hostname.replace('.example', '');
    const nth = (this.#counts.get(origin) ?? 0) + 1;
    this.#counts.set(origin, nth);
    return (this.answers.get(name) ?? always(200))(request, nth);
  }
}

export const commandIds = (got: readonly Got[]): string[] =>
  got.map(({ body }) => (JSON.parse(body) as { data: { commandId: string } }).data.commandId);
