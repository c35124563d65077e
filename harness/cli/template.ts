/** A small scenario that runs as it is and shows where to go on. */
export const template = (name: string): string => `version: 1
name: ${name}
title: A first scenario
description: >-
  Twenty homes with batteries are asked for 40 kW from 18:00 to 20:00.
seed: 1
start: "2024-07-10T12:00"
timeZone: America/Los_Angeles
duration: 12h

fleet:
  homes:
    - group: my-homes
      count: 20
      oem: tesla # enphase, solaredge or tesla
      model: powerwall-3
      socPct: { mean: 80, spread: 10 }
      reservePct: 20
      pvKw: 6
      load: { dailyKwh: 28 }
      zones: [CAC071] # UGC or SAME codes that weather alerts name

weather:
  kind: synthetic
  latitudeDeg: 34.05
  longitudeDeg: -117.6
  temperatureMinC: 18
  temperatureMaxC: 34

market:
  node: DLAP_SCE-APND
  dayAhead: { kind: synthetic, baseUsdPerMwh: 45, peakUsdPerMwh: 180, peakHour: 19 }

programs:
  - programId: my-program
    name: My program
    trigger: { kind: called }
    nominatedKw: 40
    paymentUsdPerKwh: 1
    provenance: { source: made up for this scenario, standing: assumed }
    groups: [my-homes]

timeline:
  - at: "18:00"
    kind: dispatch
    eventId: first-event
    programId: my-program
    targetKw: 40
    duration: 2h

expect:
  - kind: delivered
    eventId: first-event
    atLeastRatio: 0.8
  - kind: never
    what: discharge-below-reserve
  - kind: never
    what: ledger-residual
`;
