/** CLOCK_MONOTONIC in ns, as every process of this host reads it; a test passes one it turns by hand. */
export type MonoClock = () => bigint;

/** The host's clock: libuv's hrtime is CLOCK_MONOTONIC on Linux. */
export const hostClock: MonoClock = () => process.hrtime.bigint();
