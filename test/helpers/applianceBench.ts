import type { ApplianceInput, ApplianceState, ChargingMode } from '../../src/domain/appliance.ts';
import type { Appliance } from '../../src/domain/applianceCommand.ts';
import { type Bench, HOUR, ZONE } from './coreBench.ts';

/** Chargers, vehicles, thermostats and inverters on the core's bench: connected, and seen as the test says. */
type Kind = Appliance['kind'];

/** At the site "site-<home>"; makes the site if it is not there. */
export function connect(
  b: Bench,
  kind: Kind,
  deviceId: string,
  home = deviceId,
  over: Pick<Appliance, 'chargeWMax'> = {},
): void {
  const siteId = `site-${home}`;
  const where = { siteId, workspaceId: 'ws' };
  if (!b.core.state.sites.has(siteId)) {
    b.put({ kind: 'create-site', site: { ...where, customerId: 'c', name: siteId, timeZone: ZONE } });
  }
  const source = { kind: 'oem', oem: 'open', vendorDeviceId: `v-${deviceId}` } as const;
  const what = { deviceId, kind, manufacturer: 'M', model: 'X', source, tags: ['t'] };
  b.put({ kind: 'connect-appliance', appliance: { ...where, ...what, ...over } });
}

/** What a device of a kind shows; powerW is what it charges, or what an inverter gives [W]. */
export function stateOf(kind: Kind, sampledAtMs: number, powerW = 0, over: object = {}): ApplianceState {
  const chargingState = powerW > 0 ? 'charging' : 'idle';
  const plug = { chargingState, isPluggedIn: true, chargerVoltage: 240, chargerCurrent: 0, chargerWattage: powerW };
  const shown = (): object => {
    switch (kind) {
      case 'charger':
        return plug;
      case 'vehicle': {
        const where = { range: 100, latitude: null, longitude: null };
        const when = { chargeCompletionDateMs: null, chargeCompletedAtMs: null };
        return { ...plug, ...where, ...when, charge: 30_000, chargePercentage: 50, chargeLimit: 80 };
      }
      case 'thermostat':
        return { ambientTemperature: 74, operatingMode: 'cool', heatTarget: null, coolTarget: 74, fanMode: 'auto' };
      case 'inverter':
        return { power: powerW, gridStatus: 'unknown', gridPower: null, gridEnergy: null, exportLimit: null };
    }
  };
  return { kind, ...shown(), sampledAtMs, ...over } as ApplianceState;
}

/** A sample that its cloud shows now. */
export function see(b: Bench, deviceId: string, powerW = 0, over: object = {}, online = true): void {
  const kind = b.core.state.appliances.get(deviceId)?.appliance.kind;
  if (kind === undefined) throw new Error(`${deviceId} is not connected`);
  const state = stateOf(kind, b.nowMs, powerW, over);
  b.reply(deviceId, { kind: 'appliance-state', jobId: 'poll', vendorDeviceId: `v-${deviceId}`, state, online });
}

/** @returns the id of the command, or why it was refused */
export function tell(b: Bench, deviceId: string, setting: ApplianceInput, over: { forMs?: number } = {}): string {
  const startMs = b.nowMs;
  const endMs = over.forMs === undefined ? null : startMs + over.forMs;
  const window = { startMs, endMs, notAfterMs: startMs + HOUR };
  const request = { workspaceId: 'ws', deviceId, setting, ...window, actor: 'ana' };
  const { facts, refusals } = b.put({ kind: 'appliance-command', request });
  const made = facts.find((f) => f.type === 'appliance.command-accepted');
  return made?.type === 'appliance.command-accepted' ? made.command.commandId : (refusals[0]?.why ?? 'nothing');
}

export const chargerMode = (operatingMode: ChargingMode): ApplianceInput => ({
  slug: 'charger:set-operating-mode',
  input: { operatingMode },
});

export const vehicleMode = (operatingMode: ChargingMode): ApplianceInput => ({
  slug: 'vehicle:set-operating-mode',
  input: { operatingMode },
});
