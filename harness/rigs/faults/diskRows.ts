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

const readOnlyNow: Row<Disk> = {
  component,
  fault: 'the file system becomes read-only',
  expectation: 'no command is accepted, reads go on, health says why',
  run: async ({ dir, bed }) => {
    // As when the kernel takes a file system away from those that write: files that are open stay open.
    const made = spawnSync('mount', ['-o', 'remount,ro', dir]);
    if (made.status !== 0) {
      const files = readdirSync(join(bed.rig.data, 'journal')).map((f) => join(bed.rig.data, 'journal', f));
      throw new Skipped(`remounting read-only is refused while ${files.length} files are open for writing`);
    }
    const { status } = await commandOf(bed, 1);
    must(status === 503 || status === 507, `a command was answered ${status}`);
    must((await bed.ask('/v1/devices')).status === 200, 'reads do not go on');
    return (await bed.health()).status;
  },
};

const readOnlyStart: Row<Disk> = {
  component,
  fault: 'a read-only file system at the start',
  expectation: 'it does not start: exit code 2 and the file in the words',
  run: async ({ dir, bed }) => {
    await bed.stop('SIGTERM');
    execFileSync('mount', ['-o', 'remount,ro', dir]);
    const { code, err } = await runToEnd(['serve', '--config', bed.rig.configFile, '--data', bed.rig.data, '--quiet']);
    execFileSync('mount', ['-o', 'remount,rw', dir]);
    must(code === 2, `it ended with ${code}: ${err}`);
    must(err.includes(dir), `its words: ${err}`);
    await bed.start();
    await bed.allThere();
    return err.trim();
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
    const { code, err } = await runToEnd(['serve', '--config', bed.rig.configFile, '--data', bed.rig.data, '--quiet']);
    const verified = await runToEnd(['verify-journal', join(bed.rig.data, 'journal')]);
    writeFileSync(file, octets);
    must(code === 2, `it ended with ${code}: ${err}`);
    must(verified.code === 1, `verify-journal ended with ${verified.code}: ${verified.out}`);
    await bed.start();
    await bed.allThere();
    return err.trim();
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
    const { code, err } = await runToEnd(['serve', '--config', bed.rig.configFile, '--data', bed.rig.data, '--quiet']);
    writeFileSync(file, now);
    must(code === 2, `it ended with ${code}: ${err}`);
    await bed.start();
    return err.trim();
  },
};

const tracer = (inject: string): readonly string[] => [
  ...['strace', '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', '-e', 'trace=fdatasync,fsync'],
  ...['-e', `inject=fdatasync,fsync:${inject}`],
];

/** @throws Skipped where strace cannot trace */
function needStrace(): void {
  const tried = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']);
  if (tried.status !== 0) throw new Skipped('strace is not there, or may not trace');
}

const failedSync: Row<null> = {
  component,
  fault: 'a sync fails (EIO)',
  expectation: 'nothing is acknowledged after it, reads go on, health says read-only; the next start finds all',
  run: async () => {
    needStrace();
    // Syncs after the first ones of the start and of what furnishes the bed.
    const bed = await Bed.open({ name: 'eio', clouds: ['solaredge'], under: tracer('error=EIO:when=120+') });
    try {
      let tries = 0;
      const refused = await until('a command is refused', 30_000, async () => {
        const answer = await commandOf(bed, tries++);
        return answer.status === 202 ? null : answer;
      });
      must(refused.status === 503, `it was answered ${refused.status} ${JSON.stringify(refused.body)}`);
      must((await commandOf(bed, tries)).status === 503, 'a later command was accepted');
      must((await bed.ask('/v1/devices')).status === 200, 'reads do not go on');
      const { status, parts } = await bed.health();
      must(status === 'read-only', `health is ${status} ${JSON.stringify(parts)}`);
      return `503 after ${tries - 1} commands: ${parts.journal?.why}`;
    } finally {
      await bed.close();
    }
  },
};

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
      under: tracer('delay_enter=2000000:when=140+'),
    });
    try {
      await bed.siteUp(0);
      await bed.approve(0);
      await bed.following(0, 2_000_000);
      let statuses: number[] = [];
      const load = Array.from({ length: 40 }, async (_, n) => {
        for (let i = 0; i < 3; i++) statuses = [...statuses, (await commandOf(bed, n * 10 + i)).status];
      });
      await sleep(3_000);
      const askedMs = Date.now();
      await bed.need(`/v1/devices/${bed.site(0).api.deviceId}/emergency-stop`, { method: 'POST' });
      await until('the plant is stopped', 10_000, () => yes(bed.site(0).plant.state === 'stopped'));
      const tookMs = Date.now() - askedMs;
      await Promise.all(load);
      const odd = statuses.filter((s) => s !== 202 && s !== 503);
      must(odd.length === 0, `answers ${odd.join(', ')}`);
      must(tookMs <= 5_000, `the stop took ${seconds(tookMs)}`);
      return `stop on the wire after ${seconds(tookMs)}; ${statuses.length} commands answered`;
    } finally {
      await bed.close();
    }
  },
};

const nothing = async (): Promise<null> => null;

export const DISK_GROUPS: readonly Group[] = [
  group('full', () => mounted('full'), closeDisk, [full, readOnlyStart, readOnlyNow]),
  group(
    'corrupt',
    () => Bed.open({ name: 'corrupt', clouds: ['solaredge'] }),
    (bed) => bed.close(),
    [corrupt, cutTail],
  ),
  group('sync', nothing, async () => {}, [failedSync, slowSync]),
];
