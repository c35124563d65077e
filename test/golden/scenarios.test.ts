import { describe, expect, test } from 'vitest';
import type { ApplianceMeasures } from '../../reports/applianceTypes.ts';
import { LIBRARY } from '../../scenarios/library.ts';
import { isTerminal } from '../../src/domain/command.ts';
import { localDate, localParts } from '../../src/domain/time.ts';
import { MS_PER_HOUR } from '../../src/domain/units.ts';
import type { LogRecord, MeterInterval } from '../../src/ports/records.ts';
import { expectGolden } from '../helpers/golden.ts';
import { type LoggedRun, libraryScenario, runLogged } from '../helpers/library.ts';

/**
 * Every scenario of the library, run twice. What must always hold is recomputed here from the lines of the log; what a
 * scenario gives is compared with a small table. The hash is not in the table: it holds for one build of Node only,
 * whose sin and exp may differ from another's in the last bit.
 */
const metersOf = (records: readonly LogRecord[]): MeterInterval[] => records.filter((r) => r.kind === 'meter');

/** Devices of a site against the registers of its meter, and the stores of its cars; all 0 [mJ]. */
function expectApplianceBooks({ records }: LoggedRun): void {
  const left = new Map<string, { ev: number; hvac: number }>();
  for (const r of records) {
    if (r.kind !== 'meter' && r.kind !== 'appliance-meter') continue;
    const key = `${r.siteId}@${r.startMs}`;
    const row = left.get(key) ?? { ev: 0, hvac: 0 };
    left.set(key, row);
    if (r.kind === 'meter') {
      row.ev += r.evMj ?? 0;
      row.hvac += r.hvacMj ?? 0;
    } else if (r.what === 'hvac') row.hvac -= r.hvacMj + r.fanMj;
    else {
      row.ev -= r.chargeMj;
      expect(r.chargeMj - r.lossMj - r.drivenMj, key).toBe(r.storedEndMj - r.storedStartMj);
    }
  }
  expect([...left].filter(([, row]) => row.ev !== 0 || row.hvac !== 0)).toEqual([]);
}

/** Import − export + discharge − charge + pv − load − cars − cooling, which is 0 where every flow at the site's bus is metered [mJ]. */
const siteResidualMj = (m: MeterInterval): number =>
  m.importMj - m.exportMj + m.dischargeMj - m.chargeMj + m.pvMj - m.loadMj - (m.evMj ?? 0) - (m.hvacMj ?? 0);

/** What went in less what came out, was lost and is kept, which is 0 where no energy is made or forgotten [mJ]. */
const batteryResidualMj = (m: MeterInterval): number =>
  m.chargeMj - m.chargeLossMj - m.dischargeMj - m.dischargeLossMj - m.standbyMj - (m.storedEndMj - m.storedStartMj);

function expectWholeLedger({ records }: LoggedRun): void {
  const started = records.find((r) => r.kind === 'run-started');
  const sites = records.flatMap((r) => (r.kind === 'site' ? [r.siteId] : []));
  if (started === undefined) throw new Error('the log names no run');
  const open = metersOf(records).filter((m) => siteResidualMj(m) !== 0 || batteryResidualMj(m) !== 0);
  expect(open).toEqual([]);
  expect(sites.length).toBeGreaterThan(0);
  for (const siteId of sites) {
    const own = metersOf(records).filter((m) => m.siteId === siteId);
    const edges = own.map((m) => m.startMs);
    expect([...edges, own.at(-1)?.endMs], siteId).toEqual([
      started.startMs,
      ...own.map((m) => m.startMs + started.meterIntervalMs),
    ]);
    expect(own.at(-1)?.endMs, siteId).toBe(started.endMs);
    const jumps = own.filter((m, i) => i > 0 && m.storedStartMj !== own[i - 1]?.storedEndMj);
    expect(jumps, siteId).toEqual([]);
  }
}

function expectEveryCommandEnds({ records }: LoggedRun): void {
  const endMs = records.at(-1)?.atMs ?? 0;
  const accepted = new Map<string, number>();
  const ended = new Map<string, string[]>();
  for (const r of records) {
    if (r.kind !== 'fact') continue;
    const { type } = r.fact;
    if (type === 'command.accepted' || type === 'appliance.command-accepted') {
      accepted.set(r.fact.command.commandId, r.atMs);
    }
    if (type !== 'command.ended' && type !== 'appliance.command-ended') continue;
    const { commandId, outcome } = r.fact;
    ended.set(commandId, [...(ended.get(commandId) ?? []), outcome.status]);
  }
  const due = [...accepted].filter(([, atMs]) => atMs < endMs - MS_PER_HOUR).map(([id]) => id);
  expect(due.length).toBeGreaterThan(0);
  expect(due.filter((id) => !ended.has(id))).toEqual([]);
  const wrong = [...ended].filter(([id, all]) => !accepted.has(id) || all.length !== 1 || !all.every(isTerminalText));
  expect(wrong).toEqual([]);
}

const isTerminalText = (status: string): boolean => isTerminal(status as Parameters<typeof isTerminal>[0]);

/** "2024-07-10 HE19" of each hour in which a plan asked for something. */
function dispatchedHours({ records }: LoggedRun): string[] {
  const started = records.find((r) => r.kind === 'run-started');
  const hours = new Set<string>();
  for (const r of records) {
    if (r.kind !== 'fact' || r.fact.type !== 'dispatch.planned' || started === undefined) continue;
    const { plannedW, periodStartMs: t, periodEndMs } = r.fact.dispatch;
    const hour = localParts(t, started.timeZone).hour + 1;
    if (plannedW > 0 && periodEndMs > t) hours.add(`${localDate(t, started.timeZone)} HE${hour}`);
  }
  return [...hours].sort();
}

function goldenTable(run: LoggedRun) {
  const { measures, scenario } = run.result;
  const commands: Record<string, number> = {};
  for (const c of measures.commands) commands[c.status] = (commands[c.status] ?? 0) + 1;
  return {
    scenario: scenario.name,
    seed: scenario.seed,
    requestedKwh: Math.round(measures.totals.targetWh / 1000),
    deliveredKwh: Math.round(measures.totals.deliveredWh / 1000),
    commands: Object.fromEntries(Object.entries(commands).sort(([a], [b]) => (a < b ? -1 : 1))),
    dispatchedHours: dispatchedHours(run),
    ...(measures.appliances === null ? {} : { settings: settingsTable(measures.appliances) }),
  };
}

/** What each setting used, saved and gave back, in kWh, and how many of its devices did what it asked. */
const settingsTable = ({ moved }: ApplianceMeasures) =>
  moved.map((x) => ({
    asked: x.asked,
    succeeded: `${x.succeeded} of ${x.devices}`,
    usedKwh: wholeKwh(x.usedWh),
    savedKwh: wholeKwh(x.savedWh),
    backKwh: wholeKwh(x.backWh),
  }));

const wholeKwh = (wh: number | null): number | null => (wh === null ? null : Math.round(wh / 1000) + 0);

describe.each(LIBRARY.map((e) => e.name))('%s', (name) => {
  let kept: LoggedRun | null = null;
  const first = (): LoggedRun => {
    kept ??= runLogged(libraryScenario(name));
    return kept;
  };

  test('gives the same log when it is run again in the same process', () => {
    const again = runLogged(libraryScenario(name));
    expect(again.result.hash).toBe(first().result.hash);
  });

  test('has a hash that is the SHA-256 of the lines of its log', () => {
    expect(first().result.hash).toBe(first().sha256);
  });

  test('keeps every promise of its file', () => {
    const broken = first().result.expectations.filter((e) => !e.passed);
    expect(broken.map(({ name: promise, found, where, when }) => ({ promise, found, where, when }))).toEqual([]);
    expect(first().result.verdict.passed).toBe(true);
    expect(first().result.expectations.length).toBeGreaterThan(0);
  });

  test('closes its energy books in every interval of every site, without a gap', () => expectWholeLedger(first()));

  test('has in its meters what its cars and thermostats took, to the mJ', () => expectApplianceBooks(first()));

  test('ends every command that was accepted more than an hour before the end, once', () =>
    expectEveryCommandEnds(first()));

  test('requests, delivers and ends commands as its golden table says', () => expectGolden(name, goldenTable(first())));
});

describe('the seed', () => {
  test('changes what the meters read, not only the name of the run', () => {
    const scenario = libraryScenario('storm-guard-mid-event');
    const meters = (seed: string) => JSON.stringify(metersOf(runLogged({ ...scenario, seed }).records));
    expect(meters('1')).toBe(meters('1'));
    expect(meters('1')).not.toBe(meters('2'));
  });
});
