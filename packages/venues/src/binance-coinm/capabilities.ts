import type { Capabilities } from "../types.ts";

/**
 * Client ids are unique among open orders only: an id of an order that has ended makes a second one, so nothing is ever
 * sent again blindly. Orders stay when the connection ends, unless the cancel countdown of a symbol runs out.
 */
export const capabilities: Capabilities = {
  resend: "UNSAFE",
  queryByClientId: true,
  execReplayBySeq: false,
  massCancel: "symbol",
  cancelOnDisconnect: false,
  cancelCountdown: true,
  idReuseScope: "open_only",
  amend: "replace",
  reduceOnly: true,
};
