import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { ServiceFault } from "@tidegate/service-kit";

/** Shortest token that is taken: 128 bits as hex. */
export const TOKEN_CHARS_MIN = 32;

/**
 * The token of the control routes: read from `path`, or made there (256 bits as hex) when there is none.
 *
 * Errors  `ServiceFault` when others than the owner can read the file, or it holds less than 128 bits
 */
export function controlToken(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  try {
    return readToken(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
  try {
    // A link fails where another start was faster; its token is the token then.
    linkSync(fresh, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
  return readToken(path);
}

function readToken(path: string): string {
  const fd = openSync(path, "r");
  try {
    const mode = fstatSync(fd).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      throw new ServiceFault(
        `${path} has mode ${mode.toString(8)}: others can read it; remove it and start again`,
      );
    }
    const token = readFileSync(fd, "utf8").trim();
    if (token.length < TOKEN_CHARS_MIN) {
      throw new ServiceFault(
        `${path} holds ${token.length} characters, want at least ${TOKEN_CHARS_MIN}; remove it and start again`,
      );
    }
    return token;
  } finally {
    closeSync(fd);
  }
}

/** Whether an Authorization header carries the token; takes as long for a near miss as for a far one. */
export function authorised(header: string | undefined, token: string): boolean {
  const [scheme = "", given = "", more] = (header ?? "").split(" ");
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const same = timingSafeEqual(digest(given), digest(token));
  return same && scheme.toLowerCase() === "bearer" && more === undefined;
}
