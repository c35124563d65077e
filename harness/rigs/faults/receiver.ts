import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** A receiver of webhooks that answers as it is told and keeps which messages came when. */
export interface Got {
  readonly atMs: number;
  readonly id: string;
  readonly type: string;
  readonly commandId: string | null;
}

export type Manner =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** Takes the request and never answers. */
  | { readonly kind: 'silent' }
  /** Never reads what is sent. */
  | { readonly kind: 'deaf' };

export const FINE: Manner = { kind: 'status', status: 204 };

export class RigReceiver {
  manner: Manner = FINE;
  /** What was answered 2xx. */
  readonly got: Got[] = [];
  /** When anything came in. */
  readonly tries: number[] = [];
  readonly #server: Server;
  #port = 0;

  private constructor() {
    this.#server = createServer((incoming, to) => this.#take(incoming, to));
  }

  static async listen(): Promise<RigReceiver> {
    const receiver = new RigReceiver();
    await receiver.up();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook`;
  }

  async up(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(this.#port, '127.0.0.1', done));
    const at = this.#server.address();
    if (at !== null && typeof at === 'object') this.#port = at.port;
  }

  /** Connections are refused. */
  async down(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    this.#server.closeAllConnections();
    await closed;
  }

  has(commandId: string): boolean {
    return this.got.some((g) => g.commandId === commandId);
  }

  #take(incoming: IncomingMessage, to: ServerResponse): void {
    const { manner } = this;
    this.tries.push(Date.now());
    incoming.on('error', () => {});
    to.on('error', () => {});
    if (manner.kind === 'deaf') return;
    const pieces: Uint8Array[] = [];
    incoming.on('data', (piece: Uint8Array) => void pieces.push(piece));
    incoming.on('end', () => {
      if (manner.kind === 'silent') return;
      if (manner.status < 300) this.#keep(incoming, Buffer.concat(pieces).toString());
      to.writeHead(manner.status, manner.headers);
      to.end();
    });
  }

  #keep({ headers }: IncomingMessage, text: string): void {
    const body: unknown = JSON.parse(text);
    const { type, data } = body as { readonly type: string; readonly data: { readonly commandId?: string } };
    const id = String(headers['texture-id'] ?? headers['webhook-id']);
    this.got.push({ atMs: Date.now(), id, type, commandId: data.commandId ?? null });
  }
}
