import { invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { ApplianceInterval } from '../../src/ports/records.ts';
import type { RunningAppliances } from './appliances.ts';

/** Reads the registers of the cars and thermostats of a site, whenever its meter is read. */
export interface ApplianceMeter {
  read(siteId: string, span: { readonly startMs: EpochMs; readonly endMs: EpochMs }): readonly ApplianceInterval[];
}

const hundredths = (x: number): number => Math.round(x * 100) / 100;

export function createApplianceMeter({ list, fleet }: RunningAppliances): ApplianceMeter {
  const bySite = new Map<string, number[]>();
  list.forEach((a, i) => {
    if (a.kind !== 'inverter') bySite.set(a.siteId, [...(bySite.get(a.siteId) ?? []), i]);
  });
  const last = list.map((_, i) => fleet.registers(i));
  const readOne = (i: number, span: { readonly startMs: EpochMs; readonly endMs: EpochMs }): ApplianceInterval => {
    const [from, to, a] = [last[i], fleet.registers(i), list[i]];
    invariant(from !== undefined && a !== undefined, `no appliance ${i}`);
    last[i] = to;
    const head = { kind: 'appliance-meter', siteId: a.siteId, deviceId: a.deviceId, ...span } as const;
    if (from.kind === 'ev' && to.kind === 'ev') {
      return {
        ...head,
        what: 'ev',
        chargeMj: to.chargeMj - from.chargeMj,
        lossMj: to.lossMj - from.lossMj,
        drivenMj: to.drivenMj - from.drivenMj,
        shortMj: to.shortMj - from.shortMj,
        storedStartMj: from.storedMj,
        storedEndMj: to.storedMj,
      };
    }
    const room = fleet.unit(i).takeRoom();
    invariant(from.kind === 'thermostat' && to.kind === 'thermostat' && room !== null, `${a.deviceId} has no room`);
    return {
      ...head,
      what: 'hvac',
      hvacMj: to.hvacMj - from.hvacMj,
      fanMj: to.fanMj - from.fanMj,
      heatingMs: to.heatingMs - from.heatingMs,
      coolingMs: to.coolingMs - from.coolingMs,
      roomF: hundredths(room.nowF),
      roomLowF: hundredths(room.lowF),
      roomHighF: hundredths(room.highF),
    };
  };
  return { read: (siteId, span) => (bySite.get(siteId) ?? []).map((i) => readOne(i, span)) };
}
