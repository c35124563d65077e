import { openJournal } from '../../src/live/journal/journal.ts';
import { entry } from '../unit/journal/entries.ts';

/**
 * Appends without end, so many in flight, and prints one line for each answer: `ack <seq> <id>` when it is durable,
 * `no <reason> <id>` when it is refused. Ends by itself after so many refusals.
 */
const [dir = '', from = '1', flight = '8'] = process.argv.slice(2);
const REFUSALS_MAX = 50;

const journal = await openJournal({ dir, build: 'child' });
process.stdout.write(`open ${journal.lastSeq()}\n`);
let next = Number(from);
let refusals = 0;

async function loop(): Promise<void> {
  while (refusals < REFUSALS_MAX) {
    const id = next++;
    const answer = await journal.append(entry(id));
    // A pipe is written at once, so what the parent reads was said before anything that follows.
    process.stdout.write(answer.kind === 'durable' ? `ack ${answer.seq} ${id}\n` : `no ${answer.reason} ${id}\n`);
    if (answer.kind === 'refused') refusals += 1;
    await new Promise((done) => setImmediate(done));
  }
}
await Promise.all(Array.from({ length: Number(flight) }, loop));
process.stdout.write(`health ${journal.health().kind}\n`);
process.exit(0);
