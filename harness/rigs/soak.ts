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
    outstations: { type: 'string', default: '20' },
    streams: { type: 'string', default: '200' },
    /** Load, of the most that the service takes for good. */
    share: { type: 'string', default: '0.4' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

process.exitCode = await runSoak({
  minutes: Number(flags.minutes),
  devices: Number(flags.devices),
  outstations: Number(flags.outstations),
  streams: Number(flags.streams),
  share: Number(flags.share),
  json: flags.json ?? null,
  keep: flags.keep,
});
