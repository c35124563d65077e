import type { Location } from './device.ts';
import { type InputProblem, show } from './errors.ts';
import type { DeviceKind } from './order.ts';

/**
 * A group is a saved selection: a rule over devices of every kind, not a list of them, so that a device that comes later
 * is in it.
 * All parts of the rule that are given have to hold; within a part, `tags` asks for all of them and the others for one.
 */
export interface GroupRule {
  readonly tags?: readonly string[];
  readonly kinds?: readonly DeviceKind[];
  readonly siteIds?: readonly string[];
  /** The device's site lies within radiusM of the point [m]. A site without a location is in no circle. */
  readonly within?: Location & { readonly radiusM: number };
  /** The device's site is fed by this transformer. */
  readonly transformerId?: string;
}

export interface Group {
  readonly groupId: string;
  readonly workspaceId: string;
  readonly name: string;
  readonly rule: GroupRule;
}

export type GroupFact =
  /** Made, or made anew under the same id. */
  | {
      readonly type: 'group.saved';
      readonly workspaceId: string;
      readonly groupId: string;
      readonly group: Group;
      readonly actor: string;
    }
  | {
      readonly type: 'group.deleted';
      readonly workspaceId: string;
      readonly groupId: string;
      readonly actor: string;
    };

export const GROUP_LIST_MAX = 10_000;
export const RADIUS_M_MAX = 20_037_508;
const NAME_LENGTH_MAX = 200;

/** What is wrong with a group by itself; empty = nothing. */
export function groupProblems({ name, rule }: Pick<Group, 'name' | 'rule'>): InputProblem[] {
  const found: InputProblem[] = [];
  const bad = (place: string, value: unknown, expected: string) =>
    found.push({ source: 'group', place, value: show(value), expected });
  if (name.trim() === '' || name.length > NAME_LENGTH_MAX) bad('name', name, `1 to ${NAME_LENGTH_MAX} characters`);
  const parts = Object.values(rule).filter((part) => part !== undefined);
  if (parts.length === 0) bad('rule', rule, 'at least one of tags, kinds, siteIds, within, transformerId');
  for (const field of ['tags', 'kinds', 'siteIds'] as const) {
    const list = rule[field];
    if (list !== undefined && (list.length === 0 || list.length > GROUP_LIST_MAX)) {
      bad(`rule.${field}`, `${list.length} of them`, `1 to ${GROUP_LIST_MAX}`);
    }
  }
  const { within } = rule;
  if (within === undefined) return found;
  if (!(Math.abs(within.latitude) <= 90)) bad('rule.within.latitude', within.latitude, 'degrees from -90 to 90');
  if (!(Math.abs(within.longitude) <= 180)) bad('rule.within.longitude', within.longitude, 'degrees from -180 to 180');
  if (!(within.radiusM > 0 && within.radiusM <= RADIUS_M_MAX)) {
    bad('rule.within.radiusM', within.radiusM, `metres above 0, at most ${RADIUS_M_MAX}`);
  }
  return found;
}

/** Mean radius of the earth [m]. @source IUGG, R1 = (2a + b) / 3 of GRS 80 [M] */
const EARTH_RADIUS_M = 6_371_008.8;
const toRadians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Great-circle distance [m]; on a sphere, within 0.6 % of the ellipsoid. @source haversine formula */
export function distanceM(a: Location, b: Location): number {
  const dLat = toRadians(b.latitude - a.latitude);
  const dLon = toRadians(b.longitude - a.longitude);
  const h =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(toRadians(a.latitude)) * Math.cos(toRadians(b.latitude)) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(h)));
}
