import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runToEnd } from '../processes.ts';
import { Bed } from './bed.ts';
import { type Group, group, must, type Row, Skipped, seconds, until, yes } from './row.ts';

/**
 * The disk under the journal. Without room, read-only: a file system in memory of its own, mounted by the row. A sync that
 * fails or is slow: the kernel's answer is replaced by a tracer (strace -e inject).
 */
const component = 'journal' as const;
const MEGABYTES = 24;

interface Disk {
  readonly dir: string;
  readonly bed: Bed;
}

async function mounted(name: string): Promise<Disk> {
  const dir = mkdtempSync(join(tmpdir(), `vpp-disk-${name}-`));
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m`, 'tmpfs', dir]);
  if (made.status !== 0) {
    rmSync(dir, { recursive: true, force: true });
    throw new Skipped(`no right to mount a file system: ${made.stderr?.toString().trim() ?? 'no mount command'}`);
  }
  try {
    return { dir, bed: await Bed.open({ name, clouds: ['solaredge'], sites: 1, dir: join(dir, 'data') }) };
  } catch (e) {
    unmount(dir);
    throw e;
  }
}

function unmount(dir: string): void {
  spawnSync('umount', ['-l', dir]);
  rmSync(dir, { recursive: true, force: true });
}

async function closeDisk({ dir, bed }: Disk): Promise<void> {
  await bed.close();
  unmount(dir);
}

function fill(file: string): void {
  const fd = openSync(file, 'w');
  for (const size of [65_536, 4_096]) {
    const piece = Buffer.alloc(size);
    try {
      for (;;) writeSync(fd, piece);
    } catch (e) {
      if (!(e instanceof Error && 'code' in e && e.code === 'ENOSPC')) throw e;
    }
  }
  closeSync(fd);
}

const commandOf = (bed: Bed, n: number) =>
  bed.command(bed.deviceOf('solaredge', n % 6).deviceId, { powerW: 1_000 + n, forS: 3_600 + n });

const full: Row<Disk> = {
  component,
  fault: 'no room left on the disk',
  expectation: '507, reads go on; with room again it takes commands, and none was half accepted',
  run: async ({ dir, bed }) => {
    fill(join(dir, 'filler'));
    let tries = 0;
    await until('a command is answered 507', 30_000, async () => yes((await commandOf(bed, tries++)).status === 507));
    const { status } = await bed.ask('/v1/devices');
    must(status === 200, `GET /v1/devices gave ${status}`);
    await bed.allThere();
    const { parts } = await bed.health();
    must(parts.journal?.ok === false || parts['plant/main'] !== undefined, `health says ${JSON.stringify(parts)}`);
    rmSync(join(dir, 'filler'));
    const freedMs = Date.now();
    await until('a command is accepted', 15_000, async () => yes((await commandOf(bed, tries++)).status === 202));
    const tookMs = Date.now() - freedMs;
    await bed.stop('SIGKILL');
    await bed.start();
    await bed.allThere();
    return `507 after ${tries} tries; accepted again ${seconds(tookMs)} after there was room`;
  },
};

const readOnlyStart: Row<Disk> = {
  component,
  fault: 'a read-only file system at the start',
  expectation: 'it does not start: exit code 2 and the file in the words',
  run: async ({ dir, bed }) => {
    await bed.stop('SIGTERM');
    execFileSync('mount', ['-o', 'remount,ro', dir]);
    const words = await bed.refusesToStart().finally(() => execFileSync('mount', ['-o', 'remount,rw', dir]));
    must(words.includes(dir), `its words: ${words}`);
    await bed.start();
    await bed.allThere();
    return words;
  },
};

const journalFile = (bed: Bed): string => {
  const dir = join(bed.rig.data, 'journal');
  const files = readdirSync(dir).filter((f) => f.endsWith('.db'));
  const [largest] = files.sort((a, b) => statSync(join(dir, b)).size - statSync(join(dir, a)).size);
  must(largest !== undefined, `no database in ${dir}: ${readdirSync(dir).join(', ')}`);
  return join(dir, largest);
};

const corrupt: Row<Bed> = {
  component,
  fault: 'an octet of an entry changed on the disk',
  expectation: 'it does not start: exit code 2 and the entry in the words; verify-journal finds it too',
  run: async (bed) => {
    const marker = 'the-mark-of-this-row';
    await bed.need('/v1/customers', { body: { name: marker } });
    await bed.stop('SIGTERM');
    const file = journalFile(bed);
    const octets = readFileSync(file);
    const at = octets.indexOf(marker);
    must(at > 0, `the entry is not in ${file}`);
    const bent = Buffer.from(octets);
    bent[at] = (bent[at] ?? 0) ^ 1;
    writeFileSync(file, bent);
    // A snapshot stands for what came before it: without one every entry is read.
    const journal = join(bed.rig.data, 'journal');
    for (const f of readdirSync(journal)) if (f.startsWith('snapshot-')) rmSync(join(journal, f));
    const verified = await runToEnd(['verify-journal', journal]);
    const words = await bed.refusesToStart().finally(() => writeFileSync(file, octets));
    must(verified.code === 1, `verify-journal ended with ${verified.code}: ${verified.out}`);
    await bed.start();
    await bed.allThere();
    return words;
  },
};

const cutTail: Row<Bed> = {
  component,
  fault: 'the journal of yesterday in place of today’s',
  expectation: 'it does not start: the high-water mark stands above the last entry',
  run: async (bed) => {
    await bed.stop('SIGTERM');
    const file = journalFile(bed);
    const old = readFileSync(file);
    await bed.start();
    await bed.need('/v1/customers', { body: { name: 'of today' } });
    await bed.stop('SIGTERM');
    const now = readFileSync(file);
    writeFileSync(file, old);
    const words = await bed.refusesToStart().finally(() => writeFileSync(file, now));
    await bed.start();
    return words;
  },
};

const SYNCS = 'fdatasync,fsync';

const tracer = (calls: string, inject: string): readonly string[] => [
  ...['strace', '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', '-e', `trace=${calls}`],
  ...['-e', `inject=${calls}:${inject}`],
];

/** @throws Skipped where strace cannot trace */
function needStrace(): void {
  const tried = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']);
  if (tried.status !== 0) throw new Skipped('strace is not there, or may not trace');
}

/** @param inject  begins after the first calls: those of the start and of what furnishes the bed */
const failing = (fault: string, calls: string, inject: string): Row<null> => ({
  component,
  fault,
  expectation:
    'what is under way is refused; exit code 74 and the file in the last line; the next start has what was acknowledged',
  run: async () => {
    needStrace();
    const bed = await Bed.open({ name: 'failing', clouds: ['solaredge'], under: tracer(calls, inject) });
    try {
      let tries = 0;
      let ended: number | NodeJS.Signals | null = null;
      void bed.process.ended.then((how) => {
        ended = how;
      });
      await until('the process ends', 40_000, async () => {
        const answer = await commandOf(bed, tries++).catch(() => null);
        const status = answer?.status ?? 0;
        must([0, 202, 503].includes(status), `a command was answered ${status} ${JSON.stringify(answer?.body)}`);
        return ended;
      });
      const words = bed.process.words().trimEnd().split('\n').at(-1) ?? '';
      must(ended === 74, `it ended with ${ended}: ${words}`);
      must(words.includes(journalFile(bed)), `its last line: ${words}`);
      await bed.start();
      await bed.allThere();
      return `after ${bed.acknowledged.length} commands: ${words}`;
    } finally {
      await bed.close();
    }
  },
});

const slowSync: Row<null> = {
  component,
  fault: 'each sync takes 2 s',
  expectation: 'commands are slow or 503, none is lost; an emergency stop reaches the site within 2 syncs + 1 s',
  run: async () => {
    needStrace();
    const bed = await Bed.open({
      name: 'slow',
      clouds: ['solaredge'],
      sites: 1,
      under: tracer(SYNCS, 'delay_enter=2000000:when=70+'),
    });
    try {
      await bed.siteUp(0);
      await bed.approve(0);
      await bed.following(0, 2_000_000);
      let tries = 0;
      await until('a sync is slow', 60_000, async () => {
        const sentMs = performance.now();
        await commandOf(bed, tries++);
        return yes(performance.now() - sentMs > 1_500);
      });
      const statuses: number[] = [];
      let slowestMs = 0;
      const load = Array.from({ length: 40 }, async (_, n) => {
        for (let i = 0; i < 3; i++) {
          const sentMs = performance.now();
          statuses.push((await commandOf(bed, 100 + n * 10 + i)).status);
          slowestMs = Math.max(slowestMs, performance.now() - sentMs);
        }
      });
      await sleep(3_000);
      const askedMs = Date.now();
      await bed.need(`/v1/devices/${bed.site(0).api.deviceId}/emergency-stop`, { method: 'POST' });
      await until('the plant is stopped', 10_000, () => yes(bed.site(0).plant.state === 'stopped'));
      const tookMs = Date.now() - askedMs;
      await Promise.all(load);
      const odd = statuses.filter((s) => s !== 202 && s !== 503);
      must(odd.length === 0, `answers ${odd.join(', ')}`);
      must(slowestMs > 1_500, `no sync was slow: the slowest answer took ${seconds(slowestMs)}`);
      must(tookMs <= 5_000, `the stop took ${seconds(tookMs)}`);
      return `stop on the wire after ${seconds(tookMs)}; ${statuses.length} commands answered, the slowest after ${seconds(slowestMs)}`;
    } finally {
      await bed.close();
    }
  },
};

const nothing = async (): Promise<null> => null;

export const DISK_GROUPS: readonly Group[] = [
  group('full', () => mounted('full'), closeDisk, [full, readOnlyStart]),
  group(
    'corrupt',
    () => Bed.open({ name: 'corrupt', clouds: ['solaredge'] }),
    (bed) => bed.close(),
    [corrupt, cutTail],
  ),
  group('sync', nothing, async () => {}, [
    failing('a sync fails (EIO)', SYNCS, 'error=EIO:when=120+'),
    failing('the file system becomes read-only (EROFS)', 'pwrite64', 'error=EROFS:when=600+'),
    slowSync,
  ]),
];
