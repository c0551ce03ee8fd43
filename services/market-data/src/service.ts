/** What the shell does for the hot loop: its sessions, and the depth snapshots it asks for. */

import { readFileSync } from "node:fs";
import type { Engine, HotServiceSpec, ServiceContext } from "@tidegate/service-kit";
import { z } from "zod";
import { type MarketDataConfig, Settings } from "./config.ts";
import { type FedInstrument, sessionsFor, snapshotUrl } from "./sessions.ts";

/** Largest depth body read; 5,000 levels a side are about 320 KiB. */
export const SNAPSHOT_BYTES_MAX = 1 << 20;

/** The body of a GET, or an error that says why there is none. */
export type FetchBody = (url: string, msMax: number, stop: AbortSignal) => Promise<Uint8Array>;

const TableFile = z.object({
  instruments: z.array(
    z.object({
      id: z.number().int().positive(),
      venue: z.enum(["BINANCE_SPOT", "BINANCE_USDM"]),
      symbol: z.string().min(1),
    }),
  ),
});

/** The rows of the instrument table; the hot loop checks the rest of them itself. */
export function readInstruments(path: string): FedInstrument[] {
  return TableFile.parse(JSON.parse(readFileSync(path, "utf8"))).instruments;
}

/** The hot loop's configuration. `trace` gives a span for each touch and trade. */
export function loopConfig(config: MarketDataConfig, trace: boolean) {
  return {
    endpoint: config.mdUrl,
    epochPath: config.epochFile,
    instrumentsPath: config.instrumentsFile,
    sessions: sessionsFor(config, readInstruments(config.instrumentsFile)),
    trace,
  };
}

/** GET with a bound on time and size. A status other than 200 is an error with its text. */
export const fetchBounded: FetchBody = async (url, msMax, stop) => {
  const response = await fetch(url, {
    signal: AbortSignal.any([stop, AbortSignal.timeout(msMax)]),
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > SNAPSHOT_BYTES_MAX) throw new RangeError(`more than ${SNAPSHOT_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  if (response.status !== 200) {
    throw new Error(`status ${response.status}: ${body.subarray(0, 200).toString("utf8")}`);
  }
  return body;
};

/** Fetches the snapshots the loop asks for, one at a time for each instrument. */
export class Snapshots {
  readonly #stop = new AbortController();
  readonly #fetching = new Map<number, Promise<void>>();
  readonly #instruments: ReadonlyMap<number, FedInstrument>;
  readonly #context: ServiceContext<MarketDataConfig>;
  readonly #engine: Engine;
  readonly #fetchBody: FetchBody;

  constructor(context: ServiceContext<MarketDataConfig>, engine: Engine, fetchBody: FetchBody) {
    const rows = readInstruments(context.config.instrumentsFile);
    this.#instruments = new Map(rows.map((row) => [row.id, row]));
    this.#context = context;
    this.#engine = engine;
    this.#fetchBody = fetchBody;
  }

  /** The loop wants the snapshot of one instrument. While one is on its way the wish is already granted. */
  want(id: unknown): void {
    const instrument = typeof id === "number" ? this.#instruments.get(id) : undefined;
    if (instrument === undefined) {
      this.#context.log.warn({ instrument: id }, "a snapshot of an unknown instrument is wanted");
    } else if (!this.#fetching.has(instrument.id)) {
      this.#fetching.set(instrument.id, this.#fetch(instrument));
    }
  }

  async #fetch(instrument: FedInstrument): Promise<void> {
    const { config, log } = this.#context;
    const url = snapshotUrl(config, instrument);
    try {
      const body = await this.#fetchBody(url, config.snapshotMsMax, this.#stop.signal);
      const answer = await this.#engine.call({ op: "snapshot", instrument: instrument.id }, body);
      log.info(
        { instrument: instrument.id, outcome: answer["outcome"] },
        "depth snapshot handed over",
      );
    } catch (error) {
      // The loop asks again, so one failure is a line and nothing more.
      if (!this.#stop.signal.aborted) {
        log.warn({ instrument: instrument.id, url, error: String(error) }, "no depth snapshot");
      }
    } finally {
      this.#fetching.delete(instrument.id);
    }
  }

  /** Gives up what is on its way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#fetching.values());
  }
}

/** The service: ready once every book is VALID. */
export function marketData(fetchBody: FetchBody = fetchBounded): HotServiceSpec<typeof Settings> {
  let snapshots: Snapshots | null = null;
  return {
    name: "market-data",
    kind: "market-data",
    schema: Settings,
    engineConfig: ({ config, tracer }) => loopConfig(config, tracer.stats().exporting),
    ready: (stats) => stats["state"] === "VALID",
    attach(context, engine) {
      const own = new Snapshots(context, engine, fetchBody);
      snapshots = own;
      return () => own.close();
    },
    onEvent(event) {
      if (event.type === "snapshot_wanted") snapshots?.want(event["instrument"]);
    },
  };
}
