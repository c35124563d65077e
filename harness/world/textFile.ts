/** A text file that was read, under the name that logs and reports show: never the folders of a machine. */
export interface TextFile {
  readonly text: string;
  readonly source: string;
}

/** Something a reader had to say about a file: a gap, a value left out. */
export interface Note {
  readonly source: string;
  readonly what: string;
}
