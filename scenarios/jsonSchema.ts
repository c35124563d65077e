import { z } from 'zod';
import { scenarioSchema } from './schema.ts';

/**
 * The JSON Schema (2020-12) of a scenario as written, for editors. It knows shapes and ranges; what fields say about
 * each other is checked only by readScenario.
 */
export function scenarioJsonSchema(): object {
  const schema = z.toJSONSchema(scenarioSchema, { io: 'input', target: 'draft-2020-12' });
  return { ...schema, title: 'vpp-testbed scenario, version 1' };
}
