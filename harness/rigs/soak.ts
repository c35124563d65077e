import { parseArgs } from 'node:util';
import { runSoak } from './soak/run.ts';

/**
 * `npm run soak -- --minutes 10`: the built service among real processes, under a steady load, with a fault every half
 * minute. Exit code 1 when something is missed; what is looked at stands in soak/verdict.ts.
 */
const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    /** Batteries behind the three clouds. */
    devices: { type: 'string', default: '2000' },
    outstations: { type: 'string', default: '4' },
    streams: { type: 'string', default: '150' },
    /** Requests a second; 40 % of what the machine takes is the goal. */
    'per-second': { type: 'string', default: '300' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

process.exitCode = await runSoak({
  minutes: Number(flags.minutes),
  devices: Number(flags.devices),
  outstations: Number(flags.outstations),
  streams: Number(flags.streams),
  perSecond: Number(flags['per-second']),
  json: flags.json ?? null,
  keep: flags.keep,
});
