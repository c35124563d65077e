import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defaultConfig, readConfig, type ServeConfig } from '../../../harness/serve/config.ts';
import { InputError, type InputProblem } from '../../../src/domain/errors.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'serve-config-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const ENV = { SECRET_OF_A: 'hunter2', EMPTY: '' };

function read(text: string, mode = 0o600): ServeConfig {
  const file = join(dir, 'serve.yaml');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return readConfig(file, ENV);
}

function problemsOf(act: () => unknown): readonly InputProblem[] {
  try {
    act();
  } catch (error) {
    if (error instanceof InputError) return error.problems;
    throw error;
  }
  return [];
}

/** A cloud whose fields are set, or left out with null. */
function cloud(over: Readonly<Record<string, string | null>> = {}): string {
  const fields = { url: 'https://api.example.com', clientId: 'me', clientSecret: 'env:SECRET_OF_A', ...over };
  const lines = Object.entries(fields).flatMap(([name, text]) => (text === null ? [] : [`    ${name}: ${text}`]));
  return ['clouds:', '  enphase:', ...lines, ''].join('\n');
}

const sites = (...lines: readonly string[]): string => ['sites:', ...lines.map((l) => `  - ${l}`), ''].join('\n');

const HIDDEN = 'what is not shown here';

describe('the file of a service', () => {
  test('an empty object is the defaults', () => {
    expect(read('{}')).toEqual(defaultConfig());
    expect(defaultConfig()).toMatchObject({ data: 'vpp-data', listen: { host: '127.0.0.1', port: 8080 }, sites: [] });
    expect(defaultConfig().webhooks).toEqual({ allowLoopback: false });
  });

  test('a pace is for test beds: absent where the file has none, and nothing that is misspelt is passed over', () => {
    expect(defaultConfig().pace).toEqual({});
    const text = 'pace: {telemetrySeconds: 2, webhookDelaysSeconds: [0, 1]}';
    expect(read(text).pace).toEqual({ telemetrySeconds: 2, webhookDelaysSeconds: [0, 1] });
    expect(problemsOf(() => read('pace: {telemetrySeconds: 0}'))).toMatchObject([
      { place: expect.stringContaining('(pace.telemetrySeconds)') },
    ]);
    expect(problemsOf(() => read('pace: {telemetrySecond: 2}'))).toMatchObject([{ didYouMean: 'telemetrySeconds' }]);
  });

  test('a site and a cloud may name the one workspace that they are for', () => {
    const named = read(sites('{connectionId: a, host: h, workspace: ws_1}', '{connectionId: b, host: h}')).sites;
    expect(named.map((site) => site.workspace)).toEqual(['ws_1', undefined]);
    expect(read(cloud({ workspace: 'ws_1' })).clouds.enphase?.workspace).toBe('ws_1');
    expect(problemsOf(() => read(sites('{connectionId: a, host: h, workspace: "two words"}')))).toMatchObject([
      { place: expect.stringContaining('(sites[0].workspace)'), expected: expect.stringContaining('workspace') },
    ]);
  });

  test('a secret comes from the file or from the environment', () => {
    expect(read(cloud()).clouds.enphase).toEqual({
      url: 'https://api.example.com',
      clientId: 'me',
      clientSecret: 'hunter2',
      apiKey: '',
    });
    expect(read(cloud({ clientSecret: 'plain' })).clouds.enphase?.clientSecret).toBe('plain');
    expect(read(cloud({ apiKey: 'env:SECRET_OF_A' })).clouds.enphase?.apiKey).toBe('hunter2');
  });

  test.each([0o640, 0o604, 0o660, 0o644])('a secret in a file of mode %o is refused', (mode) => {
    const [problem] = problemsOf(() => read(cloud({ clientSecret: 'plain' }), mode));
    expect(problem).toMatchObject({ place: 'mode of the file', value: `0${mode.toString(8)}` });
    expect(problem?.expected).toMatch(/^0600, because it holds a secret/);
    expect(problemsOf(() => read(cloud({ apiKey: 'plain' }), mode))).toHaveLength(1);
    expect(problemsOf(() => read(cloud(), mode))).toEqual([]);
  });

  test('a file that is not there, or none, says so', () => {
    expect(problemsOf(() => readConfig(join(dir, 'none.yaml'), ENV))).toMatchObject([
      { place: 'the file', value: 'ENOENT', expected: 'a YAML or JSON file that can be read' },
    ]);
    mkdirSync(join(dir, 'folder'));
    expect(problemsOf(() => readConfig(join(dir, 'folder'), ENV))).toMatchObject([{ value: 'EISDIR' }]);
  });

  const WRONG: readonly (readonly [name: string, text: string, place: string, value: string, expected: RegExp])[] = [
    ['nothing', '', 'line 1, column 1', 'an empty file', /^the settings of a service/],
    ['a list', '[]', 'line 1, column 1 (the document)', '[]', /^fields: data, listen/],
    ['no YAML', 'a: [', 'line 1, column 5', '""', /^valid YAML or JSON/],
    [
      'a misspelt field',
      'lisen: {}',
      'line 1, column 1 (lisen)',
      'the field "lisen"',
      /one of the fields data, listen/,
    ],
    ['a folder that is a number', 'data: 5', 'line 1, column 7 (data)', '5', /folder of the journal: text/],
    ['an empty folder', 'data: ""', 'line 1, column 7 (data)', '""', /text of 1 to 1000/],
    ['a port too high', 'listen: {port: 70000}', 'line 1, column 16 (listen.port)', '70000', /from 0 to 65535/],
    ['a port with a fraction', 'listen: {port: 80.5}', 'line 1, column 16 (listen.port)', '80.5', /whole number/],
    ['a port as text', 'listen: {port: "80"}', 'line 1, column 16 (listen.port)', '"80"', /whole number/],
    ['a host that is a number', 'listen: {host: 5}', 'line 1, column 16 (listen.host)', '5', /host name or address/],
    ['no rate', 'limits: {requestsPerSecond: 0}', 'line 1, column 29 (limits.requestsPerSecond)', '0', /from 1 to/],
    ['a pace of nothing', 'pace: {effectSeconds: 0}', 'line 1, column 23 (pace.effectSeconds)', '0', /from 1 to 86400/],
    [
      'no attempts',
      'pace: {webhookDelaysSeconds: []}',
      'line 1, column 30 (pace.webhookDelaysSeconds)',
      '[]',
      /1 to 20 attempts/,
    ],
    [
      'a negative delay',
      'pace: {webhookDelaysSeconds: [-1]}',
      'line 1, column 31 (pace.webhookDelaysSeconds[0])',
      '-1',
      /from 0 to 86400/,
    ],
    [
      'a word for a flag',
      'webhooks: {allowLoopback: "yes"}',
      'line 1, column 27 (webhooks.allowLoopback)',
      '"yes"',
      /^true or false/,
    ],
    ['an unknown cloud', 'clouds: {enphse: {}}', 'line 1, column 10 (clouds.enphse)', 'the field "enphse"', /enphase/],
    ['no URL', cloud({ url: null }), 'line 3, column 5 (clouds.enphase.url)', 'nothing', /^a URL/],
    [
      'a URL with a path',
      cloud({ url: 'https://a.example/v1' }),
      'line 3, column 10 (clouds.enphase.url)',
      '"https://a.example/v1"',
      /URL without path/,
    ],
    [
      'a URL of another kind',
      cloud({ url: 'ftp://a.example' }),
      'line 3, column 10 (clouds.enphase.url)',
      '"ftp://a.example"',
      /http or https/,
    ],
    [
      'a URL with a port too high',
      cloud({ url: 'https://a.example:99999' }),
      'line 3, column 10 (clouds.enphase.url)',
      '"https://a.example:99999"',
      /http or https/,
    ],
    [
      'a URL with a password',
      cloud({ url: 'https://me:hunter2@a.example' }),
      'line 3, column 10 (clouds.enphase.url)',
      '"https://…@a.example"',
      /URL without path/,
    ],
    ['no secret', cloud({ clientSecret: null }), 'line 3, column 5 (clouds.enphase.clientSecret)', HIDDEN, /env:NAME/],
    [
      'a secret that is a number',
      cloud({ clientSecret: '12345678' }),
      'line 5, column 19 (clouds.enphase.clientSecret)',
      HIDDEN,
      /text of 1 to 500/,
    ],
    [
      'a secret that is a list',
      cloud({ clientSecret: '\n      - hunter2' }),
      'line 6, column 7 (clouds.enphase.clientSecret)',
      HIDDEN,
      /text of 1 to 500/,
    ],
    ['a secret without its end', cloud({ clientSecret: '"hunter2' }), 'line 6, column 1', '""', /^valid YAML/],
    [
      'a secret too long',
      cloud({ apiKey: 'x'.repeat(501) }),
      'line 6, column 13 (clouds.enphase.apiKey)',
      HIDDEN,
      /500/,
    ],
    [
      'a variable that is not set',
      cloud({ clientSecret: 'env:NOPE' }),
      'clouds.enphase.clientSecret',
      'nothing in the variable NOPE',
      /the secret in the environment/,
    ],
    [
      'a variable that is empty',
      cloud({ apiKey: 'env:EMPTY' }),
      'clouds.enphase.apiKey',
      'nothing in the variable EMPTY',
      /the secret in the environment/,
    ],
    [
      'a site without a host',
      sites('{connectionId: a}'),
      'line 2, column 5 (sites[0].host)',
      'nothing',
      /host name or address/,
    ],
    [
      'two sites on one connection',
      sites('{connectionId: a, host: h}', '{connectionId: b, host: h}', '{connectionId: a, host: g}'),
      'line 4, column 20 (sites[2].connectionId)',
      '"a"',
      /a name that no other site has/,
    ],
    [
      'a DNP3 address that is reserved',
      sites('{connectionId: a, host: h, outstation: 65520}'),
      'line 2, column 44 (sites[0].outstation)',
      '65520',
      /from 0 to 65519/,
    ],
    [
      'an unknown way of control',
      sites('{connectionId: a, host: h, controlMode: acg}'),
      'line 2, column 45 (sites[0].controlMode)',
      '"acg"',
      /agc/,
    ],
  ];

  test.each(WRONG)('%s is refused with its place and what was expected', (_, text, place, value, expected) => {
    const problems = problemsOf(() => read(text));
    const found = problems.find((p) => p.place === place);
    expect({ place: found?.place, value: found?.value, all: found === undefined ? problems : [] }).toEqual({
      place,
      value,
      all: [],
    });
    expect(found?.expected).toMatch(expected);
    expect(found?.source).toBe(join(dir, 'serve.yaml'));
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });
});
