import type { HomeGroup, Scenario } from '../../scenarios/schema.ts';
import { endMsOf, startMsOf } from '../../scenarios/times.ts';
import type { Visit } from '../../simulators/appliance/visits.ts';
import { type ChargingSession, readSessions } from '../../simulators/feeds/sessions.ts';
import { inputError } from '../../src/domain/errors.ts';
import { instantOfLocal, localDate, startOfLocalDay } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_DAY } from '../../src/domain/units.ts';

import type { Note, TextFile } from './textFile.ts';

/**
 * Charging sessions of a file as stays of the cars of a group: the k-th station of the file (by its name) is the k-th car.
 * The file's local days are used in turn, as those of metered curves are: `firstDay` (or the first) stands for the first
 * day of the run, and they repeat before and after. A session that would begin before the last one has ended is left out.
 */
type SessionsFile = NonNullable<NonNullable<HomeGroup['ev']>['sessionsFile']>;

interface Request {
  readonly scenario: Scenario;
  /** Days before the run that need stays as well. */
  readonly historyDays: number;
  readonly readText: (path: string) => TextFile;
  readonly note: (note: Note) => void;
}

/** @throws InputError for a file that cannot be read, a day that it does not have, or fewer stations than cars */
export function sessionsOf(r: Request): Map<string, Visit[][]> {
  return new Map(
    r.scenario.fleet.homes.flatMap((group): [string, Visit[][]][] => {
      const file = group.ev?.sessionsFile;
      return file === undefined ? [] : [[group.group, ofGroup(r, group, file)]];
    }),
  );
}

function ofGroup({ scenario, historyDays, readText, note }: Request, group: HomeGroup, file: SessionsFile): Visit[][] {
  const { text, source } = readText(file.path);
  const { sessions, notes } = readSessions({ text, source });
  for (const n of notes) note({ source, what: `row ${n.row}: ${n.what}` });
  const stations = [...new Set(sessions.map((s) => s.station))].sort();
  const cars = group.ev?.count ?? group.count;
  if (stations.length < cars) {
    const expected = `at least ${cars}, one for each car of ${group.group}`;
    throw inputError({ source, place: 'column station', value: `${stations.length} stations`, expected });
  }
  const days = daysOf(sessions, scenario.timeZone);
  const first = firstIndex(days, source, file, scenario.timeZone);
  return stations.slice(0, cars).map((station) => {
    const own = sessions.filter((s) => s.station === station);
    return staysOf(own, { days, first, scenario, historyDays });
  });
}

/** Local midnights from the first arrival to the last. */
function daysOf(sessions: readonly ChargingSession[], timeZone: string): EpochMs[] {
  const lastMs = sessions.at(-1)?.arriveMs ?? 0;
  const days: EpochMs[] = [];
  let day = startOfLocalDay(sessions[0]?.arriveMs ?? 0, timeZone);
  for (; day <= lastMs; day = startOfLocalDay(day, timeZone, 1)) days.push(day);
  return days;
}

function firstIndex(days: readonly EpochMs[], source: string, file: SessionsFile, timeZone: string): number {
  if (file.firstDay === undefined) return 0;
  const wanted = instantOfLocal(`${file.firstDay}T00:00`, timeZone, { source, place: 'firstDay' });
  const index = days.indexOf(wanted);
  if (index >= 0) return index;
  const [from, to] = [days[0] ?? 0, days.at(-1) ?? 0].map((d) => localDate(d, timeZone));
  throw inputError({ source, place: 'firstDay', value: file.firstDay, expected: `a day from ${from} to ${to}` });
}

/** From the first day of the meter history to the end of the run. */
function staysOf(
  own: readonly ChargingSession[],
  at: Pick<Request, 'scenario' | 'historyDays'> & { readonly days: readonly EpochMs[]; readonly first: number },
): Visit[] {
  const { days, first, scenario } = at;
  const { timeZone } = scenario;
  const runMs = startMsOf(scenario);
  const last = Math.ceil((endMsOf(scenario) - runMs) / MS_PER_DAY) + 1;
  const stays: Visit[] = [];
  let freeMs = Number.NEGATIVE_INFINITY;
  for (let d = -at.historyDays; d <= last; d++) {
    const fromMs = days[(((first + d) % days.length) + days.length) % days.length] ?? 0;
    const nextMs = startOfLocalDay(fromMs, timeZone, 1);
    const shiftMs = startOfLocalDay(runMs, timeZone, d) - fromMs;
    for (const s of own) {
      const arriveMs = s.arriveMs + shiftMs;
      if (s.arriveMs < fromMs || s.arriveMs >= nextMs || arriveMs < freeMs) continue;
      freeMs = s.departMs + shiftMs;
      stays.push({ arriveMs, departMs: freeMs, usedWh: s.energyWh });
    }
  }
  return stays;
}
