import { z } from 'zod';
import { feederLoadingOf, loadingOf } from '../../core/topology.ts';
import { ALERT_SEVERITIES, ALERT_STATUSES, type Alert } from '../../domain/alert.ts';
import { isoUtc } from '../../domain/time.ts';
import { type Feeder, type Loading, POWER_FACTOR_ASSUMED, type Transformer } from '../../domain/topology.ts';
import { pageOf } from '../page.ts';
import { notFound } from '../problems.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { randomId } from '../tools.ts';

/** The part of the grid that sites share, how loaded it is, and what a person should look at. */
const tag = 'Grid';
const va = (what: string) => s.number(`${what} [VA]`, { min: 1, max: 1e12 });

const LOADING =
  'loading: importW and apparentVa of what is known now. sitesKnown: sites with a fresh meter. sitesInPart: sites without one, of which the batteries, chargers, vehicles and inverters are in the sum and the rest is not. devices: counted are in the sum, through a meter or by what they tell; unknown are not (a thermostat knows no power); same are vehicles and chargers that tell of power which is counted already: of the two at a site the larger sum counts.';

const loadingSchema = z.strictObject({
  importW: z.nullable(z.number()),
  apparentVa: z.nullable(z.number()),
  ratio: z.nullable(z.number()),
  ratingVa: z.nullable(z.number()),
  sitesKnown: z.number(),
  sitesInPart: z.number(),
  sitesTotal: z.number(),
  devices: z.strictObject({ counted: z.number(), unknown: z.number(), same: z.number() }),
  reactiveMeasuredRatio: z.number(),
  oldestAt: z.nullable(s.wireInstant()),
});
function loadingView(loading: Loading | null) {
  if (loading === null) return null;
  const { oldestMs, ...rest } = loading;
  return { ...rest, oldestAt: oldestMs === null || !Number.isFinite(oldestMs) ? null : isoUtc(oldestMs) };
}

const feederBody = z.strictObject({
  name: s.text('name'),
  ratingVa: z.nullable(va('ratingVa, or null for none known')),
});
const feederSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  ratingVa: z.nullable(z.number()),
  loading: z.nullable(loadingSchema),
});
const feederView = (asked: Asked, f: Feeder) => ({
  id: f.feederId,
  name: f.name,
  ratingVa: f.ratingVa,
  loading: loadingView(feederLoadingOf(asked.state, asked.plant.telemetry, f.feederId, asked.nowMs)),
});
function ownFeeder(asked: Asked, feederId: string): Feeder {
  const feeder = asked.state.feeders.get(feederId);
  if (feeder?.workspaceId !== asked.workspaceId) throw notFound('feeder', feederId);
  return feeder;
}
const feederParams = z.strictObject({ feederId: s.pathId() });

function setFeeder(
  asked: Asked<unknown, unknown, z.output<typeof feederBody>>,
  { feederId, status }: { readonly feederId: string; readonly status: number },
) {
  const feeder = { feederId, workspaceId: asked.workspaceId, ...asked.body };
  const view = () => ({ status, body: feederView(asked, ownFeeder(asked, feederId)) });
  return asked.change({ kind: 'set-feeder', feeder, actor: asked.principal.actor }, view);
}

const feeders: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/feeders',
    tag,
    summary: 'Makes a feeder',
    scope: 'write:devices',
    body: feederBody,
    answers: { 201: { means: 'Made', body: feederSchema } },
    problems: ['unprocessable', 'limit_reached'],
    handle: (asked) => setFeeder(asked, { feederId: randomId(asked.face.tools, 'fdr'), status: 201 }),
  }),
  route({
    method: 'GET',
    path: '/v1/feeders',
    tag,
    summary: 'Feeders and how loaded they are',
    description: LOADING,
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(feederSchema) } },
    handle: (asked) => {
      const isMine = (f: Feeder) => f.workspaceId === asked.workspaceId;
      const all = asked.state.feeders.values();
      const view = (f: Feeder) => feederView(asked, f);
      return ok(pageOf({ list: 'feeders', all, idOf: (f) => f.feederId, isMine, view }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/feeders/{feederId}',
    tag,
    summary: 'A feeder and how loaded it is',
    scope: 'read',
    params: feederParams,
    answers: { 200: { means: 'The feeder', body: feederSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(feederView(asked, ownFeeder(asked, asked.params.feederId))),
  }),
  route({
    method: 'PUT',
    path: '/v1/feeders/{feederId}',
    tag,
    summary: 'Replaces a feeder',
    scope: 'write:devices',
    params: feederParams,
    body: feederBody,
    answers: { 200: { means: 'As it is now', body: feederSchema } },
    problems: ['not_found', 'unprocessable'],
    handle: (asked) => {
      const { feederId } = ownFeeder(asked, asked.params.feederId);
      return setFeeder(asked, { feederId, status: 200 });
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/feeders/{feederId}',
    tag,
    summary: 'Takes a feeder away; not while a transformer is on it',
    scope: 'write:devices',
    params: feederParams,
    answers: { 204: { means: 'Taken away', body: null } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { feederId, workspaceId } = ownFeeder(asked, asked.params.feederId);
      const input = { feederId, workspaceId, actor: asked.principal.actor };
      return asked.change({ kind: 'remove-feeder', ...input }, () => ({ status: 204, body: null }));
    },
  }),
];

const transformerBody = z.strictObject({
  name: s.text('name'),
  feederId: z.nullable(s.id('feederId, or null')),
  ratingVa: va('ratingVa'),
  siteIds: z.array(s.id('a site id')).max(1_000, { error: 'at most 1,000 sites' }),
  powerFactorAssumed: z.optional(s.number('powerFactorAssumed', { min: 0.01, max: 1 })),
});
const transformerSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  feederId: z.nullable(z.string()),
  ratingVa: z.number(),
  siteIds: z.array(z.string()),
  powerFactorAssumed: z.number(),
  loading: z.nullable(loadingSchema),
});
const transformerView = (asked: Asked, t: Transformer) => ({
  id: t.transformerId,
  name: t.name,
  feederId: t.feederId,
  ratingVa: t.ratingVa,
  siteIds: t.siteIds,
  powerFactorAssumed: t.powerFactorAssumed,
  loading: loadingView(loadingOf(asked.state, asked.plant.telemetry, t.transformerId, asked.nowMs)),
});
function ownTransformer(asked: Asked, transformerId: string): Transformer {
  const transformer = asked.state.transformers.get(transformerId);
  if (transformer?.workspaceId !== asked.workspaceId) throw notFound('transformer', transformerId);
  return transformer;
}
const transformerParams = z.strictObject({ transformerId: s.pathId() });

function setTransformer(
  asked: Asked<unknown, unknown, z.output<typeof transformerBody>>,
  { transformerId, status }: { readonly transformerId: string; readonly status: number },
) {
  const { powerFactorAssumed = POWER_FACTOR_ASSUMED, ...rest } = asked.body;
  const transformer = { transformerId, workspaceId: asked.workspaceId, ...rest, powerFactorAssumed };
  const view = () => ({ status, body: transformerView(asked, ownTransformer(asked, transformerId)) });
  return asked.change({ kind: 'set-transformer', transformer, actor: asked.principal.actor }, view);
}

const transformers: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/transformers',
    tag,
    summary: 'Makes a transformer; its rating limits what its sites are asked for',
    scope: 'write:devices',
    body: transformerBody,
    answers: { 201: { means: 'Made', body: transformerSchema } },
    problems: ['not_found', 'conflict', 'unprocessable', 'limit_reached'],
    handle: (asked) => setTransformer(asked, { transformerId: randomId(asked.face.tools, 'trf'), status: 201 }),
  }),
  route({
    method: 'GET',
    path: '/v1/transformers',
    tag,
    summary: 'Transformers and how loaded they are',
    description: LOADING,
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(transformerSchema) } },
    handle: (asked) => {
      const isMine = (t: Transformer) => t.workspaceId === asked.workspaceId;
      const all = asked.state.transformers.values();
      const view = (t: Transformer) => transformerView(asked, t);
      return ok(pageOf({ list: 'transformers', all, idOf: (t) => t.transformerId, isMine, view }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/transformers/{transformerId}',
    tag,
    summary: 'A transformer and how loaded it is',
    scope: 'read',
    params: transformerParams,
    answers: { 200: { means: 'The transformer', body: transformerSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(transformerView(asked, ownTransformer(asked, asked.params.transformerId))),
  }),
  route({
    method: 'PUT',
    path: '/v1/transformers/{transformerId}',
    tag,
    summary: 'Replaces a transformer',
    scope: 'write:devices',
    params: transformerParams,
    body: transformerBody,
    answers: { 200: { means: 'As it is now', body: transformerSchema } },
    problems: ['not_found', 'conflict', 'unprocessable'],
    handle: (asked) => {
      const { transformerId } = ownTransformer(asked, asked.params.transformerId);
      return setTransformer(asked, { transformerId, status: 200 });
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/transformers/{transformerId}',
    tag,
    summary: 'Takes a transformer away; its limit is kept no more',
    scope: 'write:devices',
    params: transformerParams,
    answers: { 204: { means: 'Taken away', body: null } },
    problems: ['not_found'],
    handle: (asked) => {
      const { transformerId, workspaceId } = ownTransformer(asked, asked.params.transformerId);
      const input = { transformerId, workspaceId, actor: asked.principal.actor };
      return asked.change({ kind: 'remove-transformer', ...input }, () => ({ status: 204, body: null }));
    },
  }),
];

const alertSchema = z.strictObject({
  id: z.string(),
  severity: z.string(),
  status: z.string(),
  type: z.string(),
  rule: z.string(),
  subject: z.strictObject({ kind: z.string(), id: z.string() }),
  text: z.string(),
  evidence: z.record(z.string(), z.unknown()),
  openedAt: s.wireInstant(),
  changedAt: s.wireInstant(),
  changedBy: z.nullable(z.string()),
});
const alertView = ({ alertId, workspaceId: _, openedMs, changedMs, ...rest }: Alert) => ({
  id: alertId,
  ...rest,
  openedAt: isoUtc(openedMs),
  changedAt: isoUtc(changedMs),
});
function ownAlert(asked: Asked, alertId: string): Alert {
  const alert = asked.state.alerts.get(alertId);
  if (alert?.workspaceId !== asked.workspaceId) throw notFound('alert', alertId);
  return alert;
}
const alertParams = z.strictObject({ alertId: s.pathId() });

const mark = (what: 'acknowledge' | 'ignore', summary: string): Route =>
  route({
    method: 'POST',
    path: `/v1/alerts/{alertId}/${what}`,
    tag,
    summary,
    scope: 'write:devices',
    params: alertParams,
    answers: { 200: { means: 'As it is now', body: alertSchema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { alertId, workspaceId } = ownAlert(asked, asked.params.alertId);
      const view = () => ok(alertView(ownAlert(asked, alertId)));
      return asked.change({ kind: `${what}-alert`, workspaceId, alertId, by: asked.principal.actor }, view);
    },
  });

const alerts: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/alerts',
    tag,
    summary: 'Alerts',
    scope: 'read',
    query: z.strictObject({
      ...s.paging,
      status: z.optional(s.several(s.choice(ALERT_STATUSES))),
      severity: z.optional(s.several(s.choice(ALERT_SEVERITIES))),
    }),
    answers: { 200: { means: 'A page', body: s.page(alertSchema) } },
    handle: (asked) => {
      const { status, severity, ...query } = asked.query;
      const matches = (a: Alert) =>
        (status === undefined || status.includes(a.status)) &&
        (severity === undefined || severity.includes(a.severity));
      const isMine = (a: Alert) => a.workspaceId === asked.workspaceId;
      const all = asked.state.alerts.values();
      return ok(pageOf({ list: 'alerts', all, idOf: (a) => a.alertId, isMine, matches, view: alertView }, query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/alerts/{alertId}',
    tag,
    summary: 'An alert',
    scope: 'read',
    params: alertParams,
    answers: { 200: { means: 'The alert', body: alertSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(alertView(ownAlert(asked, asked.params.alertId))),
  }),
  mark('acknowledge', 'Somebody looks after it'),
  mark('ignore', 'Nobody needs to look after it'),
  route({
    method: 'POST',
    path: '/v1/alerts/{alertId}/resolve',
    tag,
    summary: 'Says that it is over; it comes back with the next change if it is not',
    scope: 'write:devices',
    params: alertParams,
    body: z.strictObject({ why: s.text('why', 500) }),
    answers: { 200: { means: 'As it is now', body: alertSchema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { alertId, workspaceId } = ownAlert(asked, asked.params.alertId);
      const input = { workspaceId, alertId, by: asked.principal.actor, why: asked.body.why };
      return asked.change({ kind: 'resolve-alert', ...input }, () => ok(alertView(ownAlert(asked, alertId))));
    },
  }),
];

export const gridRoutes: readonly Route[] = [...feeders, ...transformers, ...alerts];
