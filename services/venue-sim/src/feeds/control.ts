/** The control port: arm a switch, read counts, read the truth. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { MESSAGE_BYTES_MAX } from "./limits.ts";
import { Injection } from "./scenario.ts";
import { SwitchError } from "./switches.ts";
import type { TruthLog } from "./truth.ts";

/** What the control port works on. */
export interface Controlled {
  readonly certificates: { readonly ca: string } | null;
  readonly truth: TruthLog;
  stats(): Record<string, unknown>;
  inject(injection: Injection): void;
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of request as AsyncIterable<Buffer>) {
    text += part.toString("utf8");
    if (text.length > MESSAGE_BYTES_MAX) throw new SwitchError("the body is too large");
  }
  return text;
}

/**
 * `GET /_sim/stats` counts, `POST /_sim/inject` arms, `GET /_sim/truth?from=N` gives entries as lines of JSON, with
 * the number of those no longer kept in `x-forgotten`.
 */
export async function handleControl(
  feeds: Controlled,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const json = (status: number, body: unknown) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  try {
    const url = new URL(request.url ?? "/", "http://sim");
    switch (`${request.method} ${url.pathname}`) {
      case "GET /_sim/stats":
        return void json(200, feeds.stats());
      case "GET /_sim/ca":
        return void response.writeHead(200).end(feeds.certificates?.ca ?? "");
      case "POST /_sim/inject": {
        const parsed = Injection.safeParse(JSON.parse(await readText(request)));
        if (!parsed.success) throw new SwitchError(z.prettifyError(parsed.error));
        feeds.inject(parsed.data);
        return void json(200, { armed: true });
      }
      case "GET /_sim/truth": {
        const from = Number(url.searchParams.get("from") ?? 0);
        if (!Number.isSafeInteger(from) || from < 0) throw new SwitchError("from: want a number");
        const { entries, forgotten } = feeds.truth.page(from);
        const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
        response.writeHead(200, { "x-forgotten": String(forgotten) }).end(text);
        return;
      }
      default:
        return void json(404, { error: "want /_sim/stats, /_sim/inject, /_sim/truth or /_sim/ca" });
    }
  } catch (error) {
    json(400, { error: (error as Error).message });
  }
}
