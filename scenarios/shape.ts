import type { z } from 'zod';

/** Questions to a zod schema: which fields are valid at a place. Used for messages only. */
type Schema = z.core.$ZodTypes;

/** Removes what zod wraps around a schema (optional, default, nullable, transform). */
function inner(schema: z.core.$ZodType): Schema {
  const def = (schema as Schema)._zod.def;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
      return inner(def.innerType);
    case 'pipe':
      return inner(def.in);
    default:
      return schema as Schema;
  }
}

function fieldsOf(schema: Schema, value: unknown): z.core.$ZodShape {
  const def = schema._zod.def;
  if (def.type === 'object') return def.shape;
  if (def.type !== 'union') return {};
  const options = def.options.map(inner);
  const fits = options.find((option) => kindFits(option, value));
  return fits === undefined ? { kind: options[0] as Schema } : fieldsOf(fits, value);
}

function kindFits(option: Schema, value: unknown): boolean {
  const def = option._zod.def;
  if (def.type !== 'object' || typeof value !== 'object' || value === null) return false;
  const kind = def.shape.kind?._zod.values;
  return kind?.has((value as { kind?: string }).kind) === true;
}

/** Names of the fields that may stand at a path of a document; [] where none may. */
export function keysAt(root: z.core.$ZodType, path: readonly (string | number)[], document: unknown): string[] {
  let schema = inner(root);
  let value = document;
  for (const step of path) {
    const def = schema._zod.def;
    const next = def.type === 'array' ? def.element : fieldsOf(schema, value)[step];
    if (next === undefined) return [];
    schema = inner(next);
    value = typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[step] : undefined;
  }
  return Object.keys(fieldsOf(schema, value));
}

/** Is this a document of a later version of the format? */
export function isAfterVersion(document: unknown, version: number): document is { version: number } {
  if (typeof document !== 'object' || document === null || !('version' in document)) return false;
  return Number.isInteger(document.version) && Number(document.version) > version;
}
