import { resolve } from "node:path";
import type { Command } from "commander";
import type { FeatureSet } from "../feature/profiles.ts";
import type { RolloutState } from "../feature/rollout.ts";
import { UsageError } from "../sim/options.ts";

const PROFILES = "config/feature-profiles.json";
const ROLLOUT = "var/feature-rollout.json";

interface Common {
  readonly path: string;
  readonly json?: true;
}

/** The registry of the Rust core. */
async function registry(root: string): Promise<readonly FeatureSet[]> {
  const { prove } = await import("./measured.ts");
  return (await prove(root, "features sets", {})).figures["sets"] as readonly FeatureSet[];
}

/** Prints lines, or a value as one line of JSON. */
function show(json: boolean, value: unknown, lines: readonly string[]): void {
  process.stdout.write(`${json ? JSON.stringify(value) : lines.join("\n")}\n`);
}

/** Prints faults and fails if there are any. */
function verdict(json: boolean, what: string, faults: readonly string[], of: number): void {
  show(
    json,
    { command: what, ok: faults.length === 0, of, faults },
    faults.length > 0 ? faults : [`${what}: ${of} in order`],
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
}

/** `hft feature …`: sets, profiles and their rollout. */
export function addFeature(program: Command, root: string): void {
  const feature = program
    .command("feature")
    .description("feature sets, profiles and their rollout");
  const at = (path: string): string => resolve(root, path);
  const command = (name: string, about: string, path: string): Command =>
    feature
      .command(name)
      .description(about)
      .option("--path <file>", "the file", path)
      .option("--json", "print one line of JSON");

  command("profiles", "list the profiles", PROFILES)
    .addHelpText("after", "\nExample: ./hft feature profiles --json")
    .action(async ({ path, json }: Common) => {
      const { readProfiles } = await import("../feature/profiles.ts");
      const profiles = readProfiles(at(path));
      const line = (p: (typeof profiles)[number]): string =>
        `${p.id}\t${p.featureSet}\t${p.levels} levels\tstale after ${p.staleAfterMs} ms\t${p.notes}`;
      show(json ?? false, profiles, profiles.map(line));
    });

  command("validate", "hold the profiles against the sets there are", PROFILES)
    .addHelpText("after", "\nExample: ./hft feature validate")
    .action(async ({ path, json }: Common) => {
      const { profileFaults, readProfiles } = await import("../feature/profiles.ts");
      const profiles = readProfiles(at(path));
      const faults = profileFaults(profiles, await registry(root));
      verdict(json ?? false, "feature validate", faults, profiles.length);
    });

  feature
    .command("parity")
    .description("the kernels against an exact model, reference indicators and recomputation")
    .option("--feature-set <name>", "the set that must be among those proved", "lob_shared_v3")
    .option(
      "--require-rust",
      "accepted for scripts of other systems: there is only the Rust kernel",
    )
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft feature parity --data ../shared/data --json")
    .action(async (options: { featureSet: string; data?: string; json?: true }) => {
      const { dataFolder, prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const set = (await registry(root)).find(({ name }) => name === options.featureSet);
      if (set?.on !== "book")
        throw new UsageError(`--feature-set ${options.featureSet}: no such set of a book`);
      report(
        await prove(root, "verify features", { data: dataFolder(options.data) }),
        options.json ?? false,
      );
    });

  command("preflight", "whether every strategy finds an active profile of its set", ROLLOUT)
    .option("--profiles <file>", "the profiles file", PROFILES)
    .requiredOption(
      "--strategies <pairs...>",
      "strategy=feature_set of each strategy to be started",
    )
    .addHelpText("after", "\nExample: ./hft feature preflight --strategies simple-mm=lob_basic_v1")
    .action(async (options: Common & { profiles: string; strategies: string[] }) => {
      const { preflightFaults, profileFaults, readProfiles } = await import(
        "../feature/profiles.ts"
      );
      const { activeProfiles, readRollout } = await import("../feature/rollout.ts");
      const strategies = options.strategies.map((pair) => {
        const [strategy = "", featureSet = ""] = pair.split("=");
        if (strategy === "" || featureSet === "")
          throw new UsageError(`--strategies ${pair}: want strategy=feature_set`);
        return { strategy, featureSet };
      });
      const profiles = readProfiles(at(options.profiles));
      const active = activeProfiles(readRollout(at(options.path)));
      const faults = [
        ...profileFaults(profiles, await registry(root)),
        ...preflightFaults(strategies, active, profiles),
      ];
      verdict(options.json ?? false, "feature preflight", faults, strategies.length);
    });

  command("rollout-status", "what is active, in shadow and disabled", ROLLOUT)
    .addHelpText("after", "\nExample: ./hft feature rollout-status")
    .action(async ({ path, json }: Common) => {
      const { readRollout } = await import("../feature/rollout.ts");
      const rollout = readRollout(at(path));
      const lines = Object.entries(rollout.sets).map(
        ([set, { now, previous }]) =>
          `${set}\t${now.state}\t${now.profileId}\tbefore: ${previous === null ? "nothing" : `${previous.state} ${previous.profileId}`}`,
      );
      show(json ?? false, rollout, lines.length > 0 ? lines : ["nothing is rolled out"]);
    });

  command("rollout-set", "place a profile of a set", ROLLOUT)
    .requiredOption("--feature-set <name>", "the set")
    .requiredOption("--state <state>", "active, shadow or disabled")
    .requiredOption("--profile-id <id>", "the profile")
    .option("--profiles <file>", "the profiles file", PROFILES)
    .option("--actor <name>", "who does it", "cli")
    .option("--notes <text>", "why", "")
    .addHelpText(
      "after",
      "\nExample: ./hft feature rollout-set --feature-set lob_shared_v3 --state shadow --profile-id shared-v3",
    )
    .action(
      async (
        options: Common & {
          featureSet: string;
          state: string;
          profileId: string;
          profiles: string;
          actor: string;
          notes: string;
        },
      ) => {
        const { profileFaults, readProfiles } = await import("../feature/profiles.ts");
        const { placed, readRollout, writeRollout } = await import("../feature/rollout.ts");
        const { featureSet, state, profileId, actor, notes } = options;
        if (!["active", "shadow", "disabled"].includes(state)) {
          throw new UsageError(`--state ${state}: want active, shadow or disabled`);
        }
        const profile = readProfiles(at(options.profiles)).find(({ id }) => id === profileId);
        if (profile?.featureSet !== featureSet) {
          throw new UsageError(
            `--profile-id ${profileId}: is no profile of ${featureSet} in ${options.profiles}`,
          );
        }
        const [fault] = profileFaults([profile], await registry(root));
        if (fault !== undefined) throw new UsageError(fault);
        const change = { featureSet, actor, notes, tsMs: Date.now() };
        writeRollout(
          at(options.path),
          placed(readRollout(at(options.path)), state as RolloutState, profileId, change),
        );
        show(options.json ?? false, { featureSet, state, profileId }, [
          `${featureSet}: ${profileId} is ${state}`,
        ]);
      },
    );

  command("rollout-rollback", "return a set to what was placed before", ROLLOUT)
    .requiredOption("--feature-set <name>", "the set")
    .option("--actor <name>", "who does it", "cli")
    .option("--notes <text>", "why", "")
    .addHelpText("after", "\nExample: ./hft feature rollout-rollback --feature-set lob_shared_v3")
    .action(async (options: Common & { featureSet: string; actor: string; notes: string }) => {
      const { readRollout, rolledBack, writeRollout } = await import("../feature/rollout.ts");
      const { featureSet, actor, notes } = options;
      const rollout = rolledBack(readRollout(at(options.path)), {
        featureSet,
        actor,
        notes,
        tsMs: Date.now(),
      });
      writeRollout(at(options.path), rollout);
      const now = rollout.sets[featureSet]?.now;
      show(options.json ?? false, { featureSet, ...now }, [
        `${featureSet}: ${now?.profileId} is ${now?.state}`,
      ]);
    });

  feature
    .command("shadow")
    .description("two profiles over one recording, and the first place where they differ")
    .requiredOption("--active <id>", "a profile")
    .requiredOption("--shadow <id>", "another")
    .requiredOption(
      "--recording <file>",
      "a TAIFEX event file or the message file of a LOBSTER pair",
    )
    .option("--every <n>", "compare one update in so many", "1")
    .option("--profiles <file>", "the profiles file", PROFILES)
    .option("--json", "print the result object as the last line")
    .addHelpText(
      "after",
      "\nExample: ./hft feature shadow --active shared-v2 --shadow shared-v3 --recording AMZN_message_1.csv.gz",
    )
    .action(
      async (options: {
        active: string;
        shadow: string;
        recording: string;
        every: string;
        profiles: string;
        json?: true;
      }) => {
        const { readProfiles } = await import("../feature/profiles.ts");
        const { prove } = await import("./measured.ts");
        const { report } = await import("../result.ts");
        const profiles = readProfiles(at(options.profiles));
        const flags: Record<string, string> = {
          recording: resolve(options.recording),
          every: options.every,
        };
        for (const which of ["active", "shadow"] as const) {
          const profile = profiles.find(({ id }) => id === options[which]);
          if (profile === undefined)
            throw new UsageError(
              `--${which} ${options[which]}: no such profile in ${options.profiles}`,
            );
          flags[`${which}-set`] = profile.featureSet;
          flags[`${which}-levels`] = String(profile.levels);
          flags[`${which}-stale-ms`] = String(profile.staleAfterMs);
        }
        report(await prove(root, "features shadow", flags), options.json ?? false);
      },
    );
}
