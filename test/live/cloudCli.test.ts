import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addCloudCommands } from '../../harness/cli/cloud.ts';
import { childEnv, nodeWords, REPO } from '../helpers/cli.ts';

/** `vpp cloud enphase` in a process of its own, spoken to as the vendor's manual says. */
interface Served {
  readonly url: string;
  readonly credentials: { readonly clientId: string; readonly clientSecret: string; readonly apiKey: string };
  readonly devices: readonly string[];
}

async function serve(...words: string[]): Promise<{ child: ChildProcess; served: Served }> {
  const child = spawn(process.execPath, nodeWords(['cloud', ...words]), {
    cwd: REPO,
    env: childEnv(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const piece of child.stdout) {
    text += String(piece);
    if (text.includes('\n')) break;
  }
  return { child, served: JSON.parse(text) };
}

const isHookedIn = (await import('../../harness/cli/program.ts'))
  .buildProgram()
  .commands.some((c) => c.name() === 'cloud');

describe.skipIf(!isHookedIn)('vpp cloud enphase', () => {
  let child: ChildProcess;
  let served: Served;
  beforeAll(async () => {
    const flags = [
      '--port',
      '0',
      '--devices',
      '2',
      '--delay-seconds',
      '0',
      '--reliable',
      '--enroll-seconds',
      '0',
      '-q',
    ];
    ({ child, served } = await serve('enphase', ...flags));
  });
  afterAll(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
  });

  const call = async (path: string, token: string | null, body?: unknown): Promise<Record<string, unknown>> => {
    const { clientId, clientSecret, apiKey } = served.credentials;
    const basic = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
    const response = await fetch(`${served.url}${path}`, {
      method: body === undefined && token !== null ? 'GET' : 'POST',
      headers: { authorization: token === null ? basic : `Bearer ${token}`, 'x-api-key': apiKey },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as Record<string, unknown>;
  };

  test('gives a token, takes an application and an event, and shows both', async () => {
    const { access_token: token } = await call('/auth/oauth2/token?grant_type=client_credentials', null);
    const site = served.devices[0];
    expect(served.devices).toHaveLength(2);
    const applied = await call('/api/v1/applications', String(token), { site_id: site, program_id: 'program-1' });
    expect(applied).toMatchObject({ application_status: 'Application_Submitted' });
    let status: unknown;
    for (let n = 0; n < 100 && status !== 'Site_Approved'; n++) {
      ({ application_status: status } = await call(`/api/v1/applications/${site}`, String(token)));
    }
    expect(status).toBe('Site_Approved');
    const event = {
      program_id: 'program-1',
      measuring_reference: 'ASSET',
      functions: ['BATTERY'],
      site_ids: [Number(site)],
      mode: 'Discharge_To_Load_Grid',
      rate_watt: 2_500,
      duration: 30,
    };
    const { event_id: id } = await call('/api/v2/events', String(token), event);
    expect(await call(`/api/v2/events/${id}`, String(token))).toMatchObject({
      events: [{ event_status: 'scheduled', rate_watt: 2_500 }],
    });
    const shown = await (await fetch(`${served.url}/testbed/state?device=${site}`)).json();
    expect(shown).toMatchObject({ devices: [{ commands: [{ id, powerW: 2_500 }] }] });
  });
});

describe('the command line of a cloud', () => {
  test.each([
    [['nobody'], /unknown command/],
    [['tesla', '--port', 'x'], /a port, a whole number from 0 to 65535/],
    [['tesla', '--devices', '0'], /devices, a whole number from 1 to 10000/],
    [['tesla', '--telemetry-seconds', '0'], /a whole number from 1/],
    [['tesla', '--speed', '2'], /unknown option/],
  ] as const)('refuses %j', async (words, message) => {
    const program = new Command('vpp').exitOverride().configureOutput({ writeErr: () => {} });
    const io = { out: () => {}, err: () => {}, color: false, interactive: false, cwd: '.', nowMs: () => 0 };
    addCloudCommands(program, { io, globals: () => ({}), finish: () => {} });
    await expect(program.parseAsync(['node', 'vpp', 'cloud', ...words])).rejects.toThrow(message);
  });
});
