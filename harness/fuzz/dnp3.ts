import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Segmenter } from '../../src/dnp3/transport/segmenter.ts';
import { readCorpus } from './corpus.ts';
import { mutate, onWire, Xorshift } from './mutate.ts';
import { masterTarget, outstationTarget, type Target } from './targets.ts';

/**
 * `npm run fuzz:dnp3 [-- --seconds 60 --seed 1]`: mutated traffic against an outstation and a master, in turn, both living
 * on from input to input so that what they leak adds up. Exit 1 when one throws, an input takes longer than SLOW_MS, or
 * memory grows after the warm-up: what is still held after a collection by more than HELD_MB, or what the process has
 * resident by more than RESIDENT_MB (the collector takes what it likes, so that one is coarse).
 */
const SLOW_MS = 1_000;
const HELD_MB = 4;
const RESIDENT_MB = 64;
/** Share of the run after which memory counts: the compiler and the collector settle first. */
const WARM_UP = 0.2;
const RECONNECT_EVERY = 5_000;

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error('fuzz:dnp3: --seconds takes a number above 0, --seed an integer');
  process.exit(2);
}

const corpus = readCorpus(fileURLToPath(new URL('../../../shared/data/dnp3/', import.meta.url)));
console.log(
  `corpus: ${corpus.requests.length} requests and ${corpus.responses.length} responses, ${corpus.captures} of them from captures; seed ${seed}`,
);

const random = new Xorshift(seed);
const segmenter = new Segmenter();
const targets: readonly Target[] = [outstationTarget(), masterTarget()];

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** What is held once garbage is gone, and what the process has resident [MB]. */
function memoryNow(): { held: number; resident: number } {
  collect();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return { held: (heapUsed + arrayBuffers) / 2 ** 20, resident: rss / 2 ** 20 };
}

let inputs = 0;
let octetsFed = 0;
let nowMs = 0;
let slowestMs = 0;
const memory: ReturnType<typeof memoryNow>[] = [];
const beganMs = performance.now();

function oneInput(target: Target): void {
  const pool = target.role === 'outstation' ? corpus.requests : corpus.responses;
  const original = random.pick(pool);
  // One in eight stays whole, so that sessions get on in their dialogue.
  const fragment = random.below(8) === 0 ? original.slice() : mutate(random, original, random.pick(pool));
  const wanted = target.wantedSequence();
  // Half of the answers carry the sequence number that is awaited, or they would all be dropped for that.
  if (wanted !== null && fragment.length > 1 && random.below(2) === 0) {
    fragment[0] = (random.below(8) === 0 ? 0x80 : 0xc0) | wanted;
    if (target.role === 'master') fragment[1] = 0x81;
    else if (random.below(4) === 0) fragment.set([0xc0 | wanted, 0]);
  }
  const wire = onWire(random, target, segmenter, fragment);
  nowMs += 1 + random.below(20);
  octetsFed += wire.length;
  const before = performance.now();
  try {
    if (random.below(4) === 0) {
      const cut = random.below(wire.length + 1);
      target.feed(wire.subarray(0, cut), nowMs);
      target.feed(wire.subarray(cut), nowMs);
    } else target.feed(wire, nowMs);
  } catch (error) {
    console.error(`the ${target.role} threw at input ${inputs}: ${Buffer.from(wire).toString('hex')}`);
    console.error(error);
    process.exit(1);
  }
  const tookMs = performance.now() - before;
  if (tookMs > slowestMs) slowestMs = tookMs;
  if (tookMs > SLOW_MS) {
    console.error(`the ${target.role} took ${tookMs.toFixed(0)} ms for ${Buffer.from(wire).toString('hex')}`);
    process.exit(1);
  }
}

// Looks at the end of the warm-up, in the middle of what is left, and at the end.
const looksMs = [WARM_UP, (1 + WARM_UP) / 2, 1].map((share) => beganMs + share * seconds * 1000);
while (memory.length < looksMs.length) {
  for (let n = 0; n < 500; n++) {
    for (const target of targets) {
      oneInput(target);
      inputs += 1;
      if (inputs % RECONNECT_EVERY < 2) target.reconnect(nowMs);
    }
  }
  if (performance.now() >= (looksMs[memory.length] ?? 0)) memory.push(memoryNow());
}

const tookS = (performance.now() - beganMs) / 1000;
const perMinute = Math.round((inputs / tookS) * 60);
console.log(
  `inputs:   ${inputs} in ${tookS.toFixed(1)} s, ${perMinute} a minute on one core, ${(octetsFed / inputs).toFixed(0)} octets each`,
);
console.log(`throws:   0; the slowest input took ${slowestMs.toFixed(1)} ms`);
for (const t of targets) console.log(`depth:    the ${t.role} told of ${t.depth()} things understood`);
const [start, , end] = memory;
for (const what of ['held', 'resident'] as const) {
  const line = memory.map((m) => m[what].toFixed(1)).join(' MB, ');
  console.log(`${`${what}:`.padEnd(10)}${line} MB (after the warm-up, in the middle, at the end)`);
  const growthMb = (end?.[what] ?? 0) - (start?.[what] ?? 0);
  const limitMb = what === 'held' ? HELD_MB : RESIDENT_MB;
  if (growthMb > limitMb) {
    console.error(`${what} memory grew by ${growthMb.toFixed(1)} MB, more than ${limitMb}`);
    process.exit(1);
  }
}
if (targets.some((t) => t.depth() === 0)) {
  console.error('one end understood nothing: the inputs do not reach its application layer');
  process.exit(1);
}
