import { z } from 'zod';
import type { AnyEntry } from '../core/anyDevice.ts';
import { applianceSchema, applianceView, ownAppliance } from './appliances.ts';
import { ownDevice } from './owned.ts';
import type { Asked } from './route.ts';
import { deviceSchema, deviceView } from './views.ts';

/** Devices of every kind on the wire: a battery or one of the others, each in its own form, told apart by `type`. */
export const anySchema = z.union([deviceSchema, applianceSchema]);

export function anyView({ plant }: Pick<Asked, 'plant'>, entry: AnyEntry) {
  const { latest, appliances } = plant.telemetry;
  return 'device' in entry
    ? deviceView(entry, latest.get(entry.device.deviceId))
    : applianceView(entry, appliances.get(entry.appliance.deviceId));
}

/** @throws ProblemError not_found, also for a device of another workspace */
export const ownAny = (asked: Pick<Asked, 'state' | 'workspaceId'>, deviceId: string): AnyEntry =>
  ownAppliance(asked, deviceId) ?? ownDevice(asked, deviceId);
