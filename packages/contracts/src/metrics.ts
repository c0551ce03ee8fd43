/**
 * Every metric of the eight processes, spelled once: a process can measure nothing that does not stand here.
 * Labels take values of bounded sets only, never text from outside.
 */
export const PROCESSES = [
  "market-data",
  "strategy-runner",
  "gateway",
  "execution-router",
  "recorder",
  "wal-loader",
  "monitor",
  "venue-sim",
] as const;
export type ProcessName = (typeof PROCESSES)[number];

export interface Metric {
  /** Lower snake case after `tidegate_`; counters end in `_total`, others in their unit where they have one. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** What one counts: "1" for plain counts and states. */
  readonly unit: "1" | "s" | "bytes" | "lots" | "ticks" | "1e-8 of the asset";
  readonly labels: readonly string[];
  readonly help: string;
  readonly processes: readonly ProcessName[];
  /** The dotted path of the number it shows in the process's statistics object. */
  readonly stat?: string;
}

const ALL = PROCESSES;
const HOT = ["market-data", "strategy-runner", "gateway", "execution-router", "recorder"] as const;
const MD_READERS = ["strategy-runner", "gateway", "recorder", "monitor"] as const;
const LINK_ENDS = ["strategy-runner", "gateway", "execution-router", "recorder"] as const;

function counter(
  name: string,
  processes: readonly ProcessName[],
  help: string,
  labels: readonly string[] = [],
  unit: Metric["unit"] = "1",
): Metric {
  return { name: `tidegate_${name}_total`, type: "counter", unit, labels, help, processes };
}

function gauge(
  name: string,
  processes: readonly ProcessName[],
  help: string,
  labels: readonly string[] = [],
  unit: Metric["unit"] = "1",
): Metric {
  return { name: `tidegate_${name}`, type: "gauge", unit, labels, help, processes };
}

function seconds(
  name: string,
  processes: readonly ProcessName[],
  help: string,
  labels: readonly string[] = [],
): Metric {
  return {
    name: `tidegate_${name}_seconds`,
    type: "histogram",
    unit: "s",
    labels,
    help,
    processes,
  };
}

export const METRICS = {
  // every process
  up: gauge("up", ALL, "1 while the process runs"),
  state: gauge("state", ALL, "1 for the lifecycle state the process is in", ["state"]),
  ready: gauge("ready", ALL, "1 when the process serves, else 0"),
  startTime: gauge("start_time_seconds", ALL, "Start of the process, Unix time", [], "s"),
  buildInfo: gauge("build_info", ALL, "1, with what runs in the labels", ["version", "commit"]),
  stat: gauge("stat", ALL, "Each number of the statistics, by its path", ["path"]),
  statsLeftOff: gauge("stats_left_off", ALL, "Statistics past the export bound"),
  events: { ...counter("events", ALL, "Events handled"), stat: "events" },
  errors: counter("errors", ALL, "Faults by their code", ["code"]),
  logs: counter("logs", ALL, "Log lines by level", ["level"]),
  eventLoopLag: gauge(
    "event_loop_lag_seconds",
    ALL,
    "Delay of the main event loop by quantile since the last scrape",
    ["quantile"],
    "s",
  ),
  residentMemory: gauge("resident_memory_bytes", ALL, "Resident memory", [], "bytes"),
  cpu: counter("cpu_seconds", ALL, "User and system time used", ["mode"], "s"),

  // hot loops
  hotAlive: gauge("hot_alive", HOT, "1 while the hot loop runs"),
  hotEventsDropped: {
    ...counter("hot_events_dropped", HOT, "Loop events JavaScript did not take in time"),
    stat: "events_dropped",
  },
  hotLag: { ...gauge("hot_lag", HOT, "Events waiting for the hot loop"), stat: "lag" },
  hotLatency: gauge(
    "hot_latency_seconds",
    HOT,
    "Time of one event in the hot loop by quantile",
    ["quantile"],
    "s",
  ),

  // links and streams
  linkState: gauge("link_state", LINK_ENDS, "1 for the state the link is in", ["link", "state"]),
  linkFrames: counter("link_frames", LINK_ENDS, "DATA frames by direction", ["link", "direction"]),
  linkResent: counter("link_resent", LINK_ENDS, "Frames sent again on request", ["link"]),
  linkRefused: counter("link_refused", LINK_ENDS, "Sends refused upstream", ["link", "reason"]),
  linkInFlight: gauge("link_in_flight", LINK_ENDS, "Sent and not acknowledged", ["link"]),
  linkRestarts: counter("link_peer_restarts", LINK_ENDS, "Peer epochs seen after the first", [
    "link",
  ]),
  frameFaults: counter("frame_faults", [...HOT, "monitor"], "Bytes refused as a frame", ["fault"]),
  envelopesRefused: counter("envelopes_refused", [...HOT, "monitor"], "Envelopes refused", [
    "code",
  ]),
  streamGaps: counter("stream_gaps", MD_READERS, "Gaps seen in streams", ["kind"]),
  streamMissed: counter("stream_missed", MD_READERS, "Frames missing from streams, exact", [
    "kind",
  ]),
  streamStale: gauge("stream_stale", MD_READERS, "Streams without a frame for the bound"),

  // market-data
  mdEvents: counter("md_events", ["market-data"], "Venue events taken", ["instrument", "kind"]),
  mdPublished: counter("md_published", ["market-data"], "Frames published", ["instrument", "kind"]),
  mdBookState: gauge("md_book_state", ["market-data"], "1 for the state of the book", [
    "instrument",
    "state",
  ]),
  mdGaps: counter("md_gaps", ["market-data"], "Gaps in the venue's sequence", ["instrument"]),
  mdResyncs: counter("md_resyncs", ["market-data"], "Books built again from a snapshot", [
    "instrument",
  ]),
  mdRefused: counter("md_refused", ["market-data"], "Venue messages refused", ["venue", "reason"]),
  mdSessionUp: gauge("md_session_up", ["market-data"], "1 while the feed session is up", ["venue"]),
  mdReconnects: counter("md_reconnects", ["market-data"], "Feed sessions opened again", ["venue"]),
  mdSessionsLive: {
    ...gauge("md_sessions_live", ["market-data"], "Feed connections in state LIVE"),
    stat: "sessionsLive",
  },
  mdSessionsFatal: {
    ...gauge(
      "md_sessions_fatal",
      ["market-data"],
      "Feed connections ended for good by a code of the venue",
    ),
    stat: "sessionsFatal",
  },
  mdSessionRefusals: {
    ...counter("md_session_refusals", ["market-data"], "Requests of a session refused by code"),
    stat: "sessionRefusals",
  },
  mdStreamRefusals: {
    ...counter("md_stream_refusals", ["market-data"], "Streams the venue refused"),
    stat: "streamRefusals",
  },
  mdStreamsGivenUp: {
    ...counter("md_streams_given_up", ["market-data"], "Streams refused often enough"),
    stat: "streamsGivenUp",
  },
  mdSchemaRefused: {
    ...counter(
      "md_quote_schema_refused",
      ["market-data"],
      "Quotes of another shape than the one locked on",
    ),
    stat: "schemaRefused",
  },
  mdRolls: {
    ...counter("md_session_rolls", ["market-data"], "Connections moved before their end"),
    stat: "sessionRolls",
  },
  mdFeedAge: gauge(
    "md_feed_age_seconds",
    ["market-data"],
    "Age of the newest event of the feed",
    ["instrument"],
    "s",
  ),

  // strategy-runner
  strategyIntents: counter("strategy_intents", ["strategy-runner"], "Intents handed over", [
    "strategy",
    "kind",
  ]),
  strategyReplies: counter("strategy_replies", ["strategy-runner"], "Answers by reason", [
    "strategy",
    "reason",
  ]),
  strategyRefused: counter("strategy_refused", ["strategy-runner"], "Intents not sent, by why", [
    "strategy",
    "why",
  ]),
  strategyFaults: counter("strategy_faults", ["strategy-runner"], "Exceptions of strategy code", [
    "strategy",
  ]),
  strategyQuarantined: gauge("strategy_quarantined", ["strategy-runner"], "1 while quarantined", [
    "strategy",
  ]),
  strategyRestarts: counter("strategy_restarts", ["strategy-runner"], "Workers started again", [
    "strategy",
  ]),
  tickToIntent: seconds(
    "tick_to_intent",
    ["strategy-runner"],
    "Market event to intent handed over",
  ),

  // gateway
  intents: counter("intents", ["gateway"], "Intents decided", ["strategy"]),
  replies: counter("replies", ["gateway"], "Answers by reason", ["reason"]),
  repeatedIntents: counter("repeated_intents", ["gateway"], "Intents answered from the journal"),
  orders: gauge("orders", ["gateway"], "Orders held, by state", ["state"]),
  fills: counter("fills", ["gateway"], "Fills taken", ["instrument", "side"]),
  duplicateFills: counter("duplicate_fills", ["gateway", "execution-router"], "Fills seen again"),
  positionLots: gauge("position_lots", ["gateway"], "Position", ["strategy", "instrument"], "lots"),
  cash: gauge("cash_e8", ["gateway"], "Cash of the account", ["asset"], "1e-8 of the asset"),
  exposure: gauge(
    "exposure_e8",
    ["gateway"],
    "Exposure reserved and committed, by scope",
    ["scope"],
    "1e-8 of the asset",
  ),
  policy: gauge("policy", ["gateway"], "1 for the policy in force", ["policy"]),
  journalSeq: gauge("journal_seq", ["gateway", "execution-router"], "Last durable journal record"),
  journalBytes: counter(
    "journal_bytes",
    ["gateway", "execution-router"],
    "Bytes appended to the journal",
    [],
    "bytes",
  ),
  journalCommit: seconds("journal_commit", ["gateway", "execution-router"], "One group commit"),
  intentToCommand: seconds("intent_to_command", ["gateway"], "Intent handed over to command sent"),
  gatewayEpoch: gauge("gateway_epoch", ["gateway", "execution-router"], "Epoch that leads"),

  // execution-router
  routerCommands: counter("router_commands", ["execution-router"], "Commands taken", ["kind"]),
  routerReports: counter("router_reports", ["execution-router"], "Reports made", ["kind"]),
  routerFenced: counter("router_fenced", ["execution-router"], "Commands refused by the fence"),
  routerUnknown: gauge("router_unknown_orders", ["execution-router"], "Orders of unknown outcome"),
  routerQueries: counter("router_queries", ["execution-router"], "Order queries sent", ["venue"]),
  venueUp: gauge("venue_up", ["execution-router"], "1 while the order session is up", ["venue"]),
  venueRejects: counter("venue_rejects", ["execution-router"], "Refusals of the venue", ["venue"]),
  venueReconnects: counter(
    "venue_reconnects",
    ["execution-router"],
    "Order sessions opened again",
    ["venue"],
  ),
  rateBudget: gauge("rate_budget", ["execution-router"], "Requests left in the window", ["venue"]),
  commandToWire: seconds("command_to_wire", ["execution-router"], "Command sent to bytes written"),
  tickToWire: seconds("tick_to_wire", ["execution-router"], "Market event to bytes written"),

  // recorder
  walRecords: counter("wal_records", ["recorder"], "Records written", ["stream"]),
  walBytes: counter("wal_bytes", ["recorder"], "Bytes written", [], "bytes"),
  walLag: gauge("wal_lag_records", ["recorder"], "Records taken and not yet durable"),
  walSegments: gauge("wal_segments", ["recorder"], "Segments on disk", ["state"]),
  walDiskFree: gauge(
    "wal_disk_free_bytes",
    ["recorder"],
    "Free space of the WAL disk",
    [],
    "bytes",
  ),
  walTailSeq: gauge("wal_tail_seq", ["recorder"], "Last gateway journal record taken"),
  walSync: seconds("wal_sync", ["recorder"], "One group fsync"),

  // wal-loader
  loaderRows: counter("loader_rows", ["wal-loader"], "Rows written", ["table"]),
  loaderLag: gauge("loader_lag_records", ["wal-loader"], "WAL records not yet loaded"),
  loaderBlocks: counter("loader_blocks", ["wal-loader"], "Blocks by outcome", ["outcome"]),
  loaderQuarantined: counter("loader_quarantined", ["wal-loader"], "Records set aside", ["reason"]),
  loaderDatabaseUp: gauge("loader_database_up", ["wal-loader"], "1 while the database answers"),
  loaderInsert: seconds("loader_insert", ["wal-loader"], "One block written"),

  // monitor
  processUp: gauge("process_up", ["monitor"], "1 while the process answers its probe", ["process"]),
  processRestarts: counter("process_restarts", ["monitor"], "Restarts seen", ["process"]),
  stormguard: gauge("stormguard_state", ["monitor"], "1 for the state of StormGuard", ["state"]),
  controlActions: counter("control_actions", ["monitor"], "Acts of operators", [
    "action",
    "outcome",
  ]),
  reconciliationDiffs: gauge("reconciliation_diffs", ["monitor"], "Open differences", ["subject"]),

  // venue-sim
  simEvents: counter("sim_events", ["venue-sim"], "Recorded events replayed", ["market"]),
  simOrders: counter("sim_orders", ["venue-sim"], "Orders taken", ["market"]),
  simRejects: counter("sim_rejects", ["venue-sim"], "Requests refused", ["market", "code"]),
  simFills: counter("sim_fills", ["venue-sim"], "Fills made", ["market"]),
  simDuplicates: counter("sim_duplicate_orders", ["venue-sim"], "Client order ids seen again"),
  simConnections: gauge("sim_connections", ["venue-sim"], "Open connections", ["kind"]),
} as const satisfies Readonly<Record<string, Metric>>;

/** What one process exposes. */
export function metricsOf(process: ProcessName): readonly Metric[] {
  const all: readonly Metric[] = Object.values(METRICS);
  return all.filter((metric) => metric.processes.includes(process));
}
