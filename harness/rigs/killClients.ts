import { setTimeout as sleep } from 'node:timers/promises';
import { isoUtc } from '../../src/domain/time.ts';
import { ask, type Rig } from './bench.ts';
import type { Asked, CloudProfile, Ledger } from './ledger.ts';

/** The clients of the kill rig, and what they and the cloud are asked after each crash. */
export const CLIENTS = 20;
/** So many clients begin each cycle with a command that goes to the cloud; its adapter sends 20 requests a second. */
export const CLOUD_CLIENTS = 5;
export const CLOUD_DEVICES_EACH = 10;
export const FUTURE_DEVICES_EACH = 3;
/** Between two requests of a client [ms]. */
const THINK_MS = 10;
const HOUR_MS = 3_600_000;
/** Older ids and keys that are asked for again after a crash, beside all that are new. */
const AGAIN = 20;
/** Requests at once while checking. */
const CHECKERS = 20;

export interface Kill {
  readonly rig: Rig;
  readonly cloudUrl: string;
  readonly cloudIds: readonly string[];
  readonly futureIds: readonly string[];
  readonly key: string;
  readonly ledger: Ledger;
  /** U(0, 1) */
  readonly random: () => number;
}

/** Clients post until the gate is shut; an answer that does not come is asked for again, with the same key, by the next ones. */
export async function runClients(
  kill: Kill,
  at: { readonly url: string; readonly cycle: number },
  gate: { isShut: boolean },
) {
  const lost = kill.ledger.lost;
  const client = async (n: number): Promise<void> => {
    for (let i = n; i < lost.length && !gate.isShut; i += CLIENTS) {
      const asked = lost[i];
      if (asked !== undefined) await send(kill, at.url, asked);
    }
    for (let turn = 0; !gate.isShut; turn++) {
      await send(kill, at.url, newCommand(kill, { client: n, cycle: at.cycle, turn }));
      await sleep(THINK_MS * kill.random());
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => client(n)));
}

/** The devices that wait know no power: there the number of a command is its ceiling, in millionths of a percent. */
const ceilingOf = (powerW: number) => ({ maximumBatteryReserve: powerW / 1_000_000 });

interface Shown {
  readonly powerW?: number;
  readonly maximumBatteryReserve?: number;
}

const shownW = ({ powerW, maximumBatteryReserve: pct }: Shown): number | undefined =>
  powerW ?? (pct === undefined ? undefined : Math.round(pct * 1_000_000));

function newCommand(kill: Kill, r: { readonly client: number; readonly cycle: number; readonly turn: number }): Asked {
  const { client, cycle, turn } = r;
  const { ledger, cloudIds, futureIds } = kill;
  const toCloud = turn === 0 && client < CLOUD_CLIENTS;
  const place = toCloud
    ? client * CLOUD_DEVICES_EACH + (cycle % CLOUD_DEVICES_EACH)
    : client * FUTURE_DEVICES_EACH + (turn % FUTURE_DEVICES_EACH);
  const deviceId = (toCloud ? cloudIds : futureIds)[place] ?? '';
  const powerW = ledger.nextPowerW();
  const startMs = Date.now() + (toCloud ? 0 : 6 * HOUR_MS);
  const body = JSON.stringify({
    deviceId,
    input: { operatingMode: 'charge', ...(toCloud ? { powerW } : ceilingOf(powerW)), enableGridInteraction: false },
    startsAt: isoUtc(startMs),
    endsAt: isoUtc(startMs + 2 * HOUR_MS),
  });
  const asked: Asked = { key: `key-${powerW}`, body, deviceId, powerW, toCloud, id: null };
  ledger.ask(asked);
  return asked;
}

async function send({ key, ledger }: Kill, url: string, asked: Asked): Promise<void> {
  try {
    const { body, key: idempotencyKey } = asked;
    const { status, replayed, body: answer } = await ask({ url, key, path: '/v1/commands', body, idempotencyKey });
    ledger.answered(asked, { status, replayed, id: answer?.id });
  } catch {
    ledger.answerLost(asked);
  }
}

/** Asks again where the last crash took the answer. */
export async function askLost(kill: Kill, url: string): Promise<void> {
  for (const asked of kill.ledger.lost) await send(kill, url, asked);
  for (const asked of kill.ledger.lost) kill.ledger.violated(`key ${asked.key}: no answer, and nothing was killed`);
}

/** After a crash: everything acknowledged before it is there, and some of what is older; keys give the ids they gave. */
export async function checkSome(kill: Kill, url: string): Promise<void> {
  const { ledger, random } = kill;
  const known = ledger.all.filter((asked) => asked.id !== null);
  const older = Array.from({ length: Math.min(AGAIN, known.length) }, () => known[Math.floor(random() * known.length)]);
  const fresh = ledger.takeFresh();
  await checkAll(kill, url, [...fresh, ...older.filter((a) => a !== undefined)]);
  const keys = [...fresh.slice(-AGAIN), ...older.filter((a) => a !== undefined)];
  for (const asked of keys) if (ledger.mayAskAgain(asked)) await send(kill, url, asked);
  ledger.takeFresh();
}

/** @throws what fetch throws: nothing is killed meanwhile */
export async function checkAll({ key, ledger }: Kill, url: string, list: readonly Asked[]): Promise<void> {
  const checker = async (n: number): Promise<void> => {
    for (let i = n; i < list.length; i += CHECKERS) {
      const asked = list[i];
      if (asked?.id == null) continue;
      const { status, body } = await ask({ url, key, path: `/v1/commands/${asked.id}` });
      ledger.shown(asked, { status, powerW: shownW(body?.command?.input ?? {}) });
    }
  };
  await Promise.all(Array.from({ length: CHECKERS }, (_, n) => checker(n)));
}

/** What the cloud holds now goes into the ledger; it forgets what is older than a device's last hundred. */
export async function readCloud({ cloudUrl, ledger }: Kill): Promise<void> {
  const answer = await fetch(`${cloudUrl}/testbed/state`);
  const { devices } = (await answer.json()) as { devices: { commands: CloudProfile[] }[] };
  for (const { commands } of devices) ledger.seen(commands);
}

/**
 * Waits until each device's newest command has reached the cloud or ended with a reason.
 * @returns how many had done neither after that time
 */
export async function settleCloud(kill: Kill, url: string, waitMsMax: number): Promise<number> {
  const { ledger, key } = kill;
  const untilMs = performance.now() + waitMsMax;
  for (;;) {
    await readCloud(kill);
    const open: Asked[] = [];
    for (const asked of ledger.newest()) {
      if (ledger.isAtCloud(asked)) continue;
      const { body } = await ask({ url, key, path: `/v1/commands/${asked.id}` });
      if (body.reason === null) open.push(asked);
    }
    if (open.length === 0) return 0;
    if (performance.now() >= untilMs) {
      for (const { id, deviceId } of open) ledger.violated(`${id} of ${deviceId} neither reached the cloud nor ended`);
      return open.length;
    }
    await sleep(1_000);
  }
}
