import { z } from 'zod';
import { isoUtc } from '../../domain/time.ts';
import { MS_PER_DAY } from '../../domain/units.ts';
import { ProblemError } from '../problems.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import type { TestClock } from '../service.ts';

/** The clock of a sandbox: an integrator plays a day of events in a minute, and every time in the same order. */
const tag = 'Sandbox';
const ADVANCE_MS_MAX = 366 * MS_PER_DAY;

const seconds = () => s.whole('seconds to go on', { min: 1, max: ADVANCE_MS_MAX / 1_000 });
const schema = z.strictObject({ now: s.wireInstant(), isFrozen: z.boolean() });
const view = (clock: TestClock) => ({ now: isoUtc(clock.nowMs()), isFrozen: clock.isFrozen() });

function own(asked: Asked): TestClock {
  const clock = asked.face.service.clockOf(asked.workspaceId);
  if (clock === null) throw new ProblemError('forbidden', 'only a sandbox has a clock of its own');
  return clock;
}

/** It stands, or runs, again after a restart: that is recorded. */
const turn = (path: string, summary: string, isFrozen: boolean): Route =>
  route({
    method: 'POST',
    path,
    tag,
    summary,
    scope: 'admin:workspace',
    harmless: true,
    answers: { 200: { means: 'The clock as it is now', body: schema } },
    handle: async (asked) => {
      const clock = own(asked);
      const { workspaceId, principal } = asked;
      if (isFrozen) clock.freeze();
      await asked.change({ kind: 'set-clock', workspaceId, isFrozen, actor: principal.actor }, () => ok(view(clock)));
      if (!isFrozen) clock.resume();
      return ok(view(clock));
    },
  });

export const clockRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/clock',
    tag,
    summary: 'What time it is in the sandbox',
    scope: 'read',
    answers: { 200: { means: 'The clock', body: schema } },
    handle: (asked) => ok(view(own(asked))),
  }),
  turn('/v1/clock/freeze', 'Stops the clock of the sandbox', true),
  turn('/v1/clock/resume', 'Lets it run on from where it stands', false),
  route({
    method: 'POST',
    path: '/v1/clock/advance',
    tag,
    summary:
      'Moves the clock to an instant or by seconds; all that is due until then happens, in order. A clock that runs, runs on from there',
    scope: 'admin:workspace',
    harmless: true,
    body: z.union([z.strictObject({ to: s.instant() }), z.strictObject({ seconds: seconds() })], {
      error: 'either "to", an instant, or "seconds", how far',
    }),
    answers: { 200: { means: 'The clock as it is now', body: schema } },
    problems: ['window_in_past', 'window_too_long', 'local_time'],
    handle: async (asked) => {
      const clock = own(asked);
      const nowMs = clock.nowMs();
      const to = 'to' in asked.body ? asked.body.to : nowMs + asked.body.seconds * 1_000;
      const errors = [{ place: 'to', found: isoUtc(to), expected: `from ${isoUtc(nowMs)} on, at most 366 days` }];
      if (to < nowMs) throw new ProblemError('window_in_past', 'a clock does not run backwards', { errors });
      if (to - nowMs > ADVANCE_MS_MAX) throw new ProblemError('window_too_long', 'at most 366 days', { errors });
      if (!clock.canAdvance()) {
        throw new ProblemError('rate_limited', 'too many advances of this clock wait', {
          headers: { 'retry-after': '1' },
        });
      }
      await clock.advanceTo(to);
      return ok(view(clock));
    },
  }),
];
