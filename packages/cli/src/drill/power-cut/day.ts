// Writes the WAL of a stand in a process of its own, so that it can die with its disk. Arguments: folder, seed, "safe" or "fast". It ends with its
// standard input, or is killed.
import { recordStandDay } from "../loader/day.ts";

const [home = "", seed = "0", how = "safe"] = process.argv.slice(2);
const stop = new AbortController();
process.stdin.on("close", () => stop.abort()).resume();
await recordStandDay(home, Number(seed), {
  powerSafe: how !== "fast",
  signal: stop.signal,
});
