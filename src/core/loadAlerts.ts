import type { AlertSettings } from './alerts.ts';
import { clearAlert, openAlert, percent } from './alerts.ts';
import type { Context } from './context.ts';
import { feederLoadingOf, loadingOf } from './topology.ts';

/** Alerts on what transformers and feeders carry. Their rule looks at samples, not at facts. */

/** A sample or meter interval of a site came in: what is above it is looked at, if it was not a moment ago. */
export function watchLoading(ctx: Context, siteId: string): void {
  const rules = ctx.settings.alerts;
  const transformerId = ctx.state.transformerOfSite.get(siteId);
  const transformer = transformerId === undefined ? undefined : ctx.state.transformers.get(transformerId);
  if (rules === null || transformer === undefined) return;
  const { workspaceId, feederId } = transformer;
  judgeLoading(ctx, rules, workspaceId, { kind: 'transformer', id: transformer.transformerId });
  if (feederId !== null) judgeLoading(ctx, rules, workspaceId, { kind: 'feeder', id: feederId });
}

function judgeLoading(
  ctx: Context,
  rules: AlertSettings,
  workspaceId: string,
  subject: { readonly kind: 'transformer' | 'feeder'; readonly id: string },
): void {
  const key = `${subject.kind}/${subject.id}`;
  const checkedMs = ctx.telemetry.loadCheckedMs.get(key);
  if (checkedMs !== undefined && ctx.nowMs - checkedMs < rules.loadCheckMs) return;
  ctx.telemetry.loadCheckedMs.set(key, ctx.nowMs);
  const of = subject.kind === 'feeder' ? feederLoadingOf : loadingOf;
  const loading = of(ctx.state, ctx.telemetry, subject.id, ctx.nowMs);
  if (loading === null || loading.ratio === null) return;
  const { ratio, sitesKnown, sitesInPart, sitesTotal } = loading;
  const inPart = sitesInPart === 0 ? '' : `, ${sitesInPart} in part`;
  const figures = `${percent(ratio)} of ${loading.ratingVa} VA (${sitesKnown} of ${sitesTotal} sites known${inPart})`;
  // What is not known may be more, never less than nothing: only a loading that is known whole is known to be low.
  if (ratio < rules.loadClearRatio && sitesKnown === sitesTotal) {
    return clearAlert(ctx, 'POWER_LIMIT', subject, 'overload', `${subject.kind} ${subject.id} carries ${figures}`);
  }
  if (ratio <= rules.highLoadRatio) return;
  openAlert(ctx, {
    workspaceId,
    severity: ratio > rules.overloadRatio ? 'CRITICAL' : 'WARNING',
    type: 'POWER_LIMIT',
    rule: 'overload',
    subject,
    text: `${subject.kind} ${subject.id} carries ${figures}`,
    evidence: {
      ratio,
      apparentVa: loading.apparentVa,
      importW: loading.importW,
      ratingVa: loading.ratingVa,
      sitesKnown,
      sitesInPart,
      sitesTotal,
      devicesUnknown: loading.devices.unknown,
    },
  });
}
