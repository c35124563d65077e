import type { Provenance } from '../../src/domain/program.ts';
import { MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import type { Behaviour } from './behaviour.ts';

/** How the open device cloud behaves. It is no vendor's; every figure is our own choice. */
export const OPEN_BEHAVIOUR_PROVENANCE: Provenance = {
  source: 'no vendor: chosen so that a run sees delays, retries and stale samples of an ordinary size',
  standing: 'assumed',
};

export const OPEN_BEHAVIOUR: Behaviour = {
  commandDelayMsMin: 1_000,
  commandDelayMsMean: 4_000,
  commandTailRatio: 0.01,
  commandTailMsMax: 2 * MS_PER_MIN,
  deliveryFailureRatio: 0.02,
  deliveryRetryMs: 30_000,
  deliveryWindowMs: 5 * MS_PER_MIN,
  telemetryPeriodMs: 5 * MS_PER_MIN,
  telemetryDelayMs: 5_000,
  tokenLifetimeMs: MS_PER_HOUR,
  requestsPerMinuteMax: 1_200,
  retryAfter: true,
  siteRequestsPerDayMax: null,
  // Devices of these kinds are not enrolled at a cloud and know no storm mode: the next five are never read.
  enrollMsMin: 0,
  enrollMsMax: 0,
  enrollRejectRatio: 0,
  alertPollMs: MS_PER_HOUR,
  stormLeadMs: 0,
  down: false,
  tokenDown: false,
  throttleFactor: 1,
  swallowRatio: 0,
};
