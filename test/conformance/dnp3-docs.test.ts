import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { OBJECTS, type ObjectRole, type ObjectSpec } from '../../src/dnp3/app/objects.ts';
import { MASTER_CASES, OUTSTATION_CASES } from './dnp3-hostile-cases.ts';
import { NOT_YET, procedures, replay } from './dnp3-replay.ts';

/**
 * The tables of docs/dnp3.md are made here and compared; VPP_WRITE_DOCS=1 writes them instead. A table that cannot be made
 * (its recorded data is not there) is not compared.
 */
const FILE = new URL('../../docs/dnp3.md', import.meta.url).pathname;

const GROUPS: Readonly<Record<number, string>> = {
  1: 'binary input',
  2: 'binary input event',
  3: 'double-bit input',
  4: 'double-bit input event',
  10: 'binary output status',
  11: 'binary output event',
  12: 'control relay output block',
  13: 'binary output command event',
  20: 'counter',
  21: 'frozen counter',
  22: 'counter event',
  23: 'frozen counter event',
  30: 'analog input',
  32: 'analog input event',
  34: 'analog input dead-band',
  40: 'analog output status',
  41: 'analog output block',
  42: 'analog output event',
  43: 'analog output command event',
  50: 'time and date',
  51: 'common time of occurrence',
  52: 'time delay',
  60: 'class',
  70: 'file',
  80: 'internal indications',
};

/** What each end does with an object of this role. */
const USE: Readonly<Record<ObjectRole, readonly [outstation: string, master: string]>> = {
  static: ['answers reads', 'reads'],
  event: ['answers reads, sends unasked', 'reads, takes unasked'],
  command: ['executes', 'sends'],
  'command-event': ['-', 'parses'],
  deadband: ['answers reads, takes writes', 'reads, writes'],
  time: ['see Time', 'see Time'],
  class: ['answers reads, assigns', 'reads, assigns'],
  iin: ['takes a write of index 7', 'writes index 7'],
  octets: ['answers reads', 'reads'],
  'octets-event': ['answers reads, sends unasked', 'reads, takes unasked'],
  terminal: ['-', 'parses'],
  file: ['-', 'parses'],
};

const row = (...cells: (string | number)[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly string[]): string =>
  [row(...head), row(...head.map(() => '---')), ...rows].join('\n');

function layoutOf(spec: ObjectSpec): string {
  switch (spec.shape.kind) {
    case 'fields':
      return spec.shape.fields.map((f) => `${f.name} ${f.type}`).join(', ');
    case 'packed':
      return spec.shape.bits === 1 ? '1 bit each' : '2 bits each';
    case 'octets':
      return 'octets';
    case 'free':
      return 'its own length, qualifier 5B';
    case 'marker':
      return 'no data';
  }
}

function objectTable(): string {
  const rows = OBJECTS.map((o) =>
    row(`g${o.group}v${o.variation}`, GROUPS[o.group] ?? '?', layoutOf(o), ...USE[o.role]),
  );
  const sized = [
    [110, 'octet string', 'octets'],
    [111, 'octet string event', 'octets-event'],
    [112, 'virtual terminal output', 'terminal'],
    [113, 'virtual terminal event', 'terminal'],
  ] as const;
  for (const [group, name, role] of sized) {
    rows.push(
      row(`g${group}v0`, name, 'no data', ...USE[role]),
      row(`g${group}v1-255`, name, 'octets, as many as the variation', ...USE[role]),
    );
  }
  return table(['object', 'what', 'layout', 'outstation', 'master'], rows);
}

function procedureTable(): string {
  const rows = procedures.map((p) => row(p.id, p.title.replaceAll('|', '/'), verdict(p)));
  const passed = procedures.filter((p) => replay(p) === null).length;
  return `${passed} of ${procedures.length} replay octet by octet.\n\n${table(['procedure', 'title', 'result'], rows)}`;
}

function verdict(p: (typeof procedures)[number]): string {
  if (replay(p) === null) return 'pass';
  return `does not pass: ${NOT_YET[p.id] ?? 'no reason given'}`;
}

function hostileTable(): string {
  const answer = (answers: readonly string[]): string => {
    const first = answers[0];
    if (first === undefined) return 'silent';
    return `${answers.length === 1 ? '' : `${answers.length} answers, `}${first.slice(0, 8)}`;
  };
  const rows = [
    ...OUTSTATION_CASES.map((c) => row(c.id, c.what, answer(c.answers), c.better ?? '')),
    ...MASTER_CASES.map((c) => {
      const octets = c.sent[0] === c.sent[1] ? c.sent[0] : `${c.sent[0]} to ${c.sent[1]}`;
      const dropped = c.dropped === undefined ? '' : `, ${c.dropped} dropped`;
      return row(c.id, c.what, `${c.values} values${dropped}, ${octets} octets sent`, c.better ?? '');
    }),
  ];
  return table(['case', 'what', 'reaction', 'otherwise than opendnp3'], rows);
}

const TABLES: readonly (readonly [name: string, make: () => string, missing: boolean])[] = [
  ['objects', objectTable, false],
  ['procedures', procedureTable, procedures.length === 0],
  ['hostile', hostileTable, false],
];

describe('docs/dnp3.md', () => {
  for (const [name, make, missing] of TABLES) {
    test.skipIf(missing)(`its table of ${name} is the one made from the code and shared/data/dnp3`, () => {
      const text = readFileSync(FILE, 'utf8');
      const [open, close] = [`<!-- made: ${name} -->\n`, `<!-- end: ${name} -->`];
      const from = text.indexOf(open) + open.length;
      const to = text.indexOf(close);
      expect(from >= open.length && to >= from, `${open}...${close} stand in the file`).toBe(true);
      const wanted = `\n${make()}\n\n`;
      if (process.env.VPP_WRITE_DOCS === '1') writeFileSync(FILE, text.slice(0, from) + wanted + text.slice(to));
      else expect(text.slice(from, to)).toBe(wanted);
    });
  }

  test('each test it names for a weakness exists', () => {
    const text = readFileSync(FILE, 'utf8');
    const tests = readFileSync(new URL('./dnp3-hostile.test.ts', import.meta.url).pathname, 'utf8');
    const named = [...text.matchAll(/^\d\. .*\(test "([^"]+)"\)/gm)].map((m) => m[1] ?? '');
    expect(named.length).toBe(6);
    for (const name of named) expect(tests, name).toContain(`test('${name}`);
  });
});
