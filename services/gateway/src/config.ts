import { SOCKETS } from "@tidegate/contracts";
import { ServiceFault } from "@tidegate/service-kit";
import { z } from "zod";

const ipc = (name: keyof typeof SOCKETS) =>
  z.string().startsWith("ipc://").default(`ipc://${SOCKETS[name]}`);

/**
 * Settings of the gateway beside those every service has. What can lose money has no default: the limits and the
 * instruments they are for must be named. The files themselves are checked where they are used, in the core.
 */
export const Settings = z.object({
  intentUrl: ipc("intent").describe("Bound for strategies, one link each"),
  commandUrl: ipc("command").describe("The execution-router's end of the command link"),
  tailUrl: ipc("tail").describe("Bound for followers of the journal"),
  mdUrl: ipc("md").describe("Market data: reference prices"),
  journalDir: z
    .string()
    .min(1)
    .default("journal/gateway")
    .describe("The gateway's journal, the only state it recovers from"),
  tier: z
    .enum(["T0", "T1", "T2", "T3"])
    .default("T2")
    .describe(
      "What a decision survives before it leaves: T0 the death of the process, T2 a power cut; T1 and T3, of a pair, also the loss of this gateway: a standby in step holds it too",
    ),
  epochFile: z
    .string()
    .min(1)
    .default("state/gateway.epoch")
    .describe("Session number of this process's links"),
  instrumentsFile: z.string().min(1).describe("Versioned instrument table"),
  limitsFile: z.string().min(1).describe("Limits of firm, accounts, strategies and instruments"),
  approvalKeyFile: z
    .string()
    .default("")
    .describe(
      "Key shared by gateway and execution-router, 32 bytes, mode 0600: no new order leaves without an approval made with it; empty = none is asked for",
    ),
  latchFile: z
    .string()
    .min(1)
    .default("state/gateway.latch")
    .describe("The kill latch; one that is missing or damaged counts as killed"),
  inputLogDir: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Folder for every event the core is given, in its order, so that the session can be decided again; unset = none. Not of a pair",
    ),
  loopCpu: z
    .int()
    .min(0)
    .optional()
    .describe(
      "CPU the decision loop keeps to, best one that takes no interrupts of the disk; unset = the system's choice. Needs journalCpu",
    ),
  journalCpu: z
    .int()
    .min(0)
    .optional()
    .describe(
      "CPU the journal's writer keeps to, best the one that takes them; unset = the system's choice. Needs loopCpu",
    ),
  principalsFile: z
    .string()
    .min(1)
    .default("state/principals.json")
    .describe("Who may control the gateway: names, roles, public keys"),
  auditFile: z
    .string()
    .min(1)
    .default("audit/gateway.ndjson")
    .describe("The audit trail of the control API"),
  controlSocket: z
    .string()
    .min(1)
    .max(100)
    .default("s/control.sock")
    .describe("Unix socket of the control API, beside the loopback port"),
  pairNode: z
    .string()
    .regex(/^[a-z0-9]{1,16}$/, "want 1 to 16 of a-z and 0-9")
    .optional()
    .describe("Name of this gateway where two serve one account; unset = it is alone"),
  peerTailUrl: z
    .string()
    .startsWith("ipc://")
    .optional()
    .describe("Where the other gateway of the pair serves its journal"),
  leaseFile: z
    .string()
    .min(1)
    .optional()
    .describe("The lease of a pair on one host: a file both reach"),
  leaseRedisUrl: z
    .url({ protocol: /^rediss?$/ })
    .optional()
    .describe("The lease of a pair as a key in Redis"),
});
export type GatewayConfig = z.output<typeof Settings>;

/**
 * The pair's part of the loop's configuration; undefined for a gateway that is alone.
 *
 * Errors  `ServiceFault`: half a pair, no lease, or two
 */
function pairConfig(config: GatewayConfig): object | undefined {
  const { pairNode, peerTailUrl, leaseFile, leaseRedisUrl } = config;
  if (pairNode === undefined) {
    if (peerTailUrl ?? leaseFile ?? leaseRedisUrl) {
      throw new ServiceFault(
        "peerTailUrl, leaseFile and leaseRedisUrl belong to a pair: set pairNode",
      );
    }
    return undefined;
  }
  if (peerTailUrl === undefined) throw new ServiceFault("pairNode also needs peerTailUrl");
  if ((leaseFile === undefined) === (leaseRedisUrl === undefined)) {
    throw new ServiceFault("pairNode also needs one of leaseFile and leaseRedisUrl");
  }
  return { node: pairNode, peerTailUrl, ...(leaseFile === undefined ? {} : { leaseFile }) };
}

/**
 * Where loop and writer keep to; undefined where the system chooses.
 *
 * Errors  `ServiceFault`: one without the other
 */
function cpus({ loopCpu, journalCpu }: GatewayConfig): object | undefined {
  if ((loopCpu === undefined) !== (journalCpu === undefined))
    throw new ServiceFault("loopCpu and journalCpu are set together: set both or neither");
  return loopCpu === undefined ? undefined : { loop: loopCpu, journal: journalCpu };
}

/** The hot loop's part of the settings. */
export function loopConfig(config: GatewayConfig): object {
  const { intentUrl, commandUrl, tailUrl, mdUrl, journalDir, tier } = config;
  const { epochFile, instrumentsFile, limitsFile, latchFile, approvalKeyFile } = config;
  const { inputLogDir } = config;
  return {
    intentUrl,
    commandUrl,
    tailUrl,
    mdUrl,
    journalDir,
    tier,
    epochFile,
    instrumentsFile,
    limitsFile,
    latchFile,
    approvalKeyFile,
    ...(inputLogDir === undefined ? {} : { inputLogDir }),
    cpus: cpus(config),
    pair: pairConfig(config),
  };
}
