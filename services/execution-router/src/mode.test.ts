import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  addPrincipal,
  fileHash,
  makeKey,
  readSigner,
  signGoLive,
} from "@tidegate/service-kit/control";
import { afterAll, describe, expect, it } from "vitest";
import { Settings } from "./config.ts";
import { checkMode } from "./mode.ts";

const NOW_MS = 1_800_000_000_000;
const dir = mkdtempSync(join(tmpdir(), "mode-"));
afterAll(() => rmSync(dir, { recursive: true }));

const instrumentsFile = fileURLToPath(new URL("../../../config/instruments.json", import.meta.url));
/** The form of a real key of Binance: 64 letters and digits. */
const REAL = "x9".repeat(32);

function settings(mode: string, apiKey: string, over: Record<string, unknown> = {}) {
  const keysFile = join(dir, "keys.json");
  const keys = { "binance-spot": { apiKey, apiSecret: "the-secret" } };
  writeFileSync(keysFile, JSON.stringify(keys), { mode: 0o600 });
  const urls = { spotWsApiUrl: "ws://127.0.0.1:1", spotRestUrl: "http://127.0.0.1:1" };
  return { mode, keysFile, instrumentsFile, ...urls, ...over };
}
const judged = (...args: Parameters<typeof settings>) =>
  checkMode(Settings.parse(settings(...args)), NOW_MS);

describe("the mode of a router", () => {
  it.each([
    ["sim", "sim"],
    ["sim", "sim-kill"],
    ["paper", "paper-0af3"],
  ])("%s takes the made-up key %s", (mode, key) => {
    expect(() => judged(mode, key)).not.toThrow();
  });

  it.each([
    ["sim", REAL],
    ["paper", REAL],
    ["paper", "simple"],
    ["paper", `x-sim-${REAL}`],
  ])("%s refuses the key %s of a real venue, and does not repeat the secret", (mode, key) => {
    expect(() => judged(mode, key)).toThrow(/binance-spot that is not made up, and the mode is/);
    expect(() => judged(mode, key)).not.toThrow("the-secret");
  });

  it("paper has no venue whose daemon or session trades without a key", () => {
    expect(() => judged("paper", "paper-1", { shioajiUrl: "http://127.0.0.1:1" })).toThrow(
      "shioajiUrl is set in mode paper",
    );
    expect(() => judged("paper", "paper-1", { fixUrl: "fix://127.0.0.1:1" })).toThrow("fixUrl");
    expect(() => judged("sim", "sim-1", { fixUrl: "fix://127.0.0.1:1" })).not.toThrow();
  });

  it("live takes no made-up key", () => {
    expect(() => judged("live", "paper-1")).toThrow("made-up key of binance-spot");
  });

  it("[B100] live wants a signed report that says GO, of the instruments it trades", () => {
    const principalsFile = join(dir, "principals.json");
    const key = join(dir, "ann.key");
    addPrincipal(principalsFile, "ann", "risk", makeKey(key));
    const goLiveFile = join(dir, "go-live.json");
    const write = (hash: string, ok = true): void => {
      const sessions = Array.from({ length: 10 }, () => ({ verdict: "GO" }));
      const hashes = { instruments: hash, limits: "l" };
      const figures = { verdict: "GO", planted: null, sessions, hashes };
      const report = { command: "soak paper", ok, checks: [{ name: "sessions", ok }], figures };
      const text = JSON.stringify(report);
      const signed = ok ? signGoLive(text, readSigner("ann", key), NOW_MS - 1, 7) : report;
      writeFileSync(goLiveFile, JSON.stringify(signed));
    };
    const gate = { goLiveFile, principalsFile };
    expect(() => judged("live", REAL)).toThrow("mode live also needs goLiveFile");
    write(fileHash(instrumentsFile), false);
    expect(() => judged("live", REAL, gate)).toThrow("it is not signed");
    write("another");
    expect(() => judged("live", REAL, gate)).toThrow("is of another instrument table than");
    write(fileHash(instrumentsFile));
    expect(() => judged("live", REAL, gate)).not.toThrow();
  });

  it("a process with a real key does not start in paper, and opens no connection", () => {
    const file = join(dir, "router.json");
    writeFileSync(file, JSON.stringify(settings("paper", REAL)));
    const main = fileURLToPath(new URL("./main.ts", import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, [main], {
      cwd: dir,
      env: { PATH: process.env["PATH"] ?? "", TIDEGATE_CONFIG: file },
      encoding: "utf8",
      timeout: 30_000,
    });
    expect(status).not.toBe(0);
    expect(stdout + stderr).toContain("nothing may be sent to a real venue");
    expect(stdout + stderr).not.toContain(REAL);
  });
});
