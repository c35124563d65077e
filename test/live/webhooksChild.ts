import { join } from 'node:path';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { HttpPost } from '../../src/live/webhooks/httpPost.ts';
import { SecretStore } from '../../src/live/webhooks/secrets.ts';
import { WebhookSender } from '../../src/live/webhooks/sender.ts';
import { destination, event } from '../unit/webhooks/rig.ts';

/**
 * Offers the entries 1 to `last` of a journal that is always the same, a few each turn, from where its file stands, and
 * prints `done` when everything is delivered.
 */
const [dir = '', port = '0', last = '0'] = process.argv.slice(2);
const LAST = Number(last);
const PER_TURN = 5;

const policy = { allowLoopback: true, allowHttp: true, ports: 'any' } as const;
const clock = new SteppedClock();
const secrets = new SecretStore(join(dir, 'secrets.json'));
const sender = new WebhookSender({
  dir: join(dir, 'outbox'),
  secrets,
  post: new HttpPost({ policy }),
  policy,
  schedulerOf: () => clock,
  wallNowMs: () => clock.nowMs(),
  schedule: { delaysMs: Array(20).fill(20), jitterRatio: 0 },
});
const destinations = ['a', 'b', 'flaky'].map((name) => destination(name, { url: `http://127.0.0.1:${port}/${name}` }));
for (const { destinationId } of destinations) {
  if (secrets.webhookSecrets(destinationId).length === 0) secrets.rotateWebhook(destinationId);
}
sender.setDestinations(destinations);
process.stdout.write(`open ${sender.cursor()}\n`);
for (let seq = sender.cursor() + 1; seq <= LAST; seq++) {
  // Every third entry has nothing to tell.
  sender.offer(seq % 3 === 0 ? [] : [event(seq)], seq);
  if (seq % PER_TURN === 0) await new Promise((done) => setImmediate(done));
}
const waiting = (): number => destinations.reduce((sum, d) => sum + (sender.health(d.destinationId)?.pending ?? 0), 0);
while (waiting() > 0) await new Promise((done) => setTimeout(done, 20));
await sender.close();
process.stdout.write(`done ${sender.cursor()}\n`);
clock.stop();
