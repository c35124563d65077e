/** What the load rig asks of its other processes, and what they say. Plain values: they go over a pipe. */
export type Task =
  | ({ readonly kind: 'commands' } & CommandLoad)
  | { readonly kind: 'no-op'; readonly port: number; readonly connections: number; readonly durationMs: number }
  | ({ readonly kind: 'streams' } & StreamLoad)
  | { readonly kind: 'receiver' };

/** Commands for devices in turn, each with an Idempotency-Key of its own, that begin hours later: no cloud hears of them. */
export interface CommandLoad {
  readonly port: number;
  readonly key: string;
  readonly deviceIds: readonly string[];
  readonly connections: number;
  readonly durationMs: number;
  /** In all; absent = as fast as answers come. */
  readonly perSecond?: number;
  /** Makes the idempotency keys of one load differ from another's. */
  readonly name: string;
  /** The ids of the answers are wanted. */
  readonly wantsIds: boolean;
}

export interface CommandsDone {
  readonly kind: 'loaded';
  readonly answered: number;
  readonly perSecond: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly broken: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Device, command id, in the order of the answers; empty unless wanted. */
  readonly ids: readonly (readonly [string, string])[];
}

/** Clients of the stream, in turn on the topics; the last of them reads nothing after it has subscribed. */
export interface StreamLoad {
  readonly url: string;
  readonly key: string;
  readonly clients: number;
  readonly topics: readonly string[];
}

export interface StreamsDone {
  readonly kind: 'streamed';
  /** Of each client, the deaf one left out. */
  readonly frames: readonly number[];
  /** Connections that ended, the deaf one left out. */
  readonly ended: number;
  /** Frames whose number was not above the one before. */
  readonly disordered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The deaf one's connection had ended when it listened again. */
  readonly deafDropped: boolean;
}

export interface ReceiverDone {
  readonly kind: 'received';
  readonly messages: number;
  /** Signature, time or body not right. */
  readonly refused: number;
  readonly webhookIds: number;
  readonly commandIds: readonly string[];
  /** From the first message to the last [ms]. */
  readonly spanMs: number;
}

export type Said =
  | CommandsDone
  | StreamsDone
  | ReceiverDone
  /** A server listens there, or all clients have subscribed. */
  | { readonly kind: 'ready'; readonly url: string };

/** After 'ready': the secret of the destination; how many have come; the end. */
export type Order = { readonly kind: 'secret'; readonly secret: string } | { readonly kind: 'end' };
