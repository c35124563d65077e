import type { EpochMs } from '../../domain/units.ts';
import { PRIORITY, type Scheduler } from '../../ports/clock.ts';
import type { HttpHandler, HttpOutcome, HttpRequest } from '../../ports/http.ts';
import type { Post, PostOutcome, PostRequest } from './post.ts';

/**
 * POSTs to handlers in the same process, in the time of a scheduler: the wire level "direct". A handler may answer, or
 * say that no answer came; the sender sees the latter when the attempt's time is over.
 */
export interface DirectPostOptions {
  readonly scheduler: Scheduler;
  /** Who listens at an origin ("https://a.example"); null = nobody. */
  readonly receiverAt: (origin: string) => Receiver | null;
  /** From the call to the answer [ms]; 0 when absent: the answer is there at once. */
  readonly latencyMs?: (origin: string) => number;
}

export type Receiver = HttpHandler | ((request: HttpRequest, nowMs: EpochMs) => HttpOutcome);

export class DirectPost implements Post {
  readonly waitsOn = 'scheduler';
  readonly #options: DirectPostOptions;
  readonly #waiting = new Map<(outcome: PostOutcome) => void, number>();

  constructor(options: DirectPostOptions) {
    this.#options = options;
  }

  send(request: PostRequest): Promise<PostOutcome> {
    const { scheduler, receiverAt, latencyMs } = this.#options;
    const { origin, pathname, search } = new URL(request.url);
    const receiver = receiverAt(origin);
    const delayMs = latencyMs?.(origin) ?? 0;
    if (receiver === null) return this.#after(delayMs, { kind: 'failed', reason: 'connect', why: 'no connection' });
    const lower = Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
    const received: HttpRequest = {
      method: 'POST',
      path: pathname + search,
      headers: Object.fromEntries(lower),
      body: request.body,
    };
    const answer = receiver(received, scheduler.nowMs());
    const outcome: HttpOutcome = 'kind' in answer ? answer : { kind: 'response', response: answer };
    if (outcome.kind === 'lost' || delayMs > request.timeoutMs) {
      const why = `no answer within ${request.timeoutMs} ms`;
      return this.#after(request.timeoutMs, { kind: 'failed', reason: 'timeout', why });
    }
    const { status, headers } = outcome.response;
    return this.#after(delayMs, { kind: 'answered', status, retryAfter: headers['retry-after'] ?? null });
  }

  close(): void {
    for (const [resolve, timer] of this.#waiting) {
      this.#options.scheduler.cancel(timer);
      resolve({ kind: 'failed', reason: 'closed', why: 'the service is going down' });
    }
    this.#waiting.clear();
  }

  #after(delayMs: number, outcome: PostOutcome): Promise<PostOutcome> {
    if (delayMs === 0) return Promise.resolve(outcome);
    const { scheduler } = this.#options;
    return new Promise((resolve) => {
      const timer = scheduler.at(
        scheduler.nowMs() + delayMs,
        () => {
          this.#waiting.delete(resolve);
          resolve(outcome);
        },
        PRIORITY.wire,
      );
      this.#waiting.set(resolve, timer);
    });
  }
}
