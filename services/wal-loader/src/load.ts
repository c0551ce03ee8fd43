/** Loading as a library: for whoever rebuilds a store, checks one, or measures the way into one. */
export {
  differences,
  type Group,
  isCapture,
  payloadHash,
  readGroup,
  START,
  type WalBlock,
  WalCount,
  type WalReader,
  type WalRecord,
} from "./core.ts";
export { type WalDigests, walDigests, walUntil } from "./digest.ts";
export { INSERTS_AT_ONCE_MAX } from "./limits.ts";
export { Loader } from "./loader.ts";
export { nextReady, type Ready } from "./next.ts";
export { batchOf, RelationalLoader } from "./relational.ts";
export { openWal } from "./wal.ts";
