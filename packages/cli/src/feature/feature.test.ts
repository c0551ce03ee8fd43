import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  type FeatureSet,
  parseProfiles,
  preflightFaults,
  profileFaults,
  readProfiles,
} from "./profiles.ts";
import {
  activeProfiles,
  HISTORY_MAX,
  NO_ROLLOUT,
  placed,
  readRollout,
  rolledBack,
  writeRollout,
} from "./rollout.ts";

const set = (name: string, hash: number, on: "book" | "bar" = "book"): FeatureSet => ({
  name,
  hash,
  on,
  about: "",
  features: [],
});
const sets = [set("lob_shared_v3", 7), set("bar_wide_v1", 8, "bar")];
const profile = {
  id: "one",
  featureSet: "lob_shared_v3",
  featureSetHash: 7,
  levels: 5,
  staleAfterMs: 1_000,
};
const file = (profiles: readonly object[], more: object = {}): string =>
  JSON.stringify({ version: 1, profiles, ...more });

describe("feature profiles", () => {
  test("the shipped file is sound in itself", () => {
    expect(
      readProfiles(join(import.meta.dirname, "../../../../config/feature-profiles.json")).length,
    ).toBeGreaterThan(5);
  });

  test("what is unknown, out of range or twice is refused with the place", () => {
    expect(parseProfiles("p", file([profile]))[0]).toEqual({ ...profile, notes: "" });
    for (const [text, word] of [
      [file([{ ...profile, level: 3 }]), "level"],
      [file([{ ...profile, levels: 6 }]), "levels"],
      [file([{ ...profile, featureSetHash: 0 }]), "featureSetHash"],
      [file([profile], { extra: 1 }), "extra"],
      [JSON.stringify({ version: 2, profiles: [profile] }), "version"],
      [file([profile, profile]), "two profiles are called one"],
      ["{", "is no JSON"],
    ] as const) {
      expect(() => parseProfiles("p", text), text).toThrow(word);
    }
    expect(() => readProfiles("/nonexistent.json")).toThrow("cannot be read");
  });

  test("a profile of another set or another hash is a fault", () => {
    const faults = (change: object): readonly string[] =>
      profileFaults(parseProfiles("p", file([{ ...profile, ...change }])), sets);
    expect(faults({})).toEqual([]);
    expect(faults({ featureSet: "lob_shared_v4" })[0]).toContain("there are lob_shared_v3");
    expect(faults({ featureSet: "bar_wide_v1" })[0]).toContain("set of bars");
    expect(faults({ featureSetHash: 9 })[0]).toContain("written for hash 9");
  });

  test("preflight wants an active profile for each strategy's set", () => {
    const profiles = parseProfiles("p", file([profile]));
    const asks = [{ strategy: "mm", featureSet: "lob_shared_v3" }];
    expect(preflightFaults(asks, new Map([["lob_shared_v3", "one"]]), profiles)).toEqual([]);
    expect(preflightFaults(asks, new Map(), profiles)[0]).toContain("no profile is active");
    expect(preflightFaults(asks, new Map([["lob_shared_v3", "two"]]), profiles)[0]).toContain(
      "two",
    );
  });
});

describe("feature rollout", () => {
  const folder = mkdtempSync(join(tmpdir(), "rollout-"));
  const path = join(folder, "sub/rollout.json");
  afterEach(() => rmSync(join(folder, "sub"), { recursive: true, force: true }));
  const change = (tsMs: number) => ({
    featureSet: "lob_shared_v3",
    actor: "ann",
    notes: "why",
    tsMs,
  });

  test("a set is placed, read back and rolled back, and the history says who", () => {
    expect(readRollout(path)).toEqual(NO_ROLLOUT);
    const first = placed(NO_ROLLOUT, "shadow", "one", change(1));
    const second = placed(first, "active", "two", change(2));
    expect(activeProfiles(first).size).toBe(0);
    expect([...activeProfiles(second)]).toEqual([["lob_shared_v3", "two"]]);
    writeRollout(path, rolledBack(second, change(3)));
    const read = readRollout(path);
    expect(read.sets["lob_shared_v3"]).toEqual({
      now: { state: "shadow", profileId: "one" },
      previous: { state: "active", profileId: "two" },
    });
    expect(
      read.history.map(({ seq, actor, action, state, tsMs }) => [seq, actor, action, state, tsMs]),
    ).toEqual([
      [1, "ann", "set", "shadow", 1],
      [2, "ann", "set", "active", 2],
      [3, "ann", "rollback", "shadow", 3],
    ]);
    expect(readdirSync(join(folder, "sub"))).toEqual(["rollout.json"]);
    expect(() => rolledBack(first, change(4))).toThrow("nothing was placed before");
  });

  test("a changed history is refused, and it is bounded", () => {
    let rollout = NO_ROLLOUT;
    for (let n = 0; n < HISTORY_MAX + 5; n += 1)
      rollout = placed(rollout, "active", "one", change(n));
    expect([rollout.history.length, rollout.history[0]?.seq]).toEqual([HISTORY_MAX, 6]);
    writeRollout(path, rollout);
    expect(readRollout(path).history.length).toBe(HISTORY_MAX);
    writeFileSync(path, readFileSync(path, "utf8").replace('"actor": "ann"', '"actor": "bob"'));
    expect(() => readRollout(path)).toThrow("entry 6 of the history was changed");
    writeFileSync(path, "{}");
    expect(() => readRollout(path)).toThrow("version");
  });
});
