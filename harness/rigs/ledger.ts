/**
 * What the clients of the kill rig asked for and were told, and what the cloud was seen to hold. Each command has a power
 * of its own, by which it is known again in the cloud's record.
 */
export interface Asked {
  readonly key: string;
  readonly body: string;
  readonly deviceId: string;
  readonly powerW: number;
  /** It goes to the cloud at once; the others begin hours later and only fill the journal. */
  readonly toCloud: boolean;
  /** Id of the first 202; null until then. */
  id: string | null;
}

export interface CloudProfile {
  readonly id: string;
  readonly powerW: number | null;
}

export class Ledger {
  readonly #all: Asked[] = [];
  readonly #lost = new Set<Asked>();
  readonly #fresh = new Set<Asked>();
  readonly #byPower = new Map<number, Asked>();
  /** Power → the cloud's own references that came with it. */
  readonly #atCloud = new Map<number, Set<string>>();
  readonly violations: string[] = [];
  lostInAll = 0;
  replays = 0;

  get all(): readonly Asked[] {
    return this.#all;
  }

  /** Asked for, with the answer lost. */
  get lost(): readonly Asked[] {
    return [...this.#lost];
  }

  /** How many different commands the cloud was seen to hold. */
  get executed(): number {
    return this.#atCloud.size;
  }

  nextPowerW(): number {
    return this.#all.length + 1;
  }

  ask(asked: Asked): void {
    this.#all.push(asked);
    this.#byPower.set(asked.powerW, asked);
  }

  answerLost(asked: Asked): void {
    this.#lost.add(asked);
    this.lostInAll += 1;
  }

  /** An answer came, the first one or to the same key again. */
  answered(asked: Asked, answer: { readonly status: number; readonly id: unknown; readonly replayed: boolean }): void {
    const { status, id, replayed } = answer;
    const what = `key ${asked.key} of ${asked.deviceId}`;
    if (status !== 202 || typeof id !== 'string') return this.violated(`${what}: answered ${status}`);
    if (asked.id !== null && asked.id !== id) this.violated(`${what}: was ${asked.id}, and is ${id} now`);
    if (asked.id !== null && !replayed) this.violated(`${what}: ${asked.id} was acknowledged and its key is not known`);
    // What the cloud has seen was on the disk before it left (promise S13), so its key must be known.
    const left = this.#atCloud.has(asked.powerW);
    if (asked.id === null && this.#lost.has(asked) && left && !replayed) {
      this.violated(`${what}: the cloud had it, and the service did not know of it after the crash`);
    }
    if (replayed) this.replays += 1;
    asked.id = id;
    this.#lost.delete(asked);
    this.#fresh.add(asked);
  }

  /** A command as the service shows it. */
  shown(asked: Asked, answer: { readonly status: number; readonly powerW: unknown }): void {
    const { status, powerW } = answer;
    if (status === 200 && powerW === asked.powerW) return;
    this.violated(`${asked.id} was acknowledged: GET gives ${status} with ${powerW} W, expected ${asked.powerW} W`);
  }

  /** Acknowledged since the last call. */
  takeFresh(): Asked[] {
    const fresh = [...this.#fresh];
    this.#fresh.clear();
    return fresh;
  }

  seen(profiles: readonly CloudProfile[]): void {
    for (const { id, powerW } of profiles) {
      if (powerW === null) continue;
      if (!this.#byPower.has(powerW)) this.violated(`the cloud has ${powerW} W, which nobody asked for`);
      const ids = this.#atCloud.get(powerW) ?? new Set<string>();
      if (ids.size === 1 && !ids.has(id)) {
        const asked = this.#byPower.get(powerW);
        this.violated(`${asked?.id} (${powerW} W) was executed twice: ${[...ids].join()} and ${id}`);
      }
      ids.add(id);
      this.#atCloud.set(powerW, ids);
    }
  }

  /** While the first answer is outstanding its key belongs to the client that waits for it. */
  mayAskAgain(asked: Asked): boolean {
    return asked.id !== null && !this.#lost.has(asked);
  }

  isAtCloud({ powerW }: Asked): boolean {
    return this.#atCloud.has(powerW);
  }

  /** The newest command of each device that goes to the cloud. */
  newest(): Asked[] {
    const newest = new Map<string, Asked>();
    for (const asked of this.#all) {
      if (asked.toCloud && numberOf(asked) > numberOf(newest.get(asked.deviceId))) newest.set(asked.deviceId, asked);
    }
    return [...newest.values()];
  }

  violated(what: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(what);
  }
}

/** Enough to see what is wrong. */
const VIOLATIONS_MAX = 200;

/** Ids are counted by the core: cmd-1, cmd-2, … */
const numberOf = (asked: Asked | undefined): number => Number(asked?.id?.split('-')[1] ?? 0);
