import type { OemCapabilities, OemId, OemSession } from '../ports/oem.ts';
import type { RandomStream } from '../ports/random.ts';
import { OPEN_CAPABILITIES, openDialect } from './appliance.ts';
import { ENPHASE_CAPABILITIES, enphaseDialect } from './enphase.ts';
import type { Limits } from './script.ts';
import { createSession } from './session.ts';
import { SOLAREDGE_CAPABILITIES, solaredgeDialect } from './solaredge.ts';
import { TESLA_CAPABILITIES, teslaDialect } from './tesla.ts';

export interface OemConfig {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Enphase: x-api-key; SolarEdge: api_key of the monitoring API; Tesla has none. */
  readonly apiKey: string;
  /** Replaces single limits of the cloud's own. */
  readonly limits?: Partial<Limits>;
  /** For the jitter of the circuit's pauses; absent = none. */
  readonly random?: RandomStream;
}

/** What each cloud can do; each figure's source stands beside it in the dialect. */
export const CAPABILITIES: Readonly<Record<OemId, OemCapabilities>> = {
  enphase: ENPHASE_CAPABILITIES,
  solaredge: SOLAREDGE_CAPABILITIES,
  tesla: TESLA_CAPABILITIES,
  open: OPEN_CAPABILITIES,
};

/** A session with one cloud, for all devices behind these credentials. */
export function createOemSession(oem: OemId, config: OemConfig): OemSession {
  switch (oem) {
    case 'enphase':
      return createSession(enphaseDialect(config), config.random);
    case 'solaredge':
      return createSession(solaredgeDialect(config), config.random);
    case 'tesla':
      return createSession(teslaDialect(config), config.random);
    case 'open':
      return createSession(openDialect(config), config.random);
  }
}
