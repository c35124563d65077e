import { z } from 'zod';

/**
 * The scalar values of a scenario file. Each carries, as its error text, the whole of what is accepted: range, unit and
 * an example; the reader prints it after "expected". A number stands without its unit, because the unit ends the
 * field's name; a length of time is text with its unit.
 */
/** −0 is 0: it would print, sort and hash as another number. */
const plainZero = (n: number): number => n + 0;

interface Range {
  readonly min: number;
  readonly max: number;
  readonly example: number;
}

/**
 * A number whose unit is in its field's name.
 * @param unit  for the message: "kW", "%"
 */
export function quantity(unit: string, { min, max, example }: Range) {
  const error = `a number of ${unit} from ${min} to ${max}, without the unit, like ${example}`;
  return z.number({ error }).min(min, { error }).max(max, { error }).overwrite(plainZero);
}

/** A quantity that may not be 0: a capacity, a rating. */
export function positive(unit: string, { max, example }: { max: number; example: number }) {
  const error = `a number of ${unit} above 0 and at most ${max}, without the unit, like ${example}`;
  return z.number({ error }).gt(0, { error }).max(max, { error }).overwrite(plainZero);
}

export function whole(what: string, { min, max, example }: Range) {
  const error = `${what}: a whole number from ${min} to ${max}, like ${example}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).overwrite(plainZero);
}

export const kw = () => quantity('kW', { min: 0, max: 1_000_000, example: 5 });
export const positiveKw = () => positive('kW', { max: 1_000_000, example: 5 });
export const positiveKwh = () => positive('kWh', { max: 10_000_000, example: 13.5 });
export const pct = () => quantity('%', { min: 0, max: 100, example: 20 });

/** A part of a whole, 0 to 1. */
export function share() {
  const error = 'a share from 0 to 1, like 0.9 for 90 %';
  return z.number({ error }).min(0, { error }).max(1, { error }).overwrite(plainZero);
}

export function ratio(max: number) {
  const error = `a ratio from 0 to ${max}, like 0.9 for 90 %`;
  return z.number({ error }).min(0, { error }).max(max, { error }).overwrite(plainZero);
}

/** Of the energy that goes in, what comes out: never 0, never more than went in. */
export function efficiency() {
  const error = 'a ratio above 0 and at most 1, like 0.9 for 90 %';
  return z.number({ error }).gt(0, { error }).max(1, { error }).overwrite(plainZero);
}

/** CAISO's offer cap is 2000 and ERCOT's was 9000 $/MWh [memory]; the bounds only catch a wrong unit. */
export const usdPerMwh = () => quantity('$/MWh', { min: -20_000, max: 20_000, example: 200 });

export function flag(what: string) {
  return z.boolean({ error: `true or false (${what})` });
}

export function text(what: string, max: number) {
  const error = `${what}: text of 1 to ${max} characters`;
  return z.string({ error }).min(1, { error }).max(max, { error });
}

/** Names that become parts of file names, tags and log keys. */
export function id(what: string) {
  const error = `${what}: lower-case letters, digits and hyphens, at most 60, starting with a letter, like "sce-tesla"`;
  return z.string({ error }).regex(/^[a-z][a-z0-9-]{0,59}$/, { error });
}

/** Ids that others chose: OpenADR program names, market nodes. */
export function outsideId(what: string, example: string) {
  const error = `${what}: letters, digits and . _ : / -, at most 100 characters, like "${example}"`;
  return z.string({ error }).regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$/, { error });
}

export function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: `one of ${values.join(', ')}` });
}

export const DURATION = /^(0|[1-9][0-9]{0,8})(ms|s|min|h|d)$/;
export const CLOCK = /^([01][0-9]|2[0-3]):[0-5][0-9]$/;
export const LOCAL_DATE_TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$/;
export const AFTER_START = /^\+(0|[1-9][0-9]{0,8})(s|min|h|d)$/;

export function duration() {
  const error = 'a length of time in whole ms, s, min, h or d, written as text, like "90s", "5min" or "2h"';
  return z.string({ error }).regex(DURATION, { error });
}

export function clock() {
  const error = 'a local clock time as text, like "18:00"';
  return z.string({ error }).regex(CLOCK, { error });
}

export function localDateTime() {
  const error = 'a local date and time as text, like "2024-07-10T18:00"';
  return z.string({ error }).regex(LOCAL_DATE_TIME, { error });
}

const AT = new RegExp([CLOCK, LOCAL_DATE_TIME, AFTER_START].map((r) => r.source).join('|'));

/** A point in the run: a local clock time (its first occurrence at or after the start), a local date-time, or "+90min". */
export function at() {
  const error =
    'a time: a local clock time like "18:00", a local date and time like "2024-07-10T18:00", or a time after the start like "+90min"';
  return z.string({ error }).regex(AT, { error });
}

/**
 * A path under the data folder, with forward slashes. What leads out of the folder (absolute, "..", a drive, a URL) is
 * refused, so that running somebody's scenario reads nothing else of the machine.
 */
export function path() {
  const error = 'a path inside the data folder, with forward slashes and without "..", like "prices/node.csv"';
  return z
    .string({ error })
    .max(300, { error })
    .regex(/^(?!\/)(?!.*(^|\/)\.\.?(\/|$))[A-Za-z0-9._ /-]+$/, { error });
}

/**
 * UGC zone or county code, or SAME code.
 * @source NWS directive 10-1702 (UGC: two letters, C or Z, three digits) and 47 CFR 11.31 (SAME: six digits) [memory]
 */
export function zoneCode() {
  const error = 'a UGC zone or county code like "CAZ048" or "CAC071", or a six-digit SAME code as text like "006071"';
  return z.string({ error }).regex(/^([A-Z]{2}[CZ][0-9]{3}|[0-9]{6})$/, { error });
}

export const day = () => {
  const error = 'a date as text, like "2024-07-10"';
  return z.string({ error }).regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/, { error });
};

/** Of a store at the start of the run. */
export const socAtStart = () =>
  z
    .strictObject({
      mean: pct(),
      spread: quantity('% (half the width of a uniform draw)', { min: 0, max: 50, example: 10 }).default(0),
    })
    .describe('State of charge at the start of the run.');

const SEED_FORMS =
  'an integer of at most 64 bits or its hex form as text, like 42 or "0x5eed" (above 9007199254740991 as text)';

/** The seed's one form inside: decimal digits. "0x2a", "42" and 42 are the same seed. Null when it is no seed. */
export function parseSeed(value: string | number): string | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? String(value) : null;
  if (!/^(0x[0-9a-f]{1,16}|[0-9]{1,20})$/i.test(value)) return null;
  const seed = BigInt(value);
  return seed < 2n ** 64n ? seed.toString() : null;
}

export const seed = () =>
  z
    .union(
      [
        z.string({ error: SEED_FORMS }).regex(/^(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})$/, { error: SEED_FORMS }),
        z.int({ error: SEED_FORMS }).min(0, { error: SEED_FORMS }),
      ],
      { error: SEED_FORMS },
    )
    .transform((value, ctx) => {
      const parsed = parseSeed(value);
      if (parsed !== null) return parsed;
      ctx.addIssue({ code: 'custom', message: SEED_FORMS, input: value });
      return z.NEVER;
    });
