import { describe, expect, test } from 'vitest';
import { type Cell, type CollectedCommand, Spans } from '../../../reports/collection.ts';
import type { ShortfallReason } from '../../../reports/measureTypes.ts';
import { type Delivery, reasonOf, shortfallShare } from '../../../reports/shortfall.ts';
import type { EndReason, TerminalStatus } from '../../../src/domain/command.ts';
import { MS_PER_MIN, whToMj } from '../../../src/domain/units.ts';
import { meterInterval } from '../../helpers/miniRun.ts';

/** Why 250 Wh asked of a device in the quarter from 12:15 to 12:30 did not come; one row of the rule at a time. */
const ROW = { startMs: 15 * MS_PER_MIN, endMs: 30 * MS_PER_MIN };

interface Case {
  readonly plannedWh?: number;
  readonly deliveredWh?: number;
  readonly storedWh?: number;
  readonly measured?: boolean;
  readonly storm?: boolean;
  readonly noMeter?: boolean;
  readonly commands?: readonly CollectedCommand[];
  readonly offline?: 'device' | 'core';
  readonly linkDown?: boolean;
}

function reason(c: Case): ShortfallReason {
  const metered = { ...meterInterval('s', ROW.startMs, ROW.endMs, 0), storedEndMj: whToMj(c.storedWh ?? 5_000) };
  const cell: Cell = { ...ROW, metered, baselineMj: 0 };
  const energy = {
    cell,
    measured: c.measured ?? true,
    storm: c.storm ?? false,
    meteredWh: 0,
    deliveredWh: 0,
    stormWh: 0,
    rechargeMj: 0,
  };
  const spans = { links: new Spans(), offline: new Spans(), unreachable: new Spans() };
  if (c.linkDown === true) spans.links.change('s', true, ROW.endMs - 1);
  if (c.offline === 'device') spans.offline.change('d', true, 0);
  if (c.offline === 'core') spans.unreachable.change('d', true, 0);
  if (c.offline === 'core') spans.unreachable.change('d', false, ROW.startMs + 1);
  const delivery: Delivery = {
    deviceId: 'd',
    siteId: 's',
    row: ROW,
    plannedWh: c.plannedWh ?? 250,
    deliveredWh: c.deliveredWh ?? 0,
    energy: c.noMeter === true ? null : energy,
    reservePct: 20,
    usableMj: whToMj(10_000),
    commands: c.commands ?? [command('succeeded', 'effect_seen')],
  };
  return reasonOf(delivery, spans);
}

function command(
  status: TerminalStatus,
  end: EndReason,
  more: Partial<Omit<CollectedCommand, 'status' | 'reason'>> = {},
): CollectedCommand {
  return {
    commandId: 'c',
    deviceId: 'd',
    by: 'event e',
    eventId: 'e',
    mode: 'discharge',
    powerW: 1_000,
    minimumReservePct: 0,
    startMs: ROW.startMs,
    endMs: ROW.endMs,
    acceptedMs: 0,
    route: 'grid_services',
    routeWhy: '',
    sentMs: 0,
    attempts: 1,
    acknowledgedMs: ROW.startMs,
    endedMs: ROW.endMs,
    status,
    reason: end,
    detail: '',
    ...more,
  };
}

const MIN = MS_PER_MIN;
const late = (minutes: number) => [
  command('succeeded', 'effect_seen', { acknowledgedMs: ROW.startMs + minutes * MIN }),
];

describe('the reason of a missing delivery', () => {
  const cases: readonly (readonly [string, Case, ShortfallReason])[] = [
    ['no meter record', { noMeter: true }, 'not_measured'],
    ['no baseline', { measured: false }, 'not_measured'],
    ['a storm, whatever else happened', { storm: true, linkDown: true, offline: 'device' }, 'storm_guard'],
    ['5 of 250 Wh', { deliveredWh: 245 }, 'small_deviation'],
    ['6 of 250 Wh', { deliveredWh: 244 }, 'effect_partly_seen'],
    ['2 Wh more, nothing asked', { plannedWh: 0, deliveredWh: 2 }, 'small_deviation'],
    ['3 Wh more, nothing asked', { plannedWh: 0, deliveredWh: 3 }, 'over_delivery'],
    ['3 Wh less, nothing asked', { plannedWh: 0, deliveredWh: -3 }, 'earlier_discharge'],
    ['the link lost for 1 ms', { linkDown: true, commands: [command('failed', 'delivery_failed')] }, 'link_lost'],
    ['a command that was not delivered', { commands: [command('failed', 'delivery_failed')] }, 'delivery_failed'],
    ['a command that the cloud refused', { commands: [command('rejected', 'oem_refused')] }, 'oem_refused'],
    ['a command without an answer', { commands: [command('failed', 'outcome_unknown')] }, 'outcome_unknown'],
    ['a command ignored in a storm', { commands: [command('ignored', 'storm_guard')] }, 'storm_guard'],
    ['a command too late to start', { commands: [command('expired', 'not_after_passed')] }, 'late_start'],
    ['a cancelled command', { commands: [command('cancelled', 'cancelled_by_actor')] }, 'cancelled'],
    ['an opted-out device', { commands: [command('cancelled', 'opted_out')] }, 'opted_out'],
    ['no route', { commands: [command('rejected', 'no_route')] }, 'no_route'],
    ['a site not controllable', { commands: [command('rejected', 'site_not_controllable')] }, 'site_not_controllable'],
    ['a device offline by its own clock', { offline: 'device' }, 'device_offline'],
    ['a device the core could not reach for 1 ms', { offline: 'core' }, 'device_offline'],
    ['an acknowledgement after 8 of 15 minutes', { commands: late(8) }, 'late_start'],
    [
      'an acknowledgement after 7 of 15 minutes, which explains less than half',
      { commands: late(7) },
      'effect_partly_seen',
    ],
    ['a battery within half a percent of its reserve', { storedWh: 2_050 }, 'reserve'],
    ['a battery just above that', { storedWh: 2_051 }, 'effect_partly_seen'],
    [
      'a battery at the floor of its command',
      { storedWh: 4_000, commands: [command('succeeded', 'effect_seen', { minimumReservePct: 40 })] },
      'reserve',
    ],
    [
      'a battery at its reserve, seen as no effect',
      { storedWh: 2_000, commands: [command('failed', 'no_effect')] },
      'reserve',
    ],
    ['no effect', { commands: [command('failed', 'no_effect')] }, 'no_effect'],
    ['no telemetry', { commands: [command('failed', 'no_telemetry')] }, 'no_telemetry'],
    ['a partial effect', { commands: [command('partial', 'effect_partly_seen')] }, 'effect_partly_seen'],
    [
      'a command replaced from elsewhere in the interval',
      { commands: [command('superseded', 'newer_command', { endedMs: ROW.endMs - 1 })] },
      'superseded',
    ],
    [
      'a good command, and the next of the event replaced from elsewhere',
      {
        commands: [
          command('succeeded', 'effect_seen', { endMs: ROW.startMs + 5 * MIN }),
          command('superseded', 'newer_command', { startMs: ROW.startMs + 5 * MIN, endedMs: ROW.endMs - MIN }),
        ],
      },
      'superseded',
    ],
    [
      'a command replaced after the interval',
      { commands: [command('superseded', 'newer_command', { endMs: ROW.endMs + MIN, endedMs: ROW.endMs })] },
      'effect_partly_seen',
    ],
    [
      'a command replaced by the next of the event',
      {
        commands: [
          command('superseded', 'newer_command', { endedMs: ROW.endMs - MIN }),
          command('succeeded', 'effect_seen', { startMs: ROW.endMs - MIN }),
        ],
      },
      'effect_partly_seen',
    ],
    ['no command', { commands: [] }, 'no_command'],
    [
      'a command of another time',
      { commands: [command('failed', 'delivery_failed', { startMs: 0, endMs: 1 })] },
      'no_command',
    ],
    [
      'a failed command of 1 min beside a good one',
      {
        commands: [
          command('failed', 'oem_refused', { endMs: ROW.startMs + MIN }),
          command('failed', 'delivery_failed'),
        ],
      },
      'delivery_failed',
    ],
    [
      'a failed command that had been replaced before',
      {
        commands: [
          command('superseded', 'newer_command', { startMs: 0, endedMs: ROW.startMs }),
          command('succeeded', 'effect_seen'),
        ],
      },
      'effect_partly_seen',
    ],
  ];
  test.each(cases)('%s', (_name, given, expected) => {
    expect(reason(given)).toBe(expected);
  });
});

test('the share of a reason is of what is missing, in both stages, and gifts do not count', () => {
  const shortfall = [
    { stage: 'planning', reason: 'storm_guard', wh: 300, devices: 1 },
    { stage: 'delivery', reason: 'storm_guard', wh: 100, devices: 1 },
    { stage: 'delivery', reason: 'no_effect', wh: 400, devices: 1 },
    { stage: 'delivery', reason: 'over_delivery', wh: -700, devices: 1 },
  ] as const;
  expect(shortfallShare({ shortfall }, 'storm_guard')).toBe(0.5);
  expect(shortfallShare({ shortfall }, 'offline')).toBe(0);
  expect(shortfallShare({ shortfall: [] }, 'storm_guard')).toBe(0);
});
