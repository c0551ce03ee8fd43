import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SessionVerdict } from "../../packages/cli/src/soak/criteria.ts";
import { PLANTS, soakPaper } from "../../packages/cli/src/soak/soak.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const WORDS = {
  ...{ sessions: "2", duration: "6", speed: "1", seed: "1", strategy: "simple-mm" },
  // How fast this machine is while tests run is not what is asked here.
  ...{ latencyUs: "5000000", sessionsMin: 2 },
};

let dir: string;
beforeAll(() => {
  mkdirSync(join(root, "var/test"), { recursive: true });
  dir = mkdtempSync(join(root, "var/test/soak-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const soak = async (name: string, over: Record<string, string> = {}) => {
  const out = join(dir, name);
  const value = await soakPaper(root, { ...WORDS, ...over, out });
  return { value, out, sessions: value.figures["sessions"] as SessionVerdict[] };
};

describe("a soak of paper sessions in processes of their own [B100]", () => {
  it("says GO, session by session, and makes its report", async () => {
    const { value, out, sessions } = await soak("good");
    expect(value.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(value.figures["verdict"]).toBe("GO");
    // The second is the last that still ends within the recording of 150 s.
    expect(sessions.map(({ name }) => name)).toEqual([
      "session 1, from second 0",
      expect.stringMatching(/^session 2, from second 12\d$/),
    ]);
    const written = JSON.parse(readFileSync(join(out, "report.json"), "utf8")) as { ok: boolean };
    expect(written.ok).toBe(true);
    const page = readFileSync(join(out, "report.html"), "utf8");
    expect(page).toContain('<span class="ok">GO</span>');
    expect(page).not.toMatch(/<script|https?:/);
  }, 180_000);

  it.each(["parity", "fill"] as const)(
    "the planted fault %s gives NO-GO by its name",
    async (plant) => {
      const { value, out, sessions } = await soak(plant, { plant });
      expect(value.figures["verdict"]).toBe("NO-GO");
      expect(value.ok).toBe(false);
      const failed = value.checks.filter(({ ok }) => !ok).map(({ name }) => name);
      expect(failed).toEqual(["sessions_no_go", PLANTS[plant]]);
      expect(sessions.map(({ verdict }) => verdict)).toEqual(["GO", "NO-GO"]);
      expect(readFileSync(join(out, "report.html"), "utf8")).toContain(PLANTS[plant]);
    },
    180_000,
  );
});
