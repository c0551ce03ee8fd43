// Loads the fake WAL into a real ClickHouse as a process of its own, so that a test can kill it. Arguments: URL, ledger folder.
import { setTimeout as sleep } from "node:timers/promises";
import { openRepository } from "@tidegate/storage";
import { Loader } from "../loader.ts";
import { FakeWal } from "./fake-wal.ts";
import { REAL_WAL } from "./real-wal.ts";

const [url = "", ledgerDir = ""] = process.argv.slice(2);
const wal = new FakeWal(...REAL_WAL);
const total = wal.visible;
wal.visible = 0;
await using repository = openRepository(url);
const loader = new Loader({
  wal,
  repository,
  ledgerDir,
  nowNs: () => BigInt(Date.now()) * 1_000_000n,
  random: Math.random,
  pause: (ms) => sleep(Math.min(ms, 50)),
});
while (wal.visible < total || loader.stats().lag > 0 || loader.stats().state !== "RUNNING") {
  wal.visible = Math.min(total, wal.visible + 3);
  await loader.step();
  process.stdout.write(`${loader.stats().lastWalSeq}\n`);
}
while (await loader.step());
