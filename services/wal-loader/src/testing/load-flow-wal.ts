// Loads the made-up day into a relational store as a process of its own, so that a test can kill it. Argument: the store's URL.
import { setTimeout as sleep } from "node:timers/promises";
import { decodeEnvelope } from "@tidegate/contracts";
import { openRelational } from "@tidegate/storage";
import { RelationalLoader } from "../relational.ts";
import { BLOCKS_MAX, flowWal } from "./flow-wal.ts";

const [url = ""] = process.argv.slice(2);
await using store = openRelational(url);
let visible = 0;
const loader = new RelationalLoader({
  wal: flowWal(() => visible),
  store,
  decode: decodeEnvelope,
  random: Math.random,
  pause: (ms) => sleep(Math.min(ms, 50)),
});
for (; visible <= BLOCKS_MAX; visible += 60) {
  if (!(await loader.step())) continue;
  process.stdout.write(`${loader.stats().lastWalSeq}\n`);
  // The parent reads the line and kills: the next group is under way by then.
  await sleep(1);
}
while (await loader.step());
