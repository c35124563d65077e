import type { EndReason, TerminalStatus } from '../../src/domain/command.ts';
import type { Allocation, Fact } from '../../src/domain/fact.ts';
import type { ExclusionReason } from '../../src/domain/program.ts';
import { instantOfLocal } from '../../src/domain/time.ts';
import { MS_PER_HOUR, MS_PER_MIN, whToMj } from '../../src/domain/units.ts';
import type { LogBody, LogRecord, MeterInterval, SiteInWorld } from '../../src/ports/records.ts';

/**
 * One July day in Los Angeles with three homes and a utility-scale battery, made by hand: a two-hour event from 18:00,
 * a storm that takes one home out at 18:50, a cloud that never answers for another, a battery site whose link is lost
 * for ten minutes. The books of every interval close.
 */
export const ZONE = 'America/Los_Angeles';
export const STEP_MS = 15 * MS_PER_MIN;
const at = (local: string): number => instantOfLocal(local, ZONE, { source: 'fixture', place: 'time' });
export const RUN_START = at('2024-07-10T00:00');
export const RUN_END = at('2024-07-11T00:00');
export const EVENT_START = at('2024-07-10T18:00');
export const EVENT_END = at('2024-07-10T20:00');
const STORM_START = at('2024-07-10T18:50');
const STORM_END = at('2024-07-10T21:30');

interface FixtureSite {
  readonly site: SiteInWorld;
  readonly loadW: (hour: number) => number;
  readonly socStart: number;
  /** Battery power over the owner's own strategy in the event world [W], + discharge. */
  readonly dispatchW: (startMs: number) => number;
  readonly storm: boolean;
}

const home = (n: number, oem: string, group: string): SiteInWorld => ({
  kind: 'site',
  siteId: `site-${n}`,
  deviceId: `home-${n}`,
  group,
  siteKind: 'home',
  oem,
  model: oem === 'tesla' ? 'Powerwall 3' : 'IQ Battery 10C',
  usableMj: whToMj(13_500),
  chargeWMax: 5_000,
  dischargeWMax: 5_000,
  reservePct: 20,
  pvW: 6_000,
  zones: ['CAC037'],
});

const bess: SiteInWorld = {
  kind: 'site',
  siteId: 'bess-1',
  deviceId: 'bess-1',
  group: 'utility-scale',
  siteKind: 'bess',
  oem: 'dnp3',
  model: 'AN2018 battery',
  usableMj: whToMj(100_000),
  chargeWMax: 50_000,
  dischargeWMax: 50_000,
  reservePct: 5,
  pvW: 0,
  zones: [],
};

const evening = (hour: number): number => 600 + (hour >= 16 && hour < 22 ? 2_400 : hour >= 6 && hour < 9 ? 900 : 0);
const inEvent = (ms: number): boolean => ms >= EVENT_START && ms < EVENT_END;

const SITES: readonly FixtureSite[] = [
  {
    site: home(1, 'enphase', 'Riverside homes'),
    loadW: evening,
    socStart: 0.5,
    storm: false,
    dispatchW: (ms) => (inEvent(ms) ? 3_000 : 0),
  },
  {
    site: home(2, 'tesla', 'Riverside homes'),
    loadW: evening,
    socStart: 0.5,
    storm: true,
    dispatchW: (ms) => (inEvent(ms) && ms < STORM_START ? 2_000 : 0),
  },
  {
    site: home(3, 'solaredge', 'Hillside homes'),
    loadW: (h) => evening(h) + 300,
    socStart: 0.5,
    storm: false,
    dispatchW: () => 0,
  },
  {
    site: bess,
    loadW: () => 0,
    socStart: 0.9,
    storm: false,
    dispatchW: (ms) => (inEvent(ms) ? (ms === EVENT_START ? 19_000 : ms >= at('2024-07-10T19:30') ? 0 : 20_000) : 0),
  },
];

interface Batteries {
  storedMj: number;
}

/** One interval at constant power; whole W and mJ, so that the books close exactly. */
function interval(s: FixtureSite, b: Batteries, startMs: number, events: boolean): MeterInterval {
  const hour = (startMs - RUN_START) / MS_PER_HOUR;
  const loadW = s.loadW(hour);
  const pvW = Math.round(s.site.pvW * 0.8 * Math.max(0, Math.sin(((hour - 6) / 13) * Math.PI)) * (hour < 19 ? 1 : 0));
  const stormMs = s.storm ? Math.max(0, Math.min(startMs + STEP_MS, STORM_END) - Math.max(startMs, STORM_START)) : 0;
  const floorMj = (s.site.usableMj * s.site.reservePct) / 100;
  const ownW = s.site.siteKind === 'bess' ? 0 : Math.min(1_500, loadW) - pvW;
  let batteryW = stormMs > 0 ? -4_000 : ownW + (events ? s.dispatchW(startMs) : 0);
  const roomW = Math.floor((s.site.usableMj - b.storedMj) / STEP_MS);
  const leftW = Math.floor((Math.max(0, b.storedMj - floorMj) / STEP_MS) * 0.95);
  batteryW = Math.max(-Math.min(s.site.chargeWMax, roomW), Math.min(batteryW, s.site.dischargeWMax, leftW));
  const chargeMj = Math.max(0, -batteryW) * STEP_MS;
  const dischargeMj = Math.max(0, batteryW) * STEP_MS;
  const chargeLossMj = Math.floor(chargeMj * 0.05);
  const dischargeLossMj = Math.floor(dischargeMj * 0.05);
  const gridW = loadW - pvW - batteryW;
  const storedStartMj = b.storedMj;
  b.storedMj += chargeMj - chargeLossMj - dischargeMj - dischargeLossMj;
  return {
    kind: 'meter',
    siteId: s.site.siteId,
    startMs,
    endMs: startMs + STEP_MS,
    loadMj: loadW * STEP_MS,
    pvMj: pvW * STEP_MS,
    importMj: Math.max(0, gridW) * STEP_MS,
    exportMj: Math.max(0, -gridW) * STEP_MS,
    chargeMj,
    dischargeMj,
    chargeLossMj,
    dischargeLossMj,
    standbyMj: 0,
    storedStartMj,
    storedEndMj: b.storedMj,
    dispatchedMj: events && s.dispatchW(startMs) > 0 ? dischargeMj : 0,
    stormMs,
    stormDischargeMj: 0,
  };
}

function meters(): LogRecord[] {
  const out: LogRecord[] = [];
  for (const s of SITES) {
    const real = { storedMj: Math.round(s.site.usableMj * s.socStart) };
    const other = { storedMj: real.storedMj };
    for (let startMs = RUN_START; startMs < RUN_END; startMs += STEP_MS) {
      const m = interval(s, real, startMs, true);
      const c = interval(s, other, startMs, false);
      out.push({ atMs: m.endMs, ...m });
      const { importMj, exportMj, chargeMj, dischargeMj, siteId, endMs } = c;
      out.push({
        atMs: endMs,
        kind: 'counterfactual',
        siteId,
        startMs,
        endMs,
        importMj,
        exportMj,
        chargeMj,
        dischargeMj,
      });
    }
  }
  return out;
}

const fact = (local: string, f: Fact): LogRecord => ({ atMs: at(`2024-07-10T${local}`), kind: 'fact', fact: f });
const body = (local: string, b: LogBody): LogRecord => ({ atMs: at(`2024-07-10T${local}`), ...b });

const ASKED: Readonly<Record<string, number>> = { 'home-1': 3_000, 'home-2': 2_000, 'home-3': 2_000, 'bess-1': 20_000 };

function plans(): LogRecord[] {
  const out: LogRecord[] = [];
  for (let ms = EVENT_START; ms < EVENT_END; ms += 5 * MS_PER_MIN) {
    const storm = ms >= STORM_START;
    const bessDone = ms >= at('2024-07-10T19:30');
    const allocations: Allocation[] = Object.entries(ASKED)
      .filter(([id]) => !(storm && id === 'home-2') && !(bessDone && id === 'bess-1'))
      .map(([deviceId, allocatedW]) => ({
        deviceId,
        allocatedW,
        setpointW: allocatedW + (deviceId === 'bess-1' ? 0 : 1_500),
      }));
    const excluded: { deviceId: string; reason: ExclusionReason; capableW: number }[] = [];
    if (storm) excluded.push({ deviceId: 'home-2', reason: 'storm_guard', capableW: 2_000 });
    if (bessDone) excluded.push({ deviceId: 'bess-1', reason: 'low_soc', capableW: 6_000 });
    const plannedW = allocations.reduce((sum, a) => sum + a.allocatedW, 0);
    const dispatch = {
      eventId: 'event-1',
      periodStartMs: ms,
      periodEndMs: ms + 5 * MS_PER_MIN,
      targetW: 27_000,
      allocations,
      excluded,
      plannedW,
      shortfallW: 27_000 - plannedW,
    };
    out.push({ atMs: ms - 60_000, kind: 'fact', fact: { type: 'dispatch.planned', dispatch } });
  }
  return out;
}

function command(
  deviceId: string,
  end: { at: string; status: TerminalStatus; reason: EndReason; detail: string },
  acknowledged: boolean,
): LogRecord[] {
  const commandId = `cmd-${deviceId}`;
  const base = {
    workspaceId: 'ws',
    deviceId,
    startMs: EVENT_START,
    endMs: EVENT_END,
    notAfterMs: EVENT_START + 10 * MS_PER_MIN,
  };
  const input = {
    operatingMode: 'discharge',
    enableGridInteraction: true,
    powerW: (ASKED[deviceId] ?? 0) + (deviceId === 'bess-1' ? 0 : 1_500),
  } as const;
  const cause = { kind: 'dispatch', eventId: 'event-1', periodStartMs: EVENT_START } as const;
  const out = [
    fact('17:55', { type: 'command.accepted', command: { commandId, ...base, input, cause } }),
    fact('17:55', {
      type: 'command.routed',
      commandId,
      route: deviceId === 'bess-1' ? 'dnp3' : 'grid_services',
      why: 'the program needs export',
    }),
    fact('17:56', { type: 'command.sent', commandId, jobId: `job-${deviceId}`, attempt: 1 }),
  ];
  if (acknowledged)
    out.push(fact('17:57', { type: 'command.acknowledged', commandId, vendorRef: `ref-${deviceId}<1>` }));
  const { status, reason, detail } = end;
  return [...out, fact(end.at, { type: 'command.ended', commandId, outcome: { status, reason, detail } })];
}

const opening: readonly LogRecord[] = [
  {
    atMs: RUN_START,
    kind: 'run-started',
    scenario: 'fixture-evening',
    title: 'A hot evening with a storm and a silent cloud',
    seed: '42',
    startMs: RUN_START,
    endMs: RUN_END,
    timeZone: ZONE,
    meterIntervalMs: STEP_MS,
    version: '0.1.0',
  },
  ...SITES.map((s): LogRecord => ({ atMs: RUN_START, ...s.site })),
  body('00:00', {
    kind: 'series',
    name: 'price-day-ahead',
    unit: '$/MWh',
    startMs: RUN_START,
    stepMs: MS_PER_HOUR,
    values: [...Array(24).keys()].map((h) => (h >= 18 && h < 21 ? [222.99745, 428.01227, 245.7578][h - 18] : 40 + h)),
    source: 'generated from seed',
  } as LogBody),
  body('00:00', {
    kind: 'series',
    name: 'price-real-time',
    unit: '$/MWh',
    startMs: RUN_START,
    stepMs: STEP_MS,
    values: [...Array(96).keys()].map((i) => (i >= 70 && i < 84 ? 180 + 10 * (i % 7) : 35 + (i % 5))),
    source: 'generated from seed',
  }),
  fact('00:00', {
    type: 'program.created',
    program: {
      programId: 'evening-peak',
      workspaceId: 'ws',
      name: 'Evening peak storage',
      timeZone: ZONE,
      node: 'DLAP_SCE-APND',
      trigger: {
        kind: 'day-ahead-price',
        thresholdUsdPerMwh: 200,
        window: { start: '16:00', end: '21:00' },
      },
      nominatedW: 27_000,
      paymentUsdPerKwh: 2,
      provenance: { source: 'third-party catalogue of programs', standing: 'secondary' },
    },
  }),
  ...['home-1', 'home-2', 'home-3', 'bess-1'].map((deviceId) =>
    fact('00:05', {
      type: 'enrollment.changed',
      enrollmentId: `en-${deviceId}`,
      deviceId,
      programId: 'evening-peak',
      from: 'submitted',
      to: 'approved',
      why: 'approved by the manufacturer',
    }),
  ),
  fact('00:06', {
    type: 'enrollment.changed',
    enrollmentId: 'en-home-9',
    deviceId: 'home-9',
    programId: 'evening-peak',
    from: 'candidate',
    to: 'ineligible',
    why: 'no grid service at this manufacturer',
  }),
];

const eventFacts: readonly LogRecord[] = [
  fact('13:00', {
    type: 'event.offered',
    event: {
      eventId: 'event-1',
      programId: 'evening-peak',
      kind: 'dispatch',
      calledBy: 'day-ahead price at or above 200 $/MWh',
      intervals: [
        { startMs: EVENT_START, endMs: at('2024-07-10T19:00'), targetW: 27_000, priceUsdPerMwh: 222.99745 },
        { startMs: at('2024-07-10T19:00'), endMs: EVENT_END, targetW: 27_000, priceUsdPerMwh: 428.01227 },
      ],
    },
  }),
  fact('18:00', { type: 'event.started', eventId: 'event-1' }),
  fact('20:00', { type: 'event.ended', eventId: 'event-1' }),
  fact('20:20', {
    type: 'event.measured',
    performance: {
      eventId: 'event-1',
      baselineMethod: '10-in-10 with same-day adjustment',
      devices: [
        derived('home-1', 5_950),
        derived('home-2', 1_480),
        derived('home-3', -20),
        { ...derived('bess-1', 0), baselineWh: null, deliveredWh: null, adjustmentNote: 'fewer than 10 similar days' },
      ],
    },
  }),
];

function derived(deviceId: string, deliveredWh: number) {
  return {
    deviceId,
    requestedWh: 4_000,
    baselineWh: 3_000 + deliveredWh,
    meteredWh: 3_000,
    deliveredWh,
    adjustment: 1.08,
    adjustmentNote: 'ratio of the four hours before the event',
  };
}

const happenings: readonly LogRecord[] = [
  body('17:30', { kind: 'fault', what: 'replies are lost', target: 'solaredge', phase: 'begins' }),
  body('17:57', {
    kind: 'exchange',
    to: 'solaredge',
    method: 'POST',
    path: '/v2/sites/7/battery',
    status: null,
    sentMs: at('2024-07-10T17:56'),
    fault: 'reply lost',
  }),
  body('17:57', {
    kind: 'exchange',
    to: 'enphase',
    method: 'POST',
    path: '/api/v2/events',
    status: 201,
    sentMs: at('2024-07-10T17:56'),
    fault: null,
  }),
  body('18:30', { kind: 'fault', what: 'replies are lost', target: 'solaredge', phase: 'ends' }),
  body('18:45', {
    kind: 'alert',
    alert: {
      alertId: 'urn:1',
      event: 'Severe Thunderstorm Warning',
      status: 'Actual',
      messageType: 'Alert',
      severity: 'Severe',
      urgency: 'Immediate',
      certainty: 'Likely',
      sentMs: at('2024-07-10T18:45'),
      onsetMs: STORM_START,
      endMs: STORM_END,
      zones: ['CAC037'],
      references: [],
      headline: 'Severe Thunderstorm Warning until 21:30',
    },
    acted: true,
    why: 'in force for zone CAC037',
  }),
  mode('18:50', 'active', 'alert urn:1 in zone CAC037'),
  fact('18:55', { type: 'device.storm', deviceId: 'home-2', active: true, sampledAtMs: STORM_START }),
  mode('21:30', 'off', 'alert urn:1 is over'),
  body('17:50', { kind: 'field', siteId: 'bess-1', what: 'integrity-read', detail: '312 points' }),
  body('18:00', { kind: 'field', siteId: 'bess-1', what: 'operate', detail: 'AO146 = 20000 W, select before operate' }),
  body('18:01', { kind: 'field', siteId: 'bess-1', what: 'operated', detail: 'status 0' }),
  body('18:01', { kind: 'plant', siteId: 'bess-1', state: 'following', powerW: 20_000, cause: 'setpoint' }),
  body('21:00', { kind: 'link', siteId: 'bess-1', up: false }),
  body('21:10', { kind: 'link', siteId: 'bess-1', up: true }),
  body('16:00', {
    kind: 'refusal',
    what: 'command discharge for home-9',
    why: 'not enrolled in a program with grid services',
  }),
];

function mode(local: string, storm: string, cause: string): LogRecord {
  const operation = storm === 'active' ? 'storm' : 'self-consumption';
  return body(local, { kind: 'device-mode', deviceId: 'home-2', operation, storm, connection: 'online', cause });
}

/** The whole log, in order of time. */
export function fixtureRecords(): LogRecord[] {
  const rest: LogRecord[] = [
    ...eventFacts,
    ...plans(),
    ...command(
      'home-1',
      { at: '20:01', status: 'succeeded', reason: 'effect_seen', detail: 'discharging at 4.5 kW' },
      true,
    ),
    ...command(
      'home-2',
      { at: '18:55', status: 'ignored', reason: 'storm_guard', detail: 'Storm Guard active since 18:50' },
      true,
    ),
    ...command(
      'home-3',
      { at: '18:10', status: 'failed', reason: 'delivery_failed', detail: 'no answer after 5 attempts' },
      false,
    ),
    ...command(
      'bess-1',
      { at: '20:01', status: 'succeeded', reason: 'effect_seen', detail: 'plant follows 20 kW' },
      true,
    ),
    ...happenings,
    ...meters(),
  ];
  rest.sort((a, b) => a.atMs - b.atMs);
  return [...opening, ...rest, { atMs: RUN_END, kind: 'run-ended', virtualMs: RUN_END - RUN_START }];
}
