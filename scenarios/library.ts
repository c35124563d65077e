import { InputError, inputError, nearestName, show } from '../src/domain/errors.ts';
import { readScenario } from './read.ts';
import type { Scenario } from './schema.ts';

/** The scenarios that come with the tool. Their files are read by whoever has files; here are only their names. */
export interface LibraryEntry {
  readonly name: string;
  readonly title: string;
  /** Path from the folder of the library. */
  readonly file: string;
}

const entry = (name: string, title: string): LibraryEntry => ({ name, title, file: `${name}.yaml` });

export const LIBRARY: readonly LibraryEntry[] = [
  entry('heat-wave-evening', 'A heat-wave evening in Southern California, three clouds and one utility-scale battery'),
  entry('storm-guard-mid-event', 'A storm warning reaches half of the homes in the middle of an event'),
  entry('ercot-scarcity', 'Scarcity prices in Texas, 20 August 2024'),
  entry('rtac-link-loss', 'The link to a utility-scale battery is cut for twenty minutes of a dispatch'),
  entry('bess-dispatch', 'A utility-scale battery is dispatched, loses its master and is shut off'),
  entry('oem-cloud-throttled', 'One cloud throttles, one loses answers, one accepts and does nothing for some'),
  entry('day-ahead-bid', 'A bid curve is cleared against day-ahead prices and the award is dispatched'),
  entry('ev-overnight', 'Cars do not charge in the evening peak, and are full when they leave'),
  entry('thermostat-precool', 'Houses are cooled ahead of a heat-wave evening and rest through its peak'),
];

/**
 * Reads a scenario of the library.
 * @param readText  gives the text of a file of the library's folder
 * @throws          InputError for a name that is not in the library
 */
export function loadScenario(name: string, readText: (file: string) => string): Scenario {
  const found = LIBRARY.find((e) => e.name === name);
  if (found === undefined) throw unknownName(name);
  return readScenario({ text: readText(found.file), source: `library/${found.file}` });
}

function unknownName(name: string): InputError {
  const names = LIBRARY.map((e) => e.name);
  const problem = { source: 'library', place: 'name', value: show(name), expected: `one of ${names.join(', ')}` };
  const near = nearestName(name, names);
  return near === undefined ? inputError(problem) : new InputError([{ ...problem, didYouMean: near }]);
}
