import { connect, createServer, type Server, type Socket } from 'node:net';
import type { PlantChange } from '../../../simulators/rtac/config.ts';
import { createRtac, type Rtac } from '../../../simulators/rtac/rtac.ts';
import { Dnp3Server } from '../../../src/live/dnp3Server.ts';
import type { Dnp3Link } from '../../../src/live/dnp3Tcp.ts';
import { SteppedClock } from '../../../src/live/steppedClock.ts';
import { rtacEnd } from '../../serve/batterySite.ts';

/**
 * A utility-scale battery behind an RTAC, on a socket, with a proxy in front of it that can cut, freeze and bend what
 * passes. The proxy notes each application fragment's function code by direction (link frame 10 octets, transport 1,
 * application control 1, function code).
 */
export const ADDRESSES = { master: 1, outstation: 10 } as const;
export const WATCHDOG_MS = 6_000;
export const SITE_W = 10_000_000;

export const FUNCTION = { read: 1, write: 2, select: 3, operate: 4, directOperate: 5 } as const;

export interface Passed {
  readonly atMs: number;
  readonly connection: number;
  readonly code: number;
}

export class RigSite {
  readonly connectionId: string;
  readonly changes: PlantChange[] = [];
  /** Requests of the master. */
  readonly asked: Passed[] = [];
  /** When connections were tried. */
  readonly dials: number[] = [];
  /** Octets of the master, before they are passed on; null = held for ever. */
  toSite: (octets: Buffer) => Buffer | null = (octets) => octets;
  /** Octets of the site. */
  toMaster: (octets: Buffer) => Buffer | null = (octets) => octets;
  readonly #clock = new SteppedClock();
  #rtac: Rtac;
  #link: Dnp3Link | null = null;
  #server: Dnp3Server | null = null;
  readonly #proxy: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  private constructor(connectionId: string) {
    this.connectionId = connectionId;
    this.#rtac = this.#make();
    this.#proxy = createServer((near) => this.#pass(near));
  }

  static async listen(connectionId: string): Promise<RigSite> {
    const site = new RigSite(connectionId);
    await site.#serve();
    await new Promise<void>((done) => site.#proxy.listen(0, '127.0.0.1', done));
    return site;
  }

  get port(): number {
    const at = this.#proxy.address();
    return at !== null && typeof at === 'object' ? at.port : 0;
  }

  get plant(): Rtac['plant'] {
    return this.#rtac.plant;
  }

  get isConnected(): boolean {
    return this.#link !== null;
  }

  setLocal(local: boolean): void {
    this.#rtac.setLocal(local, Date.now());
  }

  returnToService(): void {
    this.#rtac.returnToService(Date.now());
  }

  /** One more event of a point, sent unasked. */
  nudge(n: number): void {
    this.#rtac.outstation.update(
      'AI',
      FREQUENCY,
      { value: 5_990 + (n % 20), flags: 1, timeMs: Date.now() },
      Date.now(),
    );
    this.#link?.flush();
  }

  /** To the master, as if it came from the site. */
  inject(octets: Uint8Array): void {
    for (const [near] of this.#pairs) near.write(octets);
  }

  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  /** The controller at the site is off and comes back as new. */
  async restart(): Promise<void> {
    this.cut();
    await this.#server?.close();
    this.#rtac = this.#make();
    await this.#serve();
  }

  /** Nobody listens: connections are refused. */
  async shut(): Promise<void> {
    const closed = new Promise<void>((done) => this.#proxy.close(() => done()));
    this.cut();
    await closed;
  }

  async open(port: number): Promise<void> {
    await new Promise<void>((done) => this.#proxy.listen(port, '127.0.0.1', done));
  }

  askedSince(atMs: number): readonly Passed[] {
    return this.asked.filter((p) => p.atMs >= atMs);
  }

  async close(): Promise<void> {
    if (this.#proxy.listening) await this.shut();
    await this.#server?.close();
    this.#clock.stop();
  }

  #make(): Rtac {
    const battery = {
      usableWh: 40_000_000,
      chargeWMax: SITE_W,
      dischargeWMax: SITE_W,
      chargeRatio: 0.94,
      dischargeRatio: 0.94,
      standbyW: 20_000,
      storedWh: 24_000_000,
    };
    const { connectionId: siteId } = this;
    const safety = { reservePct: 10, rampWPerS: SITE_W, watchdogMs: WATCHDOG_MS };
    const rtac = createRtac({ siteId, addresses: ADDRESSES, battery, ...safety }, this.#clock);
    rtac.onOutput(() => this.#link?.flush());
    rtac.onPlantChange((change) => void this.changes.push({ ...change, atMs: Date.now() }));
    return rtac;
  }

  async #serve(): Promise<void> {
    this.#server = await Dnp3Server.listen({
      port: 0,
      clock: this.#clock,
      accept: () => ({
        kind: 'session',
        end: rtacEnd(this.#rtac),
        onLink: (link) => {
          this.#link = link;
        },
        onEnded: () => {
          this.#link = null;
        },
      }),
    });
  }

  #pass(near: Socket): void {
    const connection = this.dials.push(Date.now());
    const far = connect({ host: '127.0.0.1', port: this.#server?.address.port ?? 0 });
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    near.setNoDelay(true);
    far.setNoDelay(true);
    near.on('data', (octets: Buffer) => {
      this.#note(octets, connection);
      const passed = this.toSite(octets);
      if (passed !== null) far.write(passed);
    });
    far.on('data', (octets: Buffer) => {
      const passed = this.toMaster(octets);
      if (passed !== null) near.write(passed);
    });
    const over = (): void => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', over).on('close', over);
  }

  #note(octets: Buffer, connection: number): void {
    for (let at = 0; at + 10 <= octets.length; ) {
      const length = octets[at + 2] ?? 5;
      const userOctets = Math.max(0, length - 5);
      if (userOctets > 2) this.asked.push({ atMs: Date.now(), connection, code: octets[at + 12] ?? 0 });
      at += 10 + userOctets + 2 * Math.ceil(userOctets / 16);
    }
  }
}

/** AI536 [AN2018-001]. */
const FREQUENCY = 536;
