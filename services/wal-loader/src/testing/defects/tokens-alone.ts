// wal-loader that trusts the database's memory of insert tokens with what is in, and never asks the tables: a power cut takes that
// memory, and what is inserted again is there twice.
import { openRepository } from "@tidegate/storage";
import { runWalLoader } from "../../service.ts";

await runWalLoader({
  repository: (url) => ({ ...openRepository(url), highest: async () => new Map() }),
});
