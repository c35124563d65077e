import type { EpochMs } from '../../domain/units.ts';
import type { Damage, JournalErrorKind } from './errors.ts';
import type { SnapshotHead } from './snapshotFile.ts';
import type { GroupEntry, Trouble } from './writer.ts';

/** What the journal and its writing thread say to each other. One group is under way at a time. */
export interface WriterSetUp {
  readonly dir: string;
  readonly markFile: string;
  readonly build: string;
}

export type ToWriter =
  | { readonly kind: 'write'; readonly wallMs: EpochMs; readonly entries: readonly GroupEntry[] }
  | { readonly kind: 'close' };

export type FromWriter =
  | {
      readonly kind: 'opened';
      readonly lastSeq: number;
      readonly snapshot: SnapshotHead | null;
      readonly notes: readonly string[];
    }
  | {
      readonly kind: 'not-opened';
      readonly error: {
        readonly kind: JournalErrorKind;
        readonly file: string;
        readonly place: string;
        readonly what: string;
      };
    }
  | { readonly kind: 'written'; readonly firstSeq: number }
  | ({ readonly kind: 'refused' } & Trouble)
  /** Trouble outside of a group: at a checkpoint, or with the high-water mark. */
  | ({ readonly kind: 'trouble' } & Trouble)
  /** What is older than the newest snapshot is not as it was written. */
  | { readonly kind: 'damage'; readonly damage: Damage }
  /** There is room again. */
  | { readonly kind: 'well' }
  | { readonly kind: 'closed' };
