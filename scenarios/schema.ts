import { z } from 'zod';
import { DEFAULT_REVISION } from '../src/domain/pointsMap.ts';
import { ev, inverter, thermostat } from './applianceSchema.ts';
import { MODEL_IDS } from './catalogue.ts';
import { expectation } from './expect.ts';
import * as s from './scalars.ts';
import { fault, oem, timelineStep } from './steps.ts';

/**
 * The shape of a scenario, version 1. Strict throughout: an unknown field is an error, so that a misspelt limit is
 * never ignored in silence. Units end the names of numbers; lengths of time are text ("5min"); times are local to
 * `timeZone`. What one field says about another (a group that must exist, an end after its start) is in validate.ts.
 */
export const SCENARIO_VERSION = 1;

const battery = z
  .strictObject({
    usableKwh: s.positiveKwh(),
    chargeKwMax: s.positiveKw(),
    dischargeKwMax: s.positiveKw(),
    roundTripRatio: s.efficiency().describe('AC to AC, both ways'),
    standbyW: s.quantity('W', { min: 0, max: 10_000, example: 15 }).default(15),
  })
  .describe('One battery unit.');

const meterFile = z
  .strictObject({
    path: s.path(),
    columns: z
      .exactOptional(z.array(s.text('a column of the file', 100)).min(1).max(1000))
      .describe('absent: all of them'),
    unit: z.exactOptional(s.oneOf(['W', 'kW', 'Wh', 'kWh'])).describe("absent: the end of a column's name says it"),
    stamp: z
      .exactOptional(s.oneOf(['start', 'end']))
      .describe('which edge of the interval is stamped, if its name does not say'),
    utcOffsetMin: z
      .exactOptional(s.quantity('minutes', { min: -840, max: 840, example: -480 }))
      .describe("local standard time of the file; absent: the scenario's time zone"),
    firstDay: z
      .exactOptional(s.day())
      .describe('day of the file that stands for the first day of the run; absent: its first'),
  })
  .describe('Metered curves from a CSV file. Its whole days are used in turn and repeat.');

const homeGroup = z
  .strictObject({
    group: s.id('name of the group'),
    count: s.whole('homes in the group', { min: 1, max: 200_000, example: 20 }),
    oem: oem(),
    model: z.exactOptional(s.oneOf(MODEL_IDS)).describe('a battery of the catalogue; this or `battery`'),
    battery: z.exactOptional(battery).describe('figures of your own; this or `model`'),
    unitsPerHome: s.whole('battery units in a home', { min: 1, max: 10, example: 1 }).default(1),
    socPct: s.socAtStart(),
    reservePct: s.pct().default(20),
    strategy: s.oneOf(['self_consumption', 'backup', 'time_of_use']).default('self_consumption'),
    stormGuard: s.flag("the owner lets the maker's storm mode act").default(true),
    pvKw: s.quantity('kW', { min: 0, max: 1000, example: 6 }).default(0),
    load: z
      .strictObject({
        dailyKwh: s.quantity('kWh', { min: 0, max: 100_000, example: 28 }).describe('mean home, mean day'),
        spread: s.share().default(0.3).describe('relative standard deviation between homes'),
        peakHour: s.whole('local hour in which the evening peak begins', { min: 0, max: 23, example: 19 }).default(19),
      })
      .describe('Household load, without what its vehicle and its thermostat take.'),
    loadFile: z
      .exactOptional(meterFile)
      .describe(
        'load shapes from meters instead of the model; dailyKwh sets the level, spread 0 keeps the sizes as metered',
      ),
    pvFile: z
      .exactOptional(
        z.strictObject({ ...meterFile.shape, nameplateKw: s.positiveKw().describe('of the plant that was metered') }),
      )
      .describe('generation as metered, scaled from nameplateKw to pvKw'),
    zones: z.array(s.zoneCode()).max(50).default([]).describe('where weather alerts reach these homes'),
    tags: z.array(s.id('a tag')).max(20).default([]),
    enrolledShare: s.share().default(1).describe('of the homes that are enrolled in the programs of the group'),
    optOutShare: s.share().default(0).describe('of the enrolled that opt out of each event'),
    offlineShare: s.share().default(0).describe('of the homes without connection all the time'),
    ev: z.exactOptional(ev),
    thermostat: z.exactOptional(thermostat),
    inverter: z.exactOptional(inverter),
  })
  .describe('Homes that are alike. Their batteries are named "<group>-0001" and so on.');

const pointOverride = z
  .strictObject({
    index: z.exactOptional(s.whole('index of the point', { min: 0, max: 65_535, example: 537 })),
    scale: z.exactOptional(s.positive('unit per count', { max: 1_000_000_000, example: 0.1 })),
    sign: z
      .exactOptional(z.union([z.literal(1), z.literal(-1)], { error: '1 or -1' }))
      .describe('-1: the site counts the other way round, charging positive'),
    unit: z.exactOptional(s.text('the unit of the value, like "kW"', 10)),
  })
  .describe('How the site differs at this point from its revision; what is absent is as the revision has it.');

export const pointsMap = z
  .strictObject({
    revision: s.text('a revision of the points map', 60).default(DEFAULT_REVISION).describe('follows the firmware'),
    overrides: z
      .record(s.text('the name of a point', 60), pointOverride)
      .default({})
      .describe('by name of the point, like activePower; totalEnergy gives the site a counter of its energy'),
  })
  .prefault({})
  .describe('Which DNP3 points the site has and where; an approval is given for exactly this.');

const bess = z
  .strictObject({
    siteId: s.id('name of the site'),
    usableKwh: s.positiveKwh(),
    chargeKwMax: s.positiveKw(),
    dischargeKwMax: s.positiveKw(),
    roundTripRatio: s.efficiency(),
    standbyW: s.quantity('W', { min: 0, max: 1_000_000, example: 2000 }).default(0),
    socPct: s.pct(),
    reservePct: s.pct().default(0),
    rampKwPerS: s.positive('kW per second', { max: 1_000_000, example: 500 }),
    watchdog: s.duration().describe('silence after which the plant goes to its safe state by itself'),
    pointsMap,
    safety: z
      .strictObject({ chargeKwMax: s.kw(), dischargeKwMax: s.kw() })
      .nullable()
      .describe("the safety configuration's limits; null: none was made, so the site is not controlled"),
    approval: z
      .strictObject({
        requestedBy: s.text('who asked', 100),
        approvedBy: s.text('who approved', 100),
        from: s.at().default('+0min'),
        until: z.exactOptional(s.at()).describe('absent: the end of the run'),
        chargeKwMax: s.kw(),
        dischargeKwMax: s.kw(),
        mapRevision: z
          .exactOptional(s.text('the points map that it was given for', 2000))
          .describe('absent: the one that the site has; another one makes it void'),
      })
      .nullable()
      .describe('leave to control the site; null: none, so the site is not controlled'),
    tags: z.array(s.id('a tag')).max(20).default([]),
  })
  .describe('A utility-scale battery behind an RTAC, reached over DNP3. Its device is named "<siteId>-bess".');

const degree = (what: string, max: number, example: number) =>
  s.quantity(`degrees (${what})`, { min: -max, max, example });

const temperature = () => s.quantity('°C', { min: -60, max: 60, example: 41 });

const weather = z.discriminatedUnion(
  'kind',
  [
    z
      .strictObject({
        kind: z.literal('synthetic'),
        latitudeDeg: degree('latitude, north positive', 90, 34.05),
        longitudeDeg: degree('longitude, east positive', 180, -117.6),
        temperatureMinC: temperature(),
        temperatureMaxC: temperature(),
        cloudRatio: s.share().default(0),
      })
      .describe('Made from the seed.'),
    z
      .strictObject({ kind: z.literal('file'), path: s.path() })
      .describe('A typical year: EPW or TMY3, also gzipped. The file says where it is.'),
  ],
  { error: 'an object with a kind' },
);

const syntheticPrice = z
  .strictObject({
    kind: z.literal('synthetic'),
    baseUsdPerMwh: s.usdPerMwh(),
    peakUsdPerMwh: s.usdPerMwh(),
    peakHour: s.whole('local hour that begins at the peak price', { min: 0, max: 23, example: 19 }),
  })
  .describe('Made from the seed: a base with an evening peak.');
const filePrice = z
  .strictObject({
    kind: z.literal('file'),
    path: s.path(),
    node: s.outsideId('the node as the file names it', 'DLAP_SCE-APND'),
    date: z
      .exactOptional(s.day())
      .describe('use the prices of this day on the first day of the run; absent: the dates of the run itself'),
  })
  .describe('A CAISO or ERCOT price file.');
const hourlyPrice = z
  .strictObject({
    kind: z.literal('hourly'),
    usdPerMwh: z.array(s.usdPerMwh()).length(24, { error: 'exactly 24 prices' }),
    source: s.text('where the prices come from', 300).default('assumed'),
  })
  .describe('The price of each local clock hour, 00:00 first, the same every day.');

const market = z.strictObject({
  node: s.outsideId('the market node', 'DLAP_SCE-APND'),
  dayAhead: z.discriminatedUnion('kind', [syntheticPrice, filePrice, hourlyPrice], { error: 'an object with a kind' }),
  realTime: z
    .discriminatedUnion('kind', [syntheticPrice, filePrice, hourlyPrice, z.strictObject({ kind: z.literal('none') })], {
      error: 'an object with a kind',
    })
    .default({ kind: 'none' }),
});

const trigger = z.discriminatedUnion(
  'kind',
  [
    z
      .strictObject({
        kind: z.literal('day-ahead-price'),
        thresholdUsdPerMwh: s.usdPerMwh(),
        window: z.strictObject({ start: s.clock(), end: s.clock() }),
      })
      .describe('Every hour of the window whose day-ahead price is at or above the threshold.'),
    z.strictObject({ kind: z.literal('day-ahead-award') }).describe('What the day-ahead market takes of the bids.'),
    z.strictObject({ kind: z.literal('called') }).describe('Only what the timeline calls.'),
  ],
  { error: 'an object with a kind' },
);

const program = z.strictObject({
  programId: s.outsideId('name of the program', 'dsgs-3'),
  name: s.text('name for people', 120),
  trigger,
  nominatedKw: s.positiveKw().describe('capacity promised to the program'),
  paymentUsdPerKwh: s.quantity('$/kWh', { min: 0, max: 1000, example: 2 }),
  provenance: z.strictObject({
    source: s.text('where the rules come from', 500),
    standing: s.oneOf(['read', 'secondary', 'memory', 'assumed', 'derived']),
  }),
  groups: z
    .array(s.id('a group of homes or a BESS site'))
    .min(1, { error: 'at least one group of homes or BESS site' })
    .describe('who takes part'),
  bids: z
    .array(
      z.strictObject({
        hour: s.whole('a local hour by its end (18 is 17:00 to 18:00)', { min: 1, max: 24, example: 19 }),
        steps: z
          .array(z.strictObject({ priceUsdPerMwh: s.usdPerMwh(), quantityKw: s.positiveKw() }))
          .min(1, { error: 'at least one step' })
          .max(20, { error: 'at most 20 steps' })
          .describe('offered at or above the price: prices rise, quantities do not fall'),
      }),
    )
    .max(24, { error: 'at most 24 hours' })
    .default([])
    .describe('the same every day; for the trigger day-ahead-award'),
});

export const scenarioSchema = z
  .strictObject({
    version: z.literal(SCENARIO_VERSION, { error: `the number ${SCENARIO_VERSION}, the version of this format` }),
    name: s.id('name of the scenario'),
    title: s.text('the scenario in a line', 120),
    description: s.text('what it shows and why', 4000),
    seed: s.seed(),
    start: s.localDateTime(),
    timeZone: s.text('an IANA time zone like "America/Los_Angeles"', 60),
    duration: s.duration(),
    controlPeriod: s.duration().default('5min'),
    meterInterval: s.oneOf(['5min', '15min', '30min', '60min']).default('15min'),
    fleet: z.strictObject({
      homes: z.array(homeGroup).max(100, { error: 'at most 100 groups' }).default([]),
      bess: z.array(bess).max(50, { error: 'at most 50 sites' }).default([]),
    }),
    weather,
    alertFiles: z
      .array(s.path())
      .max(20, { error: 'at most 20 files' })
      .default([])
      .describe('NWS GeoJSON or CAP; alerts of your own are steps of the timeline'),
    market,
    programs: z.array(program).max(50, { error: 'at most 50 programs' }).default([]),
    timeline: z.array(timelineStep).max(10_000, { error: 'at most 10000 steps' }).default([]),
    faults: z.array(fault).max(1000, { error: 'at most 1000 faults' }).default([]),
    expect: z.array(expectation).max(200, { error: 'at most 200 expectations' }).default([]),
  })
  .describe('A run of a virtual power plant: who takes part, what happens, and what must come of it.');

/** A scenario as read: defaults filled in, the seed in decimal digits. */
export type Scenario = z.infer<typeof scenarioSchema>;
/** A scenario as written: fields with a default may be left out. */
export type ScenarioInput = z.input<typeof scenarioSchema>;

export type HomeGroup = Scenario['fleet']['homes'][number];
export type Bess = Scenario['fleet']['bess'][number];
export type ScenarioProgram = Scenario['programs'][number];
export type PriceSource = Scenario['market']['realTime'];
export type WeatherSource = Scenario['weather'];
