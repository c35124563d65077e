import { createRtac, type Rtac } from '../../simulators/rtac/rtac.ts';
import type { Dnp3End, Dnp3Link } from '../../src/live/dnp3Tcp.ts';
import type { SteppedClock } from '../../src/live/steppedClock.ts';

/** A battery of 10 MW and 40 MWh behind its site's controller, as an end of a DNP3 connection. Its figures are made up. */
export interface BatterySite {
  readonly rtac: Rtac;
  readonly end: Dnp3End;
  /** The connection that a master has to it. */
  link: Dnp3Link | null;
}

export interface BatterySiteOptions {
  readonly clock: SteppedClock;
  readonly siteId: string;
  readonly addresses: { readonly master: number; readonly outstation: number };
  readonly unsolicited?: boolean;
}

export const BATTERY_SITE_IS = 'a battery of 10 MW and 40 MWh';

export function batterySite({ clock, siteId, addresses, unsolicited = true }: BatterySiteOptions): BatterySite {
  const rtac = createRtac(
    {
      siteId,
      addresses,
      battery: {
        usableWh: 40_000_000,
        chargeWMax: 10_000_000,
        dischargeWMax: 10_000_000,
        chargeRatio: 0.94,
        dischargeRatio: 0.94,
        standbyW: 20_000,
        storedWh: 24_000_000,
      },
      reservePct: 10,
      rampWPerS: 2_000_000,
      watchdogMs: 60_000,
      unsolicited,
    },
    clock,
  );
  const site: BatterySite = { rtac, end: rtacEnd(rtac), link: null };
  rtac.onOutput(() => site.link?.flush());
  return site;
}

/** A site's controller as what a server of DNP3 serves. */
export const rtacEnd = (rtac: Rtac): Dnp3End => ({
  connected: (nowMs) => rtac.connected(nowMs),
  disconnected: (nowMs) => rtac.disconnected(nowMs),
  receive: (octets, nowMs) => rtac.receive(octets, nowMs),
  // The site keeps its own timers.
  timeout: () => {},
  nextTimeoutMs: () => null,
  takeOutput: () => rtac.takeOutput(),
});
