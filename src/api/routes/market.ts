import { z } from 'zod';
import type { MeterBlock } from '../../domain/meter.ts';
import type { Award, Bid } from '../../domain/program.ts';
import { isoUtc } from '../../domain/time.ts';
import { MS_PER_HOUR } from '../../domain/units.ts';
import { ownDevice, ownProgram, ownSite } from '../owned.ts';
import { pageOf } from '../page.ts';
import { ProblemError } from '../problems.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { awardSchema, awardView } from '../views.ts';

/**
 * What comes from outside the fleet and what goes there: bids to a market, its awards, readings of meters.
 * @source bids: ascending price and quantity (Leap); the form of awards and readings is our own
 */
const tag = 'Market and meters';

const step = z.strictObject({
  priceUsdPerMwh: s.number('priceUsdPerMwh', { min: -10_000, max: 100_000 }),
  quantityW: s.watts('quantityW'),
});
const bidSchema = z.strictObject({
  programId: z.string(),
  startsAt: s.wireInstant(),
  steps: z.array(z.strictObject({ priceUsdPerMwh: z.number(), quantityW: z.number() })),
});
const bidView = ({ programId, startMs, steps }: Bid) => ({ programId, startsAt: isoUtc(startMs), steps });

const hoursQuery = z.strictObject({ ...s.paging, programId: z.optional(s.pathId()) });

/** Of bids and awards: a program has one an hour. */
function hoursPage<T extends { readonly programId: string; readonly startMs: number }, V>(
  asked: Asked<unknown, z.output<typeof hoursQuery>>,
  of: { readonly list: string; readonly all: Iterable<T>; readonly view: (item: T) => V },
) {
  const { programId, ...query } = asked.query;
  const idOf = (x: T) => `${x.programId}@${isoUtc(x.startMs)}`;
  const isMine = (x: T) => asked.state.programs.get(x.programId)?.workspaceId === asked.workspaceId;
  const matches = (x: T) => programId === undefined || x.programId === programId;
  return ok(pageOf({ ...of, idOf, isMine, matches }, query));
}

const bids: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/programs/{programId}/bids',
    tag,
    summary: 'Bids a price-quantity curve for one hour; a newer one replaces it',
    description:
      'For a program with the trigger `day-ahead-award`, and a whole hour of its time zone that has not begun. Whoever speaks with the market reads the bids (GET /v1/bids) and brings its answer (POST /v1/awards).',
    scope: 'write:programs',
    params: z.strictObject({ programId: s.pathId() }),
    body: z.strictObject({
      startsAt: s.instant(),
      steps: z.array(step).min(1, { error: 'at least one step' }).max(100, { error: 'at most 100 steps' }),
    }),
    answers: { 201: { means: 'Taken', body: bidSchema } },
    problems: ['not_found', 'conflict', 'unprocessable', 'local_time'],
    handle: (asked) => {
      const { programId } = ownProgram(asked, asked.params.programId);
      const bid = { programId, startMs: asked.body.startsAt, steps: asked.body.steps };
      return asked.change({ kind: 'submit-bid', bid }, () => ({ status: 201, body: bidView(bid) }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/bids',
    tag,
    summary: 'Bids as they stand, by program and hour',
    scope: 'read',
    query: hoursQuery,
    answers: { 200: { means: 'A page', body: s.page(bidSchema) } },
    handle: (asked) => hoursPage(asked, { list: 'bids', all: asked.state.bids.values(), view: bidView }),
  }),
];

const AWARDS_MAX = 200;
const award = z.strictObject({
  programId: s.id('programId'),
  startsAt: s.instant(),
  awardedW: s.watts('awardedW'),
  priceUsdPerMwh: s.number('priceUsdPerMwh', { min: -10_000, max: 100_000 }),
});

const awards: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/awards',
    tag,
    summary: 'What the market took of bids, hour by hour; adjacent hours become one event, which is dispatched',
    description:
      'Fed by a market integration, with the clearing price of each hour: at most what the bid offers at that price, once for each hour. An award of 0 W calls nothing. Each is taken or refused by itself; `refused` says why, and when none was taken the answer is a problem.',
    scope: 'write:awards',
    body: z.strictObject({
      awards: z
        .array(award)
        .min(1, { error: 'at least one award' })
        .max(AWARDS_MAX, { error: `at most ${AWARDS_MAX} awards` }),
    }),
    answers: {
      200: {
        means: 'Those that were taken, the ids of the events they called, and why others were not',
        body: z.strictObject({
          awards: z.array(awardSchema),
          events: z.array(z.string()),
          refused: z.array(z.string()),
        }),
      },
    },
    problems: ['not_found', 'conflict', 'window_in_past', 'local_time'],
    handle: (asked) => {
      const given = asked.body.awards.map(({ startsAt: startMs, ...rest }): Award => {
        ownProgram(asked, rest.programId);
        return { ...rest, startMs, endMs: startMs + MS_PER_HOUR };
      });
      const over = given.findIndex((a) => a.endMs <= asked.nowMs);
      if (over >= 0) throw hourIsOver(over, given[over]?.startMs ?? 0);
      // Hours that follow each other make one event, whatever order they came in.
      const inOrder = [...given].sort((a, b) => a.startMs - b.startMs);
      return asked.change({ kind: 'awards', awards: inOrder }, ({ facts, refusals }) =>
        ok({
          awards: facts.flatMap((f) => (f.type === 'bid.awarded' ? [awardView(f.award)] : [])),
          events: facts.flatMap((f) => (f.type === 'event.offered' ? [f.event.eventId] : [])),
          refused: refusals.map(({ why }) => why),
        }),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/v1/awards',
    tag,
    summary: 'Awards, by program and hour',
    scope: 'read',
    query: hoursQuery,
    answers: { 200: { means: 'A page', body: s.page(awardSchema) } },
    handle: (asked) => hoursPage(asked, { list: 'awards', all: asked.state.awards, view: awardView }),
  }),
];

function hourIsOver(index: number, startMs: number): ProblemError {
  const place = `awards[${index}].startsAt`;
  return new ProblemError('window_in_past', place, {
    errors: [{ place, found: isoUtc(startMs), expected: 'an hour that is not over' }],
  });
}

const METERS_MAX = 100;
const INTERVALS_MAX = 3_000;
const block = {
  startsAt: s.instant(),
  stepS: z.union([z.literal(300), z.literal(900), z.literal(1_800), z.literal(3_600)], {
    error: 'stepS: 300, 900, 1800 or 3600',
  }),
  energyWh: z
    .array(z.nullable(s.number('energy [Wh], or null where it was not read', { min: -1e12, max: 1e12 })))
    .min(1, { error: 'at least one interval' })
    .max(INTERVALS_MAX, { error: `at most ${INTERVALS_MAX} intervals` }),
};
const meter = z.union(
  [z.strictObject({ siteId: s.id('siteId'), ...block }), z.strictObject({ deviceId: s.id('deviceId'), ...block })],
  { error: 'the meter of a site ("siteId") or of a battery ("deviceId"), with startsAt, stepS and energyWh' },
);

function blockOf(asked: Asked, given: z.output<typeof meter>): MeterBlock {
  const { startsAt: startMs, stepS, energyWh } = given;
  const isOfSite = 'siteId' in given;
  const siteId = isOfSite ? ownSite(asked, given.siteId).siteId : ownDevice(asked, given.deviceId).device.siteId;
  return { siteId, deviceId: isOfSite ? null : given.deviceId, startMs, stepMs: stepS * 1_000, energyWh };
}

const readings: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/meter-readings',
    tag,
    summary: 'Readings of meters of sites and batteries, interval by interval',
    description: `Fed by a meter data provider. Energy is positive into the site's bus: of a site's meter + import and − export, of a battery's + discharge and − charge. Intervals begin on multiples of stepS, are over, and lie in the last 60 days; all meters of a site have one step. All is taken or nothing; what comes again replaces what was there, null replaces nothing. Performance of events (GET /v1/events/{eventId}/performance) and baselines rest on the meter of the site; an event that was measured before its readings came is measured again 5 minutes after they do. At most ${METERS_MAX} meters, ${INTERVALS_MAX} intervals of each, and 64 kB in one request.`,
    scope: 'write:meter-readings',
    body: z.strictObject({
      meters: z
        .array(meter)
        .min(1, { error: 'at least one meter' })
        .max(METERS_MAX, { error: `at most ${METERS_MAX} meters` }),
    }),
    answers: {
      200: { means: 'Taken', body: z.strictObject({ meters: z.number(), intervals: z.number() }) },
    },
    problems: ['not_found', 'conflict', 'unprocessable', 'local_time'],
    handle: (asked) => {
      const blocks = asked.body.meters.map((m) => blockOf(asked, m));
      const intervals = blocks.reduce((sum, b) => sum + b.energyWh.filter((wh) => wh !== null).length, 0);
      return asked.change({ kind: 'meter-readings', blocks }, () => ok({ meters: blocks.length, intervals }));
    },
  }),
];

export const marketRoutes: readonly Route[] = [...bids, ...awards, ...readings];
