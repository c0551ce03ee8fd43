/** The two times of a simulated venue: what its messages say, and how fast its session rules run. */

export interface HostClock {
  /** Wall clock, ms since the Unix epoch. */
  readonly wallMs: () => number;
  /** Never goes back, ms. */
  readonly monoMs: () => number;
}

export const hostClock: HostClock = { wallMs: () => Date.now(), monoMs: () => performance.now() };

/**
 * One venue's clock.
 *
 * Units  ms; venue time runs with the host's wall clock plus what a switch has added, rule time is monotonic and runs
 *        `scale` times as fast, so that a rule of 60 s is met after 60 / scale seconds
 */
export class VenueClock {
  readonly #host: HostClock;
  readonly scale: number;
  #addedMs = 0;
  #ns = 0n;

  constructor(host: HostClock, scale: number) {
    this.#host = host;
    this.scale = scale;
  }

  get addedMs(): number {
    return this.#addedMs;
  }

  monoMs(): number {
    return this.#host.monoMs();
  }

  /** What the venue's messages say, whole ms. */
  venueMs(): number {
    return Math.floor(this.#host.wallMs() + this.#addedMs);
  }

  /** The same in ns, and no value twice: what a message is known by where the venue has no sequence. */
  uniqueNs(stepNs: bigint): bigint {
    const now = BigInt(this.venueMs()) * 1_000_000n;
    const next = this.#ns + stepNs;
    // A leap back starts again from the new time; values of before are far away.
    this.#ns = now > this.#ns || this.#ns - now > 1_000_000_000n ? now : next;
    return this.#ns;
  }

  ruleMs(): number {
    return this.#host.monoMs() * this.scale;
  }

  leapBy(ms: number): void {
    this.#addedMs += ms;
  }

  leapTo(epochMs: number): void {
    this.#addedMs = epochMs - this.#host.wallMs();
  }

  restore(): void {
    this.#addedMs = 0;
  }
}
