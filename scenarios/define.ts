import { InputError } from '../src/domain/errors.ts';
import { checkScenario, pathText } from './check.ts';
import type { Scenario, ScenarioInput } from './schema.ts';

/**
 * Makes a scenario from a script instead of a file: the editor knows the fields, and the same checks hold.
 * @throws InputError that names each wrong field
 */
export function defineScenario(input: ScenarioInput): Scenario {
  const checked = checkScenario(input);
  if (checked.kind === 'good') return checked.value;
  const source = `scenario "${String(input.name)}"`;
  throw new InputError(
    checked.issues.map(({ path, value, expected, didYouMean }) => ({
      source,
      place: pathText(path),
      value,
      expected,
      ...(didYouMean === undefined ? {} : { didYouMean }),
    })),
  );
}
