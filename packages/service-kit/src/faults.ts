/** Exit codes of every process. */
export const EXIT = { ok: 0, fault: 1, usage: 2, bug: 70 } as const;

/** The world fails a service: what, where and the remedy in one line. The process says it and exits 1. */
export class ServiceFault extends Error {
  readonly fault = { code: "SERVICE_FAULT" } as const;
  override readonly name = "ServiceFault";
}

/** The settings are wrong: one error that names every bad one. The process prints it and exits 2. */
export class ConfigError extends Error {
  readonly fault: { readonly code: "CONFIG"; readonly problems: readonly string[] };
  override readonly name = "ConfigError";

  constructor(service: string, problems: readonly string[]) {
    super(
      `${service}: ${problems.length} setting${problems.length === 1 ? " is" : "s are"} wrong\n  ${problems.join("\n  ")}`,
    );
    this.fault = { code: "CONFIG", problems };
  }
}

/** A fault is the world's doing (typed, or of the system); anything else that is thrown is a bug of ours. */
export function isFault(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return "fault" in error || ("syscall" in error && "code" in error);
}
