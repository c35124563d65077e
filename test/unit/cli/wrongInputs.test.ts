import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { template } from '../../../harness/cli/template.ts';
import { errorLines, tempFolder, vpp } from '../../helpers/cli.ts';

/**
 * Wrong inputs through the command line: exit code 2, one error line a problem that names the file, the place, what was
 * found and what was expected, and no run folder left behind.
 */
interface Wrong {
  readonly name: string;
  /** Files beside `good.yaml`, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  /** Each error line, from its start: "error: <file>: <place>: found …, expected …". */
  readonly lines: readonly string[];
}

const GOOD = template('good');

/** The good scenario with one piece of its text replaced; the piece must stand there once. */
function but(from: string, to: string): Readonly<Record<string, string>> {
  const parts = GOOD.split(from);
  if (parts.length !== 2) throw new Error(`"${from}" stands ${parts.length - 1} times in the scenario`);
  return { 'wrong.yaml': parts.join(to) };
}

/** Two days of hourly day-ahead prices at two nodes. */
const HOURS = ['2024-07-10', '2024-07-11'].flatMap((day) =>
  Array.from({ length: 24 }, (_, i) =>
    ['DLAP_SCE-APND', 'DLAP_PGAE-APND'].map((node) => `${day},${i + 1},${node},${40 + i}.5,41.25`),
  ).flat(),
);
const CSV = `${['opr_dt,opr_hr,node,dam_lmp_usd_mwh,rtm_lmp_mean_usd_mwh', ...HOURS].join('\n')}\n`;
const BOMB = ['a: &a [x, x, x, x, x, x, x, x, x, x]', ...'bcdefgh'].map((line, i, all) =>
  i === 0
    ? line
    : `${line}: &${line} [${Array(10)
        .fill(`*${all[i - 1]?.[0]}`)
        .join(', ')}]`,
);
const CAP = (status: string): string => `<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>one</identifier><sender>w-nws@example.org</sender><sent>2024-07-10T18:30:00-07:00</sent>
  <status>${status}</status><msgType>Alert</msgType><scope>Public</scope>
  <info>
    <language>en-US</language><category>Met</category><event>Severe Thunderstorm Warning</event>
    <urgency>Immediate</urgency><severity>Severe</severity><certainty>Observed</certainty>
    <onset>2024-07-10T18:30:00-07:00</onset><expires>2024-07-10T21:00:00-07:00</expires>
    <area><areaDesc>San Bernardino</areaDesc><geocode><valueName>UGC</valueName><value>CAC071</value></geocode></area>
  </info>
</alert>
`;
const ONE_NODE = ['--prices', 'prices.csv', '--node', 'DLAP_SCE-APND'];
const run = ['run', 'wrong.yaml'];

const WRONG: readonly Wrong[] = [
  {
    name: 'a misspelt key',
    files: but('timeZone:', 'timezone:'),
    args: run,
    lines: ['wrong.yaml: line 8, column 1 (timezone): found the field "timezone", expected one of the fields version,'],
  },
  {
    name: 'a negative capacity',
    files: but(
      'model: powerwall-3',
      'battery: { usableKwh: -13.5, chargeKwMax: 5, dischargeKwMax: 5, roundTripRatio: 0.9 }',
    ),
    args: run,
    lines: [
      'wrong.yaml: line 16, column 29 (fleet.homes[0].battery.usableKwh): found -13.5, expected a number of kWh above 0',
    ],
  },
  {
    name: 'a reserve above 100 %',
    files: but('reservePct: 20', 'reservePct: 120'),
    args: run,
    lines: [
      'wrong.yaml: line 18, column 19 (fleet.homes[0].reservePct): found 120, expected a number of % from 0 to 100',
    ],
  },
  {
    name: 'a time zone that does not exist',
    files: but('America/Los_Angeles', 'America/Los_Angels'),
    args: run,
    lines: ['wrong.yaml: line 8, column 11 (timeZone): found "America/Los_Angels", expected an IANA time zone'],
  },
  {
    name: 'a weather zone that cannot be one',
    files: but('[CAC071]', '[CAX071]'),
    args: run,
    lines: [
      'wrong.yaml: line 21, column 15 (fleet.homes[0].zones[0]): found "CAX071", expected a UGC zone or county code',
    ],
  },
  {
    name: 'two dispatches of one name',
    files: but(
      'expect:',
      '  - { at: "21:00", kind: dispatch, eventId: first-event, programId: my-program, targetKw: 4, duration: 1h }\nexpect:',
    ),
    args: run,
    lines: ['wrong.yaml: line 51, column 45 (timeline[1].eventId): found "first-event", expected something used once'],
  },
  {
    name: 'an event that begins within a meter interval',
    files: but('at: "18:00"', 'at: "18:07"'),
    args: run,
    lines: [
      'wrong.yaml: line 44, column 9 (timeline[0].at): found "18:07", expected a time at which a meter interval of 15min',
    ],
  },
  {
    name: 'a start that daylight saving time skips',
    files: but('2024-07-10T12:00', '2024-03-10T02:30'),
    args: run,
    lines: [
      'wrong.yaml: line 7, column 8 (start): found "2024-03-10T02:30", expected a local time that exists once in',
    ],
  },
  {
    name: 'a tab as indentation',
    files: but('  homes:', '\thomes:'),
    args: run,
    lines: ['wrong.yaml: line 12, column 1: found "\\thomes:", expected spaces: YAML is not indented with tabs'],
  },
  {
    name: 'aliases that multiply',
    files: { 'wrong.yaml': `${BOMB.join('\n')}\n` },
    args: run,
    lines: [
      'wrong.yaml: line 1, column 23 (f[0][5][2][5][2][5]): found "more than 200000 values", expected at most 200000 values',
    ],
  },
  {
    name: 'a version of a later program',
    files: but('version: 1', 'version: 2'),
    args: run,
    lines: [
      'wrong.yaml: line 1, column 10 (version): found 2, expected version 1: the file is newer than this vpp-testbed',
    ],
  },
  {
    name: 'two slips in one file, a line each',
    files: { 'wrong.yaml': GOOD.replace('socPct: { mean: 80', 'socPct: { mean: 180').replace('pvKw: 6', 'pvKw: 6kW') },
    args: run,
    lines: [
      'wrong.yaml: line 17, column 23 (fleet.homes[0].socPct.mean): found 180, expected a number of % from 0 to 100',
      'wrong.yaml: line 19, column 13 (fleet.homes[0].pvKw): found "6kW", expected a number of kW',
    ],
  },
  {
    name: 'a scenario file that is not there',
    args: ['run', 'gone.yaml'],
    lines: ['gone.yaml: whole file: found no such file, expected a file that can be read'],
  },
  {
    name: 'a script that throws',
    files: { 'wrong.mjs': 'throw new RangeError("out of ideas");\n' },
    args: ['run', './wrong.mjs'],
    lines: ['./wrong.mjs: whole file: found RangeError: out of ideas, expected a script that loads'],
  },
  {
    name: 'a price file whose last line is cut off',
    files: { 'prices.csv': CSV.slice(0, -4) },
    args: ['run', 'good.yaml', ...ONE_NODE],
    lines: ['prices.csv: row 97, column 5: found "41" without a line end, expected a line end after the last row'],
  },
  {
    name: 'a price node that the file does not have',
    files: { 'prices.csv': CSV },
    args: ['run', 'good.yaml', '--prices', 'prices.csv', '--node', 'DLAP_SCE-APDN'],
    lines: [
      'prices.csv: node: found "DLAP_SCE-APDN", expected one of the 2 nodes of the file: DLAP_SCE-APND, DLAP_PGAE-APND',
    ],
  },
  {
    name: 'a date that the price file does not have',
    files: { 'prices.csv': CSV },
    args: ['run', 'good.yaml', ...ONE_NODE, '--date', '2025-07-10'],
    lines: [
      'prices.csv, DLAP_SCE-APND day-ahead: date: found 2025-07-10, expected a day from 2024-07-10 to 2024-07-11.',
    ],
  },
  {
    name: 'a price file that is not there',
    args: ['run', 'good.yaml', ...ONE_NODE],
    lines: ['prices.csv: whole file: found no such file, expected a file that can be read'],
  },
  {
    name: 'a node without a price file',
    args: ['run', 'good.yaml', '--node', 'DLAP_SCE-APND'],
    lines: ['command line: --node: found "DLAP_SCE-APND", expected a price file beside it: --prices FILE'],
  },
  {
    name: 'a CAP file with a DTD and an entity',
    files: { 'alert.xml': CAP('Actual').replace('<alert', '<!DOCTYPE alert [<!ENTITY a "aaaa">]><alert') },
    args: ['run', 'good.yaml', '--alerts', 'alert.xml'],
    lines: ['alert.xml: document type: found <!DOCTYPE, expected XML without a DTD or entities'],
  },
  {
    name: 'a weather file that holds prices',
    files: { 'weather.csv': CSV },
    args: ['run', 'good.yaml', '--weather', 'weather.csv'],
    lines: [
      'weather.csv: row 1: found "opr_dt,opr_hr,node,dam_lmp_usd_mwh,rtm_lmp_mean_usd_mwh", expected an EPW file',
    ],
  },
  {
    name: 'a seed that is no number',
    args: ['run', 'good.yaml', '--seed', 'abc'],
    lines: ['command line: --seed: found "abc", expected an integer of at most 64 bits or its hex form'],
  },
  {
    name: 'a date that is in no calendar',
    args: ['run', 'good.yaml', '--date', '2024-02-30'],
    lines: ['command line: --date: found "2024-02-30", expected a date like 2024-07-10'],
  },
  {
    name: 'a date on which a time of the scenario does not exist',
    files: { 'wrong.yaml': GOOD.replace('duration: 12h', 'duration: 24h').replace('at: "18:00"', 'at: "02:30"') },
    args: [...run, '--date', '2024-03-09'],
    lines: ['good with --date 2024-03-09: timeline[0].at: found "02:30", expected a local time that exists once'],
  },
  {
    name: 'a date that leaves a time of the scenario outside the run',
    files: but('at: "18:00"', 'at: "2024-07-10T18:00"'),
    args: [...run, '--date', '2024-07-12'],
    lines: ['good with --date 2024-07-12: timeline[0].at: found "2024-07-10T18:00", expected a time within the run'],
  },
  {
    name: 'an output folder below a file',
    files: { occupied: 'a file\n' },
    args: ['run', 'good.yaml', '--out', 'occupied/runs'],
    lines: ['occupied/runs/good-1: run folder: found ENOTDIR, expected a folder that can be made and written'],
  },
];

describe('a wrong input', () => {
  const root = tempFolder();

  function folderWith(index: number, files: Readonly<Record<string, string>>): string {
    const dir = join(root, String(index));
    mkdirSync(dir);
    writeFileSync(join(dir, 'good.yaml'), GOOD);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    return dir;
  }

  test.each(WRONG.map((w, i) => ({ ...w, i })))(
    'is refused with its place: $name',
    async ({ i, files, args, lines }) => {
      const dir = folderWith(i, files ?? {});
      const before = readdirSync(dir).sort();
      const { code, out, err } = await vpp(args, dir);
      const found = errorLines(err.replaceAll(`${dir}/`, ''));
      expect(code, err).toBe(2);
      expect(found.map((line, k) => line.slice('error: '.length, 'error: '.length + (lines[k]?.length ?? 80)))).toEqual(
        lines,
      );
      for (const line of found)
        expect(line).toMatch(/^error: [^:]+: .+: found .+, expected .+\.( Did you mean ".+"\?)?$/);
      expect(out).toBe('');
      expect(readdirSync(dir).sort(), 'nothing may be left behind').toEqual(before);
    },
  );

  test('suggests the nearest name where one was misspelt', async () => {
    const hints = { 'a misspelt key': 'timeZone', 'a time zone that does not exist': 'America/Los_Angeles' };
    const nodes = { 'a price node that the file does not have': 'DLAP_SCE-APND' };
    for (const [name, meant] of Object.entries({ ...hints, ...nodes })) {
      const wrong = WRONG.find((w) => w.name === name);
      const dir = folderWith(1000 + WRONG.findIndex((w) => w.name === name), wrong?.files ?? {});
      const { err } = await vpp(wrong?.args ?? [], dir);
      expect(errorLines(err)[0], name).toContain(`Did you mean "${meant}"?`);
    }
  });

  test('replaces nothing of an earlier run', async () => {
    const dir = folderWith(2000, {});
    expect((await vpp(['run', 'good.yaml', '--quiet'], dir)).code).toBe(0);
    const log = readFileSync(join(dir, 'runs/good-1/log.jsonl'), 'utf8');
    expect((await vpp(['run', 'good.yaml', '--weather', 'gone.epw'], dir)).code).toBe(2);
    expect(readFileSync(join(dir, 'runs/good-1/log.jsonl'), 'utf8')).toBe(log);
  });
});

describe('an alert of status Exercise', () => {
  const dir = tempFolder();

  async function recordsWith(status: string): Promise<string[]> {
    writeFileSync(join(dir, 'good.yaml'), GOOD);
    writeFileSync(join(dir, 'alert.xml'), CAP(status));
    const { code, err } = await vpp(['run', 'good.yaml', '--alerts', 'alert.xml', '--out', status], dir);
    expect(err).not.toContain('error:');
    expect(existsSync(join(dir, status, 'good-1/report.html'))).toBe(true);
    // Whether the event was served in spite of the storm is not asked here.
    expect([0, 1]).toContain(code);
    return readFileSync(join(dir, status, 'good-1/log.jsonl'), 'utf8')
      .trim()
      .split('\n');
  }

  const isAlert = (line: string): boolean => line.includes('"kind":"alert"');
  const inStorm = (lines: readonly string[]): string[] =>
    lines.filter((line) => line.includes('"kind":"device-mode"') && line.includes('"storm":"active"'));

  test('runs and changes nothing but its own line in the log', async () => {
    const exercise = await recordsWith('Exercise');
    const { code } = await vpp(['run', 'good.yaml', '--out', 'none'], dir);
    const none = readFileSync(join(dir, 'none/good-1/log.jsonl'), 'utf8').trim().split('\n');
    expect(code).toBe(0);
    expect(exercise.filter(isAlert)).toHaveLength(1);
    expect(exercise.filter(isAlert)[0]).toContain('"acted":false');
    expect(inStorm(exercise)).toEqual([]);
    expect(exercise.filter((line) => !isAlert(line))).toEqual(none);
  });

  test('would have put all twenty homes into storm mode with status Actual', async () => {
    const actual = await recordsWith('Actual');
    const devices = new Set(inStorm(actual).map((line) => (JSON.parse(line) as { deviceId: string }).deviceId));
    expect(actual.filter(isAlert)[0]).toContain('"acted":true');
    expect(devices.size).toBe(20);
  });
});
