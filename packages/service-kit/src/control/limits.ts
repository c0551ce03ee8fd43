/** Every bound of the control API, and the relations between them. */

/** Longest life of a token, ms: what it says is a person's wish of just now. */
export const TOKEN_LIFE_MS_MAX = 300_000;
/** Longest token that is looked at. */
export const TOKEN_CHARS_MAX = 2_048;
/** Used tokens remembered until they expire; beyond it requests are refused, never let through unchecked. */
export const USED_TOKENS_MAX = 65_536;
/** Principals of one file. */
export const PRINCIPALS_MAX = 64;
export const PRINCIPALS_BYTES_MAX = 64 * 1024;
/** Changes a principal may ask for in a second, and at once after a rest. A kill is never refused for it. */
export const CHANGES_PER_S_MAX = 10;
/** Looks a principal may take in a second. */
export const LOOKS_PER_S_MAX = 100;
/** Answers kept for a repeated Idempotency-Key; the oldest goes first. */
export const ANSWERS_KEPT_MAX = 1_024;
/** First halves of two-person changes waiting for the second. */
export const PENDING_MAX = 16;
/** How long a first half waits. */
export const PENDING_MS_MAX = 300_000;
/** Bytes of an operator's reason. */
export const REASON_BYTES_MAX = 256;
/** Records of one answer of the audit trail. */
export const AUDIT_ROWS_MAX = 1_000;
/** Bytes of one audit record; a longer body is kept by its hash. */
export const AUDIT_BODY_BYTES_MAX = 2_048;

const looksOfALife = (TOKEN_LIFE_MS_MAX / 1_000) * (LOOKS_PER_S_MAX + CHANGES_PER_S_MAX);
if (looksOfALife > USED_TOKENS_MAX) {
  throw new Error("the used tokens of one busy principal must fit until they expire");
}
