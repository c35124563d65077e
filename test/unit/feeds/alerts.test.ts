import { describe, expect, test } from 'vitest';
import { alertInstants, alertsInForce, alertTouches, readAlerts } from '../../../simulators/feeds/alerts.ts';
import { alertTime } from '../../../simulators/feeds/alertTime.ts';
import { isoUtc } from '../../../src/domain/time.ts';
import type { WeatherAlert } from '../../../src/ports/series.ts';
import { dataText, missing, refusal } from './data.ts';

const at = (iso: string): number => Date.parse(iso);
const anchorMs = at('2026-07-01T12:00:00Z');
const file = (name: string) => readAlerts({ text: dataText(`alerts/${name}`), source: name, anchorMs });
const whats = (read: { notes: readonly { row: number; what: string }[] }): string[] =>
  read.notes.map((n) => `${n.row} ${n.what}`);

/** File, alerts read, notes, in force at the anchor of the file. */
const FILES: readonly (readonly [string, number, number, number, string])[] = [
  ['nws_alerts_active_20251215.geojson', 59, 0, 33, '2025-12-15T21:55:00Z'],
  ['nws_alerts_active_20260514.geojson', 33, 0, 22, '2026-05-14T16:35:24Z'],
  ['nws_alerts_all_event_types_relative.geojson', 151, 149, 135, '2026-07-01T12:00:00Z'],
  ['nws_alerts_hurricane_ice_relative.geojson', 8, 0, 0, '2026-07-01T12:00:00Z'],
  ['cap_canada.cap.xml', 1, 1, 1, '2012-05-03T00:00:00Z'],
  ['cap_invalid.cap.xml', 0, 1, 0, '2010-08-31T01:00:00Z'],
  ['cap_no_optional_fields.cap.xml', 0, 1, 0, '2010-08-31T06:00:00Z'],
  ['cap_noaa_errors.cap.xml', 1, 1, 1, '2011-07-20T00:00:00Z'],
  ['cap_oasis_thunderstorm.cap.xml', 1, 0, 1, '2003-06-17T22:00:00Z'],
  ['cap_weather.atom.xml', 1, 0, 1, '2012-08-30T12:00:00Z'],
  ['cap_weather.cap.xml', 1, 0, 1, '2010-08-30T12:00:00Z'],
  ['cap_weather_index.atom.xml', 0, 2, 0, '2010-08-31T12:00:00Z'],
];

describe('every alert file', () => {
  for (const [name, alerts, notes, inForce, now] of FILES) {
    test.skipIf(missing(`alerts/${name}`))(`${name}: ${alerts} alerts, ${notes} notes, ${inForce} in force`, () => {
      const read = file(name);
      expect([read.alerts.length, read.notes.length, alertsInForce(read.alerts, at(now)).length]).toEqual([
        alerts,
        notes,
        inForce,
      ]);
      for (const a of read.alerts) expect(a.endMs).toBeGreaterThanOrEqual(a.onsetMs);
    });
  }

  const thunder = 'cap_oasis_thunderstorm.cap.xml';
  test.skipIf(missing(`alerts/${thunder}`))(`the OASIS example field by field (${thunder})`, () => {
    expect(file(thunder).alerts).toEqual([
      {
        alertId: 'KSTO1055887203',
        event: 'SEVERE THUNDERSTORM',
        status: 'Actual',
        messageType: 'Alert',
        severity: 'Severe',
        urgency: 'Immediate',
        certainty: 'Observed',
        sentMs: at('2003-06-17T21:57:00Z'),
        onsetMs: at('2003-06-17T21:57:00Z'),
        endMs: at('2003-06-17T23:00:00Z'),
        zones: ['006109', '006009', '006003'],
        references: [],
        headline: 'SEVERE THUNDERSTORM WARNING',
      },
    ]);
  });

  test.skipIf(missing('alerts/cap_invalid.cap.xml'))(
    'what CAP requires and a file lacks is named (cap_invalid, cap_no_optional_fields)',
    () => {
      expect(whats(file('cap_invalid.cap.xml'))).toEqual([
        '1 alert 12345 left out: scope is missing (required by CAP)',
      ]);
      expect(whats(file('cap_no_optional_fields.cap.xml'))[0]).toMatch(/left out: no <info>, so no event to act on$/);
      expect(whats(file('cap_noaa_errors.cap.xml'))[0]).toMatch(/severity, urgency, certainty empty, read as Unknown$/);
      expect(whats(file('cap_weather_index.atom.xml'))[0]).toMatch(/left out: it is an index of an alert/);
    },
  );

  test.skipIf(missing('alerts/cap_canada.cap.xml'))(
    'of two languages the English one is read, and its references (cap_canada.cap.xml)',
    () => {
      const [alert] = file('cap_canada.cap.xml').alerts;
      expect(alert).toMatchObject({
        event: 'thunderstorm',
        messageType: 'Update',
        zones: [],
        references: ['2.49.0.1.124.a3f342a4.2012', '2.49.0.1.124.60f31a3a.2012'],
      });
    },
  );

  const relative = 'nws_alerts_hurricane_ice_relative.geojson';
  test.skipIf(missing(`alerts/${relative}`))(`relative times count from the anchor, and need one (${relative})`, () => {
    const [ice, hurricane] = file(relative).alerts;
    expect(ice && [isoUtc(ice.sentMs), isoUtc(ice.onsetMs)]).toEqual([
      '2026-07-01T11:56:05.000Z',
      '2026-07-03T10:21:04.000Z',
    ]);
    expect(hurricane && [isoUtc(hurricane.onsetMs), isoUtc(hurricane.endMs)]).toEqual([
      '2026-07-03T15:00:00.000Z',
      '2026-07-03T17:00:00.000Z',
    ]);
    const bare = () => readAlerts({ text: dataText(`alerts/${relative}`), source: relative });
    expect(refusal(bare)).toMatch(/alert 1, sent: found "date:now -235 seconds", expected the option anchorMs/);
  });
});

test.each([
  ['2024-04-30T00:00:00-0700', '2024-04-30T07:00:00.000Z'],
  ['2024-04-30T00:00:00-07', '2024-04-30T07:00:00.000Z'],
  ['2024-04-30T00:00:00+05:30', '2024-04-29T18:30:00.000Z'],
  ['date:now', '2026-07-01T12:00:00.000Z'],
  ['date:now +52 hours', '2026-07-03T16:00:00.000Z'],
  ['date:today 16:00:-5 -24 hours', '2026-06-30T21:00:00.000Z'],
  ['date:today 23:00:+14', '2026-07-02T09:00:00.000Z'],
])('reads the time %s', (text, iso) => {
  const time = alertTime(text, anchorMs);
  expect(time.kind === 'time' && isoUtc(time.atMs)).toBe(iso);
});

test.each([
  '2024-04-30T00:00:00',
  '2024-02-30T00:00:00Z',
  'tomorrow',
  'date:soon',
  'date:now +1 fortnight',
  'date:today 25:00:-5',
])('takes %s for no time', (text) => expect(alertTime(text, anchorMs).kind).toBe('malformed'));

const properties = {
  id: 'a',
  event: 'Tornado Warning',
  status: 'Actual',
  messageType: 'Alert',
  severity: 'Extreme',
  urgency: 'Immediate',
  certainty: 'Observed',
  sent: '2026-07-01T10:00:00Z',
  effective: '2026-07-01T10:00:00Z',
  onset: '2026-07-01T11:00:00Z',
  expires: '2026-07-01T12:00:00Z',
  ends: '2026-07-01T13:00:00Z',
  geocode: { UGC: ['CAC071'], SAME: ['006071'] },
  affectedZones: ['https://api.weather.gov/zones/forecast/CAZ567', 'https://every-alert/zone'],
  references: [],
  headline: '',
};
const collection = (...changes: object[]) =>
  readAlerts({
    text: JSON.stringify({
      type: 'FeatureCollection',
      features: changes.map((c) => ({ properties: { ...properties, ...c } })),
    }),
    source: 'x.geojson',
  });

describe('NWS GeoJSON', () => {
  test('zones come from UGC, SAME and the ends of zone addresses', () => {
    const [alert] = collection({}).alerts;
    expect(alert?.zones).toEqual(['CAC071', 'CAZ567', '006071']);
    expect(
      alert && [alertTouches(alert, ['CAZ567']), alertTouches(alert, ['CAZ568']), alertTouches(alert, [])],
    ).toEqual([true, false, false]);
  });

  test.each([
    [{ id: '' }, 'alert without an id left out: identifier is missing'],
    [{ status: 'actual' }, 'alert a left out: status "actual" is none of Actual, Exercise, System, Test, Draft'],
    [{ messageType: 'News' }, 'alert a left out: message type "News" is none of Alert, Update, Cancel, Ack, Error'],
    [{ severity: 'Bad' }, 'alert a left out: severity "Bad" is none of Extreme, Severe, Moderate, Minor, Unknown'],
    [{ expires: '2026-07-01T09:00:00Z' }, 'alert a left out: it expires before it takes effect'],
    [{ ends: '2026-07-01T10:59:59Z' }, 'alert a left out: it ends before it begins'],
    [{ ends: null, expires: null }, 'alert a left out: neither ends nor expires is given, so it would never be over'],
    [{ sent: 'yesterday' }, 'alert a left out: sent "yesterday" is not a time with an offset'],
  ])('%j is left out with the reason, and its neighbour is not', (change, why) => {
    const read = collection(change, { id: 'b' });
    expect(read.alerts.map((a) => a.alertId)).toEqual(['b']);
    expect(whats(read)).toEqual([`1 ${why}`]);
  });

  test('the same alert twice is one; the same id with other content is two and said', () => {
    expect(collection({}, {}).alerts).toHaveLength(1);
    const read = collection({}, { severity: 'Minor' });
    expect(read.alerts).toHaveLength(2);
    expect(whats(read)).toEqual(['2 alert a comes again (first as number 1): with other content, kept']);
  });

  test('refuses what is no JSON, no GeoJSON, no alert document', () => {
    const read = (text: string) => refusal(() => readAlerts({ text, source: 'x' }));
    expect(read('{"a":')).toMatch(/expected JSON/);
    expect(read('{"type":"Point"}')).toMatch(/expected a GeoJSON FeatureCollection/);
    expect(read('{"features":[{}]}')).toMatch(/features\[0\]\.properties/);
    expect(read('hello')).toMatch(/expected GeoJSON .* or CAP XML/);
  });
});

describe('CAP', () => {
  const cap = (body: string, version = 'urn:oasis:names:tc:emergency:cap:1.2') =>
    `<alert xmlns="${version}">${body}</alert>`;
  const head = (type: string) =>
    `<identifier>c</identifier><sender>s</sender><sent>2026-07-01T10:30:00+00:00</sent><status>Actual</status><msgType>${type}</msgType><scope>Public</scope>`;
  const info =
    '<info><event>Wind &amp; rain &amp;lt;</event><urgency>Future</urgency><severity>Minor</severity><certainty>Likely</certainty><expires>2026-07-01T12:00:00Z</expires><area><geocode><valueName>FIPS6</valueName><value>006071 006065</value></geocode></area></info>';
  const read = (text: string) => readAlerts({ text, source: 'x.xml' });

  test('refuses a DTD, an entity, broken XML, another namespace, another root', () => {
    const bomb = '<!DOCTYPE a [<!ENTITY b "c">]>';
    expect(refusal(() => read(`<?xml version="1.0"?>${bomb}${cap(head('Alert'))}`))).toMatch(
      /found <!DOCTYPE, expected XML without a DTD/,
    );
    expect(refusal(() => read(`<!-- fine --><!entity x "y">${cap('')}`))).toMatch(/without a DTD/);
    expect(refusal(() => read(cap('<info>')))).toMatch(/line 1, column \d+: .*well-formed XML/);
    expect(refusal(() => read(cap(head('Alert') + info, 'urn:oasis:names:tc:emergency:cap:2.0')))).toMatch(
      /found urn:.*2\.0, expected the namespace of CAP/,
    );
    expect(refusal(() => read('<rss xmlns="urn:oasis:names:tc:emergency:cap:1.2"></rss>'))).toMatch(
      /expected <alert> or <feed>/,
    );
  });

  test.each([
    'http://www.incident.com/cap/1.0',
    'urn:oasis:names:tc:emergency:cap:1.0',
    'urn:oasis:names:tc:emergency:cap:1.1',
  ])('reads %s', (ns) => {
    expect(read(cap(head('Alert') + info, ns)).alerts).toHaveLength(1);
  });

  test('predefined entities are decoded once; FIPS6 lists are split', () => {
    expect(read(cap(head('Alert') + info)).alerts[0]).toMatchObject({
      event: 'Wind & rain &lt;',
      zones: ['006071', '006065'],
    });
  });

  test('a cancellation without <info> still ends what it references', () => {
    const [cancel] = read(cap(`${head('Cancel')}<references>s,a,2026-07-01T10:00:00Z</references>`)).alerts;
    const [alert] = collection({}).alerts;
    expect(cancel?.references).toEqual(['a']);
    const both = [cancel, alert].filter((a): a is WeatherAlert => a !== undefined);
    expect(alertsInForce(both, at('2026-07-01T11:30:00Z'))).toEqual([]);
  });
});

describe('in force', () => {
  const [base] = collection({}).alerts;
  const alert = (change: Partial<WeatherAlert>): WeatherAlert => {
    if (base === undefined) throw new Error('the base alert was not read');
    return { ...base, ...change };
  };
  const ids = (alerts: readonly WeatherAlert[], iso: string, from?: 'onset' | 'sent') =>
    alertsInForce(alerts, at(iso), from === undefined ? {} : { from }).map((a) => a.alertId);

  test('from onset to end, the end excluded; from sending when asked', () => {
    const one = [alert({})];
    expect(ids(one, '2026-07-01T10:59:59Z')).toEqual([]);
    expect(ids(one, '2026-07-01T11:00:00Z')).toEqual(['a']);
    expect(ids(one, '2026-07-01T12:59:59Z')).toEqual(['a']);
    expect(ids(one, '2026-07-01T13:00:00Z')).toEqual([]);
    expect(ids(one, '2026-07-01T10:00:00Z', 'sent')).toEqual(['a']);
    expect(ids(one, '2026-07-01T09:59:59Z', 'sent')).toEqual([]);
    expect(alertInstants(one).map(isoUtc)).toEqual([
      '2026-07-01T10:00:00.000Z',
      '2026-07-01T11:00:00.000Z',
      '2026-07-01T13:00:00.000Z',
    ]);
  });

  test('an update takes the place of what it references once it is sent, in either order', () => {
    const update = alert({
      alertId: 'b',
      messageType: 'Update',
      references: ['a'],
      sentMs: at('2026-07-01T11:30:00Z'),
      endMs: at('2026-07-01T12:00:00Z'),
    });
    for (const both of [
      [alert({}), update],
      [update, alert({})],
    ]) {
      expect(ids(both, '2026-07-01T11:29:59Z')).toEqual(['a']);
      expect(ids(both, '2026-07-01T11:30:00Z')).toEqual(['b']);
      expect(ids(both, '2026-07-01T12:30:00Z')).toEqual([]);
    }
  });

  test('a test message neither acts nor cancels; Ack and Error say nothing', () => {
    const drill = alert({ alertId: 'b', status: 'Test', messageType: 'Cancel', references: ['a'] });
    expect(ids([alert({}), drill], '2026-07-01T12:00:00Z')).toEqual(['a']);
    const ack = alert({ alertId: 'c', messageType: 'Ack', references: ['a'] });
    const error = alert({ alertId: 'd', messageType: 'Error', references: ['a'] });
    expect(ids([alert({}), ack, error], '2026-07-01T12:00:00Z')).toEqual(['a']);
  });
});
