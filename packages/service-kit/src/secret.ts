import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { SECRET_SCRUB_CHARS_MIN, SECRETS_MAX } from "./limits.ts";

const REDACTED = "[redacted]";
const known = new Set<string>();
/** What descriptors held: a pipe can be read only once, a setting is parsed more often. */
const read = new Map<number, string>();

/** A text that no log line, JSON or message shows. Only `reveal()` gives it out. */
export class Secret {
  readonly #text: string;

  /** @throws RangeError when the process already holds `SECRETS_MAX` different secrets. */
  constructor(text: string) {
    this.#text = text;
    if (text.length < SECRET_SCRUB_CHARS_MIN || known.has(text)) return;
    if (known.size >= SECRETS_MAX) throw new RangeError(`more than ${SECRETS_MAX} secrets`);
    known.add(text);
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}

/** `line` without any known secret in it, in plain or in JSON-escaped form. */
export function scrub(line: string): string {
  let clean = line;
  for (const text of known) {
    clean = clean.replaceAll(text, REDACTED);
    const escaped = JSON.stringify(text).slice(1, -1);
    if (escaped !== text) clean = clean.replaceAll(escaped, REDACTED);
  }
  return clean;
}

const FORMS = /^(file|credential|fd|public):(.+)$/s;

/**
 * A setting that names where a secret lies; the secret itself never stands in a file of settings or the environment.
 *
 * Forms   `file:PATH`, `credential:NAME` (below $CREDENTIALS_DIRECTORY), `fd:N`, and `public:TEXT` for what is no
 *         secret at all, as the simulator's key. A closing newline of a file is dropped.
 * Errors  a zod issue that names the form, never the content
 */
export function secretSetting() {
  return z.union([z.string(), z.instanceof(Secret)]).transform((value, context): Secret => {
    if (value instanceof Secret) return value;
    const [, form, rest = ""] = FORMS.exec(value) ?? [];
    if (form === "public") return new Secret(rest);
    if (form === undefined) {
      context.addIssue("want file:PATH, credential:NAME, fd:N or public:TEXT");
      return z.NEVER;
    }
    try {
      const text = (
        form === "fd" ? readDescriptor(Number(rest)) : readFileSync(secretFile(form, rest), "utf8")
      ).replace(/\r?\n$/, "");
      if (text !== "") return new Secret(text);
      context.addIssue(`the secret of ${form}: is empty`);
    } catch (error) {
      context.addIssue(
        `the secret of ${form}: cannot be read (${(error as { code?: string }).code ?? "?"})`,
      );
    }
    return z.NEVER;
  });
}

function readDescriptor(fd: number): string {
  const text = read.get(fd) ?? readFileSync(fd, "utf8");
  read.set(fd, text);
  return text;
}

function secretFile(form: string, rest: string): string {
  if (form === "file") return rest;
  const directory = process.env["CREDENTIALS_DIRECTORY"];
  if (directory === undefined || rest.includes("/")) {
    throw Object.assign(new Error(), {
      code: "CREDENTIALS_DIRECTORY unset, or a path in the name",
    });
  }
  return join(directory, rest);
}
