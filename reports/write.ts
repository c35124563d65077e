import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { localClock } from '../src/domain/time.ts';
import type { LogRecord } from '../src/ports/records.ts';
import { chartsOf } from './charts.ts';
import { applianceMeterCsv, csvFiles, meterCsv, pointsCsv } from './csv.ts';
import { reportHtml } from './html.ts';
import { junitXml } from './junit.ts';
import type { RunMeasures } from './measureTypes.ts';
import { summaryOf } from './summary.ts';
import type { ExpectationResult, RunInfo } from './verdict.ts';
import { readHtmlAssets } from './writeAssets.ts';
import { renderPng } from './writePng.ts';

const CHART_SIZE = { width: 1100, height: 500 };

/**
 * Writes everything that a run leaves beside its log into `dir`, which is made if it does not exist: summary.json,
 * junit.xml, csv/*.csv, charts/*.png and report.html. Files of an earlier run with the same names are replaced.
 * @param records  the run log once more, for csv/meter.csv
 * @returns        the paths written, in order
 */
export async function writeReport(parts: {
  readonly dir: string;
  readonly records: Iterable<LogRecord>;
  readonly measures: RunMeasures;
  readonly expectations: readonly ExpectationResult[];
  readonly run: RunInfo;
}): Promise<string[]> {
  const { dir, records, measures, expectations, run } = parts;
  const written: string[] = [];
  const put = (name: string, content: string | Uint8Array): void => {
    writeFileSync(join(dir, name), content);
    written.push(join(dir, name));
  };
  for (const sub of ['csv', 'charts']) mkdirSync(join(dir, sub), { recursive: true });
  put('summary.json', `${JSON.stringify(summaryOf({ run, measures, expectations }), null, 1)}\n`);
  put('junit.xml', junitXml(run, expectations));
  for (const [name, content] of Object.entries(csvFiles(measures))) put(join('csv', name), content);
  const meters = join(dir, 'csv', 'meter.csv');
  writeLines(meters, meterCsv(records));
  written.push(meters);
  if (measures.fields.some((f) => f.feed !== null)) {
    const points = join(dir, 'csv', 'points.csv');
    writeLines(points, pointsCsv(records));
    written.push(points);
  }
  if (measures.appliances !== null) {
    const own = join(dir, 'csv', 'appliance-meter.csv');
    writeLines(own, applianceMeterCsv(records));
    written.push(own);
  }
  const clock = (atMs: number): string => localClock(atMs, measures.run.timeZone);
  for (const { name, config } of chartsOf(measures, clock)) {
    put(join('charts', `${name}.png`), await renderPng(config, CHART_SIZE));
  }
  put('report.html', reportHtml({ run, measures, expectations }, readHtmlAssets()));
  return written;
}

/** Written in pieces of about this many characters: the table can be tens of megabytes. */
const PIECE = 1 << 20;

function writeLines(path: string, lines: Iterable<string>): void {
  const file = openSync(path, 'w');
  try {
    let piece = '';
    for (const line of lines) {
      piece += line;
      if (piece.length < PIECE) continue;
      writeSync(file, piece);
      piece = '';
    }
    writeSync(file, piece);
  } finally {
    closeSync(file);
  }
}
