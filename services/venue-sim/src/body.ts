/** What a request brings along, bounded. */

import type { IncomingMessage } from "node:http";

export class BodyTooLarge extends Error {}

/**
 * The text of a request's body.
 *
 * Errors  `BodyTooLarge` beyond `bytesMax`
 */
export async function readText(request: IncomingMessage, bytesMax: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bytesMax) throw new BodyTooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
