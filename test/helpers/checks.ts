import { checkExpectations } from '../../harness/checks/check.ts';
import { template } from '../../harness/cli/template.ts';
import { measure } from '../../reports/measures.ts';
import type { ExpectationResult } from '../../reports/verdict.ts';
import type { Expectation } from '../../scenarios/expect.ts';
import { readScenario } from '../../scenarios/read.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import type { Command, CommandOutcome } from '../../src/domain/command.ts';
import type { Fact } from '../../src/domain/fact.ts';
import { MS_PER_MIN, whToMj } from '../../src/domain/units.ts';
import type { LogBody, LogRecord } from '../../src/ports/records.ts';
import { type MiniRun, miniRun } from './miniRun.ts';

/**
 * A hand-made run of two hours from 1970-01-01 00:00 UTC in quarter hours, for the checks: home `a` of the group
 * `homes` and home `b` of the group `others`, an event `e1` of 4 kW from 00:30 to 01:30. Each expectation is judged alone.
 */
export const STEP_MS = 15 * MS_PER_MIN;
export const minute = (n: number): number => n * MS_PER_MIN;
export const at = (minutes: number, body: LogBody): LogRecord => ({ atMs: minute(minutes), ...body });
export const factAt = (minutes: number, fact: Fact): LogRecord => at(minutes, { kind: 'fact', fact });

const whs = (...wh: number[]): number[] => wh.map(whToMj);

/** Home a gives 1000 Wh against its baseline in each interval of the event, home b nothing. */
export const RUN: MiniRun = {
  stepMs: STEP_MS,
  sites: [
    {
      deviceId: 'a',
      group: 'homes',
      metered: whs(500, 500, -500, -500, -500, -500, 500, 500),
      baseline: whs(500, 500, 500, 500, 500, 500, 500, 500),
    },
    {
      deviceId: 'b',
      group: 'others',
      metered: whs(300, 300, 300, 300, 300, 300, 300, 300),
      baseline: whs(300, 300, 300, 300, 300, 300, 300, 300),
    },
  ],
  events: [
    {
      eventId: 'e1',
      from: 2,
      to: 6,
      targetW: 4000,
      plans: [{ fromMs: minute(30), toMs: minute(90), allocatedW: { a: 3000, b: 1000 } }],
    },
  ],
};

/** The same homes and meters, and nothing that happened. */
export const { events: _none, ...QUIET } = RUN;

const scenarioWith = (expect: Expectation[]): Scenario => ({
  ...readScenario({ text: template('hand-made'), source: 'template' }),
  start: '1970-01-01T00:00',
  timeZone: 'UTC',
  duration: '2h',
  expect,
});

export function judgeRecords(x: Expectation, records: readonly LogRecord[]): ExpectationResult {
  const [result] = checkExpectations({ scenario: scenarioWith([x]), records, measures: measure(records) });
  if (result === undefined) throw new Error('one expectation, one result');
  return result;
}

/** What a result says, without its name. */
export function judge(x: Expectation, run: MiniRun) {
  const { passed, found, where, when } = judgeRecords(x, miniRun(run));
  return { passed, found, where, when };
}

/** The run with more records, put in by time before the meters are read at the end. */
export const withRecords = (run: MiniRun, ...more: LogRecord[]): MiniRun => ({ ...run, more });

export function command(commandId: string, deviceId: string, over: Partial<Command> = {}): Command {
  return {
    commandId,
    workspaceId: 'w',
    deviceId,
    input: { operatingMode: 'discharge', enableGridInteraction: true },
    startMs: minute(30),
    endMs: minute(90),
    notAfterMs: minute(90),
    cause: { kind: 'dispatch', eventId: 'e1', periodStartMs: minute(30) },
    ...over,
  };
}

export const accepted = (minutes: number, c: Command): LogRecord =>
  factAt(minutes, { type: 'command.accepted', command: c });

export const ended = (minutes: number, commandId: string, outcome: Omit<CommandOutcome, 'detail'>): LogRecord =>
  factAt(minutes, { type: 'command.ended', commandId, outcome: { ...outcome, detail: 'as the test says' } });

export const BESS: LogRecord = at(0, {
  kind: 'site',
  siteId: 'plant',
  deviceId: 'plant-bess',
  group: 'plant',
  siteKind: 'bess',
  oem: 'dnp3',
  model: 'any',
  usableMj: whToMj(100_000),
  chargeWMax: 50_000,
  dischargeWMax: 50_000,
  reservePct: 10,
  pvW: 0,
  zones: [],
});
