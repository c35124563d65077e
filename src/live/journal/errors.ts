/** Why a journal cannot be opened, read or relied on, and where it shows. */
export type JournalErrorKind =
  /** Another process or another part of this one has the folder. */
  | 'locked'
  /** What is there is not what was written. */
  | 'damaged'
  /** The folder cannot be written. */
  | 'read-only'
  /** Written by a newer build, or no journal at all. */
  | 'format'
  /** The disk or the writer gave up. */
  | 'failed';

export class JournalError extends Error {
  override readonly name = 'JournalError';
  readonly kind: JournalErrorKind;
  readonly file: string;
  /** "entry 17", "octet 4128", "the file". */
  readonly place: string;
  constructor(kind: JournalErrorKind, { file, place, what }: Damage) {
    super(`${file}: ${place}: ${what}`);
    this.kind = kind;
    this.file = file;
    this.place = place;
  }
}

export interface Damage {
  readonly file: string;
  readonly place: string;
  readonly what: string;
}

export const damaged = (damage: Damage): JournalError => new JournalError('damaged', damage);

/** The code SQLite or the operating system gave an error; '' where there is none. */
export function codeOf(e: unknown): string {
  const code: unknown = e instanceof Error && 'code' in e ? e.code : '';
  return typeof code === 'string' ? code : '';
}

const READ_ONLY_CODES = ['SQLITE_READONLY', 'EROFS', 'EACCES', 'EPERM'];

/** Whether a code says that a file or a file system may not be written. */
export const isReadOnly = (code: string): boolean => READ_ONLY_CODES.some((known) => code.startsWith(known));

export const messageOf = (e: unknown): string => (e instanceof Error ? e.message : String(e));
