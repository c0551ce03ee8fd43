// wal-loader that notes what is in, as a hash, in a second step after the insert, and believes its notes: what was inserted and
// not noted is inserted again.
import { createHash, randomUUID } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openRepository } from "@tidegate/storage";
import { runWalLoader } from "../../service.ts";

await runWalLoader({
  repository(url, { loaderDir }) {
    const real = openRepository(url);
    const notes = join(loaderDir, "inserted");
    return {
      ...real,
      highest: async () => new Map(),
      async insert({ table, body, ...insert }) {
        const hash = createHash("sha256").update(table).update(body).digest("hex");
        if (existsSync(notes) && readFileSync(notes, "latin1").includes(hash)) return;
        await real.insert({ ...insert, table, body, token: randomUUID() });
        appendFileSync(notes, `${hash}\n`);
      },
    };
  },
});
