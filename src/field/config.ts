import type { PointsMapConfig } from '../domain/pointsMap.ts';
import type { Approval, SiteSafety } from '../domain/safety.ts';
import type { ControlMode } from './controls.ts';

/** What a connector is made with. */
export interface ConnectorConfig {
  readonly siteId: string;
  readonly safety: SiteSafety | null;
  readonly approvals: readonly Approval[];
  readonly pointsMap: PointsMapConfig;
  /** How a setpoint is given; AGC unless the site has none. */
  readonly controlMode?: ControlMode;
  readonly addresses: { readonly master: number; readonly outstation: number };
  /** How often the outstation is asked for events even if it sends them unasked; at most a third of the watchdog [ms]. */
  readonly pollMs?: number;
}
