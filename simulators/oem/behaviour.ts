import type { Provenance } from '../../src/domain/program.ts';
import { MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';

/**
 * How a simulated cloud behaves, as data. No vendor publishes measured reliability, so every figure can be set and
 * carries where it comes from in BEHAVIOUR_SOURCE; most are assumptions and say so.
 */
export interface Behaviour {
  /** Cloud to device: at least this … [ms] */
  readonly commandDelayMsMin: number;
  /** … plus an exponential part with this mean [ms]. */
  readonly commandDelayMsMean: number;
  /** Share of commands that take a slow path (a cellular link), uniform up to commandTailMsMax. */
  readonly commandTailRatio: number;
  readonly commandTailMsMax: number;
  /** Share of commands that the device never gets. */
  readonly deliveryFailureRatio: number;
  /** Pause between attempts to reach a device that is offline [ms]. */
  readonly deliveryRetryMs: number;
  /** How long after the start attempts go on; then the command has failed [ms]. */
  readonly deliveryWindowMs: number;
  /** How often a device uploads a sample, staggered per device [ms]. */
  readonly telemetryPeriodMs: number;
  /** From the measurement until the API shows it [ms]. */
  readonly telemetryDelayMs: number;
  readonly tokenLifetimeMs: number;
  readonly requestsPerMinuteMax: number;
  /** 429 tells when to come back. */
  readonly retryAfter: boolean;
  /** Monitoring requests for one site in one UTC day; null = no such quota. */
  readonly siteRequestsPerDayMax: number | null;
  /** An application is decided after a uniform time in [min, max] [ms]. */
  readonly enrollMsMin: number;
  readonly enrollMsMax: number;
  readonly enrollRejectRatio: number;
  /** How often the cloud reads the weather alerts [ms]. */
  readonly alertPollMs: number;
  /** Storm mode begins this long before the onset, if the alert is known by then [ms]. */
  readonly stormLeadMs: number;

  /** Faults from outside: */
  /** Every request is answered 503. */
  readonly down: boolean;
  /** The token endpoint is answered 503. */
  readonly tokenDown: boolean;
  /** Share of requestsPerMinuteMax that is left, 0..1. */
  readonly throttleFactor: number;
  /** Share of commands that are accepted and reported as delivered, but no device hears of them. */
  readonly swallowRatio: number;
}

const HEALTHY = { down: false, tokenDown: false, throttleFactor: 1, swallowRatio: 0 } as const;

export const BEHAVIOUR: Readonly<Record<BatteryOem, Behaviour>> = {
  enphase: {
    ...HEALTHY,
    commandDelayMsMin: MS_PER_MIN,
    commandDelayMsMean: 10_000,
    commandTailRatio: 0,
    commandTailMsMax: 0,
    deliveryFailureRatio: 0.03,
    deliveryRetryMs: 30_000,
    deliveryWindowMs: 5 * MS_PER_MIN,
    telemetryPeriodMs: 15 * MS_PER_MIN,
    telemetryDelayMs: 30_000,
    tokenLifetimeMs: MS_PER_HOUR,
    requestsPerMinuteMax: 300,
    retryAfter: false,
    siteRequestsPerDayMax: null,
    enrollMsMin: 3 * MS_PER_DAY,
    enrollMsMax: 14 * MS_PER_DAY,
    enrollRejectRatio: 0.05,
    alertPollMs: 10 * MS_PER_MIN,
    stormLeadMs: MS_PER_DAY,
  },
  solaredge: {
    ...HEALTHY,
    commandDelayMsMin: 5_000,
    commandDelayMsMean: 60_000,
    commandTailRatio: 0.005,
    commandTailMsMax: 4 * MS_PER_HOUR,
    deliveryFailureRatio: 0.04,
    deliveryRetryMs: MS_PER_MIN,
    deliveryWindowMs: 15 * MS_PER_MIN,
    telemetryPeriodMs: 15 * MS_PER_MIN,
    telemetryDelayMs: MS_PER_MIN,
    tokenLifetimeMs: MS_PER_DAY,
    requestsPerMinuteMax: 1_200,
    retryAfter: false,
    siteRequestsPerDayMax: 300,
    enrollMsMin: 0,
    enrollMsMax: 0,
    enrollRejectRatio: 0,
    alertPollMs: 30 * MS_PER_MIN,
    stormLeadMs: MS_PER_DAY,
  },
  tesla: {
    ...HEALTHY,
    commandDelayMsMin: 5_000,
    commandDelayMsMean: 8_000,
    commandTailRatio: 0,
    commandTailMsMax: 0,
    deliveryFailureRatio: 0.015,
    deliveryRetryMs: 30_000,
    deliveryWindowMs: 5 * MS_PER_MIN,
    telemetryPeriodMs: 5 * MS_PER_MIN,
    telemetryDelayMs: 5_000,
    tokenLifetimeMs: 8 * MS_PER_HOUR,
    requestsPerMinuteMax: 1_200,
    retryAfter: true,
    siteRequestsPerDayMax: null,
    enrollMsMin: 0,
    enrollMsMax: 0,
    enrollRejectRatio: 0,
    alertPollMs: 5 * MS_PER_MIN,
    stormLeadMs: MS_PER_DAY,
  },
};

type Source = Readonly<Record<keyof Behaviour, Provenance>>;
const assumed = (source: string): Provenance => ({ source, standing: 'assumed' });
const read = (source: string): Provenance => ({ source, standing: 'read' });
const secondary = (source: string): Provenance => ({ source, standing: 'secondary' });
const memory = (source: string): Provenance => ({ source, standing: 'memory' });

const GUESS = assumed('no figure is published');
const FAULT = assumed('a fault switch of the test bed, off unless a scenario turns it on');
const COMMON: Source = {
  commandDelayMsMin: GUESS,
  commandDelayMsMean: GUESS,
  commandTailRatio: GUESS,
  commandTailMsMax: GUESS,
  deliveryFailureRatio: assumed('no vendor publishes a failure rate; 1-6 % per command'),
  deliveryRetryMs: GUESS,
  deliveryWindowMs: GUESS,
  telemetryPeriodMs: GUESS,
  telemetryDelayMs: GUESS,
  tokenLifetimeMs: GUESS,
  requestsPerMinuteMax: GUESS,
  retryAfter: GUESS,
  siteRequestsPerDayMax: assumed('no such quota is known'),
  enrollMsMin: GUESS,
  enrollMsMax: GUESS,
  enrollRejectRatio: GUESS,
  alertPollMs: assumed('another vendor (AlphaESS) states an hourly poll; these clouds state nothing'),
  stormLeadMs: assumed('no source states the lead time of a storm mode'),
  down: FAULT,
  tokenDown: FAULT,
  throttleFactor: FAULT,
  swallowRatio: FAULT,
};

const ENPHASE_VPP = 'Enphase VPP API 1.1.0 as transcribed in api-evangelist/enphase openapi/';
const TEXTURE_GS = 'TextureHQ/docs, grid services by manufacturer';

export const BEHAVIOUR_SOURCE: Readonly<Record<BatteryOem, Source>> = {
  enphase: {
    ...COMMON,
    commandDelayMsMin: read(`${TEXTURE_GS}: a command takes at least one minute to act`),
    deliveryWindowMs: read(`${ENPHASE_VPP}: retries up to 5 minutes from the event start, then failed`),
    telemetryPeriodMs: read('Enphase Monitoring API v4: battery telemetry in 15-minute intervals'),
    tokenLifetimeMs: read(`${ENPHASE_VPP}: access tokens expire after 3600 s, no refresh token`),
    requestsPerMinuteMax: assumed('VPP API quota unpublished; the Monitoring v4 Partner plan has 300 a minute (read)'),
    retryAfter: read('Enphase Monitoring API v4: 429 without Retry-After'),
    enrollMsMin: assumed('"OEMs need time to test": no figure; days to weeks'),
    enrollMsMax: assumed('"OEMs need time to test": no figure; days to weeks'),
  },
  solaredge: {
    ...COMMON,
    commandDelayMsMean: secondary('StorEdge manual: a profile change normally reaches the inverter within 5 minutes'),
    commandTailMsMax: secondary('StorEdge manual: up to 4 hours over GSM'),
    telemetryPeriodMs: read('SolarEdge Monitoring API: 15-minute resolution'),
    siteRequestsPerDayMax: secondary(
      'SolarEdge usage limitations: 300 requests a day per key and site; not re-verified',
    ),
    enrollMsMin: read(`${TEXTURE_GS}: devices are enrolled as they are connected`),
    enrollMsMax: read(`${TEXTURE_GS}: devices are enrolled as they are connected`),
  },
  tesla: {
    ...COMMON,
    tokenLifetimeMs: memory('access tokens last 8 hours'),
  },
};
