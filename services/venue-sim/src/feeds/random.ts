/** Seeded random numbers: the same seed gives the same market. Not for secrets. */

/** A text as a 32-bit number (FNV-1a), to give each symbol a seed of its own. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}

/** 32-bit generator of one stream (Weyl sequence with a multiply-xorshift mix). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** Uniform in [0, 2^32). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mix = this.#state;
    mix = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad);
    mix = Math.imul(mix ^ (mix >>> 15), 0x735a2d97);
    return (mix ^ (mix >>> 15)) >>> 0;
  }
  /** Integer in [low, high]. */
  int(low: number, high: number): number {
    return low + (this.next() % (high - low + 1));
  }
  /** True once in `n` on average. */
  oneIn(n: number): boolean {
    return this.next() % n === 0;
  }
}
