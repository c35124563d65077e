import { invariant } from '../domain/errors.ts';
import type { Provenance } from '../domain/program.ts';
import { BANK_ANALOG_INPUTS, BANK_BINARY_INPUTS } from './an2018Bank.ts';
import { ANALOG_INPUTS, BINARY_INPUTS } from './an2018Inputs.ts';
import { ANALOG_OUTPUTS, BINARY_OUTPUTS } from './an2018Outputs.ts';

/**
 * Battery points of DNP3 Application Note AN2018-001 (2018-08-22), as data: a site's firmware chooses the revision, and
 * the site may override single points, so that another site is another table and no other code (pointMap.ts).
 *
 * Engineering value = raw × scale. Positive = discharge or generation, negative = charge, the same as here (note of AO93:
 * "Positive is discharging, negative is charging").
 *
 * Three defects of the source list are known and put right here:
 *   BO18  its answer is BI70, as the list of functions and the pattern BO12..32 -> BI64..84 have it; the list says BI71
 *   BI7   is named SohLoAlm, and means a state of charge that is depleted; the name is kept, the meaning is ours
 *   BI27  = 0 means amp-hours and is the default: no energy is made of them (normalise.ts)
 * The successor, IEEE 1815.2-2025, was not read: nothing here claims conformance to it.
 */
export type FieldPointType = 'AI' | 'BI' | 'AO' | 'BO' | 'CTR';

export interface FieldPoint {
  readonly type: FieldPointType;
  readonly index: number;
  /** IEC 61850 name as the list gives it; "-" where it gives none. */
  readonly name: string;
  readonly unit: string;
  readonly scale: number;
  /** What raw values can be. */
  readonly range: 'not-negative' | 'not-positive' | 'signed' | 'state';
  /** Event class of the list; null for outputs, which have none in it. */
  readonly eventClass: 1 | 2 | 3 | 0 | null;
  readonly meaning: string;
  /** 'assumed' where unit and scale stand in no source. */
  readonly standing: Provenance['standing'];
}

const RANGES: Readonly<Record<string, FieldPoint['range']>> = {
  '+': 'not-negative',
  '-': 'not-positive',
  '±': 'signed',
  '': 'state',
};

/** Reads a table of points; its text is ours, so a line that is wrong is a bug. */
function pointsOf(type: FieldPointType, text: string, standing: Provenance['standing']): FieldPoint[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [index = '', name = '', unit = '', scale = '', sign = '', klass = '', meaning = ''] = line
        .split('|')
        .map((cell) => cell.trim());
      const range = RANGES[sign];
      const eventClass = klass === '' ? null : Number(klass);
      const isClass =
        eventClass === null || eventClass === 0 || eventClass === 1 || eventClass === 2 || eventClass === 3;
      invariant(/^\d+$/.test(index) && Number(scale) > 0 && range !== undefined && isClass, `points table: ${line}`);
      return { type, index: Number(index), name, unit, scale: Number(scale), range, eventClass, meaning, standing };
    });
}

export const AN2018_POINTS: readonly FieldPoint[] = [
  ...pointsOf('AI', ANALOG_INPUTS, 'secondary'),
  ...pointsOf('AI', BANK_ANALOG_INPUTS, 'assumed'),
  ...pointsOf('BI', BINARY_INPUTS, 'secondary'),
  ...pointsOf('BI', BANK_BINARY_INPUTS, 'assumed'),
  ...pointsOf('AO', ANALOG_OUTPUTS, 'secondary'),
  ...pointsOf('BO', BINARY_OUTPUTS, 'secondary'),
];

export const AN2018_PROVENANCE: Provenance = {
  source:
    'AN2018-001 as listed by VOLTTRON services/core/DNP3Agent/dnp3/mesa_points.config @releases/8.2, cross-checked with epri-dev/der-dnp3-an2018 DERAppNoteDefinition.h',
  standing: 'secondary',
};
