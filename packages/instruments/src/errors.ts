/** A place in a symbols list. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What is wrong in a symbols list or with what it names: where, what, and what to do. */
export class SymbolsError extends Error {
  readonly place: Place | null;
  constructor(place: Place | null, what: string) {
    super(place === null ? what : `${place.file}:${place.line}:${place.column}: ${what}`);
    this.place = place;
  }
}
