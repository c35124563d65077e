/**
 * The functions of AN2018-001 that a battery site uses, as the steps of each: which point is operated, how, and which
 * point shows that it was. Step orders and modes are those of the list; the note's own text was not read.
 *
 * A step is "mandatory", "initial" (set once, before the mode is first used) or "optional". Steps of the list that only
 * read stand here with no point to operate.
 * @source VOLTTRON services/core/DNP3Agent/dnp3/mesa_functions.yaml @releases/8.2 [S], which cites the note's tables
 */
export interface FunctionStep {
  /** "AO93"; null = nothing is operated, the answer is read. */
  readonly point: string | null;
  readonly mode: 'direct' | 'select-operate' | 'read';
  /** The point that shows the effect. */
  readonly answer: string;
  readonly need: 'mandatory' | 'initial' | 'optional';
}

export interface FieldFunction {
  readonly id: string;
  /** Clause and table of the note, as cited by the list. */
  readonly ref: string;
  readonly steps: readonly FunctionStep[];
}

type Row = readonly [point: string | null, mode: 'D' | 'S' | 'R', answer: string, need: 'M' | 'I' | 'O'];
const MODES = { D: 'direct', S: 'select-operate', R: 'read' } as const;
const NEEDS = { M: 'mandatory', I: 'initial', O: 'optional' } as const;

const fn = (id: string, ref: string, rows: readonly Row[]): FieldFunction => ({
  id,
  ref,
  steps: rows.map(([point, mode, answer, need]) => ({ point, mode: MODES[mode], answer, need: NEEDS[need] })),
});

/** Charge and discharge mode: a percentage of the maximum active power, + discharge. */
export const CHARGE_DISCHARGE = fn('enable_charge_discharge_storage_mode', '2.6.2 Table 41', [
  ['AO89', 'D', 'AI150', 'I'],
  ['AO90', 'D', 'AI151', 'I'],
  ['AO91', 'D', 'AI152', 'I'],
  ['AO92', 'D', 'AI153', 'I'],
  ['BO38', 'D', 'BI90', 'I'],
  ['AO94', 'D', 'AI155', 'O'],
  ['AO95', 'D', 'AI156', 'O'],
  ['AO96', 'D', 'AI157', 'O'],
  ['AO97', 'D', 'AI158', 'O'],
  ['AO98', 'D', 'AI159', 'O'],
  ['AO99', 'D', 'AI160', 'O'],
  ['AO100', 'D', 'AI161', 'I'],
  ['AO101', 'D', 'AI162', 'I'],
  ['AO93', 'D', 'AI154', 'M'],
  ['BO18', 'S', 'BI70', 'M'],
]);

/** Automatic generation control: a target in watts, + discharge, refreshed while the mode is on. */
export const AGC = fn('perform_automatic_generation_control_mode', '2.6.5 Table 45', [
  ['AO142', 'D', 'AI209', 'I'],
  ['AO143', 'D', 'AI210', 'I'],
  ['AO144', 'D', 'AI211', 'I'],
  ['AO145', 'D', 'AI212', 'I'],
  ['BO39', 'D', 'BI91', 'I'],
  ['AO147', 'D', 'AI214', 'O'],
  ['AO148', 'D', 'AI215', 'O'],
  ['AO149', 'D', 'AI216', 'O'],
  ['AO150', 'D', 'AI217', 'O'],
  ['AO151', 'D', 'AI218', 'O'],
  ['AO152', 'D', 'AI219', 'O'],
  ['AO153', 'D', 'AI220', 'I'],
  ['AO154', 'D', 'AI221', 'I'],
  ['AO146', 'D', 'AI213', 'M'],
  ['BO23', 'S', 'BI75', 'M'],
  ['AO146', 'D', 'AI213', 'M'],
  [null, 'R', 'AI224', 'O'],
]);

/** Active power limit: percentages of the maximum active power for charging and for generating. */
export const POWER_LIMIT = fn('enable_active_power_limit_mode', '2.6.1 Table 39', [
  ['AO82', 'D', 'AI142', 'I'],
  ['AO83', 'D', 'AI143', 'I'],
  ['AO84', 'D', 'AI144', 'I'],
  ['AO85', 'D', 'AI145', 'I'],
  ['AO86', 'D', 'AI146', 'I'],
  [null, 'R', 'AI32', 'O'],
  [null, 'R', 'AI33', 'O'],
  ['AO87', 'D', 'AI148', 'M'],
  ['AO88', 'D', 'AI149', 'M'],
  ['BO17', 'S', 'BI69', 'M'],
]);

export const CONNECT = fn('connect_and_disconnect', '2.4.4 Table 29', [
  ['AO16', 'D', 'AI60', 'I'],
  ['AO17', 'D', 'AI61', 'I'],
  [null, 'R', 'BI23', 'O'],
  ['BO5', 'S', 'BI23', 'M'],
  [null, 'R', 'BI24', 'O'],
]);

/** Steps that stop and start a site; the list puts settings of voltage, frequency and delays between them. */
export const STOP_AND_START = fn('cease_to_energize_and_return_to_service', '2.4.5 Table 30', [
  ['BO2', 'S', 'BI14', 'M'],
  ['BO4', 'S', 'BI17', 'M'],
  [null, 'R', 'BI13', 'O'],
  [null, 'R', 'BI15', 'O'],
  ['BO1', 'S', 'BI12', 'M'],
  ['BO3', 'S', 'BI16', 'M'],
  [null, 'R', 'BI14', 'O'],
]);

export const FUNCTIONS: readonly FieldFunction[] = [CHARGE_DISCHARGE, AGC, POWER_LIMIT, CONNECT, STOP_AND_START];
