/**
 * Is anybody there? After a silence the link status is asked for; when that stays without answer too, the link is dead
 * until something is heard.
 */
export class KeepAlive {
  dead = false;
  private readonly silenceMs: number;
  private readonly responseMs: number;
  private lastHeardMs = 0;
  private askedMs: number | null = null;

  constructor(silenceMs: number, responseMs: number) {
    this.silenceMs = silenceMs;
    this.responseMs = responseMs;
  }

  start(nowMs: number): void {
    this.lastHeardMs = nowMs;
    this.askedMs = null;
    this.dead = false;
  }

  /** @returns whether a dead link came to life */
  heard(nowMs: number): boolean {
    const revived = this.dead;
    this.start(nowMs);
    return revived;
  }

  /** A request stayed without answer: ask at once and not only after the silence. */
  doubt(nowMs: number): void {
    if (this.askedMs === null) this.lastHeardMs = Math.min(this.lastHeardMs, nowMs - this.silenceMs);
  }

  nextMs(): number {
    return this.askedMs === null ? this.lastHeardMs + this.silenceMs : this.askedMs + this.responseMs;
  }

  /** What is due now: ask for the link status, tell that the link died, or nothing. */
  due(nowMs: number): 'ask' | 'died' | 'nothing' {
    if (nowMs < this.nextMs()) return 'nothing';
    if (this.askedMs === null) {
      this.askedMs = nowMs;
      return 'ask';
    }
    this.askedMs = null;
    this.lastHeardMs = nowMs;
    if (this.dead) return 'nothing';
    this.dead = true;
    return 'died';
  }
}
