import { describe, expect, test } from 'vitest';
import { Poller } from '../../src/live/poller.ts';
import { control, liveCloud, START_MS } from './cloudEnds.ts';

/** A day of a small fleet over real sockets, stepped: what happens and when does not depend on the machine. */
const DAY_MS = 86_400_000;
const DEVICES = 4;

async function day(): Promise<{ story: string; states: number; tokens: number; throttled: number; ignored: number }> {
  const c = await liveCloud('tesla', { world: { devices: DEVICES } });
  const poller = new Poller(c.clock);
  for (const id of c.server.world.deviceIds) {
    poller.add({ deviceId: `dev-${id}`, vendorDeviceId: id, periodMs: 300_000, submit: (job) => c.link.submit(job) });
  }
  c.clock.at(START_MS + DAY_MS / 2, () => {
    c.server.world.storm({ vendorDeviceId: '1000002' }, true);
    for (const id of c.server.world.deviceIds) {
      const window = { startMs: START_MS + DAY_MS / 2, notAfterMs: START_MS + DAY_MS / 2 + 600_000 };
      c.link.submit(control(`j-${id}`, { vendorDeviceId: id, route: 'baseline', ...window }));
    }
  });
  await c.clock.advanceTo(START_MS + DAY_MS);
  await c.clock.settle();
  const { counts, devices } = c.server.world.shown();
  const states = c.replies.filter((r) => r.kind === 'state').length;
  const ignored = devices.filter((d) => d.controlsTaken === 1 && d.storm === 'active').length;
  const story = JSON.stringify([c.replies, devices, counts]);
  await c.close();
  return { story, states, tokens: counts.tokens, throttled: counts.throttled, ignored };
}

describe('a day over sockets', () => {
  test('is the same twice: every poll, token, command and storm at its time', async () => {
    const first = await day();
    const { states, tokens, throttled, ignored } = first;
    // A token lasts 8 hours; the first is fetched by the first poll.
    expect({ states, tokens, throttled, ignored }).toEqual({
      states: 288 * DEVICES,
      tokens: 3,
      throttled: 0,
      ignored: 1,
    });
    expect((await day()).story).toBe(first.story);
  });
});
