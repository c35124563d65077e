import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { defaultConfig } from '../../harness/serve/config.ts';
import { openDemo } from '../../harness/serve/demo.ts';
import type { RunningService } from '../../harness/serve/service.ts';
import { BATTERIES, type Hook, type World, type WorldOptions } from './flowsWorld.ts';

export interface SocketWorld extends World {
  readonly service: RunningService;
}

/** The plant as `vpp serve --demo` opens it: every wire is a socket of this machine. */
export async function openSockets({ dir, clock, onHook }: WorldOptions): Promise<SocketWorld> {
  const receiver = await listen(onHook);
  const config = { ...defaultConfig(), data: join(dir, 'data'), listen: { host: '127.0.0.1', port: 0 } };
  const demo = await openDemo({
    config: { ...config, limits: { ...config.limits, requestsPerSecond: 10_000 } },
    seed: 'flows',
    devices: BATTERIES,
    clock,
  });
  const { service, clouds, open, keys } = demo;
  return {
    service,
    keys: { ...keys, operator: service.operatorKey },
    clouds: new Map([...clouds].map(([oem, server]) => [oem, server.world])),
    open: open.world,
    receiverUrl: receiver.url,
    request: async (method, path, headers, body) => {
      const reply = await fetch(`${service.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
      return { status: reply.status, text: await reply.text() };
    },
    close: async () => {
      await demo.close();
      await receiver.close();
    },
  };
}

async function listen(onHook: (hook: Hook) => void) {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      onHook({ headers: request.headers as Record<string, string>, body });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
