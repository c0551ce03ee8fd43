/** Which fault each cycle injects, when, and how: a function of the seed. Pure. */

/** What happens to a loader or its database. */
export type Fault = "kill" | "pause" | "lost_answer" | "two_at_once" | "database_restart";
export const FAULTS: readonly Fault[] = [
  "kill",
  "pause",
  "lost_answer",
  "two_at_once",
  "database_restart",
];

/** One piece of the plan: each fault in its share. Its first five are one of each, so that the smallest run has all. */
const PIECE: readonly Fault[] = [
  ...FAULTS,
  ...FAULTS,
  ...FAULTS,
  "kill",
  "pause",
  "lost_answer",
  "kill",
  "lost_answer",
];
/** So many lost answers are cut; the next is swallowed, and the loader waits until its own time is out. */
const CUT_PER_SWALLOWED = 30;

export interface Cycle {
  readonly fault: Fault;
  /** In [0, 1): the moment, within what the fault leaves open. */
  readonly at: number;
  /**
   * Of a pause: while an insert is under way, which reaches the database only after another loader has done that work. Of a
   * lost answer: the relational store's, where a proxy stands before it.
   */
  readonly other: boolean;
  /** Of a lost answer: it never comes, in place of a connection that is cut. */
  readonly swallowed: boolean;
}

/** Mulberry32: numbers in [0, 1) that follow from a seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The cycles of a run. */
export function planOf(cycles: number, seed: number): Cycle[] {
  const random = randomOf(seed);
  const faults: Fault[] = [];
  while (faults.length < cycles) {
    const piece = PIECE.slice(0, cycles - faults.length);
    for (let at = piece.length - 1; at > 0; at -= 1) {
      const with_ = Math.floor(random() * (at + 1));
      [piece[at], piece[with_]] = [piece[with_] as Fault, piece[at] as Fault];
    }
    faults.push(...piece);
  }
  const nth = new Map<Fault, number>();
  return faults.map((fault) => {
    const turn = (nth.get(fault) ?? 0) + 1;
    nth.set(fault, turn);
    const swallowed = fault === "lost_answer" && turn % (CUT_PER_SWALLOWED + 1) === 0;
    return { fault, at: random(), other: !swallowed && turn % 2 === 1, swallowed };
  });
}
