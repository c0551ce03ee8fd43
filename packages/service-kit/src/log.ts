import { writeSync } from "node:fs";
import pino, { type Logger } from "pino";
import { scrub } from "./secret.ts";

export type { Logger };

/** Where log lines go: one call per line, which ends with a line feed. */
export interface LogSink {
  write(line: string): void;
}

/** Standard output, written at once so that a fatal line is never lost. A reader that has gone is no error. */
export const stdoutSink: LogSink = {
  write(line) {
    writeAll(1, line);
  },
};

/** Writes all of `text`; waits where the pipe is full, gives up where its reader has gone. */
export function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** JSON lines {level, time, service, pid, msg, …}; secrets are redacted by type and scrubbed from every text. */
export function createLog(service: string, level: string, sink: LogSink = stdoutSink): Logger {
  return pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => sink.write(scrub(line)) },
  );
}
