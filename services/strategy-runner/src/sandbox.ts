/**
 * What a strategy's process is shut into. Made of what Linux and Node have: namespaces, limits, an own uid, Node's
 * permission profile. docs/reference/isolation.md says what each promises.
 */

import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** How the network is taken away. */
export type NetworkMode = "namespace" | "user-namespace" | "open";

/** What this machine can do; found out once. */
export interface SandboxFacts {
  readonly root: boolean;
  readonly network: NetworkMode;
}

const PROBE_MS_MAX = 5_000;
/** Address space the engine itself takes before any heap, MiB: measured 1,430 at its start. */
const ENGINE_MB = 2_048;
/** Files, pipes and sockets a strategy's process may hold. */
const FILES_MAX = 64;
/** How much it yields the processor to whoever else wants it: a loop takes what is left over, until it is killed. */
const NICE = 3;

const ROOT_UNSHARE = ["--net", "--ipc", "--mount"];
const USER_UNSHARE = [
  ...["--user", "--map-root-user", "--net", "--ipc", "--mount"],
  ...["--pid", "--fork", "--kill-child"],
];

function works(args: readonly string[]): boolean {
  try {
    execFileSync("unshare", [...args, "true"], { timeout: PROBE_MS_MAX, stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Tries what is wanted of this machine. */
export function probeSandbox(): SandboxFacts {
  const root = process.getuid?.() === 0;
  if (root && works(ROOT_UNSHARE)) return { root, network: "namespace" };
  if (works(USER_UNSHARE)) return { root, network: "user-namespace" };
  return { root, network: "open" };
}

export interface Cell {
  readonly heapMb: number;
  readonly externalMb: number;
  /** Its own uid where root. */
  readonly uid: number;
  /** Folders with sockets or state of ours: empty for it. */
  readonly hidden: readonly string[];
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Files and folders a strategy's process may read: its program, the SDK and zod. The strategy comes to it as text. */
export function readable(): string[] {
  const runner = ["cell", "frames", "load", "port", "pump"].map((name) => here(`./${name}.ts`));
  const packages = ["@tidegate/strategy-sdk", "@tidegate/rust-core/strategy-layout", "zod"].map(
    (name) => createRequire(import.meta.url).resolve(name),
  );
  const [sdk = "", layout = "", zod = ""] = packages;
  const links = here("../node_modules");
  return [
    ...runner,
    here("../package.json"),
    join(dirname(sdk), "*"),
    join(dirname(dirname(sdk)), "package.json"),
    layout,
    join(dirname(layout), "package.json"),
    join(dirname(zod), "*"),
    join(links, "*"),
    join(dirname(dirname(sdk)), "node_modules", "*"),
  ];
}

/** Mounts an empty, read-only folder over each of the first N arguments, then becomes the rest. */
const HIDE =
  'n=$1; shift; while [ "$n" -gt 0 ]; do mount -t tmpfs -o ro,size=4k,mode=0 none "$1" || exit 96; shift; n=$((n-1)); done; exec "$@"';

/** The command that becomes the strategy's process. Every step of it becomes the next. */
export function cellCommand(facts: SandboxFacts, cell: Cell): string[] {
  const namespaces =
    facts.network === "open"
      ? []
      : [
          ...["unshare", ...(facts.network === "namespace" ? ROOT_UNSHARE : USER_UNSHARE), "--"],
          ...["sh", "-c", HIDE, "sh", `${cell.hidden.length}`, ...cell.hidden],
        ];
  const addressBytes = (ENGINE_MB + cell.heapMb + cell.externalMb) * 2 ** 20;
  const limits = [
    ...["nice", "-n", `${NICE}`],
    ...["prlimit", `--as=${addressBytes}`, "--core=0", "--fsize=0", `--nofile=${FILES_MAX}`],
    ...["setpriv", "--no-new-privs", "--pdeathsig", "KILL"],
    ...(facts.root || facts.network === "user-namespace"
      ? ["--bounding-set=-all", "--inh-caps=-all"]
      : []),
    ...(facts.root ? [`--reuid=${cell.uid}`, `--regid=${cell.uid}`, "--clear-groups"] : []),
  ];
  const node = [
    ...[process.execPath, "--permission", ...readable().map((at) => `--allow-fs-read=${at}`)],
    ...["--no-addons", "--disable-wasm-trap-handler", "--disallow-code-generation-from-strings"],
    ...[`--max-old-space-size=${cell.heapMb}`, "--disable-warning=ExperimentalWarning"],
    here("./cell.ts"),
  ];
  return [...namespaces, ...limits, ...node];
}
