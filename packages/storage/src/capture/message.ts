/** One message of a capture as a venue sent it, and the errors of the files it lies in. */

export interface Captured {
  /** Receive time, ns since the Unix epoch. */
  readonly tsRecvNs: bigint;
  /** The bytes as they came. */
  readonly raw: Uint8Array;
}

/** Longest message of a capture, in bytes. */
export const MESSAGE_BYTES_MAX = 8 << 20;

/** Latest receive time: what 64 signed bits of ns hold, in the year 2262. */
export const TS_NS_MAX = (1n << 63n) - 1n;

/** A capture file that cannot be read or written: which, where in it, what, and what to do. */
export class CaptureError extends Error {
  constructor(path: string, where: string, what: string) {
    super(`${path}: ${where}: ${what}`);
  }
}
