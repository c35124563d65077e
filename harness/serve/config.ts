import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { type Checked, checkShape } from '../../scenarios/check.ts';
import { readDocument } from '../../scenarios/read.ts';
import * as s from '../../scenarios/scalars.ts';
import { pointsMap } from '../../scenarios/schema.ts';
import { InputError, type InputProblem, inputError, show } from '../../src/domain/errors.ts';

/**
 * The file of `vpp serve`: where it listens, where it keeps its journal, which clouds and sites it speaks with. A secret
 * stands in the file, which then nobody else may read, or as "env:NAME" in the environment.
 */
const port = () => s.whole('a port', { min: 0, max: 65_535, example: 8080 });
const host = () => s.text('a host name or address', 255);
const httpUrl = () =>
  z
    .string({ error: 'a URL like https://api.example.com' })
    .max(2_000)
    .refine((text) => /^https?:\/\/[^\s/?#@]+$/.test(text) && URL.canParse(text), {
      error: 'an http or https URL without path, like https://api.example.com',
    });
const workspace = (doing: string) => {
  const error = `the id of the one workspace that may ${doing}`;
  return z.string({ error }).regex(/^[A-Za-z0-9._:-]{1,100}$/, { error });
};
const secret = (what: string) => s.text(`${what}, or env:NAME`, 500);

const cloud = z
  .strictObject({
    url: httpUrl(),
    clientId: s.text('the client id', 200),
    clientSecret: secret('the client secret'),
    apiKey: secret('the API key').default(''),
    workspace: z.exactOptional(workspace('connect its devices; absent: every workspace')),
  })
  .describe('How a manufacturer is reached. A device of it belongs to the workspace that connects it first.');

const site = z
  .strictObject({
    connectionId: s.id('name of the connection; a device names it as its source'),
    host: host(),
    port: port().default(20_000),
    master: s.whole('a DNP3 address', { min: 0, max: 65_519, example: 1 }).default(1),
    outstation: s.whole('a DNP3 address', { min: 0, max: 65_519, example: 10 }).default(10),
    pointsMap,
    controlMode: s.oneOf(['agc', 'charge-discharge']).default('agc'),
    workspace: z.exactOptional(workspace('connect it; absent: the first that does')),
  })
  .describe(
    'A utility-scale site behind DNP3. It belongs to the workspace that is named here; without one to the first that connects it, until one is named here: a device that another workspace has connected is cut off then.',
  );

const seconds = (what: string) => s.whole(`${what} [s]`, { min: 1, max: 86_400, example: 2 });

const DELAYS = 'seconds before each of 1 to 20 attempts, like [0, 1, 5]';

const pace = z
  .strictObject({
    telemetrySeconds: z.exactOptional(seconds('how often clouds are asked for new samples')),
    effectSeconds: z.exactOptional(seconds('how long a command has to show in the samples')),
    checkSeconds: z.exactOptional(seconds('when, after its start, a command is looked up at its cloud')),
    verifySeconds: z.exactOptional(seconds('how long the last samples of a command are waited for')),
    webhookDelaysSeconds: z.exactOptional(
      z
        .array(s.whole('seconds before an attempt', { min: 0, max: 86_400, example: 5 }), { error: DELAYS })
        .min(1, { error: DELAYS })
        .max(20, { error: DELAYS }),
    ),
    webhookTimeoutSeconds: z.exactOptional(seconds('how long a receiver may take to answer')),
  })
  .describe('For test beds whose clouds have samples every few seconds; the minutes of the makers where it is absent.');

const config = z.strictObject({
  data: s.text('the folder of the journal', 1_000).default('vpp-data'),
  listen: z.strictObject({ host: host().default('127.0.0.1'), port: port().default(8080) }).prefault({}),
  clouds: z
    .strictObject({
      enphase: z.exactOptional(cloud),
      solaredge: z.exactOptional(cloud),
      tesla: z.exactOptional(cloud),
      open: z.exactOptional(cloud),
    })
    .default({}),
  sites: z.array(site).max(500).default([]),
  webhooks: z
    .strictObject({ allowLoopback: s.flag('receivers on this machine are allowed: for test beds').default(false) })
    .prefault({}),
  pace: pace.prefault({}),
  limits: z
    .strictObject({
      requestsPerSecond: s
        .whole('requests a second of one workspace', { min: 1, max: 1_000_000, example: 100 })
        .default(100),
      sandboxes: s
        .whole('sandbox workspaces; one whose devices are all in use takes about 30 MB', {
          min: 0,
          max: 10_000,
          example: 50,
        })
        .default(50),
    })
    .prefault({}),
});

export type ServeConfig = z.output<typeof config>;
export type CloudConfig = z.output<typeof cloud>;
export type SiteConfig = z.output<typeof site>;

export const defaultConfig = (): ServeConfig => config.parse({});

/**
 * Reads the file of a service.
 * @throws InputError with the place of what is wrong; also when it holds a secret and others may read it
 */
export function readConfig(path: string, env: Readonly<Record<string, string | undefined>>): ServeConfig {
  const file = resolve(path);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const value = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw inputError({ source: path, place: 'the file', value, expected: 'a YAML or JSON file that can be read' });
  }
  const what = 'the settings of a service: listen, data, clouds, …';
  const read = silently(text, () =>
    readDocument({ text, source: path }, what, (value) => withoutTwins(checkShape(config, value))),
  );
  guardSecrets(read, file, path);
  return { ...read, clouds: withSecrets(read.clouds, env, path) };
}

/** A connection has one site. */
function withoutTwins(checked: Checked<ServeConfig>): Checked<ServeConfig> {
  if (checked.kind === 'bad') return checked;
  const ids = checked.value.sites.map((site) => site.connectionId);
  const issues = ids.flatMap((id, i) =>
    ids.indexOf(id) === i
      ? []
      : [{ path: ['sites', i, 'connectionId'], value: show(id), expected: 'a name that no other site has' }],
  );
  return issues.length === 0 ? checked : { kind: 'bad', issues };
}

const SECRET = /secret|key/i;

/** What is wrong with a secret is said without it. */
function silently<T>(text: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const lines = text.split(/\r?\n/);
    const isSecret = ({ place }: InputProblem): boolean =>
      SECRET.test(place) || SECRET.test(lines[Number(/^line (\d+)/.exec(place)?.[1] ?? 0) - 1] ?? '');
    throw new InputError(
      error.problems.map((p) => ({
        ...p,
        value: isSecret(p) ? 'what is not shown here' : p.value.replace(/\/\/[^@"]*@/g, '//…@'),
      })),
    );
  }
}

const isReference = (text: string): boolean => text === '' || text.startsWith('env:');

function guardSecrets(read: ServeConfig, file: string, source: string): void {
  const plain = Object.values(read.clouds).some((c) => !isReference(c.clientSecret) || !isReference(c.apiKey));
  const mode = statSync(file).mode & 0o777;
  if (!plain || (mode & 0o077) === 0) return;
  throw inputError({
    source,
    place: 'mode of the file',
    value: `0${mode.toString(8)}`,
    expected: '0600, because it holds a secret (or write env:NAME in its place)',
  });
}

type Clouds = ServeConfig['clouds'];

function withSecrets(clouds: Clouds, env: Readonly<Record<string, string | undefined>>, source: string): Clouds {
  const filled = Object.entries(clouds).map(([oem, c]) => [
    oem,
    {
      ...c,
      clientSecret: secretOf(c.clientSecret, env, { source, place: `clouds.${oem}.clientSecret` }),
      apiKey: secretOf(c.apiKey, env, { source, place: `clouds.${oem}.apiKey` }),
    },
  ]);
  return Object.fromEntries(filled);
}

function secretOf(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
  at: { readonly source: string; readonly place: string },
): string {
  if (!text.startsWith('env:')) return text;
  const name = text.slice('env:'.length);
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  throw inputError({ ...at, value: `nothing in the variable ${name}`, expected: 'the secret in the environment' });
}
