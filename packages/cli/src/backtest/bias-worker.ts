/** One run of `hft backtest check`, in a thread of its own. */

import { parentPort, workerData } from "node:worker_threads";
import type { AnyStrategy } from "@tidegate/strategy-sdk";
import type { BiasData, Plant } from "./bias.ts";
import { runLane, type SentIntent } from "./lane.ts";
import { prepare } from "./prepare.ts";

const { root, words, part, plant } = workerData as BiasData;

/** A strategy with a fault: it passes over books by how long its data are, or by the clock of the machine. */
function planted(definition: AnyStrategy, kind: Plant, rows: number): AnyStrategy {
  const { onBookTop } = definition;
  let books = 0;
  const period = kind === "clock" ? 2 + (Math.floor(performance.now() * 1e3) % 97) : 2 + (rows % 5);
  return {
    ...definition,
    onBookTop(ctx, top) {
      books += 1;
      if (books % period !== 0) onBookTop?.(ctx, top);
    },
  };
}

const prepared = await prepare(root, words);
const sent: SentIntent[] = [];
const rows = part.untilNs === undefined ? 0 : Number(BigInt(part.untilNs) % 1_000n) + 1;
const definition = plant === null ? prepared.definition : planted(prepared.definition, plant, rows);
await runLane(definition, prepared.spec, prepared.spanNs, undefined, {
  part,
  onIntent: (intent) => sent.push(intent),
});
parentPort?.postMessage(sent);
