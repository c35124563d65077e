import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { template } from '../../harness/cli/template.ts';
import { defaultConfig } from '../../harness/serve/config.ts';
import { openService, type RunningService } from '../../harness/serve/service.ts';
import { SCOPE_NAMES } from '../../src/domain/client.ts';
import { REPO, tempFolder, vpp } from '../helpers/cli.ts';
import { type BadBench, http, openBadBench, type Row, standing } from './badInputBench.ts';
import { COMMAND_ROWS } from './badInputCommands.ts';
import { ELSEWHERE, NOT_HERE } from './badInputElsewhere.ts';
import { HTTP_ROWS } from './badInputHttp.ts';
import { DESTINATION_ROWS, type Harmful, openHarmful } from './badInputOutside.ts';
import { FILE_ROWS, processRows, serveProcess, writeFiles } from './badInputServe.ts';

/**
 * The catalogue of bad inputs against a service on the loopback: each is refused with the place that it names, changes
 * neither the journal nor the state, and the service goes on. What is printed at the end tells where each number is.
 */
const ROWS: readonly Row[] = [...COMMAND_ROWS, ...HTTP_ROWS];
const NUMBERS_MAX = 104;
const passed = new Map<number, number>();
const pass = (n: number): void => void passed.set(n, (passed.get(n) ?? 0) + 1);

describe('bad input over HTTP', () => {
  let b: BadBench;
  let harmful: Harmful;
  beforeAll(async () => {
    [b, harmful] = [await openBadBench(), await openHarmful()];
  });
  afterAll(async () => {
    await b?.close();
    await harmful?.close();
  });

  test.each(ROWS)('$n: $what', async ({ n, send, expected, names = '', changes }) => {
    await b.flows.clock.settle();
    const before = standing(b.host);
    const got = await send(b);
    expect(got.said, got.text).toBe(expected);
    expect(got.text).toContain(names);
    await b.flows.clock.settle();
    if (changes !== true) expect(standing(b.host), 'nothing has changed').toBe(before);
    const alive = await http(b, { method: 'GET', path: `/v1/devices/${b.ids.plain}` });
    expect(alive.said, 'the service still answers').toBe('200');
    pass(n);
  });

  const delivered = async (path: string) => {
    const body = { label: path.slice(1), url: `${harmful.url}${path}`, eventTypes: ['bid.awarded'] };
    const { id } = await b.flows.made('POST', '/v1/destinations', body);
    return b.flows.made('POST', `/v1/destinations/${id}/test`);
  };

  test('58: a receiver that redirects has failed, and nobody goes there', async () => {
    expect(await delivered('/redirect')).toMatchObject({ ok: false, status: 302 });
    expect(harmful.seen.trapped).toBe(0);
    pass(58);
  });

  test('60: a receiver whose answer does not end is cut off', async () => {
    expect(await delivered('/endless')).toMatchObject({ ok: true, status: 200 });
    // What it wrote beyond 64 kB lies in the buffers of two sockets.
    expect(harmful.seen.drained).toBeLessThan(16 * 1024 * 1024);
    pass(60);
  });

  test('61: a gzip bomb is not unpacked', async () => {
    const before = process.memoryUsage().rss;
    expect(await delivered('/bomb')).toMatchObject({ ok: true, status: 200 });
    expect(process.memoryUsage().rss - before).toBeLessThan(20 * 1024 * 1024);
    pass(61);
  });
});

describe('a destination that is not public', () => {
  const dir = tempFolder();
  let service: RunningService;
  let b: BadBench;
  beforeAll(async () => {
    const listen = { host: '127.0.0.1', port: 0 };
    service = await openService({ config: { ...defaultConfig(), data: join(dir, 'data'), listen } });
    const { url, host, operatorKey } = service;
    const made = async (path: string, body: object): Promise<Record<string, string>> => {
      const { text } = await http({ url, keys: { ana: operatorKey, reader: '', other: '' } }, { path, body });
      return JSON.parse(text.slice(text.indexOf('\n{')));
    };
    const { id } = await made('/v1/workspaces', { name: 'Public only' });
    const scopes = SCOPE_NAMES.filter((s) => s !== 'admin:service');
    const { secret: ana = '' } = await made(`/v1/workspaces/${id}/api-keys`, { name: 'ana', scopes });
    b = { url, host, keys: { ana, reader: '', other: '' } } as unknown as BadBench;
  });
  afterAll(() => service?.close());

  test('a public one is taken, so that the refusals below are about the address', async () => {
    const body = { label: 'x', url: 'https://hooks.example.com/in' };
    expect((await http(b, { path: '/v1/destinations', body })).said).toBe('201');
  });

  test.each(DESTINATION_ROWS)('$n: $what', async ({ n, send, expected, names = '' }) => {
    const before = standing(b.host);
    const got = await send(b);
    expect(got.said, got.text).toBe(expected);
    expect(got.text).toContain(names);
    expect(standing(b.host), 'nothing has changed').toBe(before);
    pass(n);
  });

  test('104: what is found after something was opened ends the process with exit code 2', async () => {
    const rows = processRows({ port: Number(new URL(service.url).port), data: join(dir, 'data') });
    const ends: string[] = [];
    const expected: string[] = [];
    // Three at a time.
    for (let i = 0; i < rows.length; i += 3) {
      const some = rows.slice(i, i + 3).map(async ({ what, files, args, names }, k) => {
        const cwd = join(dir, `process-${i + k}`);
        writeFiles(cwd, files);
        const { code, out, err } = await serveProcess(args, cwd);
        const missing = names.filter((name) => !err.includes(name));
        ends.push(
          `${what}: exit ${code}, out "${out}"${missing.length === 0 ? '' : `, no word of ${missing} in ${err}`}`,
        );
        expected.push(`${what}: exit 2, out ""`);
      });
      await Promise.all(some);
    }
    expect(ends.sort()).toEqual(expected.sort());
    const alive = await http(b, { method: 'GET', path: '/v1/devices' });
    expect(alive.said, 'the service beside them still answers').toBe('200');
    pass(104);
  }, 120_000);
});

describe('vpp serve with a bad file or flag', () => {
  const dir = tempFolder();
  test.each(FILE_ROWS.map((row, i) => ({ ...row, i })))('104: $what', async ({ files, args, names, i }) => {
    const cwd = join(dir, String(i));
    writeFiles(cwd, files);
    const { code, out, err } = await vpp(['serve', ...args], cwd);
    expect([code, out], err).toEqual([2, '']);
    for (const name of names) expect(err).toContain(name);
    expect(err, 'no secret is repeated').not.toContain('top-secret');
    pass(104);
  });
});

describe('96: an alert file that is large', () => {
  const dir = tempFolder();
  beforeAll(() => writeFiles(dir, { 'good.yaml': template('good') }));
  test.each([
    ['a million open tags', '<alert><info>'.padEnd(6_000_000, '<info>'), 'expected well-formed XML'],
    ['ten million characters of nothing', ' '.repeat(10_000_000), 'expected GeoJSON'],
    ['more than 64 MB', ' '.repeat(64 * 1024 * 1024 + 1), 'at most 64 MB'],
  ])('%s is refused in few words', async (_, text, words) => {
    writeFiles(dir, { 'alert.xml': text });
    const { code, out, err } = await vpp(['run', 'good.yaml', '--alerts', 'alert.xml'], dir);
    expect([code, out], err.slice(0, 500)).toEqual([2, '']);
    expect(err.slice(0, 1_000)).toContain(words);
    expect(err.length).toBeLessThan(1_000);
    pass(96);
  });
});

describe('the numbers that are not here', () => {
  test.each(ELSEWHERE)('$numbers: $file has "$test"', ({ file, test: words }) => {
    expect(existsSync(join(REPO, file)), file).toBe(true);
    expect(readFileSync(join(REPO, file), 'utf8')).toContain(words);
  });

  test('every number of the catalogue is here, elsewhere, or cannot be', () => {
    const numbers = Array.from({ length: NUMBERS_MAX }, (_, i) => i + 1);
    const isIn = (n: number, list: readonly { readonly numbers: readonly [number, number] }[]): boolean =>
      list.some(({ numbers: [from, to] }) => n >= from && n <= to);
    const here = numbers.filter((n) => passed.has(n));
    const left = numbers.filter((n) => !passed.has(n) && !isIn(n, ELSEWHERE) && !isIn(n, NOT_HERE));
    const rows = [...passed.values()].reduce((sum, count) => sum + count, 0);
    console.log(
      [
        `bad inputs: ${here.length} of ${NUMBERS_MAX} numbers here, in ${rows} rows: ${ranges(here)}`,
        ...ELSEWHERE.map((e) => `  ${span(e.numbers)}: ${e.file}, ${e.test}`),
        ...NOT_HERE.map((e) => `  ${span(e.numbers)}: not applicable, ${e.why}`),
      ].join('\n'),
    );
    expect(left).toEqual([]);
  });
});

/** "1-6, 9" */
function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const n of numbers) {
    const last = parts[parts.length - 1];
    if (last !== undefined && n === last[1] + 1) last[1] = n;
    else parts.push([n, n]);
  }
  return parts.map(span).join(', ');
}

const span = ([from, to]: readonly [number, number]): string => (from === to ? String(from) : `${from}-${to}`);
