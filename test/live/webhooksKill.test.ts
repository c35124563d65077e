import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { childEnv, tempFolder } from '../helpers/cli.ts';

/** A process that delivers, killed without warning again and again: nothing is lost, and what comes twice has the same id. */
const CHILD = fileURLToPath(new URL('webhooksChild.ts', import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const folder = tempFolder();
const LAST = 3_000;
const KILLED_AT = [1, 40, 700, 1_500, 2_200, 3_800];

/** Ids by receiver and command, in the order they came. */
class Receivers {
  readonly got = new Map<string, string[]>();
  readonly sequences = new Map<string, string>();
  count = 0;
  onCount: () => void = () => {};
  readonly server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const { commandId } = (JSON.parse(body) as { data: { commandId: string } }).data;
      const key = `${request.url} ${commandId}`;
      const ids = this.got.get(key) ?? [];
      ids.push(String(request.headers['texture-id']));
      this.got.set(key, ids);
      this.sequences.set(commandId, String(request.headers['texture-sequence']));
      this.count += 1;
      response.writeHead(request.url === '/flaky' && ids.length === 1 && this.count % 10 === 0 ? 500 : 200).end();
      this.onCount();
    });
  });

  async listen(): Promise<number> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return (this.server.address() as AddressInfo).port;
  }
}

/** One life of the process; killed when so many messages have come. @returns its last line */
async function live(dir: string, receivers: Receivers, { port, killedAt }: { port: number; killedAt: number }) {
  const args = ['--import', TSX, CHILD, dir, String(port), String(LAST)];
  const child = spawn(process.execPath, args, { env: childEnv(), stdio: ['ignore', 'pipe', 'inherit'] });
  receivers.onCount = () => {
    if (receivers.count >= killedAt) child.kill('SIGKILL');
  };
  let line = '';
  for await (const said of createInterface({ input: child.stdout })) line = said;
  return line;
}

describe('kill -9', () => {
  test('loses no event, and what is sent again has the same id and the same number', async () => {
    const receivers = new Receivers();
    const port = await receivers.listen();
    for (const killedAt of KILLED_AT) {
      expect(await live(folder, receivers, { port, killedAt })).toMatch(/^open \d+$/);
    }
    expect(await live(folder, receivers, { port, killedAt: Number.POSITIVE_INFINITY })).toBe(`done ${LAST}`);
    receivers.server.close();
    const told = Array.from({ length: LAST }, (_, i) => i + 1).filter((seq) => seq % 3 !== 0);
    const expected = ['/a', '/b', '/flaky'].flatMap((path) => told.map((seq) => `${path} cmd-${seq}`));
    expect([...receivers.got.keys()].toSorted()).toEqual(expected.toSorted());
    for (const [key, ids] of receivers.got) expect([key, new Set(ids).size]).toEqual([key, 1]);
    expect(new Set([...receivers.got.values()].flat()).size).toBe(told.length);
    told.forEach((seq, i) => {
      expect([seq, receivers.sequences.get(`cmd-${seq}`)]).toEqual([seq, `${i + 1}`]);
    });
    const twice = receivers.count - expected.length;
    console.log(`${KILLED_AT.length} kills: ${expected.length} deliveries, 0 lost, ${twice} sent again`);
  }, 120_000);
});
