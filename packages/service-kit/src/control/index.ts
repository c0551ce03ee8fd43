/** The control API that gateway and monitor serve, and the hand by which the command line asks. */
export { type Answer, addControl, type Call, type ControlApi, type Route, route } from "./api.ts";
export { AUDIT_START, Audit, type AuditRecord, auditHash, readAudit } from "./audit.ts";
export {
  checkGoLive,
  fileHash,
  GO_LIVE_DAYS_MAX,
  GO_LIVE_SESSIONS_MIN,
  type GoLive,
  noGo,
  type SignedGoLive,
  signGoLive,
} from "./go-live.ts";
export { Answers, Pending, Rates } from "./guards.ts";
export { type Held, LATCH_BYTES, Latch, parseLatch } from "./latch.ts";
export * from "./limits.ts";
export {
  addPrincipal,
  livePrincipals,
  makeKey,
  type Principal,
  PrincipalName,
  ROLES,
  type Role,
  readPrincipals,
} from "./principals.ts";
export { type Judged, mint, readSigner, type Signer, TokenJudge } from "./token.ts";
export { serveUnix } from "./unix.ts";
