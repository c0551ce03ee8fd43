import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine, ServiceContext } from "@tidegate/service-kit";
import { afterEach, describe, expect, it } from "vitest";
import { type MarketDataConfig, Settings } from "./config.ts";
import {
  FeatureFileError,
  type FeatureProfile,
  featurePlan,
  NO_ROLLOUT,
  type Rollout,
  type RolloutState,
} from "./features.ts";
import { FeatureFollower, readFeaturePlan } from "./service.ts";

const profile = (id: string, featureSet: string): FeatureProfile => ({
  id,
  featureSet,
  featureSetHash: featureSet.length,
  levels: 5,
  staleAfterMs: 1_000,
  notes: "",
});
const profiles = [
  profile("basic-v1", "lob_basic_v1"),
  profile("shared-v3", "lob_shared_v3"),
  profile("time-v1", "lob_time_v1"),
];
const wishes = { profile: "basic-v1", byInstrument: {} };
const rollout = (...placed: readonly (readonly [string, RolloutState, string])[]): Rollout => ({
  ...NO_ROLLOUT,
  sets: Object.fromEntries(
    placed.map(([set, state, profileId]) => [set, { now: { state, profileId }, previous: null }]),
  ),
});
const shape = (plan: ReturnType<typeof featurePlan>) => [
  plan.default.active?.profile ?? null,
  plan.default.shadows.map((shadow) => shadow.profile),
];

describe("featurePlan()", () => {
  it("publishes the active set, else the configured profile, and never a disabled one [B073]", () => {
    const of = (now: Rollout) => shape(featurePlan(profiles, now, wishes));
    expect(of(NO_ROLLOUT)).toEqual(["basic-v1", []]);
    expect(of(rollout(["lob_shared_v3", "shadow", "shared-v3"]))).toEqual([
      "basic-v1",
      ["shared-v3"],
    ]);
    expect(
      of(rollout(["lob_shared_v3", "active", "shared-v3"], ["lob_time_v1", "shadow", "time-v1"])),
    ).toEqual(["shared-v3", ["time-v1"]]);
    expect(of(rollout(["lob_basic_v1", "disabled", "basic-v1"]))).toEqual([null, []]);
  });

  it("an instrument may have a profile of its own, pinned to the hash it was written for", () => {
    const plan = featurePlan(profiles, NO_ROLLOUT, { ...wishes, byInstrument: { 3: "time-v1" } });
    expect(plan.instruments["3"]?.active).toEqual({
      profile: "time-v1",
      set: "lob_time_v1",
      hash: "lob_time_v1".length,
      levels: 5,
      staleAfterMs: 1_000,
    });
    expect(plan.default.active?.profile).toBe("basic-v1");
  });

  it("refuses two active sets, and profiles that are not there or of another set [B073]", () => {
    const two = rollout(
      ["lob_shared_v3", "active", "shared-v3"],
      ["lob_time_v1", "active", "time-v1"],
    );
    for (const [now, wish, word] of [
      [two, wishes, "both active"],
      [rollout(["lob_time_v1", "active", "gone"]), wishes, "no profile is called gone"],
      [rollout(["lob_time_v1", "shadow", "shared-v3"]), wishes, "not of lob_time_v1"],
      [NO_ROLLOUT, { ...wishes, profile: "x" }, "featureProfile: no profile is called x"],
      [NO_ROLLOUT, { ...wishes, byInstrument: { 2: "x" } }, "featureProfiles.2"],
    ] as const) {
      expect(() => featurePlan(profiles, now, wish), word).toThrow(FeatureFileError);
      expect(() => featurePlan(profiles, now, wish)).toThrow(word);
    }
  });
});

describe("FeatureFollower", () => {
  const dir = mkdtempSync(join(tmpdir(), "features-"));
  const undo: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const act of undo.splice(0)) await act();
  });
  const path = join(dir, "rollout.json");
  const place = (text: string): void => {
    writeFileSync(`${path}.tmp`, text);
    renameSync(`${path}.tmp`, path);
  };

  it("places a change whole, and keeps the sets where a file or the loop refuses [B073]", async () => {
    rmSync(path, { force: true });
    const config: MarketDataConfig = Settings.parse({ featureRolloutFile: path });
    const [lines, calls]: [string[], unknown[]] = [[], []];
    const log = {
      warn: (_: object, text: string) => void lines.push(text),
      error: ({ error }: { error: string }, text: string) => void lines.push(`${text}: ${error}`),
    };
    let answer: Record<string, unknown> = { ok: true };
    const engine: Engine = {
      call: async (request) => {
        calls.push(request["features"]);
        return answer;
      },
      stats: () => ({}),
    };
    const context = { config, log } as unknown as ServiceContext<MarketDataConfig>;
    const follower = new FeatureFollower(context, engine, 3_600_000);
    undo.push(() => follower.close());
    await follower.look();
    expect(calls).toEqual([]);
    const active = rollout(["lob_shared_v3", "active", "shared-v3"]);
    place(JSON.stringify(active));
    await follower.look();
    await follower.look();
    expect(calls).toEqual([readFeaturePlan(config)]);
    expect(shape(calls[0] as ReturnType<typeof featurePlan>)).toEqual(["shared-v3", []]);
    expect(lines).toEqual(["the feature sets were changed"]);
    place("{");
    await follower.look();
    await follower.look();
    expect(calls.length).toBe(1);
    expect(lines.slice(1)).toEqual([expect.stringContaining("stay as they are")]);
    answer = { ok: false, error: "written for hash 1" };
    place(JSON.stringify(rollout(["lob_time_v1", "active", "time-v1"])));
    await follower.look();
    expect(lines.at(-1)).toContain("written for hash 1");
    answer = { ok: true };
    place(JSON.stringify(rollout(["lob_time_v1", "active", "time-v1"])));
    await follower.look();
    expect(calls.length).toBe(3);
  });
});
