import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Core } from '../../src/core/core.ts';
import { loadingOf } from '../../src/core/topology.ts';
import { chargerMode, connect, see, tell } from '../helpers/applianceBench.ts';
import { Bench, canonical, HOUR, MIN } from '../helpers/coreBench.ts';

/**
 * Homes with a battery, a charger and a car under one transformer. Everything obeys at once, and is seen a minute later:
 * the street is the oracle, its own books tell what flows.
 */
interface Home {
  readonly loadW: number;
  readonly chargeW: number;
  readonly hasCar: boolean;
}

type Act =
  | { readonly kind: 'start' | 'stop'; readonly home: number }
  | { readonly kind: 'start-all' }
  | { readonly kind: 'battery'; readonly home: number; readonly powerW: number };

interface Story {
  readonly homes: readonly Home[];
  readonly ratingVa: number;
  readonly acts: readonly Act[];
}

const home = fc.nat(4);
const story: fc.Arbitrary<Story> = fc.record({
  homes: fc.array(
    fc.record({
      loadW: fc.integer({ min: -4_000, max: 4_000 }),
      chargeW: fc.integer({ min: 1_400, max: 11_000 }),
      hasCar: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  ratingVa: fc.integer({ min: 1_000, max: 40_000 }),
  acts: fc.array(
    fc.oneof(
      fc.record({ kind: fc.constantFrom('start' as const, 'start' as const, 'stop' as const), home }),
      fc.record({ kind: fc.constant('start-all' as const) }),
      fc.record({ kind: fc.constant('battery' as const), home, powerW: fc.integer({ min: -5_000, max: 5_000 }) }),
    ),
    { maxLength: 12 },
  ),
});

class Street {
  readonly b = new Bench();
  readonly charging: boolean[];
  readonly rateW: number[];
  readonly #s: Story;

  constructor(s: Story) {
    this.#s = s;
    this.charging = s.homes.map(() => false);
    this.rateW = s.homes.map(() => 0);
    s.homes.forEach((h, i) => {
      this.b.device('enphase', `h${i}`, { observed: false });
      connect(this.b, 'charger', `wall${i}`, `h${i}`);
      see(this.b, `wall${i}`, h.chargeW);
      if (h.hasCar) connect(this.b, 'vehicle', `car${i}`, `h${i}`);
    });
    const siteIds = s.homes.map((_, i) => `site-h${i}`);
    const what = { transformerId: 'tr', workspaceId: 'ws', name: 'T', feederId: null, powerFactorAssumed: 1 };
    this.b.put({ kind: 'set-transformer', transformer: { ...what, ratingVa: s.ratingVa, siteIds }, actor: 'ana' });
    this.look();
  }

  chargingW(i: number): number {
    return this.charging[i] === true ? (this.#s.homes[i]?.chargeW ?? 0) : 0;
  }

  look(): void {
    this.b.advance(MIN);
    this.#s.homes.forEach((h, i) => {
      const chargeRate = this.rateW[i] ?? 0;
      see(this.b, `wall${i}`, this.chargingW(i));
      if (h.hasCar) see(this.b, `car${i}`, this.chargingW(i));
      const gridPower = h.loadW + this.chargingW(i) - chargeRate;
      this.b.observe(`h${i}`, { chargeRate, chargePercentage: 50, gridPower });
    });
  }

  /** @returns what was newly taken: more into the street, more out of it, or nothing */
  act(a: Act): 'in' | 'out' | null {
    if (a.kind === 'start-all') {
      const when = { startMs: this.b.nowMs, endMs: null, notAfterMs: this.b.nowMs + HOUR };
      const setting = chargerMode('start-charging');
      const deviceIds = this.charging.map((_, i) => `wall${i}`);
      const batch = { workspaceId: 'ws', tag: '', deviceIds, setting, ...when, actor: 'ana' };
      const { facts } = this.b.put({ kind: 'appliance-batch', batch });
      const made = facts.flatMap((f) => (f.type === 'appliance.command-accepted' ? [f.command.deviceId] : []));
      for (const id of made) this.charging[Number(id.slice('wall'.length))] = true;
      return made.length > 0 ? 'in' : null;
    }
    const i = a.home % this.#s.homes.length;
    if (a.kind === 'battery') return this.#battery(i, a.powerW);
    const isStart = a.kind === 'start';
    const id = tell(this.b, `wall${i}`, chargerMode(isStart ? 'start-charging' : 'stop-charging'));
    if (!id.startsWith('cmd-')) return null;
    this.charging[i] = isStart;
    return isStart ? 'in' : null;
  }

  #battery(i: number, powerW: number): 'in' | 'out' | null {
    const operatingMode = powerW > 0 ? 'discharge' : powerW < 0 ? 'charge' : 'idle';
    const id = this.b.command(`h${i}`, { operatingMode, powerW: Math.abs(powerW) }, { forMs: 5 * HOUR });
    if (id === '') return null;
    this.rateW[i] = powerW;
    return powerW > 0 ? 'out' : powerW < 0 ? 'in' : null;
  }

  /** Most that flows in: what discharges may end. Most that flows out: what charges, of cars or batteries, may end. */
  worst(): { readonly inW: number; readonly outW: number } {
    let [inW, outW] = [0, 0];
    this.#s.homes.forEach((h, i) => {
      const rateW = this.rateW[i] ?? 0;
      inW += h.loadW + this.chargingW(i) - Math.min(0, rateW);
      outW += Math.max(0, rateW) - h.loadW;
    });
    return { inW, outW };
  }
}

test('no start of charging and no battery command is taken that could load a transformer over its rating', () => {
  let [taken, refused] = [0, 0];
  fc.assert(
    fc.property(story, (s) => {
      const street = new Street(s);
      for (const a of s.acts) {
        const more = street.act(a);
        const { inW, outW } = street.worst();
        if (more === 'in') expect(inW).toBeLessThanOrEqual(s.ratingVa);
        if (more === 'out') expect(outW).toBeLessThanOrEqual(s.ratingVa);
        if (more !== null) taken += 1;
        street.look();
      }
      refused += street.b.refusals.filter((r) => r.why.includes('transformer_limit')).length;
    }),
    { numRuns: 150 },
  );
  expect(taken).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(100);
});

test('what is seen of a street is what flows in it, with each car counted once', () => {
  fc.assert(
    fc.property(story, (s) => {
      const street = new Street(s);
      for (const a of s.acts) street.act(a);
      street.look();
      const { b } = street;
      const flowW = s.homes.reduce((sum, h, i) => sum + h.loadW + street.chargingW(i) - (street.rateW[i] ?? 0), 0);
      const seen = loadingOf(b.core.state, b.core.telemetry, 'tr', b.nowMs);
      expect(seen?.importW).toBe(flowW);
      for (const i of s.homes.keys()) b.observe(`h${i}`, { chargeRate: street.rateW[i] ?? 0, gridPower: null });
      const devicesW = s.homes.reduce((sum, _, i) => sum + street.chargingW(i) - (street.rateW[i] ?? 0), 0);
      const inPart = loadingOf(b.core.state, b.core.telemetry, 'tr', b.nowMs);
      expect(inPart).toMatchObject({ importW: devicesW, sitesKnown: 0, sitesInPart: s.homes.length });
      const { counted, unknown, same } = inPart?.devices ?? { counted: 0, unknown: 0, same: 0 };
      expect(counted + unknown + same).toBe(b.core.state.devices.size + b.core.state.appliances.size);
      const twice = s.homes.filter((h, i) => h.hasCar && street.charging[i] === true).length;
      expect([unknown, same]).toEqual([0, twice]);
    }),
    { numRuns: 100 },
  );
});

test('the state is the fold of the facts', () => {
  fc.assert(
    fc.property(story, (s) => {
      const street = new Street(s);
      for (const a of s.acts) {
        street.act(a);
        street.look();
      }
      street.b.advance(3 * HOUR);
      const folded = new Core(street.b.settings);
      for (const { fact, atMs } of street.b.facts) folded.replay([fact], atMs);
      const bare = (core: Core): string => canonical({ ...core.state, agenda: null });
      expect(bare(folded)).toBe(bare(street.b.core));
    }),
    { numRuns: 60 },
  );
});
