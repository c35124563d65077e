import { describe, expect, test } from 'vitest';
import { deviceOf } from '../../../src/core/anyDevice.ts';
import { membersOf } from '../../../src/core/groups.ts';
import { distanceM, type GroupRule } from '../../../src/domain/group.ts';
import { Bench, ZONE } from '../../helpers/coreBench.ts';
import { automation } from '../../helpers/ruleBench.ts';

const PLACES: Readonly<Record<string, { latitude: number; longitude: number }>> = {
  a: { latitude: 34.0522, longitude: -118.2437 }, // Los Angeles
  b: { latitude: 34.1478, longitude: -118.1445 }, // Pasadena, some 14 km away
};

function bench(): Bench {
  const b = new Bench();
  for (const id of ['a', 'b', 'c']) {
    const site = { siteId: `site-${id}`, workspaceId: 'ws', customerId: 'c', name: id, timeZone: ZONE };
    const location = PLACES[id];
    b.device(id === 'c' ? 'dnp3' : 'tesla', id, { tags: id === 'a' ? ['x', 'y'] : ['x'], enrolled: false });
    b.put({ kind: 'create-site', site: location === undefined ? site : { ...site, location } });
  }
  return b;
}

function group(b: Bench, rule: GroupRule, name = 'g'): string {
  const out = b.put({ kind: 'create-group', group: { workspaceId: 'ws', name, rule }, actor: 'ana' });
  const made = out.facts.find((f) => f.type === 'group.saved');
  return made?.type === 'group.saved' ? made.groupId : '';
}

const ids = (b: Bench, groupId: string) => membersOf(b.core.state, groupId).map((d) => deviceOf(d).deviceId);
const why = (b: Bench) => b.refusals.at(-1)?.why;

describe('a group', () => {
  test('selects by tags (all of them), kinds, sites and place, and by all that is given together', () => {
    const b = bench();
    const of = (rule: GroupRule) => ids(b, group(b, rule));
    expect(of({ tags: ['x'] })).toEqual(['a', 'b', 'c']);
    expect(of({ tags: ['x', 'y'] })).toEqual(['a']);
    expect(of({ kinds: ['bess'] })).toEqual(['c']);
    expect(of({ siteIds: ['site-b', 'site-c'] })).toEqual(['b', 'c']);
    expect(of({ siteIds: ['site-b', 'site-c'], kinds: ['battery'] })).toEqual(['b']);
  });

  test('within a circle holds no site whose place is not known', () => {
    const b = bench();
    const around = { latitude: 34.0522, longitude: -118.2437 };
    expect(ids(b, group(b, { within: { ...around, radiusM: 10_000 } }))).toEqual(['a']);
    expect(ids(b, group(b, { within: { ...around, radiusM: 20_000_000 } }))).toEqual(['a', 'b']);
  });

  test('below a transformer goes with the wiring as it is now', () => {
    const b = bench();
    const wire = (siteIds: readonly string[]) =>
      b.put({
        kind: 'set-transformer',
        transformer: {
          transformerId: 't1',
          workspaceId: 'ws',
          name: 't1',
          feederId: null,
          ratingVa: 50_000,
          siteIds,
          powerFactorAssumed: 0.95,
        },
        actor: 'ana',
      });
    group(b, { transformerId: 't1' });
    expect(why(b)).toBe('group: rule.transformerId: t1: no such transformer');
    wire(['site-a', 'site-c']);
    const id = group(b, { transformerId: 't1' });
    expect(ids(b, id)).toEqual(['a', 'c']);
    wire(['site-b']);
    expect(ids(b, id)).toEqual(['b']);
  });

  test('has no device of another workspace', () => {
    const b = bench();
    b.put({ kind: 'create-workspace', workspace: { workspaceId: 'other', name: 'Other', gridServices: true } });
    const group_ = { workspaceId: 'other', name: 'g', rule: { tags: ['x'] } };
    b.put({ kind: 'create-group', group: group_, actor: 'eve' });
    expect(ids(b, 'grp-1')).toEqual([]);
  });

  test('takes in a device that comes later and lets go of one that loses its tag', () => {
    const b = bench();
    const id = group(b, { tags: ['x'] });
    b.device('tesla', 'd', { tags: ['x'], enrolled: false });
    b.put({ kind: 'tag-device', deviceId: 'a', tags: [] });
    expect(ids(b, id)).toEqual(['b', 'c', 'd']);
  });

  test('is changed as a whole and deleted, unless an automation uses it', () => {
    const b = bench();
    const groupId = group(b, { tags: ['x'] });
    const change = { groupId, workspaceId: 'ws', name: 'new', rule: { kinds: ['bess' as const] } };
    b.put({ kind: 'change-group', group: change, actor: 'ana' });
    expect(ids(b, groupId)).toEqual(['c']);
    const automationId = automation(b, { target: { kind: 'group', groupId } });
    b.put({ kind: 'delete-group', workspaceId: 'ws', groupId, actor: 'ana' });
    expect(why(b)).toBe(`${groupId} is used by ${automationId}`);
    b.put({ kind: 'delete-automation', workspaceId: 'ws', automationId, actor: 'ana' });
    b.put({ kind: 'delete-group', workspaceId: 'ws', groupId, actor: 'ana' });
    expect(b.core.state.groups.size).toBe(0);
  });

  test('that says nothing, says nonsense, or belongs to somebody else is refused', () => {
    const b = bench();
    group(b, {});
    expect(why(b)).toBe('group: rule: found {}, expected at least one of tags, kinds, siteIds, within, transformerId.');
    group(b, { tags: [] });
    expect(why(b)).toContain('rule.tags');
    group(b, { within: { latitude: -118.2, longitude: 34.05, radiusM: 0 } });
    expect(why(b)?.split('\n')).toHaveLength(2);
    group(b, { siteIds: ['site-z'] });
    expect(why(b)).toBe('group: rule.siteIds: site-z: no such site');
    const groupId = group(b, { tags: ['x'] });
    b.put({ kind: 'delete-group', workspaceId: 'other', groupId, actor: 'eve' });
    expect(why(b)).toBe(`${groupId}: no such group`);
  });

  test('has a limit per workspace', () => {
    const b = bench();
    for (let n = 0; n < 1_000; n++) group(b, { tags: ['x'] });
    expect(group(b, { tags: ['x'] })).toBe('');
    expect(why(b)).toBe('a workspace has at most 1000 groups');
  });
});

test('a degree of latitude is 111.195 km on the mean sphere, and opposite points are half its girth apart', () => {
  const at = (latitude: number, longitude: number) => ({ latitude, longitude });
  expect(distanceM(at(0, 0), at(1, 0))).toBeCloseTo(111_195, -1);
  expect(distanceM(at(0, 0), at(0, 180))).toBeCloseTo(20_015_115, -1);
  expect(distanceM(at(34, -118), at(34, -118))).toBe(0);
});
