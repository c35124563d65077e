import type { MasterSession } from '../../../src/dnp3/master/session.ts';
import type { OutstationSession } from '../../../src/dnp3/outstation/session.ts';

/** What the pair needs of an end: both sessions and the field connector have it. */
export interface End {
  connected(nowMs: number): void;
  disconnected(nowMs: number): void;
  receive(octets: Uint8Array, nowMs: number): void;
  timeout(nowMs: number): void;
  nextTimeoutMs(): number | null;
  takeOutput(): Uint8Array[];
}

/** Two ends on one virtual clock; octets arrive at once, or not at all while the wire is cut. */
export class Pair<A extends End = MasterSession, B extends End = OutstationSession> {
  nowMs = 1_700_000_000_000;
  /** Octets in order, for assertions on what crossed. */
  readonly crossed: { from: 'a' | 'b'; octets: Uint8Array }[] = [];
  readonly a: A;
  readonly b: B;
  private up = false;
  /** Octets that leave and get lost without either end being told. */
  blackHole = false;

  constructor(a: A, b: B) {
    this.a = a;
    this.b = b;
  }

  connect(): void {
    this.up = true;
    this.b.connected(this.nowMs);
    this.a.connected(this.nowMs);
    this.settle();
  }

  cut(): void {
    this.up = false;
    this.a.disconnected(this.nowMs);
    this.b.disconnected(this.nowMs);
  }

  /** Exchanges octets until both are silent at this instant. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) {
      const fromA = this.a.takeOutput();
      const fromB = this.b.takeOutput();
      if (fromA.length === 0 && fromB.length === 0) return;
      for (const octets of fromA) this.carry('a', octets);
      for (const octets of fromB) this.carry('b', octets);
    }
    throw new Error('the pair never falls silent');
  }

  private carry(from: 'a' | 'b', octets: Uint8Array): void {
    if (!this.up || this.blackHole) return;
    this.crossed.push({ from, octets });
    (from === 'a' ? this.b : this.a).receive(octets, this.nowMs);
  }

  /** Moves the clock, standing at each deadline. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let steps = 0; steps < 100_000; steps++) {
      const due = [this.a.nextTimeoutMs(), this.b.nextTimeoutMs()].filter((t) => t !== null);
      const next = Math.min(...due, untilMs);
      this.nowMs = Math.max(this.nowMs, next);
      this.a.timeout(this.nowMs);
      this.b.timeout(this.nowMs);
      this.settle();
      if (next >= untilMs) return;
    }
    throw new Error('a timer fires for ever');
  }
}
