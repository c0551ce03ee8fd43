import { describe, expect, it } from "vitest";
import { buildArgs, cargoArgs, tally } from "./test.ts";

const CRATES = ["tidegate-bus", "tidegate-book", "tidegate-wire"];

describe("cargoArgs", () => {
  it("asks for the tests of the reference data only where there is some", () => {
    const whole = [
      "test",
      "--locked",
      "--no-fail-fast",
      "--workspace",
      "--exclude",
      "tidegate-napi",
    ];
    for (const unset of [undefined, ""]) expect(cargoArgs(CRATES, null, unset)).toEqual(whole);
    expect(cargoArgs(CRATES, null, "/data")).toEqual([...whole, "--", "--include-ignored"]);
  });

  it("builds, in the background, what it then runs", () => {
    const wanted = ["-n", "10", "cargo", "test", "--locked", "--no-fail-fast", "-p"];
    for (const data of [undefined, "/data"])
      expect(buildArgs(cargoArgs(CRATES, "wire", data) ?? [])).toEqual([
        ...[...wanted, "tidegate-wire", "--no-run"],
      ]);
  });

  it("runs the crates a part's name is in, and nothing where there is none", () => {
    expect(cargoArgs(CRATES, "b", undefined)).toEqual([
      ...["test", "--locked", "--no-fail-fast"],
      ...["-p", "tidegate-bus", "-p", "tidegate-book"],
    ]);
    expect(cargoArgs(CRATES, "monitor", "/data")).toBeNull();
  });
});

it("a skipped test is counted as one, never as passed", () => {
  const cases = (["passed", "skipped", "passed"] as const).map((status) => ({
    runner: "cargo" as const,
    name: "x",
    status,
  }));
  expect(tally(cases)).toBe("2 passed, 0 failed, 1 skipped");
});
