import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Core } from '../../src/core/core.ts';
import type { CoreInput, Effect } from '../../src/core/input.ts';
import { idsOf, workspaceOf } from '../../src/core/ownership.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { Fact } from '../../src/domain/fact.ts';
import { programTag } from '../../src/domain/program.ts';
import type { SiteSafety } from '../../src/domain/safety.ts';
import { batteryState, CAPABILITIES, HOUR, MIN, T0, ZONE } from '../helpers/coreBench.ts';

/** Numbers are those of the catalogue of properties for continuous integration. */

const CONFIGURED: SiteSafety = { watchdog: { timeoutMs: MIN }, chargeWMax: 5_000, dischargeWMax: 5_000 };

type TenantAct =
  | {
      readonly kind: 'observe';
      readonly device: number;
      readonly w: number;
      readonly storm: boolean;
      readonly online: boolean;
    }
  | { readonly kind: 'command'; readonly device: number; readonly mode: number; readonly w: number }
  /** A vehicle is told a charge limit, or shows one. */
  | { readonly kind: 'tell-vehicle' | 'see-vehicle'; readonly pct: number; readonly forMin: number }
  | { readonly kind: 'batch' | 'event' | 'stop-all' | 'configure' | 'request' | 'approve' | 'transformer' | 'prices' };

const tenantAct: fc.Arbitrary<TenantAct> = fc.oneof(
  fc.record({
    kind: fc.constant('observe' as const),
    device: fc.nat(2),
    w: fc.integer({ min: -5_000, max: 5_000 }),
    storm: fc.boolean(),
    online: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('command' as const), device: fc.nat(2), mode: fc.nat(3), w: fc.nat(5_000) }),
  fc.record({
    kind: fc.constantFrom('tell-vehicle' as const, 'see-vehicle' as const),
    pct: fc.nat(2),
    forMin: fc.nat(60),
  }),
  fc.record({
    kind: fc.constantFrom(
      'batch',
      'event',
      'stop-all',
      'configure',
      'request',
      'approve',
      'transformer',
      'prices',
    ) as fc.Arbitrary<'batch' | 'event' | 'stop-all' | 'configure' | 'request' | 'approve' | 'transformer' | 'prices'>,
  }),
);

interface Step {
  readonly who: 'A' | 'B';
  readonly act: TenantAct;
  readonly waitMin: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.constantFrom('A' as const, 'B' as const),
  act: tenantAct,
  waitMin: fc.nat(20),
});

const NUMBERED = /\b(cmd|job|evt|enr|batch|apr|alert)-\d+/g;

/** A core that two tenants share; clouds and sites answer at once. */
class Shared {
  readonly core = new Core(defaultSettings(CAPABILITIES));
  nowMs = T0;
  readonly facts: { readonly atMs: number; readonly fact: Fact; readonly workspaceId: string | null }[] = [];

  put(input: CoreInput): void {
    const out = this.core.handle(input, this.nowMs);
    for (const fact of out.facts) {
      this.facts.push({ atMs: this.nowMs, fact, workspaceId: workspaceOf(idsOf(fact), this.core.state) });
    }
    this.refused.push(...out.refusals.map((r) => r.why));
    for (const effect of out.effects) this.answer(effect);
  }

  readonly refused: string[] = [];

  private answer(effect: Effect): void {
    if (effect.kind === 'field') {
      const reply = { kind: 'operated', jobId: effect.job.jobId } as const;
      this.put({ kind: 'field-event', deviceId: effect.deviceId, event: { kind: 'reply', reply } });
    } else if (effect.kind === 'oem' && ['control', 'set', 'cancel'].includes(effect.job.kind)) {
      const { jobId } = effect.job;
      this.put({
        kind: 'oem-reply',
        deviceId: effect.deviceId,
        reply: { kind: 'accepted', jobId, vendorRef: `ref-${jobId}` },
      });
    }
  }

  advance(ms: number): void {
    const toMs = this.nowMs + ms;
    for (let n = 0; n < 100_000; n++) {
      const next = this.core.nextTimeoutMs();
      if (next === null || next > toMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      this.put({ kind: 'time' });
    }
    this.nowMs = toMs;
  }

  /** Both tenants call their program, tags and sites alike wherever a name is theirs to choose. */
  settle(w: 'A' | 'B'): void {
    this.put({ kind: 'create-workspace', workspace: { workspaceId: w, name: w, gridServices: true } });
    const program = {
      workspaceId: w,
      name: 'P',
      timeZone: ZONE,
      node: 'N',
      nominatedW: 5_000,
      paymentUsdPerKwh: 1,
      provenance: { source: 'test', standing: 'assumed' },
    } as const;
    const window = { start: '00:00', end: '23:59' };
    const byPrice = { kind: 'day-ahead-price', thresholdUsdPerMwh: 100, window } as const;
    this.put({ kind: 'create-program', program: { ...program, programId: `p${w}`, trigger: { kind: 'called' } } });
    this.put({ kind: 'create-program', program: { ...program, programId: `q${w}`, trigger: byPrice } });
    const source = { kind: 'oem', oem: 'open', vendorDeviceId: `${w}v` } as const;
    const vehicle = {
      deviceId: `${w}v`,
      kind: 'vehicle',
      manufacturer: 'M',
      model: 'M',
      source,
      tags: ['all'],
    } as const;
    const siteId = `s${w}v`;
    this.put({ kind: 'create-site', site: { siteId, workspaceId: w, customerId: 'c', name: 's', timeZone: ZONE } });
    this.put({ kind: 'connect-appliance', appliance: { ...vehicle, workspaceId: w, siteId } });
    for (const [n, make] of (['enphase', 'solaredge', 'dnp3'] as const).entries()) this.connect(w, n, make);
  }

  private connect(w: 'A' | 'B', n: number, make: 'enphase' | 'solaredge' | 'dnp3'): void {
    const deviceId = `${w}${n}`;
    const siteId = `s${w}${n}`;
    this.put({ kind: 'create-site', site: { siteId, workspaceId: w, customerId: 'c', name: 's', timeZone: ZONE } });
    this.put({
      kind: 'connect-device',
      device: {
        deviceId,
        workspaceId: w,
        siteId,
        kind: make === 'dnp3' ? 'bess' : 'battery',
        manufacturer: make,
        model: 'M',
        nameplate: { usableWh: 13_500, chargeWMax: 5_000, dischargeWMax: 5_000 },
        source:
          make === 'dnp3'
            ? { kind: 'dnp3', connectionId: deviceId, mapRevision: 'r1' }
            : { kind: 'oem', oem: make, vendorDeviceId: deviceId },
        tags: ['all', programTag('pA'), programTag('pB')],
      },
    });
    // SolarEdge enrols by itself on connection.
    if (make !== 'solaredge') this.put({ kind: 'enroll', deviceId, programId: `p${w}` });
  }

  private tellVehicle(w: 'A' | 'B', chargeLimit: number, forMs: number): void {
    const setting = { slug: 'vehicle:set-charge-limit', input: { chargeLimit } } as const;
    const endMs = forMs === 0 ? null : this.nowMs + forMs;
    const window = { startMs: this.nowMs, endMs, notAfterMs: endMs ?? this.nowMs + HOUR };
    const request = { workspaceId: w, deviceId: `${w}v`, setting, ...window, actor: 'ana' };
    this.put({ kind: 'appliance-command', request });
  }

  private seeVehicle(w: 'A' | 'B', chargeLimit: number): void {
    const state = {
      kind: 'vehicle',
      charge: null,
      chargePercentage: 40,
      chargingState: 'idle',
      chargeCompletionDateMs: null,
      chargeCompletedAtMs: null,
      chargeLimit,
      isPluggedIn: true,
      chargerVoltage: 240,
      chargerCurrent: 0,
      chargerWattage: 0,
      range: 100,
      latitude: null,
      longitude: null,
      sampledAtMs: this.nowMs,
    } as const;
    const reply = { kind: 'appliance-state', jobId: 'poll', vendorDeviceId: `${w}v`, state, online: true } as const;
    this.put({ kind: 'oem-reply', deviceId: `${w}v`, reply });
  }

  perform({ who: w, act }: Step): void {
    const window = { startMs: this.nowMs, endMs: this.nowMs + HOUR };
    const site = `s${w}2`;
    switch (act.kind) {
      case 'observe': {
        const { w: gridPower, storm, online } = act;
        const state = batteryState(13_500, this.nowMs, { gridPower, isStormModeActive: storm });
        return this.put({ kind: 'telemetry', deviceId: `${w}${act.device}`, state, online });
      }
      case 'command': {
        const operatingMode = (['charge', 'discharge', 'idle', 'reset'] as const)[act.mode] ?? 'idle';
        const input = { operatingMode, enableGridInteraction: true, powerW: act.w };
        const request = { workspaceId: w, deviceId: `${w}${act.device}`, input, ...window, actor: 'ana' };
        return this.put({ kind: 'command', request });
      }
      case 'tell-vehicle':
        return this.tellVehicle(w, 50 + act.pct, act.forMin * MIN);
      case 'see-vehicle':
        return this.seeVehicle(w, 50 + act.pct);
      case 'batch': {
        const input = { operatingMode: 'discharge', enableGridInteraction: true, powerW: 1_000 } as const;
        return this.put({ kind: 'batch', batch: { workspaceId: w, tag: 'all', input, ...window, actor: 'ana' } });
      }
      case 'event': {
        const intervals = [{ ...window, targetW: 4_000, priceUsdPerMwh: null }];
        const offer = { programId: `p${w}`, kind: 'dispatch', calledBy: 'test', intervals } as const;
        return this.put({ kind: 'offer-event', offer });
      }
      case 'stop-all':
        return this.put({ kind: 'emergency-stop-all', workspaceId: w, tag: 'all', actor: 'ana' });
      case 'configure':
        return this.put({ kind: 'configure-safety', siteId: site, safety: CONFIGURED, actor: 'ana' });
      case 'request': {
        const what = { siteId: site, requestedBy: 'ana', chargeWMax: 5_000, dischargeWMax: 5_000, mapRevision: 'r1' };
        const times = { fromMs: this.nowMs, untilMs: this.nowMs + 5 * HOUR };
        return this.put({ kind: 'request-approval', request: { ...what, ...times } });
      }
      case 'approve': {
        const mine = [...this.core.state.approvalRequests.values()].filter((e) => e.request.siteId === site);
        const approvalId = mine.at(-1)?.request.approvalId;
        if (approvalId !== undefined) this.put({ kind: 'approve-control', approvalId, approvedBy: 'ben' });
        return;
      }
      case 'prices': {
        const series = { startMs: this.nowMs + HOUR, stepMs: HOUR, usdPerMwh: [50, 200] };
        return this.put({ kind: 'publish-prices', workspaceId: w, node: 'N', market: 'day-ahead', ...series });
      }
      case 'transformer':
        return this.put({
          kind: 'set-transformer',
          transformer: {
            transformerId: `t${w}`,
            workspaceId: w,
            name: 'T',
            feederId: null,
            ratingVa: 6_000,
            siteIds: [`s${w}0`, `s${w}1`],
            powerFactorAssumed: 1,
          },
          actor: 'ana',
        });
    }
  }

  /** The facts of a tenant, with the core's numbers replaced by their order in them. */
  story(w: 'A' | 'B'): string {
    const seen = new Map<string, string>();
    const own = this.facts.filter((f) => f.workspaceId === w).map(({ atMs, fact }) => ({ atMs, fact }));
    return JSON.stringify(own).replace(NUMBERED, (id, kind: string) => {
      const known = seen.get(id) ?? `${kind}#${seen.size}`;
      seen.set(id, known);
      return known;
    });
  }
}

test('44 a tenant’s facts are the same with and without the traffic of another, up to numbers', () => {
  let facts = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const [alone, together] = [new Shared(), new Shared()];
      together.settle('B');
      for (const s of [alone, together]) s.settle('A');
      expect(together.refused).toEqual([]);
      for (const s of steps) {
        together.perform(s);
        if (s.who === 'A') alone.perform(s);
        for (const x of [alone, together]) x.advance(s.waitMin * MIN);
      }
      for (const x of [alone, together]) x.advance(3 * HOUR);
      expect(together.story('A')).toBe(alone.story('A'));
      expect(together.facts.filter((f) => f.workspaceId === null)).toEqual([]);
      facts += together.facts.length;
    }),
  );
  expect(facts).toBeGreaterThan(1_000);
});
