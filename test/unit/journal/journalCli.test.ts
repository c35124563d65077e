import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addJournalCommands } from '../../../harness/cli/journalCommands.ts';
import { InputError } from '../../../src/domain/errors.ts';
import { openJournal } from '../../../src/live/journal/journal.ts';
import { tempFolder } from '../../helpers/cli.ts';
import { BUILD, fill, sql } from './journals.ts';

const folder = tempFolder();

function verify(words: readonly string[], globals: { json?: boolean; quiet?: boolean } = {}) {
  const said = { out: '', err: '', code: -1 };
  let ms = 0;
  const program = new Command('vpp').exitOverride();
  const io = {
    out: (text: string) => {
      said.out += text;
    },
    err: (text: string) => {
      said.err += text;
    },
    color: false,
    interactive: false,
    cwd: folder,
    nowMs: () => {
      ms += 500;
      return ms;
    },
  };
  const finish = (code: number) => {
    said.code = code;
  };
  addJournalCommands(program, { io, globals: () => globals, finish });
  program.parse(['verify-journal', ...words], { from: 'user' });
  return said;
}

async function made(name: string, marks?: string): Promise<string> {
  const dir = join(folder, name);
  const journal = await openJournal({ dir, build: BUILD, ...(marks === undefined ? {} : { highWaterDir: marks }) });
  await fill(journal, 12);
  await journal.close();
  return dir;
}

describe('vpp verify-journal', () => {
  test('says of a good journal what it holds and how fast it was read, with exit code 0', async () => {
    await made('good');
    const { out, code } = verify(['good']);
    expect(out).toBe(
      'entries    12 (1 to 12)\nreplies    12\nsnapshots  0\nread in    0.50 s, 24 entries a second\nthe journal is as it was written\n',
    );
    expect(code).toBe(0);
  });

  test('takes the data folder of a service as well, also when only the mark is left of its journal', async () => {
    const dir = await made(join('data', 'journal'));
    const { out, code } = verify(['data']);
    expect([out.split('\n')[0], code]).toEqual(['entries    12 (1 to 12)', 0]);
    rmSync(dir, { recursive: true });
    expect(verify(['data']).code).toBe(1);
  });

  test('names file and place of damage, with exit code 1', async () => {
    const dir = await made('bad');
    sql(dir, `UPDATE entry SET body = replace(body, 'evt-5', 'evt-6') WHERE seq = 5`);
    const { out, code } = verify(['bad']);
    expect(out).toContain(`damage     ${join(dir, 'journal.db')}: entry 5: its check sum is wrong`);
    expect(out).toContain('the journal is damaged (1 place');
    expect(code).toBe(1);
  });

  test('finds a mark that was put elsewhere, and misses it where it is not', async () => {
    const marks = join(folder, 'marks');
    await made('apart', marks);
    expect(verify(['apart', '--high-water-dir', marks]).code).toBe(0);
    const { out, code } = verify(['apart']);
    expect(out).toMatch(/apart\.hwm: the file: it is missing/);
    expect(code).toBe(1);
  });

  test('prints one JSON object when asked to', async () => {
    await made('json');
    expect(JSON.parse(verify(['json'], { json: true }).out)).toMatchObject({
      ...{ entries: 12, firstSeq: 1, lastSeq: 12, damage: [], seconds: 0.5, perS: 24 },
    });
  });

  test('a folder that never held a journal is a mistake of usage', () => {
    expect(() => verify(['nowhere'])).toThrow(InputError);
  });
});
