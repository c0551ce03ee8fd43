/** Starts one process of a drill and waits until it is ready. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../sim/cluster.ts";
import { Process } from "./processes.ts";

const UP_MS_MAX = 60_000;

/** Errors  what never held, and for how long it was waited */
export async function until(
  what: string,
  msMax: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`never within ${msMax} ms: ${what}`);
    await sleep(20);
  }
}

export async function started(
  root: string,
  dir: string,
  name: string,
  config: Readonly<Record<string, unknown>> & { readonly httpPort: number },
): Promise<Process> {
  const file = join(dir, "config", `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  const process_ = new Process(root, name, dir, [], {
    TIDEGATE_CONFIG: file,
    TIDEGATE_DIE_WITH_PARENT: "1",
  });
  try {
    await until(`${name} is up`, UP_MS_MAX, async () => {
      if (!process_.running) throw new Error(`${name} ended: ${process_.text.slice(-1_500)}`);
      try {
        return (await fetch(`http://127.0.0.1:${config.httpPort}/ready`)).status === 200;
      } catch {
        return false;
      }
    });
  } catch (error) {
    await process_[Symbol.asyncDispose]();
    throw error;
  }
  return process_;
}
