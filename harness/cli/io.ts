/** What a command may touch of the outside. Data goes to standard output, words to standard error. */
export interface CliIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether standard output wants colour. */
  readonly color: boolean;
  /** Whether standard error is a terminal that can rewrite a line. */
  readonly interactive: boolean;
  readonly cwd: string;
  readonly nowMs: () => number;
}

/** Options of every command. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}
