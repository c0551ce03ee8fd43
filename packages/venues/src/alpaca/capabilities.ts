import type { Capabilities } from "../types.ts";

/** Client ids are unique for ever, so a second NEW is refused (422) and adopted by its id. There is no cancel on disconnect. */
export const capabilities: Capabilities = {
  resend: "rejected_as_duplicate",
  queryByClientId: true,
  execReplayBySeq: false,
  massCancel: "account",
  cancelOnDisconnect: false,
  cancelCountdown: false,
  idReuseScope: "account",
  amend: "replace",
  reduceOnly: false,
};
