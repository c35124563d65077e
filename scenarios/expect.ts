import { z } from 'zod';
import { APPLIANCE_COMMANDS } from '../src/domain/appliance.ts';
import type { EndReason, TerminalStatus } from '../src/domain/command.ts';
import * as s from './scalars.ts';

/**
 * What a run must show. The set is closed and small: each kind asks one question of the run log. An expectation that
 * finds nothing to look at (no such event, no matching command) fails: silence is no proof.
 */
export const NEVER = {
  'discharge-below-reserve': 'a battery discharges for the grid below the reserve that its owner keeps',
  'storm-discharge': 'a battery discharges for the grid while its storm mode is active',
  'control-without-approval':
    'a BESS site is controlled without a valid approval by a second person for its points map',
  'control-before-read': 'a BESS site is controlled after a (re)connection before an integrity poll is complete',
  'control-after-stop': 'a setpoint leaves for a BESS site after its emergency stop',
  'not-enrolled-dispatch': 'a device that is not approved in the program gets a dispatch command of it',
  'opted-out-dispatch': 'a device whose owner opted out gets a dispatch command of the event afterwards',
  'dispatch-outside-window': 'a price-triggered program dispatches outside its daily window',
  'power-above-limit': 'a battery gives or takes more than its limits',
  'test-alert-acted': 'an alert whose status is not Actual changes a device',
  'ledger-residual': 'a meter interval of any site whose energies do not add up to zero',
} as const;

/** The names under which the measures of a run put down missing energy. */
export const SHORTFALL_REASONS = [
  'not_enrolled',
  'enrollment_pending',
  'opted_out',
  'offline',
  'stale_telemetry',
  'not_responding',
  'storm_guard',
  'low_soc',
  'reserve',
  'site_not_controllable',
  'held_by_command',
  'transformer_limit',
  'fleet_too_small',
  'no_plan',
  'not_measured',
  'link_lost',
  'device_offline',
  'late_start',
  'no_command',
  'delivery_failed',
  'oem_refused',
  'outcome_unknown',
  'no_telemetry',
  'no_effect',
  'cancelled',
  'superseded',
  'no_route',
  'earlier_discharge',
  'effect_partly_seen',
  'small_deviation',
] as const;

export const TERMINAL_STATUSES = [
  'succeeded',
  'partial',
  'failed',
  'expired',
  'cancelled',
  'superseded',
  'ignored',
  'rejected',
] as const satisfies readonly TerminalStatus[];

export const END_REASONS = [
  'effect_seen',
  'effect_partly_seen',
  'effect_exceeded',
  'storm_guard',
  'no_effect',
  'delivery_failed',
  'oem_refused',
  'outcome_unknown',
  'device_offline',
  'no_telemetry',
  'not_after_passed',
  'cancelled_by_actor',
  'event_cancelled',
  'newer_command',
  'opted_out',
  'no_route',
  'site_not_controllable',
  'transformer_limit',
  'released',
] as const satisfies readonly EndReason[];

/** Registers of a site whose energy an expectation may bound, and what each counts. */
export const ENERGY = {
  ev: 'vehicles that charge',
  hvac: 'heating and cooling with their fans',
  load: 'the household without both',
  pv: 'generation',
  import: 'from the grid',
  export: 'to the grid',
  charge: 'into home batteries',
  discharge: 'out of home batteries',
} as const;
const ENERGY_NAMES = [
  'ev',
  'hvac',
  'load',
  'pv',
  'import',
  'export',
  'charge',
  'discharge',
] as const satisfies readonly (keyof typeof ENERGY)[];
/** Registers that are known for the world without events and settings as well. */
export const COUNTERFACTUAL_ENERGY: readonly (keyof typeof ENERGY)[] = [
  'ev',
  'hvac',
  'import',
  'export',
  'charge',
  'discharge',
];
const SLUGS = Object.values(APPLIANCE_COMMANDS).map((c) => c.slug);

const NEVER_NAMES = [
  'discharge-below-reserve',
  'storm-discharge',
  'control-without-approval',
  'control-before-read',
  'control-after-stop',
  'not-enrolled-dispatch',
  'opted-out-dispatch',
  'dispatch-outside-window',
  'power-above-limit',
  'test-alert-acted',
  'ledger-residual',
] as const satisfies readonly (keyof typeof NEVER)[];

const common = {
  name: z.exactOptional(s.text('what is promised, in a sentence', 160)).describe('absent: made from the other fields'),
  severity: s.oneOf(['fail', 'warn']).default('fail').describe('warn: reported, but does not fail the run'),
};

/** Which events: one, all of a program, or (neither given) all of the run. */
const events = {
  programId: z.exactOptional(s.outsideId('a program of this scenario', 'dsgs-3')),
  eventId: z.exactOptional(s.id('a dispatch of this timeline')),
};

const group = z.exactOptional(s.id('a group of homes or a BESS site'));
const kwh = () => s.quantity('kWh', { min: -10_000_000, max: 10_000_000, example: 40 });
const fahrenheit = () => s.quantity('°F', { min: -60, max: 160, example: 78 });
const hour = () => s.whole('a local hour by its end (18 is 17:00 to 18:00)', { min: 1, max: 24, example: 19 });

const delivered = z
  .strictObject({
    kind: z.literal('delivered'),
    ...common,
    ...events,
    group,
    during: z.exactOptional(z.strictObject({ from: s.at(), until: s.at() })),
    baseline: s.oneOf(['counterfactual', 'ten-in-ten']).default('counterfactual'),
    atLeastRatio: z.exactOptional(s.ratio(10)).describe('of the energy that was requested'),
    atMostRatio: z.exactOptional(s.ratio(10)),
    atLeastKwh: z.exactOptional(s.quantity('kWh', { min: 0, max: 10_000_000, example: 120 })),
  })
  .describe('Energy delivered over the baseline in the events. Needs at least one bound.');

const participation = z
  .strictObject({ kind: z.literal('participation'), ...common, ...events, group, atLeastRatio: s.share() })
  .describe('Share of the approved devices that delivered something in the events.');

const by = z
  .strictObject({
    kind: z.literal('by'),
    ...common,
    what: s.oneOf(['plant-safe', 'plant-stopped', 'link-restored', 'all-commands-terminal', 'enrolled']),
    siteId: z.exactOptional(s.id('a BESS site')).describe('needed for plant-safe, plant-stopped and link-restored'),
    after: s.at(),
    within: s.duration(),
  })
  .describe(
    [
      'Something holds at the latest `within` after `after`. plant-safe: the plant is in its safe state or stopped;',
      'plant-stopped: it has ceased to energise;',
      'link-restored: an integrity poll is complete again; all-commands-terminal: each command accepted before `after`',
      'has ended; enrolled: each enrollment that was asked for is decided.',
    ].join(' '),
  );

const never = z
  .strictObject({ kind: z.literal('never'), ...common, what: s.oneOf(NEVER_NAMES) })
  .describe(`At no time in the run. ${NEVER_NAMES.map((n) => `${n}: ${NEVER[n]}`).join('; ')}.`);

const dispatchedHours = z
  .strictObject({
    kind: z.literal('dispatchedHours'),
    ...common,
    programId: z.exactOptional(s.outsideId('a program of this scenario', 'dsgs-3')),
    equals: z.array(hour()).max(24),
  })
  .describe('The local hours, by their end, in which a program (or any) dispatched: exactly these.');

const awarded = z
  .strictObject({
    kind: z.literal('awarded'),
    ...common,
    programId: s.outsideId('a program of this scenario', 'day-ahead'),
    equals: z.array(z.strictObject({ hour: hour(), quantityKw: s.positiveKw() })).max(24),
  })
  .describe("What the day-ahead market took of the program's bids: exactly these hours and quantities.");

const commandsEnd = z
  .strictObject({
    kind: z.literal('commandsEnd'),
    ...common,
    status: s.oneOf(TERMINAL_STATUSES),
    reason: z.exactOptional(s.oneOf(END_REASONS)),
    where: z
      .strictObject({
        group,
        eventId: z.exactOptional(s.id('a dispatch of this timeline')),
        slug: z
          .exactOptional(s.oneOf(SLUGS as [(typeof SLUGS)[number], ...typeof SLUGS]))
          .describe('commands of the step `set` with this slug only'),
        stormActive: z
          .exactOptional(s.flag('whether the device was in an active storm'))
          .describe('by the truth of the device at any time between the start and the end of the command'),
      })
      .prefault({})
      .describe('Which commands; {} means all.'),
    atLeastShare: s.share().default(1).describe('of these commands'),
  })
  .describe('How commands end. Fails when no command matches `where`.');

const socPct = z
  .strictObject({
    kind: z.literal('socPct'),
    ...common,
    group: s.id('a group of homes or a BESS site'),
    at: s.at(),
    atLeast: z.exactOptional(s.pct()),
    atMost: z.exactOptional(s.pct()),
  })
  .describe("The group's mean state of charge at a time. Needs at least one bound.");

const energy = z
  .strictObject({
    kind: z.literal('energy'),
    ...common,
    what: s.oneOf(ENERGY_NAMES),
    group: z.exactOptional(s.id('a group of homes or a BESS site')),
    from: s.at(),
    until: s.at(),
    measure: s
      .oneOf(['used', 'saved'])
      .default('used')
      .describe('used: as metered; saved: less than in the same run without events and settings, more is negative'),
    atLeastKwh: z.exactOptional(kwh()),
    atMostKwh: z.exactOptional(kwh()),
  })
  .describe(
    `Energy of all sites, or of a group, in a span of time. ${ENERGY_NAMES.map((n) => `${n}: ${ENERGY[n]}`).join('; ')}.`,
  );

const roomF = z
  .strictObject({
    kind: z.literal('roomF'),
    ...common,
    group: z.exactOptional(s.id('a group of homes')),
    from: s.at(),
    until: s.at(),
    atLeast: z.exactOptional(fahrenheit()),
    atMost: z.exactOptional(fahrenheit()),
    atLeastShare: s.share().default(1).describe('of the houses'),
  })
  .describe('Room temperature of houses with a thermostat at every moment of a span, by the truth of the house.');

const departureSocPct = z
  .strictObject({
    kind: z.literal('departureSocPct'),
    ...common,
    group: z.exactOptional(s.id('a group of homes')),
    from: s.at().default('+0min'),
    until: z.exactOptional(s.at()).describe('absent: the end of the run'),
    atLeast: s.pct(),
    atLeastShare: s.share().default(1).describe('of the departures'),
  })
  .describe('State of charge with which cars leave. Fails when none leaves.');

const shortfallAttributed = z
  .strictObject({
    kind: z.literal('shortfallAttributed'),
    ...common,
    ...events,
    reason: s.oneOf(SHORTFALL_REASONS),
    atLeastShare: s.share(),
  })
  .describe('Share of the energy missing from the target that is put down to this reason. Fails without a shortfall.');

export const expectation = z.discriminatedUnion(
  'kind',
  [
    delivered,
    participation,
    by,
    never,
    dispatchedHours,
    awarded,
    commandsEnd,
    socPct,
    energy,
    roomF,
    departureSocPct,
    shortfallAttributed,
  ],
  { error: 'an object with a kind' },
);

export type Expectation = z.infer<typeof expectation>;
