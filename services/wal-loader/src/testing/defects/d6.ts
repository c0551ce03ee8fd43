// wal-loader that knows what is in by a hash over the whole batch alone: where a batch ends follows from what there is when it is
// taken, so that a batch taken again is another one and its rows are new ones.
import { createHash } from "node:crypto";
import { openRepository } from "@tidegate/storage";
import { runWalLoader } from "../../service.ts";

await runWalLoader({
  ends: () => ({ find: () => null, agree: async (_from, to) => to, forget() {} }),
  repository(url) {
    const real = openRepository(url);
    return {
      ...real,
      highest: async () => new Map(),
      insert: ({ body, ...insert }) =>
        real.insert({ ...insert, body, token: createHash("sha256").update(body).digest("hex") }),
    };
  },
});
