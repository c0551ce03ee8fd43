import type { Capabilities } from "../types.ts";

/**
 * Client ids are unique among open orders only: an id of an order that has ended makes a second one, so nothing is ever
 * sent again blindly. Orders stay when the connection ends.
 */
export const capabilities: Capabilities = {
  resend: "UNSAFE",
  queryByClientId: true,
  execReplayBySeq: false,
  massCancel: "symbol",
  cancelOnDisconnect: false,
  cancelCountdown: false,
  idReuseScope: "open_only",
  amend: "keep_priority",
  reduceOnly: false,
};
