/**
 * Application header (IEEE 1815 clause 4.2 [S]): control octet (FIR FIN CON UNS, sequence of 4 bits), function code, and
 * in responses two octets of internal indications.
 */
export interface AppControl {
  readonly fir: boolean;
  readonly fin: boolean;
  /** The receiver is asked to confirm. */
  readonly con: boolean;
  /** Belongs to the unsolicited dialogue, whose sequence numbers are its own. */
  readonly uns: boolean;
  readonly sequence: number;
}

export function controlOctet(c: AppControl): number {
  return (c.fir ? 0x80 : 0) | (c.fin ? 0x40 : 0) | (c.con ? 0x20 : 0) | (c.uns ? 0x10 : 0) | (c.sequence & 0x0f);
}

export function parseControl(octet: number): AppControl {
  return {
    fir: (octet & 0x80) !== 0,
    fin: (octet & 0x40) !== 0,
    con: (octet & 0x20) !== 0,
    uns: (octet & 0x10) !== 0,
    sequence: octet & 0x0f,
  };
}

export const nextSequence = (sequence: number): number => (sequence + 1) & 0x0f;

export const FUNCTION = {
  confirm: 0,
  read: 1,
  write: 2,
  select: 3,
  operate: 4,
  directOperate: 5,
  directOperateNoResponse: 6,
  freeze: 7,
  freezeNoResponse: 8,
  freezeClear: 9,
  freezeClearNoResponse: 10,
  coldRestart: 13,
  warmRestart: 14,
  enableUnsolicited: 20,
  disableUnsolicited: 21,
  assignClass: 22,
  delayMeasure: 23,
  recordCurrentTime: 24,
  response: 129,
  unsolicitedResponse: 130,
} as const;

/** First octet of the internal indications. */
export const IIN1 = {
  broadcast: 0x01,
  class1: 0x02,
  class2: 0x04,
  class3: 0x08,
  needTime: 0x10,
  localControl: 0x20,
  deviceTrouble: 0x40,
  restart: 0x80,
} as const;

/** Second octet. */
export const IIN2 = {
  noFunction: 0x01,
  objectUnknown: 0x02,
  parameterError: 0x04,
  overflow: 0x08,
  alreadyExecuting: 0x10,
  configCorrupt: 0x20,
} as const;

/** Status in a control's echo (IEEE 1815 table 5-9 [S]). */
export const STATUS = {
  success: 0,
  timeout: 1,
  noSelect: 2,
  formatError: 3,
  notSupported: 4,
  alreadyActive: 5,
  hardwareError: 6,
  local: 7,
  tooManyOps: 8,
  notAuthorized: 9,
  automationInhibit: 10,
  processingLimited: 11,
  outOfRange: 12,
  undefined: 127,
} as const;

const STATUS_NAMES = new Map(Object.entries(STATUS).map(([name, code]) => [code as number, name]));
export const statusName = (status: number): string => STATUS_NAMES.get(status) ?? `status ${status}`;

/** Quality flags of a point (IEEE 1815 clause 11.6 [S]). */
export const FLAG = { online: 0x01, restart: 0x02, commLost: 0x04, remoteForced: 0x08, localForced: 0x10 } as const;
/** Analogs: the value did not fit the variation. */
export const FLAG_OVER_RANGE = 0x20;
