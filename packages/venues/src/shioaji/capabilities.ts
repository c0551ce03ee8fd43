import type { Capabilities } from "../types.ts";

/** There is no client id at all, only six characters that come back: nothing is ever sent twice. */
export const capabilities: Capabilities = {
  resend: "UNSAFE",
  queryByClientId: false,
  execReplayBySeq: false,
  massCancel: "none",
  cancelOnDisconnect: false,
  cancelCountdown: false,
  idReuseScope: "open_only",
  amend: "keep_priority",
  reduceOnly: false,
};
