import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Order, Said, Task } from './loadTasks.ts';

/** A process beside the service that makes load, or takes what comes of it. */
const WORKER = fileURLToPath(new URL('./loadWorker.ts', import.meta.url));

export interface Helper<Done extends Said> {
  /** Its first word: where it listens. Only of tasks that say so. */
  readonly ready: Promise<string>;
  /** What came of its task. */
  readonly done: Promise<Done>;
  tell(order: Order): void;
}

/** @param kind  what it says at the end */
export function startHelper<K extends Said['kind']>(task: Task, kind: K): Helper<Extract<Said, { kind: K }>> {
  const child = fork(WORKER, { execArgv: ['--import', 'tsx'], serialization: 'advanced' });
  child.send(task);
  const isDone = (said: Said): said is Extract<Said, { kind: K }> => said.kind === kind;
  return {
    ready: wordOf(child, (said) => (said.kind === 'ready' ? said.url : null)),
    done: wordOf(child, (said) => (isDone(said) ? said : null)),
    tell: (order) => void child.send(order),
  };
}

/** The first word of a kind. Rejects when the process ends without it. */
function wordOf<T>(child: ChildProcess, pick: (said: Said) => T | null): Promise<T> {
  const word = new Promise<T>((done, fail) => {
    child.on('message', (said: Said) => {
      const picked = pick(said);
      if (picked !== null) done(picked);
    });
    child.once('exit', (code) => fail(new Error(`a load process ended with ${code}`)));
  });
  // Not every task is asked for every word.
  word.catch(() => {});
  return word;
}
