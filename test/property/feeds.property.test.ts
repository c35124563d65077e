import fc from 'fast-check';
import { expect, test } from 'vitest';
import { alertsInForce } from '../../simulators/feeds/alerts.ts';
import { csvRows, csvText } from '../../simulators/feeds/csv.ts';
import { localCalendar } from '../../simulators/feeds/localTime.ts';
import { readPrices } from '../../simulators/feeds/prices.ts';
import { InputError } from '../../src/domain/errors.ts';
import { localParts } from '../../src/domain/time.ts';
import type { WeatherAlert } from '../../src/ports/series.ts';

const field = fc.string({ unit: fc.constantFrom('a', '7', ' ', ',', '"', '\n', '\r', 'é', ';', ''), maxLength: 6 });

test('CSV: what is written is read back, but for rows that are one empty field', () => {
  fc.assert(
    fc.property(fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 6 }), (rows) => {
      expect(csvRows({ text: csvText(rows), source: 'x' }).map((r) => r.fields)).toEqual(rows);
    }),
  );
});

const alert = fc.record({
  alertId: fc.constantFrom('a', 'b', 'c', 'd'),
  event: fc.constant('Tornado Warning'),
  status: fc.constantFrom('Actual', 'Exercise', 'System', 'Test', 'Draft') satisfies fc.Arbitrary<
    WeatherAlert['status']
  >,
  messageType: fc.constantFrom('Alert', 'Update', 'Cancel', 'Ack', 'Error') satisfies fc.Arbitrary<
    WeatherAlert['messageType']
  >,
  severity: fc.constant<WeatherAlert['severity']>('Severe'),
  urgency: fc.constant('Expected'),
  certainty: fc.constant('Likely'),
  sentMs: fc.integer({ min: 0, max: 9 }),
  onsetMs: fc.integer({ min: 0, max: 9 }),
  endMs: fc.integer({ min: 0, max: 20 }),
  zones: fc.constant(['CAC071']),
  references: fc.subarray(['a', 'b', 'c', 'd']),
  headline: fc.constant(''),
});

test('alerts: what is in force is Actual, heard, begun, not over and not replaced; drills change nothing', () => {
  fc.assert(
    fc.property(fc.array(alert, { maxLength: 8 }), fc.integer({ min: 0, max: 21 }), (alerts, nowMs) => {
      const inForce = alertsInForce(alerts, nowMs);
      for (const a of inForce) {
        expect(a.status).toBe('Actual');
        expect(['Alert', 'Update']).toContain(a.messageType);
        expect(a.sentMs <= nowMs && a.onsetMs <= nowMs && nowMs < a.endMs).toBe(true);
        const enders = alerts.filter(
          (b) => b.status === 'Actual' && b.sentMs <= nowMs && ['Update', 'Cancel'].includes(b.messageType),
        );
        expect(enders.some((b) => b.references.includes(a.alertId))).toBe(false);
      }
      const real = alerts.filter((a) => a.status === 'Actual');
      expect(inForce).toEqual(alertsInForce(real, nowMs));
      const unnamed = real.filter(
        (a) => a.messageType === 'Alert' && !real.some((b) => b.references.includes(a.alertId)),
      );
      const due = unnamed.filter((a) => a.sentMs <= nowMs && a.onsetMs <= nowMs && nowMs < a.endMs);
      for (const a of due) expect(inForce).toContain(a);
    }),
  );
});

test('local time: every instant is among the instants of the wall time it shows', () => {
  const zone = fc.constantFrom(
    'America/Los_Angeles',
    'America/Chicago',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'Pacific/Kiritimati',
  );
  // Half of the cases lie in the weeks of 2024 in which a clock of these zones changes.
  const weekOf = (month: number, day: number) => ((Date.UTC(2024, month, day) - Date.UTC(2024, 0, 1)) / 900_000) | 0;
  const near = fc.constantFrom(weekOf(2, 10), weekOf(3, 6), weekOf(9, 5), weekOf(10, 3));
  const quarter = fc.oneof(
    fc.integer({ min: 0, max: 366 * 96 }),
    fc.tuple(near, fc.integer({ min: 0, max: 191 })).map(([week, q]) => week + q),
  );
  fc.assert(
    fc.property(zone, quarter, (timeZone, quarters) => {
      const atMs = Date.UTC(2024, 0, 1) + quarters * 900_000;
      const found = localCalendar(timeZone).instants(localParts(atMs, timeZone));
      expect(found).toContain(atMs);
      expect(found.length).toBeLessThanOrEqual(2);
    }),
  );
});

test('prices: hours with gaps come back at their instants, in dollars as written', () => {
  const start = Date.UTC(2024, 2, 9);
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: -15_000, max: 100_000 }),
      (hours, cents) => {
        const iso = (h: number) => `${new Date(start + h * 3_600_000).toISOString().slice(0, 19)}Z`;
        const sorted = hours.toSorted((a, b) => a - b);
        const price = (h: number) => (cents + h) / 100;
        const rows = sorted.map((h) => `${iso(h)},${iso(h + 1)},DAM,N,${price(h)}\n`);
        const text = `interval_start_utc,interval_end_utc,market,location,lmp\n${rows.join('')}`;
        const { dayAhead, notes } = readPrices({ text, source: 'p' });
        const first = sorted[0] ?? 0;
        expect(dayAhead?.startMs).toBe(start + first * 3_600_000);
        expect([...(dayAhead?.values ?? [])]).toEqual(
          Array.from({ length: (sorted.at(-1) ?? 0) - first + 1 }, (_, i) =>
            sorted.includes(first + i) ? price(first + i) : NaN,
          ),
        );
        expect(notes.length).toBe(sorted.filter((h, i) => i > 0 && h - (sorted[i - 1] ?? 0) > 1).length);
      },
    ),
  );
});

test('prices: a file cut anywhere but at a line end is refused as an InputError', () => {
  const text =
    'interval_start_utc,interval_end_utc,market,location,lmp\n' +
    '2024-01-01T00:00:00Z,2024-01-01T01:00:00Z,DAM,N,12.34\n2024-01-01T01:00:00Z,2024-01-01T02:00:00Z,DAM,N,56.78\n';
  const ends = new Set([...text].flatMap((c, i) => (c === '\n' ? [i + 1] : [])));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: text.length - 1 }), (length) => {
      fc.pre(!ends.has(length));
      expect(() => readPrices({ text: text.slice(0, length), source: 'p' })).toThrow(InputError);
    }),
  );
});
