import fc from 'fast-check';

/**
 * Properties run from one fixed seed unless VPP_SEED says otherwise, so that a red run is repeated by copying one line.
 * VPP_RUNS sets the number of cases.
 */
const seed = Number(process.env.VPP_SEED ?? 20260101);
const numRuns = Number(process.env.VPP_RUNS ?? 100);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(numRuns)) {
  throw new Error('VPP_SEED and VPP_RUNS must be integers');
}
fc.configureGlobal({ seed, numRuns });
