/** Segments, blocks of each, records of each: what the tests load into a real server. */
export const REAL_WAL = [3, 20, 10] as const;
