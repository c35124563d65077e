import type { Scenario } from '../../scenarios/schema.ts';
import type { ReportReading } from '../../src/domain/fact.ts';
import { eventEndMs, eventStartMs, type GridEvent } from '../../src/domain/program.ts';
import { type EpochMs, MS_PER_MIN } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler } from '../../src/ports/clock.ts';
import type { CoreDriver } from './coreDriver.ts';
import type { Home } from './homes.ts';

/**
 * The partners behind the homes, as the incentive API sees them: they fetch the events of their program, answer as they
 * like (some decline, most say nothing and take part as enrolled), and report the use of their resource afterwards.
 */
export interface Partners {
  /** A meter interval of a home ended: kept for the reports. */
  metered(siteId: string, reading: ReportReading): void;
}

/** How often a partner asks for events [ms]. */
const FETCH_MS = 5 * MS_PER_MIN;
/** Reports go out this long after an event [ms]. */
const REPORT_AFTER_MS = 30 * MS_PER_MIN;
/** Readings kept per home: a day of quarter hours and a half. */
const READINGS_MAX = 150;

export function startPartners(request: {
  readonly scenario: Scenario;
  readonly scheduler: Scheduler;
  readonly homes: readonly Home[];
  readonly driver: CoreDriver;
}): Partners {
  const { scenario, scheduler, homes, driver } = request;
  const readings = new Map<string, ReportReading[]>();
  const declined = new Set<string>();
  const reported = new Set<string>();

  const askForEvents = (): void => {
    const nowMs = scheduler.nowMs();
    for (const { event, status } of driver.core.state.events.values()) {
      if (status === 'offered' && !declined.has(event.eventId)) {
        declined.add(event.eventId);
        decline(event);
      }
      if (status === 'ended' && !reported.has(event.eventId) && nowMs >= eventEndMs(event) + REPORT_AFTER_MS) {
        reported.add(event.eventId);
        report(event);
      }
    }
    scheduler.at(nowMs + FETCH_MS, askForEvents, PRIORITY.wire);
  };

  const decline = (event: GridEvent): void => {
    const { eventId } = event;
    for (const h of membersOf(event)) {
      if (h.optsOut)
        driver.input({ kind: 'answer-event', eventId, resourceId: h.deviceId, answer: 'opt-out', by: 'owner' });
    }
  };

  const report = (event: GridEvent): void => {
    const { eventId } = event;
    for (const h of membersOf(event)) {
      const own = (readings.get(h.siteId) ?? []).filter((r) => within(r, event));
      if (h.offline || own.length === 0) continue;
      driver.input({
        kind: 'report',
        reportId: `${eventId}-${h.deviceId}`,
        resourceId: h.deviceId,
        eventId,
        readings: own,
      });
    }
  };

  const membersOf = (event: GridEvent): Home[] => {
    const groups = scenario.programs.find((p) => p.programId === event.programId)?.groups ?? [];
    return homes.filter((h) => h.enrolled && groups.includes(h.group.group));
  };

  scheduler.at(scheduler.nowMs() + MS_PER_MIN, askForEvents, PRIORITY.wire);
  return {
    metered(siteId, reading) {
      const list = readings.get(siteId) ?? [];
      list.push(reading);
      if (list.length > READINGS_MAX) list.shift();
      readings.set(siteId, list);
    },
  };
}

const within = (r: { startMs: EpochMs; endMs: EpochMs }, event: GridEvent): boolean =>
  r.startMs >= eventStartMs(event) && r.endMs <= eventEndMs(event);
