import { createServer, type Server, type ServerResponse } from 'node:http';
import { SteppedClock } from '../../../src/live/steppedClock.ts';
import type { HttpRequest, HttpResponse } from '../../../src/ports/http.ts';
import { type CloudWorld, type CloudWorldOptions, createCloudWorld, type DeviceShown } from '../../cloud/cloudWorld.ts';
import { type FaultTarget, targetOf } from '../../cloud/faults.ts';
import { randomSource } from '../../kernel/random.ts';

/**
 * A maker's cloud on a socket of the rig, whose every answer can be bent. Devices take a command at once and upload a
 * sample each second; nothing fails by chance.
 */
export interface Exchange {
  readonly atMs: number;
  readonly target: FaultTarget;
  readonly request: HttpRequest;
}

/** What is sent in place of the answer; null = the answer as it is. */
export type Bend = (
  exchange: Exchange,
  /** The cloud's own answer; asking for it lets the effect happen. */
  answer: () => HttpResponse,
  to: ServerResponse,
) => HttpResponse | 'done' | null;

export type RigOem = CloudWorldOptions['oem'];
export const DEVICES = 6;

export class RigCloud {
  readonly world: CloudWorld;
  readonly exchanges: Exchange[] = [];
  bend: Bend | null = null;
  readonly #clock = new SteppedClock();
  readonly #server: Server;

  private constructor(oem: RigOem) {
    this.world = createCloudWorld({
      oem,
      scheduler: this.#clock,
      random: randomSource('faults'),
      devices: DEVICES,
      programIds: ['rig'],
      enrolled: true,
      behaviour: {
        deliveryFailureRatio: 0,
        commandTailRatio: 0,
        commandDelayMsMin: 0,
        commandDelayMsMean: 0,
        telemetryPeriodMs: 1_000,
        telemetryDelayMs: 0,
        siteRequestsPerDayMax: null,
        requestsPerMinuteMax: 100_000,
      },
    });
    this.#server = createServer((incoming, to) => {
      const pieces: Uint8Array[] = [];
      incoming.on('error', () => {});
      to.on('error', () => {});
      incoming.on('data', (piece: Uint8Array) => void pieces.push(piece));
      incoming.on('end', () => {
        const method = incoming.method as HttpRequest['method'];
        const headers = incoming.headers as Record<string, string>;
        this.#answer({ method, path: incoming.url ?? '/', headers, body: Buffer.concat(pieces).toString() }, to);
      });
    });
  }

  static async listen(oem: RigOem): Promise<RigCloud> {
    const cloud = new RigCloud(oem);
    await new Promise<void>((done) => cloud.#server.listen(0, '127.0.0.1', done));
    return cloud;
  }

  get url(): string {
    const at = this.#server.address();
    return at !== null && typeof at === 'object' ? `http://127.0.0.1:${at.port}` : '';
  }

  device(vendorDeviceId: string): DeviceShown {
    const shown = this.world.shown().devices.find((d) => d.vendorDeviceId === vendorDeviceId);
    if (shown === undefined) throw new Error(`no device ${vendorDeviceId}`);
    return shown;
  }

  /** Exchanges since then, of one kind or of all. */
  since(atMs: number, target?: FaultTarget): readonly Exchange[] {
    return this.exchanges.filter((e) => e.atMs >= atMs && (target === undefined || e.target === target));
  }

  async close(): Promise<void> {
    this.#clock.stop();
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: HttpRequest, to: ServerResponse): void {
    const exchange = { atMs: Date.now(), target: targetOf(request), request };
    this.exchanges.push(exchange);
    const answer = (): HttpResponse => this.world.cloud.handle(request, this.#clock.nowMs());
    const bent = this.bend?.(exchange, answer, to) ?? null;
    if (bent === 'done') return;
    const { status, headers, body } = bent ?? answer();
    to.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
    to.end(body);
  }
}

export const only =
  (target: FaultTarget, bend: Bend): Bend =>
  (exchange, answer, to) =>
    exchange.target === target ? bend(exchange, answer, to) : null;

export const failWith = (status: number, headers: Record<string, string> = {}): Bend => {
  return () => ({
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"error":"by the rig"}',
  });
};

/** Changes the JSON of each answer that is one. */
export const rewrite =
  (change: (text: string) => string): Bend =>
  (_, answer) => {
    const response = answer();
    return { ...response, body: change(response.body) };
  };

/** The effect happens, the answer does not come. */
export const silence: Bend = (_, answer) => {
  answer();
  return 'done';
};

export const cutAfterEffect: Bend = (_, answer, to) => {
  answer();
  to.destroy();
  return 'done';
};

/** A quarter of a kilobyte each second, without an end. */
export const drip: Bend = (_, _answer, to) => {
  to.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => to.write(' '), 250);
  to.on('close', () => clearInterval(timer));
  return 'done';
};

/** As much as the other side takes, up to a gigabyte. @param told  the length is announced */
export const pour =
  (told: boolean): Bend =>
  (_, _answer, to) => {
    const octets = 1 << 30;
    const announced = told ? { 'content-length': String(octets) } : {};
    to.writeHead(200, { 'content-type': 'application/json', ...announced });
    const piece = new Uint8Array(65_536).fill(0x20);
    let sent = 0;
    const more = (): void => {
      while (!to.destroyed && sent < octets) {
        sent += piece.length;
        if (!to.write(piece)) return void to.once('drain', more);
      }
    };
    more();
    return 'done';
  };
