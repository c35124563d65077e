import { setTimeout as sleep } from 'node:timers/promises';
import { Bed } from './bed.ts';
import { FINE, type Manner } from './receiver.ts';
import { type Group, group, must, type Row, seconds, until, yes } from './row.ts';
import { WATCHDOG_MS } from './site.ts';

/**
 * Receivers of webhooks that are broken in one way each, with a healthy one beside them, and what two persons may do. The
 * bed's schedule has four attempts within ten seconds, where the standard one has ten in three days.
 */
const DELAYS_S = [0, 1, 2, 4];
const TIMEOUT_S = 2;
const HEALTHY = 0;
const BROKEN = 1;
/** How soon a message reaches who is well, whatever the others do. */
const PROMPT_MS = 3_000;

/** A command that is over at once. @returns its id */
async function happening(bed: Bed): Promise<string> {
  const { deviceId } = bed.site(0).api;
  const id = await bed.commanded(deviceId, { powerW: 1_000_000, forS: 60 });
  await bed.reaches(id, ['rejected'], 5_000);
  return id;
}

async function promptly(bed: Bed, id: string): Promise<void> {
  const receiver = bed.receiver(HEALTHY);
  await until(`the healthy receiver has ${id}`, PROMPT_MS, () => yes(receiver.has(id)));
}

const listOf = (bed: Bed, state: string) =>
  bed.need(`/v1/destinations/${bed.destinationIds[BROKEN]}/deliveries?state=${state}`);

async function replayed(bed: Bed, id: string): Promise<void> {
  bed.receiver(BROKEN).manner = FINE;
  const range = { from: new Date(Date.now() - 600_000).toISOString(), to: new Date(Date.now() + 1_000).toISOString() };
  await bed.need(`/v1/destinations/${bed.destinationIds[BROKEN]}/replay`, { body: range });
  await until(`${id} after the replay`, 70_000, () => yes(bed.receiver(BROKEN).has(id)));
}

/** Fails in one manner until the last attempt; then it is dead, and a replay brings it. */
const dies = (name: string, manner: Manner, hint: RegExp): Row<Bed> => ({
  component: 'receiver',
  fault: name,
  expectation: 'tried on schedule, then a dead letter that says why; the healthy one does not notice; replay brings it',
  run: async (bed) => {
    const receiver = bed.receiver(BROKEN);
    receiver.manner = manner;
    const from = receiver.tries.length;
    const id = await happening(bed);
    await promptly(bed, id);
    const dead = await until('a dead letter', 60_000, async () => {
      const { data } = await listOf(bed, 'dead');
      return data.find((d: { lastError: string | null }) => hint.test(d.lastError ?? '')) ?? null;
    });
    must(dead.attempts === DELAYS_S.length, `${dead.attempts} attempts`);
    const tries = receiver.tries.slice(from);
    const pauses = tries.slice(1).map((t, i) => t - (tries[i] ?? 0));
    must(pauses.length >= 3 && pauses.every((p) => p >= 900), `pauses of ${pauses.join(', ')} ms`);
    await replayed(bed, id);
    return `${tries.length} tries, pauses ${pauses.map((p) => seconds(p)).join(' ')}; ${dead.lastError}`;
  },
});

const down: Row<Bed> = {
  component: 'receiver',
  fault: 'nobody listens for a while',
  expectation: 'delivered on a later attempt, with the id of the first',
  run: async (bed) => {
    const receiver = bed.receiver(BROKEN);
    receiver.manner = FINE;
    await receiver.down();
    const id = await happening(bed);
    await promptly(bed, id);
    await sleep(1_500);
    await receiver.up();
    await until(`it has ${id}`, 30_000, () => yes(receiver.has(id)));
    const ids = new Set(receiver.got.filter((g) => g.commandId === id).map((g) => g.id));
    must(ids.size === 1, `${ids.size} different ids of one message`);
    return `${receiver.got.filter((g) => g.commandId === id).length} time(s), 1 id`;
  },
};

const goneForGood: Row<Bed> = {
  component: 'receiver',
  fault: '410',
  expectation: 'switched off at the first one: nothing more is sent; the healthy one goes on',
  run: async (bed) => {
    const receiver = bed.receiver(BROKEN);
    receiver.manner = { kind: 'status', status: 410 };
    const from = receiver.tries.length;
    await promptly(bed, await happening(bed));
    const path = `/v1/destinations/${bed.destinationIds[BROKEN]}/health`;
    await until('it is disabled', 10_000, async () => yes((await bed.need(path)).state === 'disabled'));
    await promptly(bed, await happening(bed));
    await sleep(3_000);
    const tries = receiver.tries.length - from;
    must(tries === 1, `${tries} tries`);
    return '1 try';
  },
};

const changed: Row<Bed> = {
  component: 'operator',
  fault: 'approve, change the safety configuration, operate',
  expectation: 'refused: the change voided the approval',
  run: async (bed) => {
    await bed.siteUp(0);
    const id = await bed.approve(0);
    await bed.safety(0, { dischargeWMax: 5_000_000 });
    const { status } = await bed.need(`/v1/approvals/${id}`);
    must(status === 'void', `the approval is ${status}`);
    const ended = await bed.reaches(
      await bed.commanded(bed.site(0).api.deviceId, { powerW: 1_000 }),
      ['rejected'],
      5_000,
    );
    must(ended.reason === 'site_not_controllable', `rejected for ${ended.reason}`);
    return ended.detail ?? '';
  },
};

const alone: Row<Bed> = {
  component: 'operator',
  fault: 'one person asks and approves',
  expectation: 'refused, and nothing is controlled',
  run: async (bed) => {
    const both = await bed.need(`/v1/workspaces/${bed.workspaceId}/api-keys`, {
      key: bed.operator,
      body: { name: 'both', scopes: ['read', 'write:safety', 'write:commands', 'approve:control'] },
    });
    const { siteId, deviceId } = bed.site(0).api;
    await bed.safety(0);
    const key = both.secret;
    const { id } = await bed.need(`/v1/sites/${siteId}/approvals`, { body: bed.approvalBody(600), key });
    const answer = await bed.ask(`/v1/approvals/${id}/approve`, { method: 'POST', key });
    must(answer.status === 403 || answer.status === 409, `it was answered ${answer.status}`);
    const ended = await bed.reaches(await bed.commanded(deviceId, { powerW: 1_000 }), ['rejected'], 5_000);
    return `${answer.status} ${answer.body.detail}; ${ended.reason}`;
  },
};

const emergency: Row<Bed> = {
  component: 'operator',
  fault: 'an emergency stop while everything else goes on',
  expectation:
    'on the wire within 1 s, during a load of commands and a broken cloud; latched, and two persons release it',
  run: async (bed) => {
    const site = bed.site(0);
    await bed.siteUp(0);
    await bed.approve(0);
    await bed.following(0, 3_000_000);
    bed.receiver(BROKEN).manner = { kind: 'silent' };
    bed.cloud('solaredge').bend = () => 'done';
    let over = false;
    const load = Array.from({ length: 20 }, async (_, n) => {
      for (let i = 0; !over; i++) {
        const { deviceId } = bed.deviceOf('solaredge', n % 6);
        await bed.command(deviceId, { powerW: 1_000 + n, forS: 900 + i });
      }
    });
    await sleep(1_000);
    const askedMs = Date.now();
    const asked = bed.need(`/v1/devices/${site.api.deviceId}/emergency-stop`, { method: 'POST' });
    await until('the plant is stopped', 10_000, () => yes(site.plant.state === 'stopped'));
    const tookMs = (site.changes.findLast((c) => c.state === 'stopped')?.atMs ?? Date.now()) - askedMs;
    await asked;
    over = true;
    await Promise.all(load);
    bed.cloud('solaredge').bend = null;
    must(tookMs <= 1_000, `on the wire after ${tookMs} ms`);
    const later = await bed.command(site.api.deviceId, { powerW: 1_000 });
    must(later.status === 409, `a command of the stopped site was answered ${later.status}`);
    site.returnToService();
    await bed.need(`/v1/devices/${site.api.deviceId}/release/request`, { method: 'POST' });
    await bed.need(`/v1/devices/${site.api.deviceId}/release/confirm`, { method: 'POST', key: bed.ben });
    await sleep(WATCHDOG_MS / 3);
    return `on the wire after ${tookMs} ms; a command after it: ${later.status} ${later.body.detail}`;
  },
};

const bed = (): Promise<Bed> =>
  Bed.open({
    name: 'receivers',
    clouds: ['solaredge'],
    sites: 1,
    receivers: 2,
    pace: { webhookDelaysSeconds: DELAYS_S, webhookTimeoutSeconds: TIMEOUT_S },
  });

export const RECEIVER_GROUPS: readonly Group[] = [
  group('receivers', bed, (b) => b.close(), [
    down,
    dies('500 to everything', { kind: 'status', status: 500 }, /answered 500/),
    dies('a redirect (301)', { kind: 'status', status: 301, headers: { location: 'http://127.0.0.1:1/' } }, /301/),
    dies('takes the message and does not answer', { kind: 'silent' }, /timeout/),
    dies('does not read', { kind: 'deaf' }, /timeout/),
    goneForGood,
    alone,
    changed,
    emergency,
  ]),
];
