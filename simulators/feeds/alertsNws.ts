/**
 * NWS alerts as api.weather.gov gives them: a GeoJSON FeatureCollection (or one Feature) whose `properties` hold the
 * fields of CAP under NWS names. Zones come from geocode.UGC and geocode.SAME and from the last part of the
 * affectedZones addresses ("…/zones/forecast/CAZ567"). Read: id, event, status, messageType, severity, urgency,
 * certainty, sent, effective, onset, expires, ends, headline, references. Geometry and texts are not.
 * @source api.weather.gov OpenAPI, schema Alert [M]; recorded feeds
 */
import { inputError, show } from '../../src/domain/errors.ts';
import { type AlertDraft, isSame, isUgc } from './alertDraft.ts';

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** @throws InputError when the text is not JSON, or not GeoJSON with alerts */
export function nwsDrafts({ text: json, source }: { text: string; source: string }): AlertDraft[] {
  const root = parsed(json, source);
  const features =
    isObject(root) && root.type === 'Feature'
      ? [root]
      : isObject(root) && Array.isArray(root.features)
        ? root.features
        : null;
  if (features === null) {
    const value = show(isObject(root) ? root.type : root);
    throw inputError({
      source,
      place: 'top level',
      value,
      expected: 'a GeoJSON FeatureCollection or Feature of alerts',
    });
  }
  return features.map((feature: unknown, i) => {
    const properties = isObject(feature) ? feature.properties : undefined;
    if (isObject(properties)) return draftOf(properties, i + 1);
    throw inputError({ source, place: `features[${i}].properties`, value: show(properties), expected: 'an object' });
  });
}

function parsed(json: string, source: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    const value = error instanceof Error ? error.message : 'text that does not parse';
    throw inputError({ source, place: 'whole file', value, expected: 'JSON' });
  }
}

function draftOf(p: Json, row: number): AlertDraft {
  const geocode = isObject(p.geocode) ? p.geocode : {};
  const tails = list(p.affectedZones).map((url) => text(url).split('/').at(-1) ?? '');
  const ugc = [...list(geocode.UGC).map(text), ...tails].filter(isUgc);
  const same = list(geocode.SAME).map(text).filter(isSame);
  return {
    row,
    alertId: text(p.id),
    event: text(p.event),
    status: text(p.status),
    messageType: text(p.messageType),
    severity: text(p.severity),
    urgency: text(p.urgency),
    certainty: text(p.certainty),
    sent: text(p.sent),
    effective: text(p.effective),
    onset: text(p.onset),
    expires: text(p.expires),
    ends: text(p.ends),
    zones: [...ugc, ...same],
    references: list(p.references).flatMap((r) =>
      isObject(r) && text(r.identifier) !== '' ? [text(r.identifier)] : [],
    ),
    headline: text(p.headline),
  };
}
