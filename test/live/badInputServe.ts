import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CliRun, childEnv, nodeWords } from '../helpers/cli.ts';

/**
 * Bad input 104, as far as it is about `vpp serve`: its file, its folder, its address. Each must end with exit code 2 and
 * words that name the place; those that are found after something was opened run as a process, which must end by itself.
 */
export interface ServeRow {
  readonly what: string;
  readonly files?: Readonly<Record<string, string | { readonly text: string; readonly mode: number }>>;
  readonly args: readonly string[];
  readonly names: readonly string[];
}

/** Nobody comes to listen or write before the file is read. */
export const FILE_ROWS: readonly ServeRow[] = [
  { what: 'a file that is not there', args: ['--config', 'gone.yaml'], names: ['gone.yaml', 'ENOENT'] },
  { what: 'an empty file', files: { 'c.yaml': '' }, args: ['--config', 'c.yaml'], names: ['c.yaml', 'an empty file'] },
  {
    what: 'an unknown key',
    files: { 'c.yaml': 'lisen: { port: 1 }\n' },
    args: ['--config', 'c.yaml'],
    names: ['line 1, column 1 (lisen)', 'Did you mean "listen"?'],
  },
  {
    what: 'a port over 65535 in the file',
    files: { 'c.yaml': 'listen: { port: 70000 }\n' },
    args: ['--config', 'c.yaml'],
    names: ['(listen.port)', 'found 70000', '0 to 65535'],
  },
  { what: 'a port over 65535 on the line', args: ['--port', '70000'], names: ['--port', '70000', '0 to 65535'] },
  { what: 'a port that is no number', args: ['--port', 'http'], names: ['--port', 'http'] },
  { what: 'a flag without its value', args: ['--config'], names: ['--config', 'argument missing'] },
  { what: 'an unknown flag', args: ['--dat', 'x'], names: ['--dat', 'Did you mean --data?'] },
  {
    what: 'a secret in a file that others may read',
    files: { 'c.yaml': { text: cloud('clientSecret: top-secret'), mode: 0o644 } },
    args: ['--config', 'c.yaml'],
    names: ['mode of the file', '0644', '0600'],
  },
  {
    what: 'a secret that the environment has not',
    files: { 'c.yaml': cloud('clientSecret: "env:VPP_NO_SUCH_SECRET"') },
    args: ['--config', 'c.yaml'],
    names: ['clouds.tesla.clientSecret', 'VPP_NO_SUCH_SECRET'],
  },
  {
    what: 'a cloud at an address with a path and a password',
    files: { 'c.yaml': cloud('clientSecret: "env:X"').replace('127.0.0.1:1', 'u:p@127.0.0.1:1/v1') },
    args: ['--config', 'c.yaml'],
    names: ['(clouds.tesla.url)', 'without path'],
  },
];

function cloud(secret: string): string {
  return `clouds:\n  tesla: { url: "http://127.0.0.1:1", clientId: x, ${secret} }\n`;
}

const inData = (name: string, text: string, mode = 0o600) => ({ [`data/${name}`]: { text, mode } });
const DATA = ['--port', '0', '--data', 'data'];

/** @param taken  a port that is in use; `data`: the folder of a service that runs */
export const processRows = (taken: { readonly port: number; readonly data: string }): readonly ServeRow[] => [
  {
    what: 'a port in use',
    args: ['--port', String(taken.port), '--data', 'data'],
    names: [`:${taken.port}`, 'EADDRINUSE'],
  },
  {
    what: 'a port in use, with the demo around it',
    args: ['--demo', '--port', String(taken.port), '--data', 'data'],
    names: [`:${taken.port}`, 'EADDRINUSE'],
  },
  { what: 'the folder of another service', args: ['--port', '0', '--data', taken.data], names: [taken.data] },
  { what: 'a folder that is a file', files: { data: 'x' }, args: DATA, names: ['data folder', 'EEXIST'] },
  {
    what: 'an operator key that others may read',
    files: inData('operator.key', 'vpp.key_0.0\n', 0o644),
    args: DATA,
    names: ['operator.key', '0644', '0600'],
  },
  {
    what: 'signing keys cut off',
    files: inData('signing-keys.json', '{"keys":'),
    args: DATA,
    names: ['signing-keys.json', 'a JSON file of signing keys'],
  },
  {
    what: 'a store of secrets that is none',
    files: inData('secrets.json', '{'),
    args: DATA,
    names: ['secrets.json', 'a secret store'],
  },
  {
    what: 'telemetry that is no database',
    files: inData('telemetry.db', 'x'.repeat(5_000)),
    args: DATA,
    names: ['telemetry.db', 'not a database', 'begins anew'],
  },
  {
    what: 'deliveries that are no database',
    files: inData('deliveries/webhooks.db', 'x'.repeat(5_000)),
    args: DATA,
    names: ['webhooks.db'],
  },
];

export function writeFiles(dir: string, files: ServeRow['files'] = {}): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, file] of Object.entries(files)) {
    const { text, mode } = typeof file === 'string' ? { text: file, mode: 0o600 } : file;
    const path = join(dir, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text, { mode });
  }
}

/** How long a process that cannot serve may take to end [ms]; then it is ended, which is a failure. */
const END_MS = 30_000;

export function serveProcess(args: readonly string[], cwd: string): Promise<CliRun> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, nodeWords(['serve', ...args]), { cwd, env: childEnv() });
    const limit = setTimeout(() => child.kill('SIGKILL'), END_MS);
    let [out, err] = ['', ''];
    child.stdout.on('data', (piece) => {
      out += piece;
    });
    child.stderr.on('data', (piece) => {
      err += piece;
    });
    child.on('close', (code) => {
      clearTimeout(limit);
      resolve({ code, out, err });
    });
  });
}
