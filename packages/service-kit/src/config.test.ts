import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { envName, explain, kebab, loadConfig } from "./config.ts";
import { ConfigError } from "./faults.ts";
import { Secret, scrub, secretSetting } from "./secret.ts";

const schema = z.object({
  walDir: z.string().default("wal").describe("Where"),
  windowFrames: z.number().int().min(1).default(4_096),
  fast: z.boolean().default(false),
  list: z.array(z.object({ id: z.number() })).default([]),
});
const files: Record<string, string> = {
  "a.json": '{"walDir":"a","windowFrames":1}',
  "b.json": '{"walDir":"b"}',
  "bad.json": '{"waldir":"x","windowFrames":"many"}',
  "list.json": "[]",
};
const load = (env: Record<string, string>, argv: string[] = []) =>
  loadConfig("execution-router", schema, {
    env,
    argv,
    defaults: { walDir: "given" },
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error("ENOENT");
      return text;
    },
  });
const problems = (act: () => unknown): readonly string[] => {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error.fault.problems;
    throw error;
  }
  return [];
};

describe("loadConfig()", () => {
  it("lets the later layer win: default, files in order, environment, flag", () => {
    expect(load({}).config.walDir).toBe("given");
    expect(load({ TIDEGATE_CONFIG: "a.json" }).config).toMatchObject({
      walDir: "a",
      windowFrames: 1,
    });
    expect(load({ TIDEGATE_CONFIG: "a.json,b.json" }).config).toMatchObject({
      walDir: "b",
      windowFrames: 1,
    });
    const env = { TIDEGATE_CONFIG: "a.json", TIDEGATE_EXECUTION_ROUTER_WAL_DIR: "e" };
    expect(load(env).config.walDir).toBe("e");
    expect(load(env, ["--wal-dir", "f"]).config.walDir).toBe("f");
    expect(load(env, ["--wal-dir=g=h"]).config.walDir).toBe("g=h");
  });

  it("reads texts as the schema wants them", () => {
    const env = {
      TIDEGATE_EXECUTION_ROUTER_WAL_DIR: "7",
      TIDEGATE_EXECUTION_ROUTER_WINDOW_FRAMES: "7",
      TIDEGATE_EXECUTION_ROUTER_FAST: "false",
      TIDEGATE_EXECUTION_ROUTER_LIST: '[{"id":3}]',
    };
    expect(load(env).config).toMatchObject({
      walDir: "7",
      windowFrames: 7,
      fast: false,
      list: [{ id: 3 }],
    });
  });

  it("names every bad and unknown setting at once, with its source", () => {
    const found = problems(() =>
      load(
        {
          TIDEGATE_CONFIG: "bad.json,none.json,list.json",
          TIDEGATE_EXECUTION_ROUTER_FASTT: "1",
          TIDEGATE_EXECUTION_ROUTER_HTTP_PORT: "70000",
        },
        ["--nope", "1", "--wal-dir"],
      ),
    );
    for (const part of [
      "waldir in bad.json is unknown; did you mean walDir?",
      "none.json cannot be read",
      "list.json is not a JSON object",
      "TIDEGATE_EXECUTION_ROUTER_FASTT is unknown",
      "flag --nope is unknown",
      "flag --wal-dir wants a value",
      "windowFrames (file bad.json)",
      "httpPort (env TIDEGATE_EXECUTION_ROUTER_HTTP_PORT)",
    ]) {
      expect(
        found.some((each) => each.includes(part)),
        part,
      ).toBe(true);
    }
    expect(found).toHaveLength(8);
  });

  it("leaves the variables of other services alone", () => {
    expect(problems(() => load({ TIDEGATE_GATEWAY_NOPE: "1", TIDEGATE_DATA: "x" }))).toEqual([]);
  });

  it("explains each setting with its source and redacts secrets", () => {
    const withKey = schema.extend({ key: secretSetting().prefault("public:hunter2-hunter2") });
    const { settings } = loadConfig("x", withKey, {
      env: { TIDEGATE_X_FAST: "true" },
      argv: ["--explain"],
    });
    const page = explain(settings);
    expect(page).toMatch(/^walDir +"wal" +default +Where$/m);
    expect(page).toMatch(/^fast +true +env TIDEGATE_X_FAST/m);
    expect(page).toMatch(/^key +\[redacted\]/m);
    expect(page).not.toContain("hunter2");
  });

  it("names of environment and flags follow from the key", () => {
    expect(envName("venue-sim", "apiKey2")).toBe("TIDEGATE_VENUE_SIM_API_KEY_2");
    expect(kebab("usdmWsUrl")).toBe("usdm-ws-url");
  });
});

describe("Secret", () => {
  it("shows itself to nobody who does not ask", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 6, maxLength: 40 }).filter((text) => !"[redacted]".includes(text)),
        (text) => {
          if (text.trim().length < 6) return;
          const secret = Reflect.construct(Secret, [`k-${text}`]) as Secret;
          expect(`${secret} ${JSON.stringify({ secret })} ${String(secret)}`).not.toContain(
            `k-${text}`,
          );
          expect(secret.reveal()).toBe(`k-${text}`);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("is scrubbed from any text, in JSON form too", () => {
    new Secret('canary"secret');
    expect(scrub('x canary"secret y')).toBe("x [redacted] y");
    expect(scrub(JSON.stringify({ e: 'canary"secret' }))).toBe('{"e":"[redacted]"}');
  });

  it.each(["plain", "file:/nonexistent/x", "credential:../x", "fd:999", "file:"])(
    "%s is refused without its content",
    (text) => {
      const found = problems(() =>
        loadConfig("x", z.object({ key: secretSetting() }), {
          env: { TIDEGATE_X_KEY: text },
          argv: [],
        }),
      );
      expect(found).toHaveLength(1);
      expect(found[0]).toContain("key (env TIDEGATE_X_KEY)");
    },
  );
});
