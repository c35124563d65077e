import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { Order, ReceiverDone, Said } from './loadTasks.ts';

/** A receiver of webhooks as a customer writes it: it checks each with the reference implementation of Standard Webhooks. */
export async function runReceiver(line: {
  readonly say: (said: Said) => void;
  readonly onOrder: (take: (order: Order) => void) => void;
}): Promise<ReceiverDone> {
  const webhookIds = new Set<string>();
  const commandIds = new Set<string>();
  let check: Webhook | null = null;
  let [messages, refused, firstMs, lastMs] = [0, 0, 0, 0];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const headers = request.headers as Record<string, string>;
      try {
        if (check === null) throw new Error('a message before there was a secret');
        const { data } = check.verify(Buffer.concat(chunks), headers) as { readonly data: { commandId: string } };
        webhookIds.add(String(headers['webhook-id']));
        commandIds.add(data.commandId);
      } catch {
        refused += 1;
      }
      messages += 1;
      lastMs = performance.now();
      if (messages === 1) firstMs = lastMs;
      response.writeHead(204).end();
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const end = new Promise<void>((done) =>
    line.onOrder((order) => {
      if (order.kind === 'secret') check = new Webhook(order.secret);
      else done();
    }),
  );
  line.say({ kind: 'ready', url: `http://127.0.0.1:${port}/hook` });
  await end;
  server.closeAllConnections();
  const spanMs = lastMs - firstMs;
  return { kind: 'received', messages, refused, webhookIds: webhookIds.size, commandIds: [...commandIds], spanMs };
}
