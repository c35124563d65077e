import { describe, expect, test } from 'vitest';
import { Bench, HOUR, T0 } from '../../helpers/coreBench.ts';
import { automation } from '../../helpers/ruleBench.ts';

const soc = (b: Bench, id: string, chargePercentage: number) => b.observe(id, { chargePercentage });
const triggered = (b: Bench) => b.factsOf('automation.triggered');
const why = (b: Bench) => b.refusals.at(-1)?.why;

/** A bench with two home batteries that are full. */
function bench(): Bench {
  const b = new Bench();
  for (const id of ['e', 'f']) b.device('tesla', id, { tags: ['home'], enrolled: false });
  return b;
}

const prices = (b: Bench, values: readonly (number | null)[], startMs = T0) =>
  b.put({
    kind: 'publish-prices',
    node: 'NODE',
    market: 'day-ahead',
    startMs,
    stepMs: HOUR,
    usdPerMwh: values,
  });

const PRICE = { kind: 'price', node: 'NODE', market: 'day-ahead', comparison: 'above', usdPerMwh: 100 } as const;
const ALL_HOME = { kind: 'tag', tag: 'home' } as const;
const low = (over: object = {}) =>
  ({
    kind: 'telemetry',
    watch: { kind: 'all' },
    metric: 'chargePercentage',
    comparison: 'below',
    value: 20,
    forMs: 0,
    hysteresis: 5,
    ...over,
  }) as const;

describe('an automation that raises an alert', () => {
  const action = { kind: 'alert', type: 'POWER_LIMIT', severity: 'WARNING', text: 'nearly empty' } as const;

  test('opens one at the device that triggered it and resolves it when it is over', () => {
    const b = bench();
    const automationId = automation(b, { action });
    soc(b, 'e', 10);
    soc(b, 'f', 10);
    expect(triggered(b).map((f) => f.outcomes)).toEqual([
      [{ kind: 'alert', alertId: 'alert-1' }],
      [{ kind: 'alert', alertId: 'alert-2' }],
    ]);
    expect(b.core.state.alerts.get('alert-1')).toMatchObject({
      subject: { kind: 'device', id: 'e' },
      text: 'test: nearly empty',
      evidence: { automationId, 'chargePercentage of e': 10 },
      status: 'OPEN',
    });
    soc(b, 'e', 30);
    expect(['alert-1', 'alert-2'].map((id) => b.core.state.alerts.get(id)?.status)).toEqual(['RESOLVED', 'OPEN']);
  });

  test('leaves the alert of another automation alone', () => {
    const b = bench();
    automation(b, { action });
    automation(b, { action, when: low({ value: 40, hysteresis: 0 }) });
    soc(b, 'e', 35);
    soc(b, 'e', 10);
    expect(triggered(b).at(-1)?.outcomes).toEqual([
      { kind: 'nothing', deviceId: 'e', why: 'an alert of type POWER_LIMIT is open there' },
    ]);
    soc(b, 'e', 30);
    expect(b.core.state.alerts.get('alert-1')?.status).toBe('OPEN');
    soc(b, 'e', 50);
    expect(b.core.state.alerts.get('alert-1')?.status).toBe('RESOLVED');
  });

  test('of a price is an alert of the automation itself; it is checked like the others', () => {
    const b = bench();
    automation(b, { when: PRICE, target: ALL_HOME, action });
    prices(b, [150, 50]);
    expect(b.core.state.alerts.get('alert-1')?.subject).toEqual({ kind: 'automation', id: 'aut-1' });
    b.advance(HOUR);
    expect(b.core.state.alerts.get('alert-1')?.status).toBe('RESOLVED');
    automation(b, { action: { ...action, text: ' ' } });
    expect(why(b)).toContain('action.text');
  });
});
