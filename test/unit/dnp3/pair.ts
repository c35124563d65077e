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
  /** What happens to the next messages, one entry each; none left = they pass. */
  faults: ('pass' | 'lose' | 'twice')[] = [];

  constructor(a: A, b: B) {
    this.a = a;
    this.b = b;
  }

  get isUp(): boolean {
    return this.up;
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
    if (!this.exchange(10_000)) throw new Error('the pair never falls silent');
  }

  /** Exchanges octets so many times; what leaves in the last round arrives and is not answered yet. @returns silent? */
  exchange(rounds: number): boolean {
    for (let round = 0; round < rounds; round++) {
      const fromA = this.a.takeOutput();
      const fromB = this.b.takeOutput();
      if (fromA.length === 0 && fromB.length === 0) return true;
      for (const octets of fromA) this.carry('a', octets);
      for (const octets of fromB) this.carry('b', octets);
    }
    return false;
  }

  private carry(from: 'a' | 'b', octets: Uint8Array): void {
    if (!this.up || this.blackHole) return;
    const fault = this.faults.shift() ?? 'pass';
    if (fault === 'lose') return;
    for (let times = fault === 'twice' ? 2 : 1; times > 0; times--) {
      this.crossed.push({ from, octets });
      (from === 'a' ? this.b : this.a).receive(octets, this.nowMs);
    }
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
