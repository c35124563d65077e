import { fork } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import WebSocket from 'ws';
import { openApi } from '../helpers/apiBench.ts';

/**
 * A thousand clients of the stream, ten events a second to each, and one more that never reads.
 *   npx tsx test/bench/stream.ts [clients] [seconds]
 */
const [, , clients = '1000', seconds = '10', role = 'server'] = process.argv;
const PER_SECOND = 10;
if (role === 'client') await listeners();
else await server();

async function server(): Promise<void> {
  const api = await openApi({ wire: 'sockets' });
  const { workspaceId, key } = await api.tenant();
  const { port } = api.app.server.address() as AddressInfo;
  const child = fork(new URL(import.meta.url).pathname, [clients, seconds, 'client'], { execArgv: process.execArgv });
  child.send({ port, key });
  await new Promise((resolve) => child.once('message', resolve));
  const total = Number(seconds) * PER_SECOND;
  const before = process.cpuUsage();
  for (let seq = 1; seq <= total; seq++) {
    const head = { seq, index: 0, workspaceId, type: 'device.updated', version: '1.0.0', deviceType: 'battery' };
    api.service.emit({ ...head, timestampMs: Date.now(), data: { deviceId: 'dev-1', pad: 'x'.repeat(200) } });
    await new Promise((resolve) => setTimeout(resolve, 1_000 / PER_SECOND));
  }
  const { user, system } = process.cpuUsage(before);
  child.send('done');
  await new Promise((resolve) => child.once('exit', resolve));
  console.log(`the server's CPU: ${((user + system) / 1e6).toFixed(2)} s`);
  await api.close();
}

async function listeners(): Promise<void> {
  const { port, key } = await new Promise<{ port: number; key: string }>((resolve) =>
    process.once('message', (m) => resolve(m as { port: number; key: string })),
  );
  const latencies: number[] = [];
  const counts: number[] = [];
  const open = (i: number, reads: boolean) =>
    new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, { headers: { 'texture-api-key': key } });
      socket.on('error', reject);
      socket.on('open', () => socket.send('{"type":"subscribe","topics":["*"]}'));
      counts[i] = 0;
      socket.on('message', (data) => {
        const frame = JSON.parse(String(data)) as { type: string; event?: { timestamp: string } };
        if (frame.type === 'subscribed') {
          if (!reads) socket.pause();
          return resolve();
        }
        if (frame.event === undefined) return;
        counts[i] = (counts[i] ?? 0) + 1;
        latencies.push(Date.now() - Date.parse(frame.event.timestamp));
      });
    });
  for (let i = 0; i < Number(clients); i++) await open(i, true);
  await open(Number(clients), false);
  process.send?.('ready');
  await new Promise((resolve) => process.once('message', resolve));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  latencies.sort((a, b) => a - b);
  const expected = Number(seconds) * PER_SECOND;
  const short = counts.slice(0, -1).filter((n) => n !== expected).length;
  const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))];
  console.log(
    `${clients} clients, ${latencies.length} frames, ${short} clients with a frame lost, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`,
  );
  process.exit(0);
}
