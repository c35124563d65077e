import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { runToEnd, vitals } from '../processes.ts';
import { Bed } from './bed.ts';
import { type Group, group, must, type Row, seconds, until, yes } from './row.ts';
import { FUNCTION, WATCHDOG_MS } from './site.ts';

/**
 * The process itself: killed, stopped, ended, blocked, started twice. A start has the promised 3 s on a free machine; here
 * three beds share it, so the start is held to the processor time that it took, and how long it took is told.
 */
const RECOVERY_CPU_S = 3;
const STOPPED_MS = 3 * WATCHDOG_MS;
const BLOCK_MS = 8_000;
const ADDED_MS = 1_500;

const component = 'core' as const;

async function again(bed: Bed): Promise<string> {
  const { readyMs, pid } = await bed.start();
  const { cpuS } = vitals(pid);
  must(cpuS <= RECOVERY_CPU_S, `ready again after ${cpuS} s of processor time, ${seconds(readyMs)}`);
  await bed.allThere();
  return `ready in ${seconds(readyMs)}, ${cpuS} s of processor time`;
}

/** Each command that the cloud keeps, once. */
function noneTwice(bed: Bed): number {
  const kept = bed
    .cloud('solaredge')
    .world.shown()
    .devices.flatMap((d) => d.commands);
  const seen = new Set(kept.map((c) => `${c.startMs}/${c.endMs}/${c.powerW}`));
  must(seen.size === kept.length, `${kept.length} commands at the cloud, ${seen.size} different ones`);
  return kept.length;
}

const killIdle: Row<Bed> = {
  component,
  fault: 'kill -9 while idle',
  expectation: 'starts again, nothing acknowledged is lost',
  run: async (bed) => {
    await bed.commanded(bed.deviceOf('solaredge', 0).deviceId, { powerW: 1_001 });
    await until('the cloud has it', 10_000, () => yes(noneTwice(bed) > 0));
    await bed.stop('SIGKILL');
    const words = await again(bed);
    noneTwice(bed);
    return words;
  },
};

const killLoad: Row<Bed> = {
  component,
  fault: 'kill -9 under load',
  expectation: 'no acknowledged command lost, none at the cloud twice',
  run: async (bed) => {
    const before = bed.acknowledged.length;
    let over = false;
    const clients = Array.from({ length: 5 }, async (_, n) => {
      for (let i = 0; !over; i++) {
        const { deviceId } = bed.deviceOf('solaredge', n);
        await bed.command(deviceId, { powerW: 2_000 + 100 * n + (i % 100), forS: 3_600 + i }).catch(() => null);
      }
    });
    await sleep(700);
    bed.process.kill('SIGKILL');
    await bed.process.ended;
    over = true;
    await Promise.all(clients);
    const words = await again(bed);
    const count = bed.acknowledged.length - before;
    must(count > 0, 'nothing was acknowledged before the kill');
    // Reading back takes 30 s and another look.
    await sleep(5_000);
    return `${words}; ${count} acknowledged, ${noneTwice(bed)} at the cloud, each once`;
  },
};

const killApproval: Row<Bed> = {
  component,
  fault: 'kill -9 inside an approval',
  expectation: 'what was answered holds; otherwise it is pending and nothing is controlled',
  run: async (bed) => {
    const { siteId, deviceId } = bed.site(0).api;
    const told: string[] = [];
    for (const waitMs of [0, 2, 8]) {
      await bed.safety(0);
      const { id } = await bed.need(`/v1/sites/${siteId}/approvals`, { body: bed.approvalBody(600) });
      const asked = bed.ask(`/v1/approvals/${id}/approve`, { method: 'POST', key: bed.ben }).catch(() => null);
      await sleep(waitMs);
      await bed.stop('SIGKILL');
      const answered = (await asked)?.status === 200;
      await bed.start();
      const { status } = await bed.need(`/v1/approvals/${id}`);
      must(status === 'approved' || (status === 'pending' && !answered), `answered ${answered}, and is ${status} now`);
      if (status === 'pending') {
        const ended = await bed.reaches(await bed.commanded(deviceId, { powerW: 1_000_000 }), ['rejected'], 5_000);
        must(ended.reason === 'site_not_controllable', `rejected for ${ended.reason}`);
      }
      told.push(`${waitMs} ms: ${status}${answered ? ', answered' : ''}`);
    }
    return told.join('; ');
  },
};

const killSelect: Row<Bed> = {
  component,
  fault: 'kill -9 between select and operate',
  expectation: 'the select is forgotten: no operate without a select of its own before',
  run: async (bed) => {
    const site = bed.site(0);
    await bed.siteUp(0);
    await bed.approve(0, { directOperate: false });
    const fromMs = Date.now();
    // The select passes; its answer does not, so that no operate follows.
    let selected = false;
    site.toMaster = (octets) => (selected ? null : octets);
    site.toSite = (octets) => {
      if (site.askedSince(fromMs).some((p) => p.code === FUNCTION.select)) selected = true;
      return octets;
    };
    await bed.commanded(site.api.deviceId, { powerW: 2_000_000, forS: 60 });
    await until('a select leaves', 10_000, () => yes(selected));
    await bed.stop('SIGKILL');
    const firstConnection = site.dials.length;
    const operated = site.askedSince(fromMs).filter((p) => p.code === FUNCTION.operate).length;
    must(operated === 0, `${operated} operates before the kill`);
    site.toMaster = (octets) => octets;
    site.toSite = (octets) => octets;
    await again(bed);
    await until('it is operated after the start', 20_000, () => yes(site.plant.targetW === 2_000_000));
    const later = site.asked.filter((p) => p.connection > firstConnection && p.code >= 3 && p.code <= 5);
    for (const [i, p] of later.entries()) {
      const before = later[i - 1];
      const isPaired = p.code !== FUNCTION.operate || before?.code === FUNCTION.select;
      must(isPaired, 'an operate left without a select right before it');
    }
    must(later[0]?.code === FUNCTION.select, 'the first control after the start is no select');
    return `${later.length} controls after the start, each operate after its own select`;
  },
};

const killSnapshot: Row<Bed> = {
  component,
  fault: 'kill -9 while a snapshot is written',
  expectation: 'half a snapshot is passed over; all is there',
  run: async (bed) => {
    const journal = join(bed.rig.data, 'journal');
    let caught = 0;
    for (const waitMs of [0, 5, 15, 40]) {
      await bed.commanded(bed.deviceOf('solaredge', 1).deviceId, { powerW: 1_500 + waitMs, forS: 900 + waitMs });
      bed.process.kill('SIGTERM');
      const began = (): boolean => !existsSync(journal) || readdirSync(journal).some((f) => f.endsWith('.json.new'));
      await until('it writes a snapshot or has ended', 5_000, async () => {
        const ended = await Promise.race([bed.process.ended.then(() => true), sleep(1).then(() => false)]);
        if (began()) caught += 1;
        return yes(ended || began());
      });
      await sleep(waitMs % 10);
      bed.process.kill('SIGKILL');
      await bed.process.ended;
      await bed.start();
      await bed.allThere();
    }
    return `4 ends, ${caught} of them with a snapshot half written`;
  },
};

const gone: Row<Bed> = {
  component,
  fault: 'kill -9 while a site follows',
  expectation: 'the site is safe within its watchdog + 1 s, and follows again after the start',
  run: async (bed) => {
    const site = bed.site(0);
    await bed.siteUp(0);
    await bed.approve(0);
    await bed.following(0, 3_000_000);
    const killedMs = Date.now();
    await bed.stop('SIGKILL');
    await until('the plant is safe', WATCHDOG_MS + ADDED_MS, () => yes(site.plant.state === 'safe'));
    const safeMs = Date.now() - killedMs;
    await again(bed);
    await until('it follows again', 20_000, () => yes(site.plant.state === 'following'));
    return `safe after ${seconds(safeMs)} (watchdog ${seconds(WATCHDOG_MS)})`;
  },
};

const stopped: Row<Bed> = {
  component,
  fault: 'SIGSTOP for three watchdogs, then SIGCONT',
  expectation: 'the site goes safe; what came due meanwhile expires and never leaves',
  run: async (bed) => {
    const site = bed.site(0);
    await bed.approve(0);
    await bed.following(0, 3_000_000);
    const { deviceId, vendorDeviceId } = bed.deviceOf('tesla', 0);
    // A maker without timed starts: it is sent when it is due, 30 s ahead at the earliest.
    const late = await bed.commanded(deviceId, { fromS: 33, forS: 1 });
    const soon = Date.now();
    bed.process.kill('SIGSTOP');
    await until('the plant is safe', WATCHDOG_MS + ADDED_MS, () => yes(site.plant.state === 'safe'));
    await sleep(Math.max(STOPPED_MS, 36_000) - (Date.now() - soon));
    const before = bed.cloud('tesla').device(vendorDeviceId).controlsTaken;
    bed.process.kill('SIGCONT');
    // A site that still holds the old connection refuses the first tries; the pause between two is 60 s at most.
    await until('the site follows again', 65_000, () => yes(site.plant.state === 'following'));
    const { status } = await bed.reaches(late, ['expired'], 10_000);
    await sleep(2_000);
    const after = bed.cloud('tesla').device(vendorDeviceId).controlsTaken;
    must(after === before, `${after - before} controls reached the battery after the wake-up`);
    return `stopped ${seconds(Math.max(STOPPED_MS, 36_000))}; the late command is ${status}`;
  },
};

const blocked: Row<Bed> = {
  component,
  fault: 'event loop blocked for longer than the watchdog',
  expectation: 'the site goes safe by itself, and follows again afterwards',
  run: async (bed) => {
    const site = bed.site(0);
    await bed.approve(0);
    await bed.following(0, 3_000_000);
    bed.process.kill('SIGUSR1');
    const debuggerUrl = await until('the inspector listens', 5_000, () => {
      return /Debugger listening on (ws:\/\/\S+)/.exec(bed.process.words())?.[1] ?? null;
    });
    const inspector = new WebSocket(debuggerUrl);
    await new Promise((done, fail) => inspector.once('open', done).once('error', fail));
    try {
      const expression = `(() => { const end = Date.now() + ${BLOCK_MS}; while (Date.now() < end); })()`;
      inspector.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
      await until('the plant is safe', BLOCK_MS + ADDED_MS, () => yes(site.plant.state === 'safe'));
      await until('it follows again', BLOCK_MS + 10_000, () => yes(site.plant.state === 'following'));
    } finally {
      // A process whose debugger is attached waits for it before it ends.
      inspector.terminate();
    }
    await bed.allThere();
    return `blocked ${seconds(BLOCK_MS)}, watchdog ${seconds(WATCHDOG_MS)}`;
  },
};

const drained: Row<Bed> = {
  component,
  fault: 'SIGTERM under load',
  expectation: 'drains within 10 s, exit code 0; every 202 is there afterwards, the rest is 503 or cut off',
  run: async (bed) => {
    const statuses = new Map<number, number>();
    let over = false;
    const clients = Array.from({ length: 4 }, async (_, n) => {
      const { deviceId } = bed.deviceOf('solaredge', n);
      for (let i = 0; !over; i++) {
        const status = (await bed.command(deviceId, { powerW: 900 + i, forS: 700 }).catch(() => null))?.status ?? 0;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 0) await sleep(20);
      }
    });
    await sleep(500);
    const beganMs = Date.now();
    const how = await bed.stop('SIGTERM');
    const tookMs = Date.now() - beganMs;
    over = true;
    await Promise.all(clients);
    must(how === 0, `ended with ${how}: ${bed.process.words()}`);
    must(tookMs <= 10_000, `took ${seconds(tookMs)}`);
    const odd = [...statuses.keys()].filter((s) => ![0, 202, 503].includes(s));
    must(odd.length === 0, `answers ${JSON.stringify([...statuses])}`);
    await again(bed);
    return `ended in ${seconds(tookMs)}; answers ${JSON.stringify(Object.fromEntries(statuses))}`;
  },
};

const twice: Row<Bed> = {
  component,
  fault: 'a second instance on the same folder',
  expectation: 'it ends with exit code 2 and says why; the first one goes on',
  run: async (bed) => {
    const words = await bed.refusesToStart();
    must(words.includes('another instance'), `its words: ${words}`);
    await bed.allThere();
    return words;
  },
};

const journalAfter: Row<Bed> = {
  component,
  fault: 'all of these, one after the other',
  expectation: 'the journal verifies',
  run: async (bed) => {
    const how = await bed.stop('SIGTERM');
    must(how === 0, `ended with ${how}`);
    const { code, out, err } = await runToEnd(['verify-journal', join(bed.rig.data, 'journal')]);
    must(code === 0, `verify-journal ended with ${code}: ${out}${err}`);
    await bed.start();
    return out.split('\n')[0] ?? '';
  },
};

const open = (name: string) => () => Bed.open({ name, clouds: ['tesla', 'solaredge'], sites: 1 });
const close = (bed: Bed): Promise<void> => bed.close();

export const CORE_GROUPS: readonly Group[] = [
  group('killed', open('killed'), close, [killIdle, killLoad, killApproval, killSelect, killSnapshot, journalAfter]),
  group('stopped', open('stopped'), close, [gone, stopped, blocked, drained, twice]),
];
