import {
  APPLIANCE_COMMANDS,
  type ApplianceInput,
  type ApplianceKind,
  type InputField,
  isApplianceSlug,
} from '../../src/domain/appliance.ts';
import { show } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { isRecord } from './http.ts';

/** The body of POST /devices/{id}/commands, checked against the table of commands; nothing is coerced or dropped. */
export interface OrderBody {
  readonly setting: ApplianceInput;
  readonly clientToken: string;
  /** Not delivered before. */
  readonly startMs: EpochMs | null;
  /** Not delivered after. */
  readonly expireMs: EpochMs | null;
}

export interface Fault {
  readonly error: 'invalid_request' | 'unsupported_command';
  readonly message: string;
}

const KEYS = ['slug', 'input', 'clientToken', 'startAt', 'expireAt'];
const invalid = (message: string): Fault => ({ error: 'invalid_request', message });

export function readOrder(body: Record<string, unknown> | null, kind: ApplianceKind): OrderBody | Fault {
  if (body === null) return invalid('the body is not a JSON object');
  const stranger = Object.keys(body).find((key) => !KEYS.includes(key));
  if (stranger !== undefined) return invalid(`unknown field ${show(stranger)}`);
  const { slug, input, clientToken } = body;
  if (typeof slug !== 'string') return invalid('slug must be a text');
  if (!isApplianceSlug(slug) || APPLIANCE_COMMANDS[slug].deviceKind !== kind)
    return { error: 'unsupported_command', message: `a ${kind} does not know ${show(slug)}` };
  if (typeof clientToken !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(clientToken))
    return invalid('clientToken must be 1 to 128 printable ASCII characters without spaces');
  const startMs = timeIn(body, 'startAt');
  const expireMs = timeIn(body, 'expireAt');
  if (startMs === undefined || expireMs === undefined) return invalid('startAt and expireAt are ISO 8601 times in UTC');
  if (startMs !== null && expireMs !== null && expireMs < startMs) return invalid('expireAt lies before startAt');
  if (!isRecord(input)) return invalid('input must be an object');
  const wrong = inputFault(APPLIANCE_COMMANDS[slug].fields, input);
  if (wrong !== null) return invalid(wrong);
  return { setting: { slug, input } as unknown as ApplianceInput, clientToken, startMs, expireMs };
}

/** null = absent; undefined = not a time. */
function timeIn(body: Record<string, unknown>, key: string): EpochMs | null | undefined {
  const value = body[key];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z$/.test(value)) return undefined;
  const ms = Date.parse(value);
  return Number.isFinite(ms) ? ms : undefined;
}

/** What is wrong with an input, or null. */
function inputFault(fields: readonly InputField[], input: Record<string, unknown>): string | null {
  const stranger = Object.keys(input).find((key) => !fields.some((f) => f.name === key));
  if (stranger !== undefined) return `unknown field input.${stranger}`;
  for (const field of fields) {
    const value = input[field.name];
    if (value === undefined && field.required) return `input.${field.name} is missing`;
    if (value !== undefined && !fits(field, value))
      return `input.${field.name} is ${show(value)}, expected ${words(field)}`;
  }
  return null;
}

function fits(field: InputField, value: unknown): boolean {
  if (field.kind === 'choice') return typeof value === 'string' && field.values.includes(value);
  if (value === null) return field.nullable;
  return typeof value === 'number' && value >= field.min && value <= field.max;
}

const words = (field: InputField): string =>
  field.kind === 'choice'
    ? `one of ${field.values.join(', ')}`
    : `a number in ${field.min}..${field.max} ${field.unit}${field.nullable ? ', or null' : ''}`;
