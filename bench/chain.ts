// What one hop between processes costs over zeromq.js: the chain source → strategy → gateway → router with its real
// messages, beside a bare libzmq and a bare unix-socket ping-pong of the same run. Rounds are interleaved, figures are the
// medians over the rounds; the ping-pong figures are half a round trip. Absolute numbers are this machine's.
import { type ChildProcess, execFile, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { check, type Result, result } from "../packages/cli/src/result.ts";

export interface ChainOptions {
  readonly rounds: number;
  /** Ticks, and round trips of each ping-pong, in one round. */
  readonly messages: number;
}

/** Microseconds. */
export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const HOPS = [
  "tick_to_intent",
  "intent_to_command",
  "command_to_router",
  "tick_to_router",
] as const;
/** About what a frame of the chain has. */
const PING_BYTES = 128;
/** Longest wait for one round, beyond a millisecond a message. */
const ROUND_WAIT_MS = 30_000;
const root = fileURLToPath(new URL("../", import.meta.url));
const run = promisify(execFile);

/** Runs the bench. Its checks are that every message arrived once and in order; the latencies are figures. */
export async function benchChain({ rounds, messages }: ChainOptions): Promise<Result> {
  const pingPong = await buildPingPong();
  const rows = new Map<string, Quantiles[]>();
  const add = (name: string, value: Quantiles): void => {
    rows.set(name, [...(rows.get(name) ?? []), value]);
  };
  let arrived = 0;
  let trips = 0;
  for (let round = 0; round < rounds; round += 1) {
    const folder = mkdtempSync(join(tmpdir(), "tidegate-bench-"));
    try {
      for (const kind of ["uds", "zmq"] as const) {
        const { count, rtt } = await ping(pingPong, kind, folder, messages);
        trips += count;
        add(kind, rtt);
      }
      const times = await chain(folder, messages);
      arrived += times.length;
      for (const [at, name] of HOPS.entries())
        add(name, quantiles(times.map((row) => row[at] ?? Number.NaN)));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const of = (name: string): Quantiles => medians(rows.get(name) ?? []);
  const hop = of("intent_to_command").p50;
  const checks = [
    check("chain_messages", arrived, "=", rounds * messages),
    check("ping_pong_round_trips", trips, "=", 2 * rounds * messages),
  ];
  return result("bench chain", checks, {
    transport: "zmq",
    unit: "us",
    rounds,
    messages,
    chain: Object.fromEntries(HOPS.map((name) => [name, of(name)])),
    libzmq_half_round_trip: of("zmq"),
    unix_socket_half_round_trip: of("uds"),
    hop_over_libzmq_p50: round2(hop / of("zmq").p50),
    hop_over_unix_socket_p50: round2(hop / of("uds").p50),
  });
}

async function buildPingPong(): Promise<string> {
  const dev = process.env["TIDEGATE_PROFILE"] === "dev";
  const profile = dev ? [] : ["--release"];
  // In the dev profile as a part of all crates, as `cargo test` has built it: by itself its dependencies have other features.
  const of = dev ? ["--workspace", "--exclude", "tidegate-napi"] : ["-p", "tidegate-bus"];
  const args = ["build", ...profile, "--locked", ...of, "--example", "pingpong"];
  await run("cargo", args, { cwd: root });
  return join(root, "target", dev ? "debug" : "release", "examples/pingpong");
}

async function ping(
  binary: string,
  kind: "uds" | "zmq",
  folder: string,
  messages: number,
): Promise<{ readonly count: number; readonly rtt: Quantiles }> {
  const args = [kind, folder, String(messages), String(PING_BYTES)];
  const { stdout } = await run(binary, args, { timeout: ROUND_WAIT_MS });
  const { count, rtt_ns: rtt } = JSON.parse(stdout) as { count: number; rtt_ns: Quantiles };
  const half = (ns: number): number => round2(ns / 2_000);
  return {
    count,
    rtt: { p50: half(rtt.p50), p99: half(rtt.p99), p999: half(rtt.p999), max: half(rtt.max) },
  };
}

/** One run of the four processes: for each message the times of its hops in ns. */
async function chain(folder: string, messages: number): Promise<readonly (readonly number[])[]> {
  const stages: ChildProcess[] = [];
  const stage = (role: string): ChildProcess => {
    const path = fileURLToPath(new URL("./chain-stage.ts", import.meta.url));
    const execArgv = ["--disable-warning=ExperimentalWarning"];
    const child = fork(path, [role, `${folder}/s`, String(messages)], { execArgv });
    stages.push(child);
    return child;
  };
  try {
    const signal = AbortSignal.timeout(ROUND_WAIT_MS + messages * 4);
    const router = stage("router");
    await fact(router, "ready", signal);
    const gateway = stage("gateway");
    const source = stage("source");
    await Promise.all([fact(gateway, "ready", signal), fact(source, "ready", signal)]);
    const strategy = stage("strategy");
    await fact(strategy, "ready", signal);
    const done = Promise.race([
      fact(router, "hops", signal),
      ...[gateway, source, strategy].map((child) => fact(child, "hops", signal)), // which only fails, if it ends
    ]);
    source.send({ go: true });
    return (await done) as number[][];
  } finally {
    for (const child of stages) child.kill("SIGKILL");
  }
}

/** The value a stage tells under `name`; fails when the stage ends first or the time is up. */
function fact(child: ChildProcess, name: string, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: Readonly<Record<string, unknown>>) => {
      if (name in message) resolve(message[name]);
    });
    child.once("exit", (code) => reject(new Error(`a process of the chain ended with ${code}`)));
    signal.addEventListener("abort", () => reject(new Error(`no ${name} in time`)), { once: true });
  });
}

/** Quantiles of nanoseconds, in microseconds: the smallest value that is not below the share. */
export function quantiles(ns: readonly number[]): Quantiles {
  const sorted = ns.toSorted((a, b) => a - b);
  const at = (share: number): number => {
    const index = Math.max(Math.ceil(sorted.length * share) - 1, 0);
    return round2((sorted[index] ?? Number.NaN) / 1_000);
  };
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

/** The median of each figure over the rounds. */
export function medians(rounds: readonly Quantiles[]): Quantiles {
  const of = (pick: (round: Quantiles) => number): number => {
    const sorted = rounds.map(pick).toSorted((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  };
  return {
    p50: of((r) => r.p50),
    p99: of((r) => r.p99),
    p999: of((r) => r.p999),
    max: of((r) => r.max),
  };
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
