/** Captures as lines: `<receive time in ns> <message>`, plain or gzip. */

import { createReadStream, createWriteStream, openSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { type Captured, CaptureError, MESSAGE_BYTES_MAX, TS_NS_MAX } from "./message.ts";

/** The messages of a file, in order. A line without a receive time, or cut, is an error with its number. */
export async function* readLines(path: string): AsyncGenerator<Captured> {
  const file = createReadStream(path);
  const stream = path.endsWith(".gz") ? file.pipe(createGunzip()) : file;
  file.once("error", (error) => stream.destroy(error));
  let number = 0;
  let rest: Buffer = Buffer.alloc(0);
  const take = (line: Buffer): Captured => {
    number += 1;
    const space = line.indexOf(0x20);
    const time = line.subarray(0, Math.max(0, space)).toString("latin1");
    if (!/^\d{1,19}$/.test(time)) {
      throw new CaptureError(path, `line ${number}`, "no receive time; want `<ns> <message>`");
    }
    const tsRecvNs = BigInt(time);
    if (tsRecvNs > TS_NS_MAX) {
      throw new CaptureError(path, `line ${number}`, `receive time ${time} is past the year 2262`);
    }
    return { tsRecvNs, raw: line.subarray(space + 1) };
  };
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let from = 0;
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, from)) {
        if (at > from) yield take(bytes.subarray(from, at));
        from = at + 1;
      }
      rest = bytes.subarray(from);
      if (rest.length > MESSAGE_BYTES_MAX) {
        throw new CaptureError(
          path,
          `line ${number + 1}`,
          `longer than ${MESSAGE_BYTES_MAX} bytes`,
        );
      }
    }
  } catch (error) {
    if (error instanceof CaptureError) throw error;
    throw new CaptureError(path, `after line ${number}`, (error as Error).message);
  }
  if (rest.length > 0) {
    throw new CaptureError(path, `line ${number + 1}`, "cut: no line end; fetch the file again");
  }
}

/** Writes messages as lines. A message with a line end in it cannot be one and is refused. */
export async function writeLines(
  path: string,
  messages: AsyncIterable<Captured>,
  gzip: boolean,
): Promise<number> {
  let count = 0;
  async function* text(): AsyncGenerator<Buffer> {
    for await (const { tsRecvNs, raw } of messages) {
      count += 1;
      if (raw.includes(0x0a)) {
        throw new CaptureError(
          path,
          `message ${count}`,
          "holds a line end; convert to columns or parquet",
        );
      }
      yield Buffer.concat([Buffer.from(`${tsRecvNs} `), raw, Buffer.from("\n")]);
    }
  }
  // Opened here and now: a stream that fails early must not make the file after its caller has removed it.
  const file = createWriteStream(path, { fd: openSync(path, "w") });
  if (gzip) await pipeline(text, createGzip(), file);
  else await pipeline(text, file);
  return count;
}
