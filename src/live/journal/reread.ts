import { faultOf, GENESIS, type Row } from './chain.ts';
import { type Damage, JournalError, messageOf } from './errors.ts';
import type { Mark } from './mark.ts';
import { JournalReader } from './reader.ts';

/**
 * Reads again what the start did not: the entries up to the newest snapshot, of which it looked at the last alone. They are
 * no part of the state any more, but they are the audit trail, what a start without the snapshot folds, and what a lookup
 * by subject shows.
 */
const ROWS = 64;

export class Reread {
  readonly #file: string;
  readonly #to: Mark;
  readonly #reader: JournalReader;
  readonly #rows: Iterator<Row>;
  #last: Mark = { seq: 0, hash: GENESIS };

  /** @param to  the last entry to be read, as the snapshot has it */
  constructor(file: string, to: Mark) {
    this.#file = file;
    this.#to = to;
    this.#reader = new JournalReader(file);
    this.#rows = this.#reader.rows(1, ROWS);
  }

  /** Some entries further. @returns  what is not as it was written, which ends the reading */
  step(): 'more' | 'done' | Damage {
    try {
      for (let n = 0; n < ROWS; n++) {
        if (this.#last.seq >= this.#to.seq) return this.#ended();
        const next = this.#rows.next();
        if (next.done === true) return this.#damage('the entries end here');
        const fault = faultOf(next.value, this.#last);
        if (fault !== null) return this.#damage(fault);
        this.#last = { seq: next.value.seq, hash: next.value.hash };
      }
      return 'more';
    } catch (e) {
      return this.#damage(e instanceof JournalError ? e.message : messageOf(e));
    }
  }

  close(): void {
    this.#reader.close();
  }

  #ended(): 'done' | Damage {
    return this.#last.hash === this.#to.hash ? 'done' : this.#damage('the entries before are of another history');
  }

  #damage(what: string): Damage {
    return { file: this.#file, place: `entry ${this.#last.seq + 1}`, what };
  }
}
