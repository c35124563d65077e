import type { z } from 'zod';
import type { CoreInput, Refusal, RefusalCode } from '../core/input.ts';
import type { CoreState } from '../core/state.ts';
import type { Scope } from '../domain/client.ts';
import type { EpochMs } from '../domain/units.ts';
import type { Identity, Principal } from './identity.ts';
import type { Limits } from './limits.ts';
import { type ProblemCode, ProblemError } from './problems.ts';
import type { Decided, Plant, Service, Submitted } from './service.ts';
import type { Tickets } from './tickets.ts';
import type { ApiTools } from './tools.ts';

/**
 * A route as data: the server, the OpenAPI document and the tests are made from the same table. What a handler may see
 * has been checked: who asks, with which scope, and every part of the request against its schema.
 */
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Route {
  readonly method: Method;
  /** "/v1/devices/{deviceId}". */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** null: open to anybody. */
  readonly scope: Scope | null;
  /** 'registry': about the service itself; the operator may use it too. Absent: inside the caller's workspace. */
  readonly in?: 'registry';
  /** Stops something: never limited, never turned away for load (promise S21). */
  readonly urgent?: true;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly form?: true;
  /** Takes no Idempotency-Key, though it is a POST: it changes nothing, or twice is as good as once. */
  readonly harmless?: true;
  readonly answers: Readonly<Record<number, { readonly means: string; readonly body: z.ZodType | null }>>;
  /** Beyond those that every route may give. */
  readonly problems?: readonly ProblemCode[];
  readonly handle: (asked: Asked) => Answer | Promise<Answer>;
}

type Out<T> = T extends z.ZodType ? z.output<T> : undefined;

/** Names the types of a route's parts for its handler. */
export function route<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(
  spec: Omit<Route, 'params' | 'query' | 'body' | 'handle'> & {
    readonly params?: P;
    readonly query?: Q;
    readonly body?: B;
    readonly handle: (asked: Asked<Out<P>, Out<Q>, Out<B>>) => Answer | Promise<Answer>;
  },
): Route {
  return spec as unknown as Route;
}

export interface Answer {
  readonly status: number;
  /** null: no body. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export const ok = (body: unknown): Answer => ({ status: 200, body });

/** What surrounds every request. */
export interface Face {
  readonly service: Service;
  readonly tools: ApiTools;
  readonly identity: Identity;
  readonly tickets: Tickets;
  readonly limits: Limits;
  readonly document: () => unknown;
}

interface AskedParts {
  readonly face: Face;
  readonly principal: Principal | null;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly requestId: string;
  /** Puts a change in, with the stored reply of its Idempotency-Key if there is one. */
  readonly submit: Submit;
}

export type Submit = (change: {
  readonly workspaceId: string | null;
  readonly input: CoreInput;
  readonly answer: (decided: Decided) => Answer;
}) => Promise<{ readonly submitted: Submitted; readonly answer: Answer | null }>;

/** One request, checked. */
export class Asked<P = unknown, Q = unknown, B = unknown> {
  readonly face: Face;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly requestId: string;
  readonly #principal: Principal | null;
  readonly #submit: Submit;

  constructor(parts: AskedParts) {
    this.face = parts.face;
    this.params = parts.params as P;
    this.query = parts.query as Q;
    this.body = parts.body as B;
    this.headers = parts.headers;
    this.requestId = parts.requestId;
    this.#principal = parts.principal;
    this.#submit = parts.submit;
  }

  get principal(): Principal {
    if (this.#principal === null) throw new ProblemError('unauthenticated', 'no credential was given');
    return this.#principal;
  }

  /** The caller's workspace. @throws ProblemError forbidden for the operator of the service, who is in none */
  get workspaceId(): string {
    const { workspaceId } = this.principal;
    if (workspaceId === null) throw new ProblemError('forbidden', 'this credential belongs to no workspace');
    return workspaceId;
  }

  /** The plant that holds the caller's workspace. */
  get plant(): Plant {
    const plant = this.face.service.plantOf(this.workspaceId);
    if (plant === null) throw new ProblemError('forbidden', 'the workspace of this credential is not there any more');
    return plant;
  }

  get state(): CoreState {
    return this.plant.state;
  }

  /** Time of the plant. */
  get nowMs(): EpochMs {
    return this.plant.nowMs();
  }

  /**
   * Puts an input into the caller's plant and answers when it is durable.
   * @param answer  made of what was decided, before it is durable: no secret may stand in it, for it is kept
   * @throws        ProblemError for a refusal, and when nothing could be done
   */
  change(input: CoreInput, answer: (decided: Decided) => Answer): Promise<Answer> {
    return this.#changed(this.workspaceId, input, answer);
  }

  /** The same for the registry of workspaces and credentials. */
  changeRegistry(input: CoreInput, answer: (decided: Decided) => Answer): Promise<Answer> {
    return this.#changed(null, input, answer);
  }

  async #changed(workspaceId: string | null, input: CoreInput, answer: (decided: Decided) => Answer): Promise<Answer> {
    const { submitted, answer: given } = await this.#submit({ workspaceId, input, answer });
    if (submitted.kind === 'unavailable') throw unavailable(submitted);
    const [refusal] = submitted.refusals;
    if (submitted.facts.length === 0 && refusal !== undefined) throw problemOf(refusal);
    return given ?? answer(submitted);
  }
}

function unavailable(s: Extract<Submitted, { kind: 'unavailable' }>): ProblemError {
  const headers = { 'retry-after': String(Math.max(1, Math.ceil(s.retryAfterS))) };
  return new ProblemError(s.reason === 'full' ? 'storage_full' : 'unavailable', `${s.reason}: ${s.why}`, { headers });
}

const CODE_OF: Readonly<Record<RefusalCode, ProblemCode>> = {
  unknown: 'not_found',
  conflict: 'conflict',
  invalid: 'unprocessable',
  unsupported: 'unsupported_by_device',
  forbidden: 'forbidden',
  limit: 'limit_reached',
};

const problemOf = (refusal: Refusal): ProblemError => new ProblemError(CODE_OF[refusal.code], refusal.why);
