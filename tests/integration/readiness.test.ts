import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { Cluster, makeRunDir } from "../../packages/cli/src/sim/cluster.ts";
import {
  PROCESSES,
  type ProcessName,
  parseSimOptions,
} from "../../packages/cli/src/sim/options.ts";
import { type ClusterPlan, clusterPlan } from "../../packages/cli/src/sim/plan.ts";
import { assignPorts } from "../../packages/cli/src/sim/ports.ts";
import { sampleFiles } from "../../packages/cli/src/sim/run.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const patience = { timeout: 30_000, interval: 20 };

let runDir: string;
let cluster: Cluster;
let plan: ClusterPlan;

beforeAll(async () => {
  mkdirSync(join(root, "var/test"), { recursive: true });
  const raw = { duration: "60", speed: "1", seed: "1", strategy: "simple-mm", portBase: "0" };
  const given = { ...raw, clickhouse: "none", runDir: mkdtempSync(join(root, "var/test/ready-")) };
  const options = parseSimOptions(given, root, sampleFiles(root));
  runDir = makeRunDir(root, options);
  cluster = new Cluster(root, runDir);
  const ports = await assignPorts([...PROCESSES, "venue"] as const, 0);
  plan = clusterPlan({ root, runDir, options, ports });
});

afterAll(async () => {
  await cluster.supervisor.stopAll(5_000);
  rmSync(runDir, { recursive: true, force: true });
});

const start = (...names: ProcessName[]): void => {
  for (const name of names) cluster.start(name, plan.configs[name], plan.env);
};

/** Ends the process without a word and for good: stopped, it does not hear the SIGTERM before the SIGKILL. */
async function kill(name: ProcessName): Promise<void> {
  process.kill(cluster.supervisor.pid(name) ?? Number.NaN, "SIGSTOP");
  expect(await cluster.supervisor.stop(name, 1)).toBe(false);
}

/** Waits until the process answers 200 on /live and `ready` on /ready. */
async function shows(name: ProcessName, ready: 200 | 503): Promise<void> {
  await vi.waitFor(async () => {
    const [live, is] = [await cluster.http(name, "/live"), await cluster.http(name, "/ready")];
    expect([name, live?.status, is?.status]).toEqual([name, 200, ready]);
  }, patience);
}

it("each process is live at once, ready with what it depends on, and no longer without it [B001 B080]", {
  timeout: 120_000,
}, async () => {
  start("recorder", "strategy-runner");
  for (const name of ["recorder", "strategy-runner"] as const) await shows(name, 503);
  start("gateway");
  await shows("recorder", 200);
  await shows("gateway", 503);
  start("execution-router");
  await shows("gateway", 200);
  await shows("execution-router", 503);
  start("market-data");
  await shows("market-data", 503);
  start("venue-sim");
  for (const name of PROCESSES.filter((each) => each !== "wal-loader" && each !== "monitor"))
    await shows(name, 200);

  await kill("venue-sim");
  for (const name of ["market-data", "execution-router"] as const) await shows(name, 503);
  await kill("execution-router");
  await shows("gateway", 503);
  await kill("gateway");
  await shows("recorder", 503);
  expect(PROCESSES.map((name) => cluster.supervisor.restarts(name).all)).toEqual(
    PROCESSES.map(() => 0),
  );
});
