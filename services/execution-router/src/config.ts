/** Settings of the execution-router: schema, the key file, and the loop's own configuration. */

import { readFileSync, statSync } from "node:fs";
import { SOCKETS } from "@tidegate/contracts";
import { Secret, ServiceFault } from "@tidegate/service-kit";
import { ACCOUNT_SLICES, alpaca, VENUES, type VenueName } from "@tidegate/venues";
import { z } from "zod";

const url = (protocol: RegExp, what: string) => z.url({ protocol }).optional().describe(what);

export const Settings = z.object({
  mode: z
    .enum(["sim", "paper", "live"])
    .default("sim")
    .describe(
      "sim and paper take made-up keys alone (sim-…, paper-…), so that nothing can reach a real venue; live takes real ones",
    ),
  goLiveFile: z
    .string()
    .min(1)
    .optional()
    .describe("Signed report of a paper soak that says GO; wanted with mode live"),
  principalsFile: z
    .string()
    .min(1)
    .default("state/principals.json")
    .describe("Who may sign it, with their public keys; read in mode live"),
  commandUrl: z
    .string()
    .startsWith("ipc://")
    .default(`ipc://${SOCKETS.command}`)
    .describe("Bound for the gateway: commands in, reports out"),
  journalDir: z
    .string()
    .min(1)
    .default("journal/router")
    .describe("What was sent and what was reported; the only state it recovers from"),
  tier: z
    .enum(["T0", "T2"])
    .default("T2")
    .describe(
      "What a record survives before bytes leave: T0 the death of the process, T2 a power cut",
    ),
  epochFile: z
    .string()
    .min(1)
    .default("state/execution-router.epoch")
    .describe("Session number of this process's link"),
  latchFile: z
    .string()
    .min(1)
    .default("state/execution-router.latch")
    .describe("The kill latch; one that is missing or damaged counts as killed"),
  killFile: z
    .string()
    .min(1)
    .default("state/kill")
    .describe("Whoever makes this file kills; it must be gone before an un-kill lasts"),
  dlqDir: z
    .string()
    .min(1)
    .default("dlq")
    .describe("Orders that came to nothing, each with its reason"),
  newWaitMs: z
    .number()
    .int()
    .min(0)
    .max(1_000)
    .default(50)
    .describe("How long a new order may wait for room in the budget, ms; 0 = refused at once"),
  deadManMs: z
    .number()
    .int()
    .min(0)
    .max(3_600_000)
    .default(15_000)
    .describe(
      "The venue cancels all when neither this process nor a gateway in step is there for so long, ms, where it has such a countdown; 0 = never",
    ),
  instrumentsFile: z.string().min(1).describe("Versioned instrument table"),
  approvalKeyFile: z
    .string()
    .default("")
    .describe(
      "Key shared by gateway and execution-router, 32 bytes, mode 0600: no new order leaves without an approval made with it; empty = none is asked for",
    ),
  keysFile: z
    .string()
    .min(1)
    .describe('Venue keys as JSON, mode 0600: {"binance-spot": {"apiKey", "apiSecret"}, …}'),
  spotWsApiUrl: url(
    /^wss?$/,
    "Binance spot WS API, without a path; unset = the venue is not traded",
  ),
  spotRestUrl: url(/^https?$/, "Binance spot REST"),
  spotOrdersPer10s: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(VENUES.BINANCE_SPOT.limits.limits.ordersPer10s)
    .describe("What the spot venue allows the account in ten seconds, cancels counted too"),
  spotSymbolOrdersPer10s: z
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe("Our own limit of orders and cancels of one spot symbol in ten seconds; 0 = none"),
  spotWeightPerMinute: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(VENUES.BINANCE_SPOT.limits.limits.weightPerMinute)
    .describe("Request weight the spot venue allows in a minute; 0 = it has no such limit"),
  usdmWsApiUrl: url(
    /^wss?$/,
    "Binance USD-M WS API, without a path; unset = the venue is not traded",
  ),
  usdmStreamUrl: url(/^wss?$/, "Binance USD-M streams, without a path: the private user stream"),
  usdmRestUrl: url(/^https?$/, "Binance USD-M REST: listen key, open orders, trades, clock"),
  usdmOrdersPer10s: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(VENUES.BINANCE_USDM.limits.limits.ordersPer10s)
    .describe("What the USD-M venue allows the account in ten seconds, cancels counted too"),
  usdmOrdersPerMinute: z
    .number()
    .int()
    .min(0)
    .max(100_000)
    .default(VENUES.BINANCE_USDM.limits.limits.ordersPerMinute)
    .describe("And in a minute; 0 = it has no such limit"),
  usdmSymbolOrdersPer10s: z
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe("Our own limit of orders and cancels of one USD-M symbol in ten seconds; 0 = none"),
  usdmWeightPerMinute: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(VENUES.BINANCE_USDM.limits.limits.weightPerMinute)
    .describe("Request weight the USD-M venue allows in a minute; 0 = it has no such limit"),
  fixUrl: url(/^fix$/, "FIX 4.4 venue as fix://host:port; unset = none is traded"),
  fixSenderCompId: z
    .string()
    .max(64)
    .default("")
    .describe("Our CompID at the FIX venue; wanted with fixUrl"),
  fixTargetCompId: z
    .string()
    .max(64)
    .default("")
    .describe("The FIX venue's CompID; wanted with fixUrl"),
  fixHeartbeatSeconds: z
    .number()
    .int()
    .min(1)
    .max(3_600)
    .default(30)
    .describe("Heartbeat interval of the FIX session; a dead venue is noticed after two of them"),
  fixStoreDir: z
    .string()
    .min(1)
    .default("journal/fix")
    .describe("Numbers and messages of the FIX session; removed only between two sessions"),
  fixResetOnLogon: z
    .boolean()
    .default(false)
    .describe("Each logon resets both numbers: for a FIX venue that never resends"),
  fixFollowReset: z
    .boolean()
    .default(true)
    .describe("A FIX venue that has begun its numbers anew is followed with a reset"),
  fixOrdersPer10s: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(200)
    .describe("Orders, amends and cancels the FIX venue allows in ten seconds"),
  restSettlesMs: z
    .number()
    .int()
    .min(12_000)
    .max(600_000)
    .default(30_000)
    .describe(
      "How long after it left a request over HTTP may still take effect, ms: before that no order of Alpaca or Shioaji is called dead",
    ),
  alpacaRestUrl: url(/^https?$/, "Alpaca's trading REST, without a path; unset = not traded"),
  alpacaStreamUrl: url(
    /^wss?$/,
    "Alpaca's trade updates, without a path; wanted with alpacaRestUrl",
  ),
  alpacaRequestsPerMinute: z
    .number()
    .int()
    .min(10)
    .max(100_000)
    .default(alpaca.limits.limits.weightPerMinute)
    .describe("Requests of any kind Alpaca allows the account in a minute; nine tenths are ours"),
  shioajiUrl: url(/^http$/, "Shioaji's daemon on this host, without a path; unset = not traded"),
  shioajiBrokerId: z.string().max(16).default("").describe("Our broker; wanted with shioajiUrl"),
  shioajiAccountId: z.string().max(16).default("").describe("Our account; wanted with shioajiUrl"),
  shioajiOtcCodes: z
    .array(z.string().min(1).max(16))
    .max(2_000)
    .default([])
    .describe(
      "Codes of the instrument table that are listed over the counter; the rest is the exchange's",
    ),
  shioajiOrdersPer10s: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(150)
    .describe(
      "Orders, changes and cancels in ten seconds; the venue allows 250 with the lists of trades, of which 100 may be asked for",
    ),
});
export type RouterConfig = z.output<typeof Settings>;

const KeyPair = z.object({
  apiKey: z.string().min(1).max(256),
  apiSecret: z.string().min(1).max(256),
});
const KeyFile = z.partialRecord(
  z.enum(["alpaca", "binance-spot", "binance-usdm", "fix", "shioaji"]),
  KeyPair,
);
const Table = z.object({
  instruments: z.array(
    z.object({
      venue_id: z.number().int().positive(),
      venue: z.string(),
      symbol: z.string().min(1),
    }),
  ),
});

/** One traded venue with a REST of its own. */
export interface TradedVenue {
  readonly name: VenueName;
  readonly venueId: number;
  readonly apiUrl: string;
  readonly userStreamUrl: string;
  readonly restUrl: string;
  readonly ordersPer10s: number;
  readonly ordersPerMinute: number;
  readonly symbolOrdersPer10s: number;
  /** The account's; 0 = the venue has no such limit. */
  readonly weightPerMinute: number;
  /** Every symbol of the table: what a mass cancel has to reach. */
  readonly symbols: readonly string[];
  readonly apiKey: string;
  readonly apiSecret: Secret;
}

/** A FIX venue: a session, and nothing beside it. */
export interface FixVenue {
  readonly venueId: number;
  readonly username: string;
  readonly password: Secret;
}

/** A venue whose requests and stream are the loop's alone. */
export interface OwnVenue {
  readonly venueId: number;
  readonly apiKey: string;
  readonly apiSecret: Secret;
}

const KEY_NAMES = { BINANCE_SPOT: "binance-spot", BINANCE_USDM: "binance-usdm" } as const;

/**
 * The venues that are configured, with their keys.
 *
 * Errors  `ServiceFault`: no venue at all, a URL missing, a key file that others may read, is not there or lacks a key; the
 *         text never holds what the file holds
 */
export function tradedVenues(config: RouterConfig): TradedVenue[] {
  const wanted = [
    {
      name: "BINANCE_SPOT",
      ws: config.spotWsApiUrl,
      stream: "",
      rest: config.spotRestUrl,
      limits: {
        ordersPer10s: config.spotOrdersPer10s,
        ordersPerMinute: 0,
        symbolOrdersPer10s: config.spotSymbolOrdersPer10s,
        weightPerMinute: config.spotWeightPerMinute,
      },
      needs: "spotRestUrl",
    },
    {
      name: "BINANCE_USDM",
      ws: config.usdmWsApiUrl,
      stream: config.usdmStreamUrl,
      rest: config.usdmRestUrl,
      limits: {
        ordersPer10s: config.usdmOrdersPer10s,
        ordersPerMinute: config.usdmOrdersPerMinute,
        symbolOrdersPer10s: config.usdmSymbolOrdersPer10s,
        weightPerMinute: config.usdmWeightPerMinute,
      },
      needs: "usdmStreamUrl and usdmRestUrl",
    },
  ] as const;
  const venues = wanted.filter(({ ws }) => ws !== undefined);
  const own = [config.fixUrl, config.alpacaRestUrl, config.shioajiUrl].some(
    (set) => set !== undefined,
  );
  if (venues.length === 0 && own) return [];
  if (venues.length === 0)
    throw new ServiceFault(
      "no venue is configured: set spotWsApiUrl, usdmWsApiUrl, fixUrl, alpacaRestUrl or shioajiUrl",
    );
  const keys = readKeys(config.keysFile);
  const listed = venueRows(config.instrumentsFile);
  return venues.map(({ name, ws, stream, rest, limits, needs }) => {
    if (ws === undefined || stream === undefined || rest === undefined) {
      throw new ServiceFault(`${name} also needs ${needs}`);
    }
    const pair = keys[KEY_NAMES[name]];
    if (pair === undefined)
      throw new ServiceFault(
        `${config.keysFile} has no key of ${KEY_NAMES[name]}; add it or unset the venue's URL`,
      );
    const row = listed.get(name);
    if (row === undefined)
      throw new ServiceFault(
        `${config.instrumentsFile} has no instrument of ${name}; add one or unset the venue's URL`,
      );
    return {
      name,
      venueId: row.venueId,
      symbols: row.symbols,
      apiUrl: `${ws.replace(/\/+$/, "")}${VENUES[name].endpoints.wsApiPath}`,
      userStreamUrl: stream,
      restUrl: rest,
      ...limits,
      apiKey: pair.apiKey,
      apiSecret: new Secret(pair.apiSecret),
    };
  });
}

/**
 * The FIX venue, where one is configured.
 *
 * Errors  as of `tradedVenues`
 */
export function fixVenue(config: RouterConfig): FixVenue | null {
  if (config.fixUrl === undefined) return null;
  if (config.fixSenderCompId === "" || config.fixTargetCompId === "") {
    throw new ServiceFault("FIX also needs fixSenderCompId and fixTargetCompId");
  }
  const { venueId, apiKey: username, apiSecret: password } = ownVenue(config, "fix", "fixUrl");
  return { venueId, username, password };
}

/**
 * Alpaca, where it is configured.
 *
 * Errors  as of `tradedVenues`
 */
export function alpacaVenue(config: RouterConfig): OwnVenue | null {
  if (config.alpacaRestUrl === undefined) return null;
  if (config.alpacaStreamUrl === undefined)
    throw new ServiceFault("Alpaca also needs alpacaStreamUrl");
  return ownVenue(config, "alpaca", "alpacaRestUrl");
}

/**
 * Shioaji, where it is configured.
 *
 * Errors  as of `tradedVenues`
 */
export function shioajiVenue(config: RouterConfig): OwnVenue | null {
  if (config.shioajiUrl === undefined) return null;
  if (config.shioajiBrokerId === "" || config.shioajiAccountId === "") {
    throw new ServiceFault("Shioaji also needs shioajiBrokerId and shioajiAccountId");
  }
  return ownVenue(config, "shioaji", "shioajiUrl");
}

const OWN = { alpaca: "ALPACA", fix: "FIX", shioaji: "SHIOAJI" } as const;

/** Key and id of a venue that `setting` asks for. */
function ownVenue(config: RouterConfig, name: keyof typeof OWN, setting: string): OwnVenue {
  const pair = readKeys(config.keysFile)[name];
  if (pair === undefined) {
    throw new ServiceFault(`${config.keysFile} has no key of ${name}; add it or unset ${setting}`);
  }
  const row = venueRows(config.instrumentsFile).get(OWN[name]);
  if (row === undefined) {
    throw new ServiceFault(
      `${config.instrumentsFile} has no instrument of ${OWN[name]}; add one or unset ${setting}`,
    );
  }
  const { apiKey, apiSecret } = pair;
  return { venueId: row.venueId, apiKey, apiSecret: new Secret(apiSecret) };
}

/** The keys in the key file, by venue. */
export function venueKeys(config: RouterConfig): [venue: string, pair: z.output<typeof KeyPair>][] {
  return Object.entries(readKeys(config.keysFile));
}

function readKeys(path: string): z.output<typeof KeyFile> {
  let text: string;
  try {
    if ((statSync(path).mode & 0o077) !== 0)
      throw new ServiceFault(
        `others may read the key file ${path}; chmod 600 it and change the keys`,
      );
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof ServiceFault) throw error;
    throw new ServiceFault(
      `cannot read the key file ${path}: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`,
    );
  }
  try {
    return KeyFile.parse(JSON.parse(text));
  } catch {
    // The cause would quote the content.
    throw new ServiceFault(
      `the key file ${path} is not {"binance-spot": {"apiKey": "…", "apiSecret": "…"}, …}`,
    );
  }
}

/** The id and the symbols of each venue of the instrument table. */
function venueRows(
  path: string,
): ReadonlyMap<string, { readonly venueId: number; readonly symbols: string[] }> {
  try {
    const table = Table.parse(JSON.parse(readFileSync(path, "utf8")));
    const rows = new Map<string, { venueId: number; symbols: string[] }>();
    for (const { venue, venue_id: venueId, symbol } of table.instruments) {
      const row = rows.get(venue) ?? { venueId, symbols: [] };
      row.symbols.push(symbol);
      rows.set(venue, row);
    }
    return rows;
  } catch (error) {
    throw new ServiceFault(`cannot read the instrument table ${path}: ${(error as Error).message}`);
  }
}

/** The venues that are the loop's alone, as far as they are configured. */
export interface OwnVenues {
  readonly fix?: FixVenue | null;
  readonly alpaca?: OwnVenue | null;
  readonly shioaji?: OwnVenue | null;
}

/** The hot loop's configuration. It crosses to the loop in this process only and is never logged. */
export function loopConfig(
  config: RouterConfig,
  venues: readonly TradedVenue[],
  own: OwnVenues = {},
): object {
  const { fix = null, alpaca: stocks = null, shioaji = null } = own;
  return {
    endpoint: config.commandUrl,
    epochPath: config.epochFile,
    instrumentsPath: config.instrumentsFile,
    journalDir: config.journalDir,
    tier: config.tier,
    approvalKeyPath: config.approvalKeyFile,
    latchPath: config.latchFile,
    killPath: config.killFile,
    dlqDir: config.dlqDir,
    venues: [
      ...venues.map((venue) => sessionConfig(config, venue)),
      ...(fix === null ? [] : [fixSessionConfig(config, fix)]),
      ...(stocks === null ? [] : [alpacaSessionConfig(config, stocks)]),
      ...(shioaji === null ? [] : [shioajiSessionConfig(config, shioaji)]),
    ],
  };
}

/** A FIX session has the whole of its limit: nothing else of ours speaks to that venue. */
function fixSessionConfig(config: RouterConfig, venue: FixVenue): object {
  return {
    venueId: venue.venueId,
    apiUrl: config.fixUrl,
    apiKey: venue.username,
    apiSecret: venue.password.reveal(),
    ordersPer10s: config.fixOrdersPer10s,
    newWaitMs: config.newWaitMs,
    fix: {
      senderCompId: config.fixSenderCompId,
      targetCompId: config.fixTargetCompId,
      heartbeatSeconds: config.fixHeartbeatSeconds,
      storeDir: config.fixStoreDir,
      resetOnLogon: config.fixResetOnLogon,
      followReset: config.fixFollowReset,
    },
  };
}

/** Every request to Alpaca is a request: what is left beside ours is reconciliation's. */
function alpacaSessionConfig(config: RouterConfig, venue: OwnVenue): object {
  const bare = (text: string | undefined) => text?.replace(/\/+$/, "");
  return {
    venueId: venue.venueId,
    apiUrl: bare(config.alpacaRestUrl),
    userStreamUrl: `${bare(config.alpacaStreamUrl)}${alpaca.endpoints.wsApiPath}`,
    apiKey: venue.apiKey,
    apiSecret: venue.apiSecret.reveal(),
    ordersPer10s: config.alpacaRequestsPerMinute,
    weightPerMinute: config.alpacaRequestsPerMinute,
    newWaitMs: config.newWaitMs,
    settlesMs: config.restSettlesMs,
    weightSharePercent: ACCOUNT_SLICES.orders.router,
  };
}

function shioajiSessionConfig(config: RouterConfig, venue: OwnVenue): object {
  return {
    venueId: venue.venueId,
    apiUrl: config.shioajiUrl?.replace(/\/+$/, ""),
    apiKey: venue.apiKey,
    apiSecret: venue.apiSecret.reveal(),
    ordersPer10s: config.shioajiOrdersPer10s,
    newWaitMs: config.newWaitMs,
    settlesMs: config.restSettlesMs,
    shioaji: {
      brokerId: config.shioajiBrokerId,
      accountId: config.shioajiAccountId,
      otcCodes: config.shioajiOtcCodes,
    },
  };
}

function sessionConfig(config: RouterConfig, venue: TradedVenue): object {
  return {
    venueId: venue.venueId,
    apiUrl: venue.apiUrl,
    userStreamUrl: venue.userStreamUrl,
    apiKey: venue.apiKey,
    apiSecret: venue.apiSecret.reveal(),
    ordersPer10s: venue.ordersPer10s,
    ordersPerMinute: venue.ordersPerMinute,
    symbolOrdersPer10s: venue.symbolOrdersPer10s,
    weightPerMinute: venue.weightPerMinute,
    newWaitMs: config.newWaitMs,
    ordersSharePercent: ACCOUNT_SLICES.orders.router,
    weightSharePercent: ACCOUNT_SLICES.weight.routerSession,
  };
}
