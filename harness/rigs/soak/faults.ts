import { setTimeout as sleep } from 'node:timers/promises';
import { FINE } from '../faults/receiver.ts';
import { type Field, launchOutstation } from './field.ts';

/** What goes wrong during a soak, one after the other; each is over, or mends itself, within a quarter of a minute. */
export interface SoakFault {
  readonly name: string;
  readonly strike: (field: Field) => Promise<void>;
}

const SHORT_MS = 5_000;

async function tell(field: Field, oem: string, path: string, body: unknown): Promise<void> {
  const cloud = field.clouds.find((c) => c.oem === oem);
  const answer = await fetch(`${cloud?.url}/testbed/${path}`, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${oem} /testbed/${path}: ${answer.status} ${await answer.text()}`);
}

async function receiverFails(field: Field, n: number, status: number): Promise<void> {
  const receiver = field.receivers[n];
  if (receiver === undefined) return;
  receiver.manner = { kind: 'status', status };
  await sleep(SHORT_MS);
  receiver.manner = FINE;
}

async function outstationDies(field: Field): Promise<void> {
  const [outstation] = field.outstations;
  if (outstation === undefined) return;
  outstation.process.kill('SIGKILL');
  await outstation.process.ended;
  await sleep(1_000);
  outstation.process = await launchOutstation(outstation.port);
}

export const SOAK_FAULTS: readonly SoakFault[] = [
  {
    name: 'tesla: lost replies',
    strike: (f) => tell(f, 'tesla', 'fault', { kind: 'lost-reply', next: 10, on: 'any' }),
  },
  { name: 'a receiver answers 500', strike: (f) => receiverFails(f, 1, 500) },
  {
    name: 'solaredge: garbage',
    strike: (f) => tell(f, 'solaredge', 'fault', { kind: 'garbage', next: 20, on: 'read' }),
  },
  { name: 'an outstation dies and comes back', strike: outstationDies },
  {
    name: 'the service is stopped for 3 s',
    strike: async ({ service }) => {
      service.kill('SIGSTOP');
      await sleep(3_000);
      service.kill('SIGCONT');
    },
  },
  {
    name: 'solaredge: 503 to everything',
    strike: async (f) => {
      await tell(f, 'solaredge', 'behaviour', { down: true });
      await sleep(SHORT_MS);
      await tell(f, 'solaredge', 'behaviour', { down: false });
    },
  },
  {
    name: 'a receiver is down',
    strike: async ({ receivers }) => {
      await receivers[2]?.down();
      await sleep(SHORT_MS);
      await receivers[2]?.up();
    },
  },
  { name: 'tesla: tokens are refused', strike: (f) => tell(f, 'tesla', 'revoke-tokens', {}) },
  { name: 'every stream is cut', strike: async ({ streams }) => streams.cut() },
  {
    name: 'enphase: bodies without an end',
    strike: (f) => tell(f, 'enphase', 'fault', { kind: 'endless-body', next: 3, on: 'read' }),
  },
  { name: 'a receiver answers 429', strike: (f) => receiverFails(f, 3, 429) },
  {
    name: 'solaredge: connections are reset',
    strike: (f) => tell(f, 'solaredge', 'fault', { kind: 'reset', next: 10, on: 'any' }),
  },
];
