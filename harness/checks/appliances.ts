import { ENERGY, type Expectation } from '../../scenarios/expect.ts';
import { endMsOf, instantAt } from '../../scenarios/times.ts';
import { localDateTime } from '../../src/domain/time.ts';
import { type EpochMs, MJ_PER_WH } from '../../src/domain/units.ts';
import type { CounterfactualInterval, MeterInterval } from '../../src/ports/records.ts';
import type { Evidence } from './evidence.ts';
import type { CheckContext, Judged } from './judged.ts';

/** Expectations about cars, houses and the registers of sites, by the truth of the log. */
type Of<K extends Expectation['kind']> = Extract<Expectation, { kind: K }>;

const REGISTERS: Readonly<Record<keyof typeof ENERGY, (m: MeterInterval | CounterfactualInterval) => number>> = {
  ev: (m) => m.evMj ?? 0,
  hvac: (m) => m.hvacMj ?? 0,
  load: (m) => ('loadMj' in m ? m.loadMj : 0),
  pv: (m) => ('pvMj' in m ? m.pvMj : 0),
  import: (m) => m.importMj,
  export: (m) => m.exportMj,
  charge: (m) => m.chargeMj,
  discharge: (m) => m.dischargeMj,
};

export function checkEnergy(x: Of<'energy'>, { scenario, evidence: e }: CheckContext): Judged {
  const fromMs = instantAt(scenario, x.from, 'from');
  const untilMs = instantAt(scenario, x.until, 'until');
  const of = REGISTERS[x.what];
  let mj = 0;
  let seen = 0;
  let unknown = 0;
  for (const m of e.meters) {
    if (m.startMs < fromMs || m.endMs > untilMs) continue;
    if (x.group !== undefined && e.sites.get(m.siteId)?.group !== x.group) continue;
    seen += 1;
    if (x.measure === 'used') {
      mj += of(m);
      continue;
    }
    const without = e.counterfactual.get(`${m.siteId}@${m.startMs}`);
    if (without === undefined) unknown += 1;
    else mj += of(without) - of(m);
  }
  const kwh = mj / MJ_PER_WH / 1000;
  const known = seen > 0 && unknown === 0;
  const unit = x.measure === 'used' ? 'kWh' : 'kWh saved';
  return {
    passed: known && kwh >= (x.atLeastKwh ?? -Infinity) && kwh <= (x.atMostKwh ?? Infinity),
    expected: `${ENERGY[x.what]} ${boundsWords(x.atLeastKwh, x.atMostKwh, unit)}`,
    found:
      seen === 0
        ? 'no meter interval in that span'
        : unknown > 0
          ? `${unknown} of ${seen} meter intervals have no world without events to compare with`
          : `${kwh.toFixed(1)} ${unit}`,
    where: x.group ?? 'all sites',
    when: `${localDateTime(fromMs, e.timeZone)} to ${localDateTime(untilMs, e.timeZone)}`,
  };
}

function boundsWords(min: number | undefined, max: number | undefined, unit: string): string {
  const words = [min === undefined ? '' : `≥ ${min} ${unit}`, max === undefined ? '' : `≤ ${max} ${unit}`];
  return words.filter((w) => w !== '').join(' and ');
}

interface House {
  lowF: number;
  highF: number;
  lowMs: EpochMs;
  highMs: EpochMs;
}

export function checkRoom(x: Of<'roomF'>, { scenario, evidence: e }: CheckContext): Judged {
  const fromMs = instantAt(scenario, x.from, 'from');
  const untilMs = instantAt(scenario, x.until, 'until');
  const houses = housesIn(e, x.group, { startMs: fromMs, endMs: untilMs });
  const isBad = (h: House): boolean => h.lowF < (x.atLeast ?? -Infinity) || h.highF > (x.atMost ?? Infinity);
  const bad = [...houses].find(([, h]) => isBad(h));
  const good = [...houses.values()].filter((h) => !isBad(h)).length;
  const share = houses.size === 0 ? 0 : good / houses.size;
  const all = [...houses.values()];
  const range = `${Math.min(...all.map((h) => h.lowF)).toFixed(1)} to ${Math.max(...all.map((h) => h.highF)).toFixed(1)} °F`;
  const [badId, badHouse] = bad ?? [null, null];
  const cold = badHouse !== null && badHouse.lowF < (x.atLeast ?? -Infinity);
  return {
    passed: houses.size > 0 && share >= x.atLeastShare,
    expected: `room ${boundsWords(x.atLeast, x.atMost, '°F')}`,
    found: houses.size === 0 ? 'no house in that span' : `${good} of ${houses.size} houses; rooms ${range}`,
    where: badId ?? x.group ?? 'all houses',
    when:
      badHouse === null
        ? `${localDateTime(fromMs, e.timeZone)} to ${localDateTime(untilMs, e.timeZone)}`
        : localDateTime(cold ? badHouse.lowMs : badHouse.highMs, e.timeZone),
  };
}

/** Extremes of each house over meter intervals inside a span, with the interval they are in. */
function housesIn(
  e: Evidence,
  group: string | undefined,
  span: { readonly startMs: EpochMs; readonly endMs: EpochMs },
): Map<string, House> {
  const houses = new Map<string, House>();
  for (const m of e.applianceMeters) {
    if (m.what !== 'hvac' || m.startMs < span.startMs || m.endMs > span.endMs) continue;
    if (group !== undefined && e.appliances.get(m.deviceId)?.group !== group) continue;
    const h = houses.get(m.deviceId) ?? { lowF: Infinity, highF: -Infinity, lowMs: m.startMs, highMs: m.startMs };
    if (m.roomLowF < h.lowF) Object.assign(h, { lowF: m.roomLowF, lowMs: m.startMs });
    if (m.roomHighF > h.highF) Object.assign(h, { highF: m.roomHighF, highMs: m.startMs });
    houses.set(m.deviceId, h);
  }
  return houses;
}

export function checkDepartures(x: Of<'departureSocPct'>, { scenario, evidence: e }: CheckContext): Judged {
  const fromMs = instantAt(scenario, x.from, 'from');
  const untilMs = x.until === undefined ? endMsOf(scenario) : instantAt(scenario, x.until, 'until');
  const left = e.departures.flatMap((d) => {
    const car = e.appliances.get(d.deviceId);
    const isMeant = car !== undefined && (x.group === undefined || car.group === x.group);
    if (!isMeant || car.capacityMj === null || d.atMs < fromMs || d.atMs > untilMs) return [];
    return [{ ...d, pct: (100 * d.storedMj) / car.capacityMj }];
  });
  // A store is whole mJ: the last of them must not make a car short.
  const short = left.filter((d) => d.pct < x.atLeast - 1e-6).sort((a, b) => a.pct - b.pct);
  const [worst] = short;
  const share = left.length === 0 ? 0 : (left.length - short.length) / left.length;
  const lowest = left.length === 0 ? Number.NaN : Math.min(...left.map((d) => d.pct));
  return {
    passed: left.length > 0 && share >= x.atLeastShare,
    expected: `cars leave with at least ${x.atLeast} %`,
    found:
      left.length === 0
        ? 'no car leaves'
        : `${left.length - short.length} of ${left.length} departures; the lowest with ${lowest.toFixed(1)} %`,
    where: worst?.deviceId ?? x.group ?? 'all cars',
    when: worst === undefined ? 'whole span' : localDateTime(worst.atMs, e.timeZone),
  };
}
