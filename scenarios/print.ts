import { stringify } from 'yaml';
import type { Scenario } from './schema.ts';

/** Writes a scenario as YAML that readScenario reads back as the same scenario, with every default spelled out. */
export const printScenario = (scenario: Scenario): string =>
  stringify(scenario, { version: '1.2', lineWidth: 110, aliasDuplicateObjects: false });
