import { createHash, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkGoLive, noGo, type SignedGoLive, signGoLive } from "./go-live.ts";
import { addPrincipal, makeKey, type Role, readPrincipals } from "./principals.ts";
import { readSigner, type Signer } from "./token.ts";

const NOW = 1_800_000_000_000;
const DAY = 86_400_000;
const dir = mkdtempSync(join(tmpdir(), "go-live-"));
afterAll(() => rmSync(dir, { recursive: true }));

const file = join(dir, "principals.json");
const signerOf = (name: string, role: Role): Signer => {
  const key = join(dir, `${name}.key`);
  addPrincipal(file, name, role, makeKey(key));
  return readSigner(name, key);
};
const ann = signerOf("ann", "risk");
const bob = signerOf("bob", "operator");
const principals = readPrincipals(file);
makeKey(join(dir, "eve.key"));
const eve = { ...readSigner("ann", join(dir, "eve.key")) };

const session = { verdict: "GO" };
function report(over: Record<string, unknown> = {}, figures: Record<string, unknown> = {}): string {
  const all = {
    ...{ verdict: "GO", planted: null, sessions: Array.from({ length: 10 }, () => session) },
    ...{ hashes: { instruments: "i", limits: "l" }, ...figures },
  };
  const checks = [{ name: "sessions", ok: true }];
  return JSON.stringify({ command: "soak paper", ok: true, checks, figures: all, ...over });
}

/** The signature made by the words of the page, not by the code under test. */
function byHand(signer: Signer, text: string, from = NOW, until = NOW + DAY): SignedGoLive {
  const hash = createHash("sha256").update(text).digest("hex");
  const words = `tidegate go-live 1\n${hash}\n${signer.name}\n${from}\n${until}\n`;
  const signature = sign(null, Buffer.from(words), signer.key).toString("base64url");
  return {
    ...{ version: 1, report: text, signedBy: signer.name },
    ...{ signedAtMs: from, validUntilMs: until, signature },
  };
}

function judged(signed: unknown, nowMs = NOW + 1) {
  const path = join(dir, "go-live.json");
  writeFileSync(path, typeof signed === "string" ? signed : JSON.stringify(signed));
  return checkGoLive(path, principals, nowMs);
}

const bad = { checks: [{ name: "pnl_minus_cash", ok: false }] };

describe("the gate before live trading [B100]", () => {
  it("opens for a report that says GO, signed by a principal of risk, until its end", () => {
    const signed = signGoLive(report(), ann, NOW, 2);
    expect(signed).toEqual(byHand(ann, report(), NOW, NOW + 2 * DAY));
    expect(judged(signed)).toMatchObject({ by: "ann", validUntilMs: NOW + 2 * DAY });
    expect(() => judged(signed, NOW + 2 * DAY - 1)).not.toThrow();
    expect(() => judged(signed, NOW + 2 * DAY)).toThrow("it expired");
  });

  it.each<[string, unknown, string]>([
    ["a report that nobody signed", report(), "it is not signed"],
    ["no JSON", "GO", "it is no JSON"],
    ["one with a planted fault", byHand(ann, report({}, { planted: "fill" })), "fill was planted"],
    ["an operator's", byHand(bob, report()), "bob is operator; want risk or admin"],
    ["one in another's name", byHand(eve, report()), "its signature is not ann's"],
    [
      "one of nobody known",
      byHand({ ...ann, name: "zoe" }, report()),
      "its signature is not zoe's",
    ],
    ["one from the future", byHand(ann, report(), NOW + DAY, NOW + 2 * DAY), "in the future"],
    ["one for a year", byHand(ann, report(), NOW, NOW + 365 * DAY), "longer than 31 days"],
    [
      "another report under the signature",
      { ...byHand(ann, report()), report: report({ seed: 2 }) },
      "its signature is not ann's",
    ],
    [
      "a longer life under the signature",
      { ...byHand(ann, report()), validUntilMs: NOW + 9 * DAY },
      "its signature is not ann's",
    ],
    // Signed with a tool that asks no question: what it says still counts.
    ["a NO-GO", byHand(ann, report({ ok: false, ...bad }, { verdict: "NO-GO" })), "pnl_minus_cash"],
    ["a GO whose checks say otherwise", byHand(ann, report(bad)), "NO-GO: pnl_minus_cash"],
    [
      "a GO with a session that says otherwise",
      byHand(ann, report({}, { sessions: [...Array(10).fill(session), { verdict: "NO-GO" }] })),
      "1 of its sessions",
    ],
    ["nine sessions", byHand(ann, report({}, { sessions: Array(9).fill(session) })), "want 10"],
    ["another command's", byHand(ann, report({ command: "run paper" })), "none of hft soak paper"],
  ])("stays shut for %s", (_, signed, message) => {
    expect(() => judged(signed)).toThrow(message);
  });

  it("a NO-GO is not signed, nor anything for longer than a month", () => {
    expect(() => signGoLive(report(bad), ann, NOW, 7)).toThrow("not signed: it says NO-GO");
    expect(() => signGoLive(report(), ann, NOW, 32)).toThrow("at most 31");
    expect(noGo(report())).toBeNull();
  });

  it("a file that is not there is named with what makes it", () => {
    expect(() => checkGoLive(join(dir, "none"), principals, NOW)).toThrow("hft golive sign");
  });
});
