import { setTimeout as sleep } from 'node:timers/promises';
import { randomSource } from '../../kernel/random.ts';
import { vitals } from '../processes.ts';
import { Bed } from './bed.ts';
import { type Group, group, must, type Row, seconds, until, yes } from './row.ts';
import { FUNCTION, WATCHDOG_MS } from './site.ts';

/** The link to a utility-scale site, through a proxy that cuts, freezes and bends it. */
const component = 'site' as const;
const EVERY = 50;
const HELD_W = 4_000_000;

async function holds(bed: Bed, ms: number): Promise<void> {
  const site = bed.site(0);
  await until(
    `the plant follows ${HELD_W} W`,
    ms,
    () => yes(site.plant.state === 'following' && site.plant.targetW === HELD_W),
    () => `${site.plant.state}, target ${site.plant.targetW} W`,
  );
}

async function held(bed: Bed): Promise<string> {
  await bed.siteUp(0, 70_000);
  await bed.approve(0);
  return bed.following(0, HELD_W);
}

/** No target but the wanted one was ever set, which a bent octet could have done. */
function onlyWanted(bed: Bed): void {
  const { targetW } = bed.site(0).plant;
  must(targetW === 0 || targetW === HELD_W, `the plant was told ${targetW} W`);
}

const reset: Row<Bed> = {
  component,
  fault: 'the connection is reset',
  expectation: 'connected again within 5 s, read anew, and the setpoint goes on',
  run: async (bed) => {
    const site = bed.site(0);
    await held(bed);
    const fromMs = Date.now();
    const before = site.dials.length;
    site.cut();
    await until('connected again', 6_000, () => yes((site.dials.at(-1) ?? 0) > fromMs && site.isConnected));
    const backMs = Date.now() - fromMs;
    const codes = () => site.asked.filter((p) => p.connection > before).map((p) => p.code);
    const beat = () => codes().findIndex((c) => c >= FUNCTION.select && c <= FUNCTION.directOperate);
    await until('a beat', 15_000, () => yes(beat() >= 0));
    const read = codes().indexOf(FUNCTION.read);
    const first = beat();
    must(read >= 0 && read < first, 'a control left before everything was read');
    await holds(bed, 10_000);
    return `connected after ${seconds(backMs)}, read before the first control`;
  },
};

const halfOpen: Row<Bed> = {
  component,
  fault: 'half-open: octets vanish, no end of the connection',
  expectation: 'the site goes safe by its watchdog; the link is found dead and made anew, the setpoint goes on',
  run: async (bed) => {
    const site = bed.site(0);
    await held(bed);
    const fromMs = Date.now();
    site.toMaster = () => null;
    site.toSite = () => null;
    await until('the plant is safe', WATCHDOG_MS + 1_500, () => yes(site.plant.state === 'safe'));
    const found = await until('a new connection is tried', 30_000, () =>
      (site.dials.at(-1) ?? 0) > fromMs ? (site.dials.at(-1) ?? null) : null,
    );
    site.toMaster = (octets) => octets;
    site.toSite = (octets) => octets;
    await holds(bed, 60_000);
    const { isReachable } = await bed.need(`/v1/devices/${site.api.deviceId}`);
    must(isReachable === true, 'the device is not reachable again');
    return `found dead after ${seconds(found - fromMs)}`;
  },
};

const refused: Row<Bed> = {
  component,
  fault: 'connections are refused',
  expectation: 'tried again with growing waits that differ, the device unreachable meanwhile; then it goes on',
  run: async (bed) => {
    const site = bed.site(0);
    await held(bed);
    const { port } = site;
    await site.shut();
    let seen = '';
    const name = `main/site/${site.connectionId}`;
    await until('health says refused', 10_000, async () => {
      seen = (await bed.part(name)).why;
      return yes(/refused/i.test(seen));
    });
    const { isReachable } = await bed.need(`/v1/devices/${site.api.deviceId}`);
    must(isReachable === false, 'the device is called reachable');
    await sleep(8_000);
    const downMs = Date.now();
    await site.open(port);
    await holds(bed, 70_000);
    return `"${seen}"; follows ${seconds(Date.now() - downMs)} after the site listens again`;
  },
};

const garbage: Row<Bed> = {
  component,
  fault: '64 kB of garbage from the site',
  expectation: 'dropped, in step again or connected anew; the service stays up and the setpoint goes on',
  run: async (bed) => {
    const site = bed.site(0);
    await held(bed);
    const random = randomSource('garbage')('octets');
    const octets = Uint8Array.from({ length: 65_536 }, () => random.int(0, 255));
    const before = vitals(bed.process.pid).rss;
    site.inject(octets);
    await sleep(2_500);
    await holds(bed, 20_000);
    await bed.siteUp(0);
    onlyWanted(bed);
    return `memory ${Math.round((vitals(bed.process.pid).rss - before) / 1e6)} MB more`;
  },
};

const flips: Row<Bed> = {
  component,
  fault: 'a bit of every 50th octet flips, both ways',
  expectation: 'checksums catch it: no wrong value, no wrong setpoint; whole again afterwards',
  run: async (bed) => {
    const site = bed.site(0);
    await held(bed);
    let count = 0;
    let flipped = 0;
    const flip = (octets: Buffer): Buffer => {
      const copy = Buffer.from(octets);
      for (let i = 0; i < copy.length; i++) {
        count += 1;
        if (count % EVERY !== 0) continue;
        flipped += 1;
        copy[i] = (copy[i] ?? 0) ^ (1 << (count % 8));
      }
      return copy;
    };
    site.toMaster = flip;
    site.toSite = flip;
    const { deviceId } = site.api;
    for (const endMs = Date.now() + 15_000; Date.now() < endMs; await sleep(500)) {
      onlyWanted(bed);
      const { state } = await bed.need(`/v1/devices/${deviceId}`);
      must(state.chargePercentage > 40 && state.chargePercentage < 80, `shows ${state.chargePercentage} %`);
    }
    site.toMaster = (octets) => octets;
    site.toSite = (octets) => octets;
    await holds(bed, 70_000);
    must(flipped > 5, `only ${flipped} bits flipped`);
    return `${flipped} bits flipped in ${count} octets`;
  },
};

const stranger: Row<Bed> = {
  component,
  fault: 'whole frames from another address',
  expectation: 'passed over: no value of them is shown, the setpoint goes on',
  run: async (bed) => {
    const site = bed.site(0);
    await held(bed);
    // An unsolicited answer of outstation 11, as far as its header; the rest is checked after the address.
    const header = Uint8Array.of(0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x0b, 0x00);
    const frame = Uint8Array.from([...header, ...crc(header)]);
    for (let i = 0; i < 200; i++) site.inject(frame);
    await sleep(3_000);
    await holds(bed, 10_000);
    onlyWanted(bed);
    return '200 frames';
  },
};

/** CRC of a link header (IEEE 1815-2012 9.2.4.1), reflected polynomial 0xa6bc, inverted, low octet first. */
function crc(octets: Uint8Array): readonly [number, number] {
  let c = 0;
  for (const octet of octets) {
    c ^= octet;
    for (let bit = 0; bit < 8; bit++) c = (c & 1) === 1 ? (c >> 1) ^ 0xa6bc : c >> 1;
  }
  const inverted = ~c & 0xffff;
  return [inverted & 0xff, inverted >> 8];
}

const flood: Row<Bed> = {
  component,
  fault: '1,000 unsolicited events a second for 8 s',
  expectation: 'requests are answered meanwhile, memory is bounded, the setpoint goes on',
  run: async (bed) => {
    const site = bed.site(0);
    await held(bed);
    const before = vitals(bed.process.pid).rss;
    let n = 0;
    const timer = setInterval(() => {
      for (let i = 0; i < 20; i++) site.nudge(n++);
    }, 20);
    let slowestMs = 0;
    for (const endMs = Date.now() + 8_000; Date.now() < endMs; await sleep(200)) {
      const askedMs = performance.now();
      await bed.need(`/v1/devices/${site.api.deviceId}`);
      slowestMs = Math.max(slowestMs, performance.now() - askedMs);
    }
    clearInterval(timer);
    const grownMb = Math.round((vitals(bed.process.pid).rss - before) / 1e6);
    must(slowestMs < 3_000, `a request took ${seconds(slowestMs)}`);
    must(grownMb < 150, `memory grew by ${grownMb} MB`);
    await holds(bed, 10_000);
    return `${n} events, slowest answer ${Math.round(slowestMs)} ms, memory ${grownMb} MB more`;
  },
};

const restarted: Row<Bed> = {
  component,
  fault: 'the outstation restarts',
  expectation: 'its restart bit is cleared and everything read before the first control; then the setpoint goes on',
  run: async (bed) => {
    const site = bed.site(0);
    await held(bed);
    const before = site.dials.length;
    await site.restart();
    await holds(bed, 40_000);
    const codes = site.asked.filter((p) => p.connection > before).map((p) => p.code);
    const control = codes.findIndex((c) => c >= FUNCTION.select && c <= FUNCTION.directOperate);
    const write = codes.indexOf(FUNCTION.write);
    const read = codes.indexOf(FUNCTION.read);
    must(write >= 0 && write < control, `no write before the first control: ${codes.join(' ')}`);
    must(read >= 0 && read < control, `no read before the first control: ${codes.join(' ')}`);
    return `functions until the first control: ${codes.slice(0, control + 1).join(' ')}`;
  },
};

const local: Row<Bed> = {
  component,
  fault: 'the site refuses control (local)',
  expectation: 'no control has an effect and the command does not succeed; in remote again a new one works',
  run: async (bed) => {
    const site = bed.site(0);
    await bed.siteUp(0, 70_000);
    await bed.approve(0);
    const { openCommandId } = await bed.need(`/v1/devices/${site.api.deviceId}`);
    if (openCommandId !== null) await bed.need(`/v1/commands/${openCommandId}`, { method: 'DELETE' });
    await until('the plant is its own', 20_000, () => yes(site.plant.state !== 'following'));
    site.setLocal(true);
    await sleep(WATCHDOG_MS / 3 + 500);
    const id = await bed.commanded(site.api.deviceId, { powerW: HELD_W, forS: 8 });
    const ended = await bed.reaches(id, ['failed', 'rejected', 'expired', 'succeeded', 'partial'], 120_000);
    must(ended.status !== 'succeeded' && ended.status !== 'partial', `it ${ended.status}`);
    must(site.plant.state !== 'following', 'the plant follows in local');
    site.setLocal(false);
    await sleep(WATCHDOG_MS / 3 + 500);
    await bed.following(0, HELD_W);
    return `${ended.status}: ${ended.reason}: ${ended.detail}`;
  },
};

const wrongMap: Row<Bed> = {
  component,
  fault: 'the points map is of another revision',
  expectation: 'an approval for it is refused, and so is control of a device that says so',
  run: async (bed) => {
    const site = bed.site(0);
    const body = { ...bed.approvalBody(600), mapRevision: 'AN2013-001' };
    const asked = await bed.ask(`/v1/sites/${site.api.siteId}/approvals`, { body });
    must(asked.status >= 400 && asked.status < 500, `the request was answered ${asked.status}`);
    return `${asked.status} ${asked.body.detail}`;
  },
};

const bed = (name: string) => (): Promise<Bed> => Bed.open({ name, sites: 1 });
const close = (b: Bed): Promise<void> => b.close();

export const SITE_GROUPS: readonly Group[] = [
  group('link', bed('link'), close, [reset, halfOpen, refused, restarted]),
  group('octets', bed('octets'), close, [garbage, flips, stranger, flood, local, wrongMap]),
];
