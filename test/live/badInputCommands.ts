import { type BadBench, hour, http, type Row } from './badInputBench.ts';

/** Bad inputs 1 to 43: what stands in the body of a command, in its headers, and what its device allows. */
type Body = Record<string, unknown>;
const command = (b: BadBench, over: Body = {}, inside: Body = {}): Body => ({
  deviceId: b.ids.plain,
  input: { operatingMode: 'charge', ...inside },
  ...over,
});

/** A command with a slip in its input. */
const input = (n: number, what: string, inside: Body, expected: string, names?: string): Row => ({
  n,
  what,
  send: (b) => http(b, { body: command(b, {}, inside) }),
  expected,
  ...(names === undefined ? {} : { names }),
});

/** A command with a slip beside its input. */
const beside = (n: number, what: string, over: (b: BadBench) => Body, expected: string, names?: string): Row => ({
  n,
  what,
  send: (b) => http(b, { body: command(b, over(b)) }),
  expected,
  ...(names === undefined ? {} : { names }),
});

/** A body as it is, with the id of a device in place of DEVICE. */
const octets = (n: number, what: string, text: string | Uint8Array<ArrayBuffer>, expected: string): Row => ({
  n,
  what,
  send: (b) => http(b, { body: typeof text === 'string' ? text.replace('DEVICE', b.ids.plain) : text }),
  expected,
});

const FORM: readonly Row[] = [
  input(1, 'an unknown field', { powerWw: 1 }, '400 invalid_request input.powerWw', '"didYouMean":"powerW"'),
  beside(1, 'an unknown field at the top', () => ({ tenantId: 'x' }), '400 invalid_request tenantId'),
  input(2, 'a number as text', { powerW: '1000' }, '400 invalid_request input.powerW', '"found":"\\"1000\\""'),
  input(3, 'null for a number', { powerW: null }, '400 invalid_request input.powerW'),
  input(4, 'a boolean for a number', { powerW: true }, '400 invalid_request input.powerW'),
  beside(5, 'a list for text', () => ({ deviceId: ['d'] }), '400 invalid_request deviceId'),
  octets(
    6,
    'a name twice',
    '{"deviceId":"DEVICE","input":{"operatingMode":"idle","operatingMode":"charge"}}',
    '400 invalid_json input.operatingMode',
  ),
  octets(
    7,
    'octets that are not UTF-8',
    new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    '400 invalid_json',
  ),
  octets(8, 'a byte order mark', new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), '400 invalid_json'),
  octets(9, 'NUL in an id', '{"deviceId":"a\\u0000b","input":{"operatingMode":"idle"}}', '400 invalid_json deviceId'),
  octets(
    10,
    'half a surrogate',
    '{"deviceId":"\\ud800","input":{"operatingMode":"idle"}}',
    '400 invalid_json deviceId',
  ),
  ...['NaN', 'Infinity', '1e400'].map((value) =>
    octets(
      11,
      value,
      `{"deviceId":"DEVICE","input":{"operatingMode":"charge","powerW":${value}}}`,
      '400 invalid_json input.powerW',
    ),
  ),
  octets(
    12,
    'a whole number over 2^53 − 1',
    '{"deviceId":"DEVICE","input":{"operatingMode":"charge","powerW":9007199254740993}}',
    '400 invalid_json input.powerW',
  ),
  {
    n: 13,
    what: '−0 is taken as 0',
    send: (b) => http(b, { body: `{"deviceId":"${b.ids.plain}","input":{"operatingMode":"charge","powerW":-0}}` }),
    expected: '202',
    names: '"powerW":0}',
    changes: true,
  },
  input(14, 'a fraction of a watt', { powerW: 1.5 }, '400 invalid_request input.powerW', 'a whole number'),
  input(15, 'negative power', { powerW: -1 }, '400 invalid_request input.powerW', 'the direction is the mode'),
  input(16, 'more power than the device has', { powerW: 5_001 }, '422 unprocessable input.powerW', '5000'),
  octets(17, 'a body over 64 kB', `{"deviceId":"${'x'.repeat(70_000)}"}`, '413 body_too_large'),
  octets(18, 'nesting over 32', '['.repeat(33) + ']'.repeat(33), `400 invalid_json ${'[0]'.repeat(32)}`),
  octets(19, 'an empty body', '', '400 invalid_json'),
  octets(20, 'text behind the JSON', '{} {}', '400 invalid_json'),
  ...['__proto__', 'constructor', 'prototype'].map((name) =>
    octets(21, name, `{"${name}":{"admin":true}}`, `400 invalid_json ${name}`),
  ),
  beside(24, 'no device', () => ({ deviceId: undefined }), '400 invalid_request deviceId', '"found":"nothing"'),
];

const typed = (n: number, what: string, contentType: string): Row => ({
  n,
  what,
  send: (b) => http(b, { body: command(b), headers: { 'content-type': contentType } }),
  expected: '415 unsupported_media_type',
  names: 'application/json',
});

const exported = { operatingMode: 'discharge', enableGridInteraction: true, powerW: 1_000 };
const grid = (n: number, what: string, id: keyof BadBench['ids'], expected: string, names: string): Row => ({
  n,
  what,
  send: (b) => http(b, { body: { deviceId: b.ids[id], input: exported } }),
  expected,
  names,
});

const DEVICES: readonly Row[] = [
  typed(22, 'another content type', 'text/plain'),
  typed(22, 'a form', 'application/x-www-form-urlencoded'),
  typed(23, 'JSON in UTF-16', 'application/json; charset=utf-16'),
  beside(25, 'an unknown device', () => ({ deviceId: 'dev_nobody' }), '404 not_found', 'no device \\"dev_nobody\\"'),
  {
    n: 26,
    what: 'the device of another workspace is unknown in the same words',
    send: async (b) => {
      const strip = (text: string, id: string) =>
        text
          .slice(text.indexOf('\n{'))
          .replaceAll(id, 'ID')
          .replace(/"requestId":"[^"]*"/, '');
      const foreign = await http(b, { body: command(b, { deviceId: b.ids.foreign }) });
      const unknown = await http(b, { body: command(b, { deviceId: 'dev_nobody' }) });
      const same = strip(foreign.text, b.ids.foreign) === strip(unknown.text, 'dev_nobody');
      return { said: `${foreign.said} ${same ? 'same words' : 'other words'}`, text: foreign.text };
    },
    expected: '404 not_found same words',
  },
  grid(27, 'a grid command of a device in no program', 'notEnrolled', '409 not_enrolled', 'enrolled in no program'),
  grid(
    28,
    'a grid command before the enrollment is approved',
    'pending',
    '409 enrollment_pending',
    'its enrollment is not approved',
  ),
  {
    n: 29,
    what: 'a grid command under Storm Guard is taken and ignored at once',
    send: async (b) => {
      const got = await http(b, { body: { deviceId: b.ids.inStorm, input: exported } });
      const { status, reason } = JSON.parse(got.text.slice(got.text.indexOf('\n{')));
      return { said: `${got.said} ${status} ${reason}`, text: got.text };
    },
    expected: '202 ignored storm_guard',
    changes: true,
  },
  {
    n: 30,
    what: 'a window that the maker does not take',
    send: (b) => http(b, { body: { deviceId: b.ids.approved, input: exported, endsAt: hour(b, 6) } }),
    expected: '422 unsupported_by_device',
    names: 'at most 300 min',
  },
  {
    n: 31,
    what: 'power out that is not said to be for the grid',
    send: (b) => http(b, { body: { deviceId: b.ids.plain, input: { operatingMode: 'discharge', powerW: 1_000 } } }),
    expected: '422 grid_interaction_unsaid input.enableGridInteraction',
    names: 'true to exchange power with the grid',
  },
];

const window = (n: number, what: string, at: (b: BadBench) => Body, expected: string, names?: string): Row =>
  beside(n, what, at, expected, names);

const TIMES: readonly Row[] = [
  window(
    32,
    'an end before the start',
    (b) => ({ startsAt: hour(b, 2), endsAt: hour(b, 1) }),
    '400 invalid_request endsAt',
  ),
  window(
    32,
    'a window of no length',
    (b) => ({ startsAt: hour(b, 1), endsAt: hour(b, 1) }),
    '400 invalid_request endsAt',
  ),
  window(
    33,
    'a window in the past',
    (b) => ({ startsAt: hour(b, -2), endsAt: hour(b, -1) }),
    '422 window_in_past endsAt',
  ),
  window(
    34,
    'a window of over 7 days',
    (b) => ({ endsAt: hour(b, 169) }),
    '422 window_too_long endsAt',
    'at most 7 days',
  ),
  window(
    35,
    'a time without its zone',
    () => ({ endsAt: '2024-07-12T18:00:00' }),
    '400 invalid_request endsAt',
    'zone',
  ),
  window(36, 'a day in no calendar', () => ({ endsAt: '2026-02-30T18:00:00Z' }), '400 invalid_request endsAt'),
  window(
    37,
    'a local time that is skipped',
    () => ({ endsAt: '2025-03-09T02:30[America/Los_Angeles]' }),
    '422 local_time endsAt',
    'exists once',
  ),
  window(
    37,
    'a local time that comes twice',
    () => ({ endsAt: '2024-11-03T01:30[America/Los_Angeles]' }),
    '422 local_time endsAt',
    '2024-11-03T08:30:00Z or 2024-11-03T09:30:00Z',
  ),
  window(38, 'a leap second', () => ({ endsAt: '2024-12-31T23:59:60Z' }), '400 invalid_request endsAt', 'leap second'),
];

const keyed = (b: BadBench, key: string, over: Body = {}) =>
  http(b, { body: command(b, over), headers: { 'idempotency-key': key } });

const KEYS: readonly Row[] = [
  {
    n: 39,
    what: 'a key of 256 characters',
    send: (b) => keyed(b, 'k'.repeat(256)),
    expected: '400 invalid_request idempotency-key',
    names: '1 to 255',
  },
  {
    n: 39,
    what: 'an empty key',
    send: (b) => keyed(b, ''),
    expected: '400 invalid_request idempotency-key',
    names: '1 to 255',
  },
  {
    n: 40,
    what: 'a key that came with another body',
    send: async (b) => {
      await keyed(b, 'once');
      return keyed(b, 'once', { endsAt: hour(b, 2) });
    },
    expected: '422 key_reused',
    changes: true,
  },
];

const batch = (ids: readonly string[], over: Body = {}): Body => ({
  deviceIds: ids,
  command: { slug: 'battery:set-operating-mode', input: { operatingMode: 'charge' } },
  ...over,
});
const batched = (
  n: number,
  what: string,
  ids: (b: BadBench) => readonly string[],
  over: Body,
  expected: string,
): Row => ({
  n,
  what,
  send: (b) => http(b, { path: '/v1/batch-commands', body: batch(ids(b), over) }),
  expected,
});

const BATCHES: readonly Row[] = [
  batched(42, 'a batch of nobody', () => [], {}, '400 invalid_request deviceIds'),
  batched(
    42,
    'a batch of 1,001',
    () => Array.from({ length: 1_001 }, (_, i) => `d${i}`),
    {},
    '400 invalid_request deviceIds',
  ),
  batched(42, 'a device twice in a batch', (b) => [b.ids.plain, b.ids.plain], {}, '400 invalid_request deviceIds'),
  batched(
    43,
    'a batch half right, all or nothing',
    (b) => [b.ids.plain, 'nobody'],
    { allOrNothing: true },
    '422 unprocessable',
  ),
  {
    n: 43,
    what: 'a batch half right is taken by half, and the rest named',
    send: (b) => http(b, { path: '/v1/batch-commands', body: batch([b.ids.plain, 'nobody']) }),
    expected: '202',
    names: '"skipped":[{"deviceId":"nobody","reason":',
    changes: true,
  },
];

export const COMMAND_ROWS: readonly Row[] = [...FORM, ...DEVICES, ...TIMES, ...KEYS, ...BATCHES];
