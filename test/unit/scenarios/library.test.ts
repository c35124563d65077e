import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { scenarioJsonSchema } from '../../../scenarios/jsonSchema.ts';
import { LIBRARY, loadScenario } from '../../../scenarios/library.ts';
import { durationMs, endMsOf, instantAt, startMsOf } from '../../../scenarios/times.ts';
import { InputError } from '../../../src/domain/errors.ts';

const folder = new URL('../../../scenarios/library/', import.meta.url);
const readText = (file: string) => readFileSync(new URL(file, folder), 'utf8');

describe('the library', () => {
  it('lists every file of its folder, and no other', () => {
    expect(LIBRARY.map((e) => e.file).sort()).toEqual(readdirSync(folder).sort());
  });

  test.each(LIBRARY)('$name reads, carries its name and title, and expects four to eight things', (entry) => {
    const scenario = loadScenario(entry.name, readText);
    expect({ name: scenario.name, title: scenario.title }).toEqual({ name: entry.name, title: entry.title });
    expect(scenario.expect.length).toBeGreaterThanOrEqual(4);
    expect(scenario.expect.length).toBeLessThanOrEqual(8);
    expect(scenario.expect.some((e) => e.severity === 'fail')).toBe(true);
  });

  test.each(LIBRARY)('$name needs no file of data and no planted fault', (entry) => {
    const scenario = loadScenario(entry.name, readText);
    expect(scenario.weather.kind).toBe('synthetic');
    expect(scenario.market.dayAhead.kind).not.toBe('file');
    expect(scenario.alertFiles).toEqual([]);
    expect(scenario.faults.filter((f) => f.kind === 'rule-off')).toEqual([]);
  });

  it('has awards in day-ahead-bid that follow from its prices and bids', () => {
    const { market, programs, expect: expectations } = loadScenario('day-ahead-bid', readText);
    const prices = market.dayAhead.kind === 'hourly' ? market.dayAhead.usdPerMwh : [];
    const taken = programs[0]?.bids.flatMap(({ hour, steps }) => {
      const cleared = steps.filter((s) => s.priceUsdPerMwh <= (prices[hour - 1] ?? Number.NaN)).at(-1);
      return cleared === undefined ? [] : [{ hour, quantityKw: cleared.quantityKw }];
    });
    expect(expectations.find((e) => e.kind === 'awarded')?.equals).toEqual(taken);
  });

  test.each(['heat-wave-evening', 'ercot-scarcity'])('%s expects the hours that its prices and window call', (name) => {
    const { market, programs, expect: expectations } = loadScenario(name, readText);
    const trigger = programs[0]?.trigger;
    if (trigger?.kind !== 'day-ahead-price' || market.dayAhead.kind !== 'hourly') throw new Error('another trigger');
    const [from, until] = [Number.parseInt(trigger.window.start, 10), Number.parseInt(trigger.window.end, 10)];
    const hours = market.dayAhead.usdPerMwh.flatMap((price, i) =>
      price >= trigger.thresholdUsdPerMwh && i >= from && i < until ? [i + 1] : [],
    );
    expect(expectations.find((e) => e.kind === 'dispatchedHours')?.equals).toEqual(hours);
  });

  it('suggests the nearest name for an unknown one', () => {
    expect(() => loadScenario('heat-wave-evning', readText)).toThrow('Did you mean "heat-wave-evening"?');
    expect(() => loadScenario('nothing-like-it-at-all', readText)).toThrow(InputError);
  });
});

describe('the JSON Schema', () => {
  const committed: unknown = JSON.parse(
    readFileSync(new URL('../../../scenarios/scenario.schema.json', import.meta.url), 'utf8'),
  );

  it('in the folder is the one that follows from the code', () => {
    expect(committed).toEqual(JSON.parse(JSON.stringify(scenarioJsonSchema())));
  });

  it('forbids unknown fields in every object and describes each kind of expectation', () => {
    const objects: Record<string, unknown>[] = [];
    const walk = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      if ('properties' in node && 'type' in node) objects.push(node as Record<string, unknown>);
      for (const child of Object.values(node)) walk(child);
    };
    walk(committed);
    expect(objects.length).toBeGreaterThan(40);
    for (const object of objects) expect(object.additionalProperties).toBe(false);
    const items = (committed as { properties: { expect: { items: { oneOf: { description?: string }[] } } } }).properties
      .expect.items.oneOf;
    expect(items).toHaveLength(12);
    for (const item of items) expect(item.description).toMatch(/\.$/);
  });
});

describe('times of a run', () => {
  const run = { name: 'r', start: '2024-11-02T22:00', timeZone: 'America/Los_Angeles', duration: '24h' };

  it('reads lengths in every unit', () => {
    expect(['250ms', '90s', '5min', '2h', '1d'].map(durationMs)).toEqual([250, 90_000, 300_000, 7_200_000, 86_400_000]);
  });

  it('takes a clock time at its first occurrence at or after the start', () => {
    const startMs = Date.UTC(2024, 10, 3, 5);
    expect(startMsOf(run)).toBe(startMs);
    expect(endMsOf(run)).toBe(startMs + 86_400_000);
    expect(instantAt(run, '22:00')).toBe(startMs);
    expect(instantAt(run, '23:30')).toBe(startMs + 90 * 60_000);
    expect(instantAt(run, '+90min')).toBe(startMs + 90 * 60_000);
    expect(instantAt(run, '2024-11-03T00:30')).toBe(startMs + 150 * 60_000);
  });

  it('counts the doubled hour when daylight saving time ends in between', () => {
    expect(instantAt(run, '02:00')).toBe(Date.UTC(2024, 10, 3, 10));
    expect(instantAt(run, '21:59')).toBe(Date.UTC(2024, 10, 4, 5, 59));
  });

  it('refuses a clock time that exists twice, and names both instants', () => {
    expect(() => instantAt(run, '01:30')).toThrow('2024-11-03T08:30:00Z or 2024-11-03T09:30:00Z');
  });
});
