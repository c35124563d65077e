import type { CoreState } from '../core/state.ts';
import type { EpochMs } from '../domain/units.ts';
import { type Principal, stillValid } from './identity.ts';
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

  /** Once, and only while the credential that it was given to stands. @param registry  state of who has credentials */
  redeem(ticket: string, registry: CoreState): Principal | null {
    const held = this.#held.get(ticket);
    this.#held.delete(ticket);
    const nowMs = this.#tools.nowMs();
    if (held === undefined || held.expiresMs <= nowMs) return null;
    return stillValid(held.principal, registry, nowMs) ? held.principal : null;
  }
}
const TICKET_MS = 30_000;
const TICKETS_MAX = 10_000;
