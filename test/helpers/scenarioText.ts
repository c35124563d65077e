/** A small scenario in which every section has something, for tests that break one line of it. */
export const SMALL_SCENARIO = `version: 1
name: small
title: A small scenario
description: Two homes and a site.
seed: 7
start: "2024-07-10T12:00"
timeZone: America/Los_Angeles
duration: 12h
fleet:
  homes:
    - group: homes-a
      count: 2
      oem: tesla
      model: powerwall-3
      socPct: { mean: 60 }
      load: { dailyKwh: 28 }
      zones: [CAC071]
      tags: [all]
    - group: homes-b
      count: 3
      oem: enphase
      battery: { usableKwh: 10, chargeKwMax: 5, dischargeKwMax: 5, roundTripRatio: 0.9 }
      socPct: { mean: 60 }
      load: { dailyKwh: 28 }
  bess:
    - siteId: site-a
      usableKwh: 4000
      chargeKwMax: 2000
      dischargeKwMax: 2000
      roundTripRatio: 0.9
      socPct: 80
      rampKwPerS: 100
      watchdog: 30s
      safety: { chargeKwMax: 2000, dischargeKwMax: 2000 }
      approval: { requestedBy: a, approvedBy: b, from: "13:00", until: "22:00", chargeKwMax: 1, dischargeKwMax: 1 }
weather: { kind: synthetic, latitudeDeg: 34, longitudeDeg: -117, temperatureMinC: 20, temperatureMaxC: 40 }
market:
  node: NODE-1
  dayAhead: { kind: synthetic, baseUsdPerMwh: 40, peakUsdPerMwh: 300, peakHour: 19 }
programs:
  - programId: called
    name: Called
    trigger: { kind: called }
    nominatedKw: 100
    paymentUsdPerKwh: 1
    provenance: { source: made up, standing: assumed }
    groups: [homes-a, site-a]
  - programId: bids
    name: Bids
    trigger: { kind: day-ahead-award }
    nominatedKw: 100
    paymentUsdPerKwh: 1
    provenance: { source: made up, standing: assumed }
    groups: [homes-b]
    bids:
      - { hour: 19, steps: [{ priceUsdPerMwh: 100, quantityKw: 5 }, { priceUsdPerMwh: 200, quantityKw: 9 }] }
timeline:
  - { at: "18:00", kind: dispatch, eventId: e1, programId: called, targetKw: 50, duration: 2h }
  - { at: "18:30", kind: alert, alertId: a1, event: Tornado Warning, severity: Extreme, zones: [CAC071], until: "20:00" }
  - { at: "17:50", kind: answer, answer: opt-out, group: homes-a, count: 1, eventId: e1 }
  - { at: "17:55", kind: command, tag: all, input: { operatingMode: charge }, duration: 5min }
  - { at: "19:00", kind: setReserve, deviceId: homes-b-0003, reservePct: 50 }
  - { at: "19:30", kind: cancelEvent, eventId: e1 }
  - { at: "+450min", kind: emergencyStop, siteId: site-a }
faults:
  - { kind: oem-down, oem: tesla, from: "18:10", until: "18:20" }
  - { kind: link-cut, siteId: site-a, from: "18:30" }
expect:
  - { kind: delivered, eventId: e1, atLeastRatio: 0.9, during: { from: "18:15", until: "18:30" } }
  - { kind: socPct, group: homes-a, at: "22:00", atLeast: 10 }
  - { kind: by, what: plant-safe, siteId: site-a, after: "18:30", within: 31s }
  - { kind: commandsEnd, status: ignored, reason: storm_guard, where: { stormActive: true } }
`;

/** Replaces one piece of the text; the piece must stand there exactly once. */
export function broken(from: string, to: string): string {
  const parts = SMALL_SCENARIO.split(from);
  if (parts.length !== 2) throw new Error(`"${from}" stands ${parts.length - 1} times in the scenario`);
  return parts.join(to);
}
