import type { Provenance } from '../domain/program.ts';

/**
 * Battery points of DNP3 Application Note AN2018-001 (2018-08-22), as data: a site's map revision chooses the table, so
 * that another firmware is another table and no other code.
 *
 * Scale: engineering value = raw × scale. Sign: positive = discharge or generation, negative = charge, the same as here
 * (note of AO93: "Positive is discharging, negative is charging").
 * The successor, IEEE 1815.2-2025, was not read: nothing here claims conformance to it.
 */
export type FieldPointType = 'AI' | 'BI' | 'AO' | 'BO';

export interface FieldPoint {
  readonly type: FieldPointType;
  readonly index: number;
  /** IEC 61850 name as the note gives it. */
  readonly name: string;
  readonly unit: 'W' | 'Wh or Ah' | '%' | 's' | '';
  readonly scale: number;
  readonly meaning: string;
}

export interface PointMap {
  readonly revision: string;
  readonly provenance: Provenance;
  readonly points: readonly FieldPoint[];
}

/** Keys that the connector and the simulated site use; the table says what stands behind each. */
export const POINT = {
  effectiveCapacity: { type: 'AI', index: 17 },
  usableCapacity: { type: 'AI', index: 18 },
  dischargeWMax: { type: 'AI', index: 32 },
  chargeWMax: { type: 'AI', index: 33 },
  availableDischargeW: { type: 'AI', index: 43 },
  availableChargeW: { type: 'AI', index: 44 },
  actualSoc: { type: 'AI', index: 47 },
  usableSoc: { type: 'AI', index: 48 },
  minimumReserve: { type: 'AI', index: 161 },
  agcTarget: { type: 'AI', index: 213 },
  activePower: { type: 'AI', index: 537 },
  socAtMaximum: { type: 'BI', index: 4 },
  socTooHigh: { type: 'BI', index: 5 },
  socTooLow: { type: 'BI', index: 6 },
  socDepleted: { type: 'BI', index: 7 },
  local: { type: 'BI', index: 10 },
  lockout: { type: 'BI', index: 11 },
  started: { type: 'BI', index: 14 },
  stopped: { type: 'BI', index: 15 },
  idle: { type: 'BI', index: 18 },
  generating: { type: 'BI', index: 19 },
  charging: { type: 'BI', index: 20 },
  capacityUnits: { type: 'BI', index: 27 },
  supportsAgc: { type: 'BI', index: 42 },
  agcEnabled: { type: 'BI', index: 75 },
  setMinimumReserve: { type: 'AO', index: 100 },
  agcReversion: { type: 'AO', index: 145 },
  setAgcTarget: { type: 'AO', index: 146 },
  setLockout: { type: 'BO', index: 0 },
  returnToService: { type: 'BO', index: 1 },
  ceaseToEnergize: { type: 'BO', index: 2 },
  enableAgc: { type: 'BO', index: 23 },
} as const satisfies Record<string, { type: FieldPointType; index: number }>;

type Row = readonly [FieldPointType, number, string, FieldPoint['unit'], number, string];

const ROWS: readonly Row[] = [
  ['AI', 4, 'DGEN.WMaxRtg.AI4', 'W', 1, 'Nameplate active generation power rating'],
  ['AI', 5, 'DSTO.ChaWMaxRtg.AI5', 'W', 1, 'Nameplate active charging power rating, ≤ 0'],
  ['AI', 17, 'DSTO.EffWh.AI17', 'Wh or Ah', 1, 'Storage effective actual energy capacity'],
  ['AI', 18, 'DSTO.UseWh.AI18', 'Wh or Ah', 1, 'Storage usable energy capacity'],
  ['AI', 32, 'DGEN.WMax.AI32', 'W', 1, 'Maximum active generation power'],
  ['AI', 33, 'DSTO.ChaWMax.AI33', 'W', 1, 'Maximum active charging power, ≤ 0'],
  ['AI', 43, 'MMXU.TotW.AI43', 'W', 1, 'System available active generation power'],
  ['AI', 44, 'MMXU.TotChaW.AI44', 'W', 1, 'System available active charging power, ≤ 0'],
  ['AI', 47, 'DSTO.SocPct.AI47', '%', 0.1, 'Actual state of charge'],
  ['AI', 48, 'DSTO.UseSocPct.AI48', '%', 0.1, 'Usable state of charge'],
  ['AI', 161, 'DWGC.SocUseMinPct.AI161', '%', 0.1, 'Minimum reserve for storage'],
  ['AI', 213, 'DAGC.GnWSpt.AI213', 'W', 1, 'AGC active power target'],
  ['AI', 537, 'MMXU.TotW.AI537', 'W', 1, 'System meter active power'],
  ['BI', 0, 'LCCH.ChLiv.BI0', '', 1, 'System communication error'],
  ['BI', 4, 'DSTO.SocHiWrn.BI4', '', 1, 'State of charge at maximum'],
  ['BI', 5, 'DSTO.SocHiAlm.BI5', '', 1, 'State of charge too high'],
  ['BI', 6, 'DSTO.SocLoAlm.BI6', '', 1, 'State of charge too low'],
  // The source list names it SohLoAlm; its meaning is a state-of-charge alarm.
  ['BI', 7, 'DSTO.SohLoAlm.BI7', '', 1, 'State of charge depleted'],
  ['BI', 10, 'DSTO.DEROpSt.BI10', '', 1, 'System is in local state'],
  ['BI', 11, 'DSTO.DEROpSt.BI11', '', 1, 'System is in lockout state'],
  ['BI', 14, 'DSTO.DEROpSt.BI14', '', 1, 'System is started (return to service)'],
  ['BI', 15, 'DSTO.DEROpSt.BI15', '', 1, 'System is stopped (cease to energize)'],
  ['BI', 18, 'DSTO.DEROpSt.BI18', '', 1, 'Connected and idle'],
  ['BI', 19, 'DSTO.DEROpSt.BI19', '', 1, 'Connected and generating'],
  ['BI', 20, 'DSTO.DEROpSt.BI20', '', 1, 'Connected and charging'],
  ['BI', 27, 'DSTO.AGra.BI27', '', 1, 'Storage capacity units: 0 = Ah (the default), 1 = Wh'],
  ['BI', 42, 'DAGC.BI42', '', 1, 'Supports automatic generation control'],
  ['BI', 75, 'DAGC.ModEna.BI75', '', 1, 'Automatic generation control enabled'],
  ['AO', 100, 'DWGC.SocUseMinPct.AO100', '%', 0.1, 'Set minimum reserve for storage'],
  ['AO', 145, 'DAGC.RvrtTms.AO145', 's', 1, 'AGC reversion timeout'],
  ['AO', 146, 'DAGC.GnWSpt.AO146', 'W', 1, 'AGC active power target'],
  ['BO', 0, 'DSTO.DEROpSt.BO0', '', 1, 'Set lockout state'],
  ['BO', 1, 'DCTE.RtnSrvReq.BO1', '', 1, 'Return to service'],
  ['BO', 2, 'DCTE.CeaEngzReq.BO2', '', 1, 'Cease to energize'],
  ['BO', 23, 'DAGC.ModEna.BO23', '', 1, 'Enable automatic generation control'],
];

export const AN2018: PointMap = {
  revision: 'AN2018-001',
  provenance: {
    source:
      'VOLTTRON services/core/DNP3Agent/dnp3/mesa_points.config @releases/8.2, cross-checked with epri-dev/der-dnp3-an2018 DERAppNoteDefinition.h',
    standing: 'secondary',
  },
  points: ROWS.map(([type, index, name, unit, scale, meaning]) => ({ type, index, name, unit, scale, meaning })),
};

/** Maps by revision; a site of another firmware adds its own. */
export const POINT_MAPS: ReadonlyMap<string, PointMap> = new Map([[AN2018.revision, AN2018]]);

/** The point behind a key; null when this map has none. */
export function pointOf(map: PointMap, key: keyof typeof POINT): FieldPoint | null {
  const { type, index } = POINT[key];
  return map.points.find((p) => p.type === type && p.index === index) ?? null;
}
