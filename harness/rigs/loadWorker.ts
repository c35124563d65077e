import { commandLoad, noOpLoad } from './commandLoad.ts';
import type { Order, Said, Task } from './loadTasks.ts';
import { runReceiver } from './receiver.ts';
import { runStreams } from './streamLoad.ts';

/** A process beside the service: it takes one task, says what came of it, and ends. */
const say = (said: Said): void => void process.send?.(said);

const orders: ((order: Order) => void)[] = [];
// Nobody is left to hear of it.
process.once('disconnect', () => process.exit(1));
process.once('message', (task: Task) => {
  process.on('message', (order: Order) => {
    for (const take of orders) take(order);
  });
  void run(task).then((done) => {
    process.send?.(done, () => process.exit(0));
  });
});

function run(task: Task): Promise<Said> {
  const onOrder = (take: (order: Order) => void): void => void orders.push(take);
  switch (task.kind) {
    case 'commands':
      return commandLoad(task);
    case 'no-op':
      return noOpLoad(task);
    case 'streams':
      return runStreams(task, { say, onOrder });
    case 'receiver':
      return runReceiver({ say, onOrder });
  }
}
