import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ANSWERS_KEPT_MAX,
  Answers,
  Audit,
  addPrincipal,
  LATCH_BYTES,
  Latch,
  livePrincipals,
  makeKey,
  mint,
  PENDING_MAX,
  PENDING_MS_MAX,
  Pending,
  parseLatch,
  Rates,
  readAudit,
  readPrincipals,
  readSigner,
  TokenJudge,
} from "./index.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "control-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const NOW = 1_800_000_000_000;

function person(name: string, role: "viewer" | "operator" = "operator") {
  const keyPath = join(dir, `${name}.key`);
  addPrincipal(join(dir, "principals.json"), name, role, makeKey(keyPath));
  return readSigner(name, keyPath);
}

describe("principals", () => {
  it("a key pair is made once, its private half for the owner alone", () => {
    const key = join(dir, "ann.key");
    makeKey(key);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(() => makeKey(key)).toThrow("is there already");
    chmodSync(key, 0o640);
    expect(() => readSigner("ann", key)).toThrow("others can read the key");
  });

  it("a file others can write, a name twice, a key twice and another form are refused with the remedy", () => {
    person("ann");
    const path = join(dir, "principals.json");
    expect(() => person("ann")).toThrow("is there already");
    const [row] = JSON.parse(readFileSync(path, "utf8")).principals;
    const write = (principals: unknown) =>
      writeFileSync(path, JSON.stringify({ version: 1, principals }));
    write([row, { ...row, name: "bob" }]);
    expect(() => readPrincipals(path)).toThrow("have the same key");
    write([row, row]);
    expect(() => readPrincipals(path)).toThrow("stands twice");
    write([{ ...row, role: "god" }]);
    expect(() => readPrincipals(path)).toThrow("principals.0.role");
    write([row]);
    chmodSync(path, 0o666);
    expect(() => readPrincipals(path)).toThrow("others can write it");
    expect(() => readPrincipals(join(dir, "none"))).toThrow("hft gateway keygen");
  });

  it("a key taken out is refused from the next request on, and so is everybody once the file is gone", () => {
    const ann = person("ann");
    person("bob");
    const path = join(dir, "principals.json");
    const judge = new TokenJudge("gateway", livePrincipals(path), NOW - 1);
    const asks = () => judge.judge(`Bearer ${mint(ann, "gateway", NOW)}`, NOW).ok;
    expect(asks()).toBe(true);
    const { principals } = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ version: 1, principals: principals.slice(1) }));
    expect(asks()).toBe(false);
    rmSync(path);
    expect(asks()).toBe(false);
  });
});

describe("tokens", () => {
  function judged() {
    const ann = person("ann");
    const judge = new TokenJudge(
      "gateway",
      livePrincipals(join(dir, "principals.json")),
      NOW - 60_000,
    );
    const why = (token: string, atMs = NOW) => {
      const answer = judge.judge(`Bearer ${token}`, atMs);
      return answer.ok ? "ok" : answer.why;
    };
    return { ann, judge, why };
  }

  it("a fresh token is good once [B104]", () => {
    const { ann, why } = judged();
    const token = mint(ann, "gateway", NOW);
    expect(why(token)).toBe("ok");
    expect(why(token)).toContain("used before");
  });

  it("an expired, a long-lived, a future, an old and a foreign token are refused by name [B104]", () => {
    const { ann, why } = judged();
    expect(why(mint(ann, "gateway", NOW - 60_000), NOW)).toContain("expired");
    expect(why(mint(ann, "gateway", NOW, { lifeMs: 300_000 }))).toBe("ok");
    expect(why(mint(ann, "gateway", NOW, { lifeMs: 300_001 }))).toContain("lives longer");
    expect(why(mint(ann, "gateway", NOW + 1_000))).toContain("future");
    expect(why(mint(ann, "gateway", NOW - 61_000, { lifeMs: 300_000 }))).toContain(
      "older than this process",
    );
    expect(why(mint(ann, "monitor", NOW))).toContain("not for gateway");
  });

  it("a stranger's signature and an unknown name get one answer, and no byte may change [B104]", () => {
    const { ann, why } = judged();
    const { privateKey } = generateKeyPairSync("ed25519");
    const forged = why(mint({ name: "ann", key: privateKey }, "gateway", NOW));
    expect(forged).toBe(why(mint({ name: "zoe", key: privateKey }, "gateway", NOW)));
    const token = mint(ann, "gateway", NOW);
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 61 }), (at, by) => {
        const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        const was = letters.indexOf(token[at] ?? "");
        if (was < 0) return;
        const other = `${token.slice(0, at)}${letters[(was + by) % 62]}${token.slice(at + 1)}`;
        // The last letter of a base64url text has bits that stand for nothing.
        if (
          Buffer.from(other.split(".")[2] ?? "", "base64url").equals(
            Buffer.from(token.split(".")[2] ?? "", "base64url"),
          ) &&
          at > token.lastIndexOf(".")
        )
          return;
        expect(why(other)).not.toBe("ok");
      }),
    );
    expect(why(token)).toBe("ok");
  });

  it("any header is answered without a throw", () => {
    const { judge } = judged();
    expect(judge.judge(undefined, NOW).ok).toBe(false);
    fc.assert(
      fc.property(fc.string({ maxLength: 3_000 }), (text) => {
        expect(judge.judge(text, NOW).ok).toBe(false);
        expect(judge.judge(`Bearer ${text}`, NOW).ok).toBe(false);
      }),
    );
  });

  it("reads what it signs with from a file of the owner", () => {
    const { ann } = judged();
    expect(createPrivateKey(readFileSync(join(dir, "ann.key"))).asymmetricKeyType).toBe("ed25519");
    expect(ann.name).toBe("ann");
  });
});

describe("the audit trail", () => {
  const body = (detail: string) => ({
    actor: "ann",
    role: "operator",
    action: "POST /control/halt",
    phase: "asked" as const,
    status: 0,
    key: "k",
    body: "{}",
    detail,
  });
  function trail(records: number) {
    const path = join(dir, "audit/gateway.ndjson");
    const audit = new Audit(path);
    for (let n = 0; n < records; n += 1) audit.append(body(`record ${n}`), NOW + n);
    const head = audit.head();
    audit.close();
    return { path, head };
  }

  it("goes on where it ended, and a torn last line was never told of", () => {
    const { path, head } = trail(3);
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('{"seq":4,"ts')]));
    const again = new Audit(path);
    expect(again.head()).toEqual(head);
    again.append(body("after"), NOW);
    expect(again.rows(2).records.map(({ seq, detail }) => [seq, detail])).toEqual([
      [3, "record 2"],
      [4, "after"],
    ]);
    again.close();
  });

  it("every altered byte, every line left out and every two exchanged are found at their place [B104]", () => {
    const { path } = trail(6);
    const whole = readFileSync(path);
    expect(readAudit(whole)).toMatchObject({ broken: null, torn: false });
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      const { broken, torn } = readAudit(bytes);
      expect(broken !== null || (torn && at === whole.length - 1)).toBe(true);
    }
    const lines = whole.toString("utf8").trimEnd().split("\n");
    for (let at = 0; at < lines.length - 1; at += 1) {
      const without = lines.toSpliced(at, 1);
      expect(readAudit(Buffer.from(`${without.join("\n")}\n`)).broken?.seq).toBe(at + 1);
      const exchanged = lines.with(at, lines[at + 1] ?? "").with(at + 1, lines[at] ?? "");
      expect(readAudit(Buffer.from(`${exchanged.join("\n")}\n`)).broken?.seq).toBe(at + 1);
    }
  });

  it("a broken trail is refused and left as it is", () => {
    const { path } = trail(3);
    const changed = readFileSync(path, "utf8").replace("record 1", "record 9");
    writeFileSync(path, changed);
    expect(() => new Audit(path)).toThrow("broken at record 2");
    expect(readFileSync(path, "utf8")).toBe(changed);
  });
});

describe("the latch", () => {
  it("holds through a restart, the first kill stands, and it is lifted [A14]", () => {
    const path = join(dir, "m.latch");
    const latch = new Latch(path, NOW);
    expect(latch.held).toBeNull();
    expect(latch.hold("ann", "spread\nlooks wrong", NOW)).toBeNull();
    latch.hold("bob", "later", NOW + 1);
    const held = { by: "ann", reason: "spread looks wrong", tsNs: `${NOW}000000` };
    expect(new Latch(path, NOW).held).toEqual(held);
    latch.lift();
    expect(new Latch(path, NOW).held).toBeNull();
  });

  it("whatever cannot be read is held [A14]", () => {
    const path = join(dir, "m.latch");
    new Latch(path, NOW);
    const clear = readFileSync(path);
    expect(clear.length).toBe(LATCH_BYTES);
    for (const bad of [clear.subarray(0, 100), Buffer.alloc(0), Buffer.alloc(LATCH_BYTES, "C")]) {
      writeFileSync(path, bad);
      expect(new Latch(path, NOW).held?.by).toBe("latch");
    }
    writeFileSync(path, clear);
    expect(new Latch(path, NOW).held).toBeNull();
    expect(new Latch(dir, NOW).held?.reason).toContain(dir);
  });

  it("any principal and reason are read back as they were kept", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: "binary" }), (by, reason) => {
        const path = join(dir, "any.latch");
        rmSync(path, { force: true });
        const latch = new Latch(path, NOW);
        latch.hold(by, reason, NOW);
        expect(parseLatch(readFileSync(path))).toEqual(latch.held);
      }),
      { numRuns: 12 },
    );
  });
});

describe("what the API remembers", () => {
  it("a key gets its first answer again, another content none, and the oldest answered one goes", () => {
    const answers = new Answers();
    expect(answers.begin("a", "x")).toBeNull();
    expect(answers.begin("a", "x")).toBe("in flight");
    answers.end("a", { status: 200, body: { ok: true } });
    expect(answers.begin("a", "x")).toEqual({ status: 200, body: { ok: true } });
    expect(answers.begin("a", "y")).toBe("other");
    expect(answers.begin("flying", "x")).toBeNull();
    for (let n = 0; n < ANSWERS_KEPT_MAX; n += 1) {
      answers.begin(`k${n}`, "x");
      answers.end(`k${n}`, { status: 200, body: {} });
    }
    expect(answers.begin("a", "y")).toBeNull();
    expect(answers.begin("flying", "x")).toBe("in flight");
    answers.begin("passing", "x");
    answers.end("passing", { status: 503, body: {} });
    expect(answers.begin("passing", "x")).toBeNull();
  });

  it("a change waits for another person, for so long, and so many at once", () => {
    const pending = new Pending();
    expect(pending.meet("c", "ann", 0).state).toBe("waits");
    expect(pending.meet("c", "ann", 1).state).toBe("waits");
    expect(pending.meet("c", "bob", 2)).toEqual({ state: "met", by: "ann" });
    expect(pending.meet("c", "bob", 3).state).toBe("waits");
    expect(pending.meet("c", "ann", 3 + PENDING_MS_MAX).state).toBe("waits");
    for (let n = 1; n < PENDING_MAX; n += 1)
      expect(pending.meet(`d${n}`, "ann", 4 + PENDING_MS_MAX).state).toBe("waits");
    expect(pending.meet("one more", "ann", 4 + PENDING_MS_MAX).state).toBe("full");
  });

  it("a rate is of each name and comes back with time", () => {
    const rates = new Rates(2);
    expect([rates.allow("a", 0), rates.allow("a", 0), rates.allow("a", 0)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(rates.allow("b", 0)).toBe(true);
    expect(rates.allow("a", 499)).toBe(false);
    expect(rates.allow("a", 501)).toBe(true);
  });
});
