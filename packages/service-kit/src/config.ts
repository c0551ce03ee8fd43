import { readFileSync } from "node:fs";
import { z } from "zod";
import { ConfigError } from "./faults.ts";
import { CONFIG_FILE_BYTES_MAX } from "./limits.ts";
import { Secret } from "./secret.ts";

/** Settings every service has. */
export const BaseSettings = z.object({
  httpPort: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe("Port on 127.0.0.1 for health, metrics and control; 0 = any free one"),
  stateDir: z
    .string()
    .min(1)
    .default("state")
    .describe("Folder of <process>.json, which says pid and port"),
  logLevel: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal"])
    .default("info")
    .describe("Least level that is logged"),
  drainMsMax: z
    .number()
    .int()
    .min(0)
    .max(600_000)
    .default(5_000)
    .describe("Longest wait for drain() on a stop"),
  stopMsMax: z
    .number()
    .int()
    .min(1)
    .max(600_000)
    .default(3_000)
    .describe("Longest wait for stop() after the drain"),
  dieWithParent: z
    .boolean()
    .default(false)
    .describe("Drain and exit when the process that started this one is gone"),
});
export type BaseConfig = z.output<typeof BaseSettings>;

/** Where one setting came from. */
export interface Sourced {
  readonly key: string;
  readonly value: unknown;
  /** `default`, `file PATH`, `env NAME` or `flag --name`. */
  readonly source: string;
  readonly describe: string;
}

export interface Loaded<C> {
  readonly config: C;
  readonly settings: readonly Sourced[];
  readonly explain: boolean;
}

interface Raw {
  readonly value: unknown;
  readonly source: string;
  /** Text of an environment variable or a flag, which may stand for a number, a boolean or JSON. */
  readonly text: boolean;
}

/** `httpPort` is `HTTP_PORT`. */
export const upperSnake = (key: string): string => key.replace(/[A-Z]|\d+/g, "_$&").toUpperCase();
/** `httpPort` is `http-port`. */
export const kebab = (key: string): string => upperSnake(key).toLowerCase().replaceAll("_", "-");
/** The environment variable of one setting of one service. */
export const envName = (service: string, key: string): string =>
  `TIDEGATE_${service.replaceAll("-", "_").toUpperCase()}_${upperSnake(key)}`;

/**
 * Reads the settings of one service: schema defaults, `defaults`, files of TIDEGATE_CONFIG in order, environment, flags;
 * the later wins. It depends on its arguments alone (and the files they name).
 *
 * Errors  one `ConfigError` naming every bad or unknown setting with its source
 */
export function loadConfig<S extends z.ZodObject>(
  service: string,
  schema: S,
  input: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly argv: readonly string[];
    readonly defaults?: (Partial<z.input<S>> & Partial<BaseConfig>) | undefined;
    readonly readFile?: (path: string) => string;
  },
): Loaded<z.output<S> & BaseConfig> {
  const problems: string[] = [];
  const shape: Record<string, z.ZodType> = { ...BaseSettings.shape, ...schema.shape };
  const raw = new Map<string, Raw>();
  const put = (key: string, entry: Raw, unknown: string): void => {
    if (Object.hasOwn(shape, key)) raw.set(key, entry);
    else problems.push(`${unknown} is unknown${nearest(key, Object.keys(shape))}`);
  };
  for (const [key, value] of Object.entries(input.defaults ?? {})) {
    put(key, { value, source: "default", text: false }, `default ${key}`);
  }
  for (const path of (input.env["TIDEGATE_CONFIG"] ?? "")
    .split(",")
    .filter((each) => each !== "")) {
    for (const [key, value] of Object.entries(
      readSettings(path, input.readFile ?? readBounded, problems),
    )) {
      put(key, { value, source: `file ${path}`, text: false }, `${key} in ${path}`);
    }
  }
  if (input.env["TIDEGATE_DIE_WITH_PARENT"] !== undefined) {
    const value = input.env["TIDEGATE_DIE_WITH_PARENT"] !== "0";
    raw.set("dieWithParent", { value, source: "env TIDEGATE_DIE_WITH_PARENT", text: false });
  }
  const names = new Map(Object.keys(shape).map((key) => [envName(service, key), key]));
  const prefix = envName(service, "").slice(0, -1);
  for (const [name, value] of Object.entries(input.env)) {
    if (!name.startsWith(`${prefix}_`) || value === undefined) continue;
    const key = names.get(name);
    if (key !== undefined) raw.set(key, { value, source: `env ${name}`, text: true });
    else problems.push(`${name} is unknown${nearest(name, [...names.keys()])}`);
  }
  const flags = readFlags(input.argv, shape, problems);
  for (const [key, entry] of flags.raw) raw.set(key, entry);

  const merged: Record<string, unknown> = {};
  for (const [key, entry] of raw) {
    merged[key] = entry.text ? fromText(entry.value as string, shape[key]) : entry.value;
  }
  const pick = (keys: object): Record<string, unknown> =>
    Object.fromEntries(Object.entries(merged).filter(([key]) => Object.hasOwn(keys, key)));
  const base = BaseSettings.safeParse(pick(BaseSettings.shape));
  const own = schema.safeParse(pick(schema.shape));
  for (const issue of [...(base.error?.issues ?? []), ...(own.error?.issues ?? [])]) {
    const key = String(issue.path[0] ?? "");
    const at =
      raw.get(key)?.source ??
      `not set: file key ${key}, env ${envName(service, key)} or flag --${kebab(key)}`;
    const inner = issue.path.length > 1 ? ` at ${issue.path.slice(1).join(".")}` : "";
    problems.push(key === "" ? issue.message : `${key} (${at})${inner}: ${issue.message}`);
  }
  if (problems.length > 0 || !base.success || !own.success)
    throw new ConfigError(service, problems);
  const config = { ...base.data, ...own.data } as z.output<S> & BaseConfig;
  const settings = Object.keys(shape).map((key) => ({
    key,
    value: (config as Record<string, unknown>)[key],
    source: raw.get(key)?.source ?? "default",
    describe: shape[key]?.description ?? "",
  }));
  return { config, settings, explain: flags.explain };
}

function readBounded(path: string): string {
  const bytes = readFileSync(path);
  if (bytes.length > CONFIG_FILE_BYTES_MAX)
    throw new RangeError(`larger than ${CONFIG_FILE_BYTES_MAX} bytes`);
  return bytes.toString("utf8");
}

function readSettings(path: string, read: (path: string) => string, problems: string[]): object {
  try {
    const value: unknown = JSON.parse(read(path));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    problems.push(`${path} is not a JSON object`);
  } catch (error) {
    problems.push(`${path} cannot be read: ${(error as Error).message}`);
  }
  return {};
}

function readFlags(argv: readonly string[], shape: object, problems: string[]) {
  const raw = new Map<string, Raw>();
  let explain = false;
  const keys = new Map(Object.keys(shape).map((key) => [`--${kebab(key)}`, key]));
  for (let i = 0; i < argv.length; i += 1) {
    const [flag = "", inline] = splitOnce(argv[i] ?? "");
    if (flag === "--explain") {
      explain = true;
      continue;
    }
    const key = keys.get(flag);
    if (key === undefined) {
      problems.push(`flag ${flag} is unknown${nearest(flag, [...keys.keys()])}`);
      if (argv[i + 1]?.startsWith("--") === false) i += 1;
      continue;
    }
    if (inline === undefined) i += 1;
    const value = inline ?? argv[i];
    if (value === undefined) problems.push(`flag ${flag} wants a value`);
    else raw.set(key, { value, source: `flag ${flag}`, text: true });
  }
  return { raw, explain };
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** A text as the schema wants it: as it stands where that fits, else the JSON value it spells. */
function fromText(text: string, schema: z.ZodType | undefined): unknown {
  if (schema === undefined || schema.safeParse(text).success) return text;
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return text;
  }
}

/** `; did you mean X?` where one name is at most two edits away. */
function nearest(name: string, names: readonly string[]): string {
  const best = names
    .map((each) => ({ each, distance: editDistance(name, each) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return best !== undefined && best.distance <= 2 ? `; did you mean ${best.each}?` : "";
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The `--explain` page: key, value, source, meaning; secrets redacted by type. */
export function explain(settings: readonly Sourced[]): string {
  const cells = settings.map(({ key, value, source, describe }) => [
    key,
    value instanceof Secret ? String(value) : (JSON.stringify(value) ?? "unset"),
    source,
    describe,
  ]);
  const widths = [0, 1, 2].map((i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
