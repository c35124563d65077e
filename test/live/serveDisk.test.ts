import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask, makeRig, operatorKey, type Rig } from '../../harness/rigs/bench.ts';
import { launch, type Running } from '../../harness/rigs/processes.ts';
import { childEnv, nodeWords, tempFolder } from '../helpers/cli.ts';

/** The service as a process on a disk whose syncs fail from one on (promise S20); the kernel's answer is a tracer's. */
const folder = tempFolder();
const hasStrace = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0;
const SYNCS = 'fsync,fdatasync';
const failing = (from: number): readonly string[] => [
  ...['strace', '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', '-e', `trace=${SYNCS}`],
  ...['-e', `inject=${SYNCS}:error=EIO:when=${from}+`],
];

const start = (rig: Rig, under: readonly string[]): Promise<Running> =>
  launch({ args: ['serve', '--config', rig.configFile, '--quiet'], under });

interface Outcome {
  readonly acknowledged: readonly string[];
  readonly refused: readonly string[];
}

/** Makes workspaces, some at a time, until nobody answers any more. */
async function workspacesUntilTheEnd(at: { readonly url: string; readonly key: string }): Promise<Outcome> {
  const acknowledged: string[] = [];
  const refused: string[] = [];
  let isOver = false;
  const loop = async (lane: number): Promise<void> => {
    for (let n = 0; !isOver && n < 500; n++) {
      const name = `w-${lane}-${n}`;
      const answer = await ask({ ...at, path: '/v1/workspaces', body: JSON.stringify({ name }) }).catch(() => null);
      if (answer === null) isOver = true;
      else if (answer.status === 201) acknowledged.push(name);
      else if (answer.status === 503) refused.push(name);
      else throw new Error(`${name} was answered ${answer.status} ${JSON.stringify(answer.body)}`);
    }
  };
  await Promise.all([0, 1, 2, 3].map(loop));
  return { acknowledged, refused };
}

describe('a service whose disk fails', () => {
  test.skipIf(!hasStrace)(
    'refuses what is under way and ends with 74 and the file; the next start has what was acknowledged and nothing that was refused (needs strace)',
    async () => {
      const rig = makeRig('eio', {});
      const running = await start(rig, failing(90));
      const at = { url: String(running.ready.url), key: operatorKey(rig) };
      const { acknowledged, refused } = await workspacesUntilTheEnd(at);
      expect(await running.ended).toBe(74);
      const lastWords = running.words().trimEnd().split('\n').at(-1) ?? '';
      expect(lastWords).toMatch(/^error: .*data\/journal: its disk: .*(journal\.db|journal\.hwm): .*(IOERR|EIO)/);
      expect(acknowledged.length).toBeGreaterThan(3);
      expect(refused.length).toBeGreaterThan(0);

      const again = await start(rig, []);
      try {
        const answer = await ask({ ...at, url: String(again.ready.url), path: '/v1/workspaces?limit=500' });
        const names: string[] = answer.body.data.map((w: { name: string }) => w.name);
        expect(names).toEqual(expect.arrayContaining([...acknowledged]));
        expect(names.filter((name) => refused.includes(name))).toEqual([]);
      } finally {
        again.kill('SIGTERM');
        expect(await again.ended).toBe(0);
      }
    },
    60_000,
  );

  test.skipIf(!hasStrace)(
    'that fails while it starts ends with 74 as well, and the file (needs strace)',
    () => {
      const data = join(folder, 'starts');
      mkdirSync(data);
      const [strace = '', ...words] = failing(3);
      const serve = nodeWords(['serve', '--port', '0', '--data', data]);
      const { status, stderr } = spawnSync(strace, [...words, process.execPath, ...serve], {
        env: childEnv(),
        encoding: 'utf8',
      });
      expect(status).toBe(74);
      expect(stderr).toMatch(/^error: .*journal\.db.*(IOERR|EIO)/m);
    },
    60_000,
  );
});
