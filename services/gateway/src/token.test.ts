import { chmodSync, mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authorised, controlToken } from "./token.ts";

const fresh = (): string => join(mkdtempSync(join(tmpdir(), "token-")), "state", "control.token");

describe("controlToken()", () => {
  it("makes a token only its owner can read, and keeps it", () => {
    const path = fresh();
    const token = controlToken(path);
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(controlToken(path)).toBe(token);
    expect(controlToken(fresh())).not.toBe(token);
  });

  it("refuses a file that others can read, and one that holds too little", () => {
    const path = fresh();
    controlToken(path);
    chmodSync(path, 0o640);
    expect(() => controlToken(path)).toThrow(/mode 640/);
    chmodSync(path, 0o600);
    writeFileSync(path, "short\n");
    expect(() => controlToken(path)).toThrow(/5 characters/);
  });
});

describe("authorised()", () => {
  const token = "0123456789abcdef0123456789abcdef";

  it("takes the token as a bearer and nothing else", () => {
    expect(authorised(`Bearer ${token}`, token)).toBe(true);
    expect(authorised(`bearer ${token}`, token)).toBe(true);
    for (const bad of [
      undefined,
      "",
      token,
      `Basic ${token}`,
      `Bearer ${token} `,
      `Bearer  ${token}`,
    ]) {
      expect(authorised(bad, token)).toBe(false);
    }
  });

  it("takes no other text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(text !== token);
        expect(authorised(`Bearer ${text}`, token)).toBe(false);
      }),
    );
  });
});
