// Loads the made-up day into a relational store as a process of its own, so that a test can kill it. Argument: the store's URL.
import { setTimeout as sleep } from "node:timers/promises";
import { decodeEnvelope } from "@tidegate/contracts";
import { openPostgres, openSqlite } from "@tidegate/storage";
import { RelationalLoader } from "../relational.ts";
import { flowWal } from "./flow-wal.ts";

const [url = ""] = process.argv.slice(2);
await using store = url.startsWith("sqlite:") ? openSqlite(url.slice(7)) : openPostgres(url);
const loader = new RelationalLoader({
  wal: flowWal(),
  store,
  decode: decodeEnvelope,
  random: Math.random,
  pause: (ms) => sleep(Math.min(ms, 50)),
});
while (await loader.step()) {
  process.stdout.write(`${loader.stats().lastWalSeq}\n`);
  // The parent reads the line and kills: the next group is under way by then.
  await sleep(1);
}
