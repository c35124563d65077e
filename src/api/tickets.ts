import type { EpochMs } from '../domain/units.ts';
import type { Principal } from './identity.ts';
import { type ApiTools, randomId } from './tools.ts';

/** A ticket opens one stream where a header cannot be sent, as in a browser. @source OWASP WebSocket cheat sheet */
export class Tickets {
  readonly #tools: ApiTools;
  readonly #held = new Map<string, { readonly principal: Principal; readonly expiresMs: EpochMs }>();

  constructor(tools: ApiTools) {
    this.#tools = tools;
  }

  /** At TICKETS_MAX the oldest one is forgotten. */
  issue(principal: Principal): { readonly ticket: string; readonly expiresMs: EpochMs } {
    const ticket = randomId(this.#tools, 'tkt', 52);
    const expiresMs = this.#tools.nowMs() + TICKET_MS;
    this.#held.set(ticket, { principal, expiresMs });
    const [oldest] = this.#held.keys();
    if (this.#held.size > TICKETS_MAX && oldest !== undefined) this.#held.delete(oldest);
    return { ticket, expiresMs };
  }

  /** Once. */
  redeem(ticket: string): Principal | null {
    const held = this.#held.get(ticket);
    this.#held.delete(ticket);
    return held !== undefined && held.expiresMs > this.#tools.nowMs() ? held.principal : null;
  }
}
const TICKET_MS = 30_000;
const TICKETS_MAX = 10_000;
