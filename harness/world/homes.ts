import { base, en, Faker } from '@faker-js/faker';
import { batteryOf, homeDeviceId, homeSiteId } from '../../scenarios/fleet.ts';
import type { HomeGroup, Scenario } from '../../scenarios/schema.ts';
import type { BatterySpec } from '../../simulators/battery/physics.ts';
import { clamp, kwToW } from '../../src/domain/units.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';
import { specOf } from './spec.ts';

/**
 * The homes of a scenario, one by one. Each home draws from a stream of its own name, so that a group that grows or a
 * new group leaves every other home as it was.
 */
export interface Home {
  readonly deviceId: string;
  readonly siteId: string;
  readonly customerId: string;
  readonly customerName: string;
  readonly group: HomeGroup;
  readonly spec: BatterySpec;
  readonly socPct: number;
  /** Which of the group's load shapes, and the factor on it. */
  readonly loadShape: number;
  readonly loadScale: number;
  readonly pvW: number;
  readonly enrolled: boolean;
  readonly optsOut: boolean;
  readonly offline: boolean;
}

/** Load shapes per group: enough that no single home shows in the sum, few enough to fit a cache. */
export const LOAD_SHAPES = 24;

export function makeHomes(scenario: Scenario, random: RandomSource): Home[] {
  return scenario.fleet.homes.flatMap((group) =>
    Array.from({ length: group.count }, (_, i) => makeHome(group, i, random)),
  );
}

function makeHome(group: HomeGroup, index: number, random: RandomSource): Home {
  const deviceId = homeDeviceId(group.group, index);
  const draw = random(`home/${deviceId}`);
  const socPct = clamp(
    draw.uniform(group.socPct.mean - group.socPct.spread, group.socPct.mean + group.socPct.spread),
    0,
    100,
  );
  return {
    deviceId,
    siteId: homeSiteId(group.group, index),
    customerId: `${deviceId}-owner`,
    customerName: nameOf(draw),
    group,
    spec: specOf(batteryOf(group), socPct),
    socPct,
    loadShape: draw.int(0, LOAD_SHAPES - 1),
    loadScale: clamp(draw.normal(1, group.load.spread), 0.2, 3),
    pvW: kwToW(group.pvKw),
    enrolled: draw.chance(group.enrolledShare),
    optsOut: draw.chance(group.optOutShare),
    offline: draw.chance(group.offlineShare),
  };
}

const faker = new Faker({ locale: [en, base] });

/** An invented name; faker is seeded per home and given a fixed date, so that nothing of the machine enters. */
function nameOf(draw: RandomStream): string {
  faker.seed(draw.int(0, 2 ** 31 - 1));
  faker.setDefaultRefDate('2024-01-01T00:00:00.000Z');
  return faker.person.fullName();
}
