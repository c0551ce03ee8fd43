import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FencedClaim } from "./claim.ts";
import { CLAIMS_KEPT } from "./limits.ts";

describe("FencedClaim", () => {
  let dir: string;
  let nowMs = 0;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "claim-"));
    nowMs = 0;
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const claim = () => new FencedClaim({ dir, silentMs: 20, nowMs: () => nowMs });
  const newest = () => join(dir, readdirSync(dir).sort().at(-1) ?? "");

  it("is one loader's at a time; one that is silent too long is taken over and never holds that claim again [A33]", () => {
    const [first, second] = [claim(), claim()];
    expect([first.tend(), second.tend()]).toEqual([true, false]);
    nowMs = 99;
    expect([second.tend(), first.holds()]).toEqual([false, true]);
    nowMs = 100;
    expect([second.tend(), second.fence]).toEqual([true, 2]);
    expect([first.holds(), first.tend(), first.holds()]).toEqual([false, false, false]);
  });

  it("a sign of life begins the silence anew", async () => {
    const [first, second] = [claim(), claim()];
    first.tend();
    second.tend();
    for (nowMs = 60; nowMs < 600; nowMs += 60) {
      // The signs are times of the file in ms.
      await new Promise((next) => setTimeout(next, 3));
      expect([first.tend(), second.tend()]).toEqual([true, false]);
    }
    expect(first.holds()).toBe(true);
  });

  it("one that is given up is taken at once", () => {
    const [first, second] = [claim(), claim()];
    first.tend();
    first.release();
    expect([first.holds(), second.tend(), second.fence]).toEqual([false, true, 3]);
    first.release();
    expect(second.holds()).toBe(true);
  });

  it("one of a process that is gone is taken at once; one whose maker is unknown by silence alone", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(child, "spawn");
    const own = claim();
    own.tend();
    const held = JSON.parse(readFileSync(newest(), "utf8")) as { system: string };
    const started = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19];
    writeFileSync(newest(), JSON.stringify({ ...held, pid: child.pid, started }));
    const other = claim();
    expect(other.tend()).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(other.tend()).toBe(true);
    // Of another system nobody knows, and of one killed while it wrote neither.
    for (const text of [
      JSON.stringify({ ...held, pid: child.pid, started, system: "other" }),
      "",
    ]) {
      writeFileSync(newest(), text);
      const third = claim();
      expect(third.tend()).toBe(false);
      nowMs += 100;
      expect(third.tend()).toBe(true);
    }
  });

  it("one that runs is borne longer than one that is stopped", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(child, "spawn");
    const stat = () => readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ");
    const own = claim();
    own.tend();
    const held = JSON.parse(readFileSync(newest(), "utf8")) as object;
    const text = JSON.stringify({ ...held, pid: child.pid, started: stat()?.[19] });
    writeFileSync(newest(), text);
    const other = claim();
    expect(other.tend()).toBe(false);
    nowMs = 99;
    expect(other.tend()).toBe(false);
    child.kill("SIGSTOP");
    while (stat()?.[0] !== "T") await new Promise((next) => setTimeout(next, 5));
    expect(other.tend()).toBe(true);
    writeFileSync(newest(), text);
    child.kill("SIGCONT");
    while (stat()?.[0] === "T") await new Promise((next) => setTimeout(next, 5));
    const third = claim();
    expect(third.tend()).toBe(false);
    nowMs += 20;
    expect(third.tend()).toBe(false);
    nowMs += 80;
    expect(third.tend()).toBe(true);
    child.kill("SIGKILL");
  });

  it("keeps few files, and a claim whose number was passed long ago is none", () => {
    const old = claim();
    old.tend();
    for (let turn = 0; turn < 40; turn += 1) {
      const next = claim();
      next.tend();
      nowMs += 100;
      expect(next.tend()).toBe(true);
    }
    expect(readdirSync(dir).length).toBe(CLAIMS_KEPT);
    expect([old.holds(), old.tend()]).toEqual([false, false]);
  });

  it("whatever the order of looks, pauses and ends, at most one holds it, and numbers only rise", () => {
    const act = fc.record({
      who: fc.nat({ max: 3 }),
      what: fc.constantFrom("tend", "tend", "tend", "holds", "release", "restart"),
      ms: fc.constantFrom(0, 5, 50, 120),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const own = mkdtempSync(join(tmpdir(), "claim-p-"));
        const make = () => new FencedClaim({ dir: own, silentMs: 20, nowMs: () => nowMs });
        const all = [make(), make(), make(), make()];
        let highest = 0;
        for (const { who, what, ms } of acts) {
          nowMs += ms;
          const one = all[who] as FencedClaim;
          if (what === "restart") all[who] = make();
          else if (what === "tend" && one.tend()) {
            expect(one.fence).toBeGreaterThanOrEqual(highest);
            highest = one.fence;
          } else if (what === "release") one.release();
          expect(all.filter((each) => each.holds()).length).toBeLessThanOrEqual(1);
        }
        rmSync(own, { recursive: true });
      }),
      { numRuns: 60 },
    );
  });
});
