/**
 * Three kinds of failure are kept apart. An author's mistake (scenario, file, flag) is an InputError and ends with exit
 * code 2. A broken promise of our own code is an InvariantError and ends with exit code 3. A refusal by a device, a
 * market or a peer is no exception at all but a value in the result.
 */
export interface InputProblem {
  /** File, flag or document the value came from, e.g. "scenarios/a.yaml". */
  readonly source: string;
  /** Place inside it: "fleet.homes[0].count", "row 17, column price", "line 4, column 3". */
  readonly place: string;
  /** What was found, printable. */
  readonly value: string;
  /** What was expected, in words, with units. */
  readonly expected: string;
  /** Nearest valid name, when a name was misspelt. */
  readonly didYouMean?: string;
}

export class InputError extends Error {
  override readonly name = 'InputError';
  readonly problems: readonly InputProblem[];
  constructor(problems: readonly InputProblem[]) {
    super(problems.map(describeProblem).join('\n'));
    this.problems = problems;
  }
}

export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Stops the program when something that must hold does not. Stays on in every mode. */
export function invariant(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(what);
}

export function describeProblem(p: InputProblem): string {
  const hint = p.didYouMean === undefined ? '' : ` Did you mean "${p.didYouMean}"?`;
  return `${p.source}: ${p.place}: found ${p.value}, expected ${p.expected}.${hint}`;
}

export const inputError = (problem: InputProblem): InputError => new InputError([problem]);

/** Prints a value for a message: short, quoted when it is text. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** A problem with a value that is shown as it was found. */
export const problem = (source: string, place: string, value: unknown, expected: string): InputProblem => ({
  source,
  place,
  value: show(value),
  expected,
});

/** The candidate with the smallest edit distance, if it is near enough to be a slip of the hand. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  let best: { name: string; distance: number } | undefined;
  for (const c of candidates) {
    const distance = editDistance(name.toLowerCase(), c.toLowerCase());
    if (best === undefined || distance < best.distance) best = { name: c, distance };
  }
  const limit = Math.max(2, Math.floor(name.length / 3));
  return best !== undefined && best.distance <= limit ? best.name : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
