import { z } from 'zod';
import { InputError } from '../domain/errors.ts';
import { instantOfLocal, isoUtc, isTimeZone } from '../domain/time.ts';
import type { EpochMs } from '../domain/units.ts';

/** The pieces that schemas of requests are made of. Each says what it expects, in words, as that text is the answer. */

/** A name that people give. */
export const text = (what: string, most = 200) => {
  const error = `${what}: 1 to ${most} characters, no control characters`;
  return z
    .string({ error })
    .min(1, { error })
    .max(most, { error })
    .regex(/^[^\p{Cc}]*$/u, { error });
};

/** An id that we made, or that is used as one. */
export const id = (what: string) => {
  const error = `${what}: 1 to 100 of A-Z a-z 0-9 . _ : -`;
  return z.string({ error }).regex(/^[A-Za-z0-9._:-]{1,100}$/, { error });
};

export const tags = () =>
  z
    .array(text('a tag', 100), { error: 'a list of tags' })
    .max(50, { error: 'at most 50 tags' })
    .refine((list) => new Set(list).size === list.length, { error: 'each tag once' });

/** In a path: what is no id is one that does not exist, so its answer is 404, not 400. */
export const pathId = () => z.string().max(100);

export const whole = (what: string, { min, max }: { readonly min: number; readonly max: number }) => {
  const error = `${what}: a whole number from ${min} to ${max}`;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
};

export const number = (what: string, { min, max }: { readonly min: number; readonly max: number }) => {
  const error = `${what}: a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
};

export const flag = (what: string) => z.boolean({ error: `${what}: true or false` });

export const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `one of ${values.join(', ')}` });

export const percent = (what: string) => number(`${what} [%]`, { min: 0, max: 100 });
/** [W] Magnitude; a terawatt is no battery. */
export const watts = (what: string) =>
  whole(`${what} [W], a magnitude: the direction is the mode`, { min: 0, max: 1e12 });

export const timeZone = () =>
  z.string({ error: 'an IANA time zone like America/Los_Angeles' }).refine((t) => t.length <= 100 && isTimeZone(t), {
    error: 'an IANA time zone like America/Los_Angeles',
  });

const EXPECTED_INSTANT = 'an instant like 2024-07-10T18:00:00Z or …-07:00 (RFC 3339), with its zone';

/**
 * An instant on the wire, inside an integer [epoch ms]. RFC 3339 with an offset, or local time with the name of its zone
 * in brackets as RFC 9557 writes it; a local time that daylight saving time skips or doubles is refused and both instants
 * are named. A leap second has no epoch millisecond and is refused.
 */
export const instant = () =>
  z
    .string({ error: EXPECTED_INSTANT })
    .max(100, { error: EXPECTED_INSTANT })
    .transform((value, ctx): EpochMs => {
      const read = readInstant(value);
      if (typeof read === 'number') return read;
      ctx.addIssue({ code: 'custom', message: read.expected, params: { code: read.local ? 'local_time' : 'instant' } });
      return z.NEVER;
    })
    .meta({ format: 'date-time' });

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))$/;
const RFC_9557 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)\[([A-Za-z0-9_+\-/]+)\]$/;

export function readInstant(value: string): EpochMs | { readonly expected: string; readonly local: boolean } {
  const local = RFC_9557.exec(value);
  if (local !== null) return readLocal(local[1] ?? '', local[2] ?? '');
  const m = RFC_3339.exec(value);
  if (m === null) return { expected: EXPECTED_INSTANT, local: false };
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = m.slice(1, 7).map(Number);
  if (second === 60) return { expected: 'a second from 0 to 59: leap seconds are not told apart', local: false };
  const wallMs = Date.UTC(year, month - 1, day, hour, minute, second, Number((m[7] ?? '').slice(0, 3).padEnd(3, '0')));
  const exists = isoUtc(wallMs).startsWith(`${value.slice(0, 10)}T${value.slice(11, 19)}`);
  const [offsetHour, offsetMinute] = [Number(m[10] ?? 0), Number(m[11] ?? 0)];
  if (!exists || year < 1970 || offsetHour > 23 || offsetMinute > 59) {
    return { expected: 'a date and time that exist, from 1970 on', local: false };
  }
  return wallMs - (m[9] === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute) * 60_000;
}

function readLocal(local: string, zone: string): EpochMs | { readonly expected: string; readonly local: boolean } {
  if (!isTimeZone(zone)) return { expected: `an IANA time zone in place of ${zone}`, local: false };
  try {
    return instantOfLocal(local, zone, { source: 'request', place: 'time' });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const expected = error.problems[0]?.expected ?? EXPECTED_INSTANT;
    return { expected, local: expected.includes('exists once') };
  }
}

/** A whole number in a query, where everything is text. */
export const queryWhole = (what: string, { min, max }: { readonly min: number; readonly max: number }) => {
  const error = `${what}: a whole number from ${min} to ${max}`;
  return z
    .string({ error })
    .regex(/^\d{1,9}$/, { error })
    .transform(Number)
    .refine((n) => n >= min && n <= max, { error });
};

/** One or several of a query parameter. */
export const several = <T extends z.ZodType>(item: T) =>
  z
    .union([item, z.array(item).max(100)])
    .transform((v): z.output<T>[] => (Array.isArray(v) ? (v as z.output<T>[]) : [v as z.output<T>]));

export const PAGE_MAX = 500;
const PAGE = 100;

export const paging = {
  limit: z.optional(queryWhole('limit', { min: 1, max: PAGE_MAX })),
  cursor: z.optional(z.string().min(1).max(300)),
};

export const pageSize = (query: { readonly limit?: number | undefined }): number => query.limit ?? PAGE;

/** Schemas of answers: what stands in them is ours, so they only say the form. */
export const wireInstant = () => z.string().meta({ format: 'date-time' });
export const page = <T extends z.ZodType>(item: T) =>
  z.strictObject({ data: z.array(item), nextCursor: z.nullable(z.string()) });
