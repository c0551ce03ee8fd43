import { StoreError } from "../store.ts";
import { openPostgres } from "./postgres.ts";
import { openSqlite } from "./sqlite.ts";
import type { RelationalStore } from "./store.ts";

/**
 * Opens the store a URL names: `postgres://…` or `sqlite:PATH`.
 *
 * Errors  StoreError for any other text
 */
export function openRelational(url: string): RelationalStore {
  if (/^postgres(ql)?:\/\//.test(url)) return openPostgres(url);
  if (url.startsWith("sqlite:") && url.length > "sqlite:".length)
    return openSqlite(url.slice("sqlite:".length));
  throw new StoreError(
    "the relational store",
    `cannot be at ${JSON.stringify(url)}`,
    "want postgres://USER@HOST:PORT/DATABASE or sqlite:FILE",
  );
}
