import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { measureKernel } from '../kernel/bench.ts';
import { simulate } from '../run.ts';
import { fleetDay } from './fleetDay.ts';

/**
 * `npm run bench [homes] [runs]`: whole simulated days, each in a fresh process, because one process in ten lands in a slow
 * tier of the compiler. Prints the median wall time and the peak memory; the limits are the project's own.
 */
const HOMES = Number(process.argv[2] ?? 1000);
const RUNS = Number(process.argv[3] ?? 3);
const WALL_S_MAX = 15;

if (process.env.VPP_BENCH_CHILD === '1') child();
else parent();

function child(): void {
  const began = performance.now();
  const result = simulate({ scenario: fleetDay(HOMES), dataDir: process.cwd() });
  const seconds = (performance.now() - began) / 1000;
  const peakMb = process.resourceUsage().maxRSS / 1024;
  const steps = HOMES * 1440 * 2;
  console.log(
    JSON.stringify({
      seconds,
      peakMb,
      steps,
      records: result.records.length,
      executed: result.executed,
      hash: result.hash,
    }),
  );
}

interface Sample {
  readonly seconds: number;
  readonly peakMb: number;
  readonly steps: number;
  readonly records: number;
  readonly executed: number;
  readonly hash: string;
}

function parent(): void {
  console.log(`node ${process.version}, ${cpus().length} cores, load before ${loadavg()[0]?.toFixed(2)}`);
  const samples = Array.from({ length: RUNS }, () => once());
  const seconds = samples.map((s) => s.seconds).sort((a, b) => a - b);
  const median = seconds[Math.floor(seconds.length / 2)] ?? Number.NaN;
  const first = samples[0];
  if (first === undefined) throw new Error('no run');
  const peak = Math.max(...samples.map((s) => s.peakMb));
  console.log(
    `${HOMES} homes, 24 h at 1-minute physics, world with and without events, core, clouds and polling in the loop`,
  );
  console.log(
    `  wall      ${seconds.map((s) => s.toFixed(2)).join(' ')} s, median ${median.toFixed(2)} s (limit ${WALL_S_MAX} s)`,
  );
  console.log(`  memory    ${peak.toFixed(0)} MB at the peak`);
  console.log(`  work      ${first.steps} device-steps, ${first.executed} kernel events, ${first.records} log records`);
  console.log(
    `  log       ${new Set(samples.map((s) => s.hash)).size === 1 ? 'the same hash in every run' : 'DIFFERENT HASHES'}`,
  );
  for (const pending of [1_000, 100_000]) {
    const { eventsPerS } = measureKernel({ pending, events: 1_000_000, wallMs: () => performance.now() });
    console.log(`  kernel    ${eventsPerS} callbacks/s with ${pending} timers pending`);
  }
  if (median > WALL_S_MAX) process.exitCode = 1;
}

function once(): Sample {
  const args = ['--import', 'tsx', fileURLToPath(import.meta.url), String(HOMES)];
  const run = spawnSync(process.execPath, args, { env: { ...process.env, VPP_BENCH_CHILD: '1' }, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as Sample;
}
