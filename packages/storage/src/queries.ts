/**
 * The questions people ask of the recording, as SQL with parameters. One source: the commands run these, the SQL cookbook of the
 * documentation prints them, and a test runs each on loaded data and holds it against an answer worked out without SQL.
 */

export type QueryStore = "clickhouse" | "relational";

export interface NamedQuery {
  readonly name: string;
  readonly title: string;
  readonly store: QueryStore;
  /** What it answers and how to read it. */
  readonly text: string;
  /** Parameters by name, each with an example of its meaning. */
  readonly params: Readonly<Record<string, string>>;
  readonly sql: string;
  /**
   * Whether a sound day has rows for it: by default it does; `none`, an answer without rows is the good one; `any`, a day may
   * have them or not, for they come of what is not always there.
   */
  readonly rows?: "none" | "any";
}

const WINDOW = {
  from_ns: "first instant, ns since the Unix epoch",
  to_ns: "instant after the last",
};
const IN_WINDOW = "ts_wal_ns >= {from_ns:Int64} AND ts_wal_ns < {to_ns:Int64}";
/** An intent id as 32 hex digits; ClickHouse's own hex leaves leading zeros out. */
const hexId = (column: string): string => `leftPad(lower(hex(${column})), 32, '0')`;
const IS_ORDER = "intent_id = reinterpretAsUInt128(reverse(unhex({order:String})))";
const ORDER_ID = { order: "intent id as 32 hex digits" };

/** Fills with their three moments: decided by the strategy, left for the venue, filled. Times of this host's clock. */
const MOMENTS = `moments AS (
  SELECT f.wal_seq AS wal_seq, f.intent_id AS intent_id, f.instrument_id AS instrument_id, f.side AS side,
    f.px_ticks AS px_ticks, f.qty_lots AS qty_lots, f.fee_e8 AS fee_e8, f.fee_asset AS fee_asset, f.maker AS maker,
    f.ts_event_ns AS filled_ns, i.decided_ns AS decided_ns, s.arrived_ns AS arrived_ns
  FROM (SELECT * FROM tidegate.fill WHERE ${IN_WINDOW}) AS f
  LEFT JOIN (SELECT intent_id, min(ts_event_ns) AS decided_ns FROM tidegate.intent WHERE kind = 'NEW' GROUP BY intent_id) AS i
    ON i.intent_id = f.intent_id
  LEFT JOIN (SELECT intent_id, min(ts_recv_ns) AS arrived_ns FROM tidegate.report WHERE kind = 'SENT' GROUP BY intent_id) AS s
    ON s.intent_id = f.intent_id
)`;
/** Tops of book as they became known here; of two in one instant the later. */
const BOOK = `book AS (
  SELECT instrument_id, payload_ts_recv_ns AS at_ns, argMax(bid_px_ticks, wal_seq) AS bid, argMax(ask_px_ticks, wal_seq) AS ask
  FROM tidegate.book_top
  WHERE state = 'VALID' AND bid_qty_lots > 0 AND ask_qty_lots > 0
  GROUP BY instrument_id, at_ns
)`;

export const QUERIES: readonly NamedQuery[] = [
  {
    name: "ohlc",
    title: "OHLC at any interval",
    store: "clickhouse",
    text: "Open, high, low, close, volume and trades of each bucket with a trade, by the venue's time. The first and last trade are told by time and then by their place in the stream, so that the answer is one however the parts of the table are merged.",
    params: { interval_ns: "width of a bucket in ns", instrument: "instrument id", ...WINDOW },
    sql: `SELECT intDiv(ts_venue_ns, {interval_ns:Int64}) * {interval_ns:Int64} AS bucket_ns,
  argMin(px_ticks, (ts_venue_ns, stream_epoch, stream_seq)) AS open,
  max(px_ticks) AS high, min(px_ticks) AS low,
  argMax(px_ticks, (ts_venue_ns, stream_epoch, stream_seq)) AS close,
  sum(qty_lots) AS volume_lots, count() AS trades
FROM tidegate.trade
WHERE instrument_id = {instrument:UInt32} AND ${IN_WINDOW}
GROUP BY bucket_ns ORDER BY bucket_ns`,
  },
  {
    name: "order-life",
    title: "The life of one order",
    store: "clickhouse",
    text: "Everything that was ever said of one order, in the order in which it was recorded.",
    params: ORDER_ID,
    sql: `SELECT * FROM (
  SELECT wal_seq, ts_event_ns, 'intent' AS what, kind AS state, '' AS reason, px_ticks, qty_lots FROM tidegate.intent WHERE ${IS_ORDER}
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'reply', decision, reason, reference_px_ticks, accepted_qty_lots FROM tidegate.intent_reply WHERE ${IS_ORDER}
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'command', kind, '', px_ticks, qty_lots FROM tidegate.command WHERE ${IS_ORDER}
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'report', kind, reason, last_px_ticks, last_qty_lots FROM tidegate.report WHERE ${IS_ORDER}
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'fill', exec_id, '', px_ticks, qty_lots FROM tidegate.fill WHERE ${IS_ORDER}
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'update', state, reason, px_ticks, cum_qty_lots FROM tidegate.order_update WHERE ${IS_ORDER}
)
ORDER BY wal_seq`,
  },
  {
    name: "latency-by-hop",
    title: "Latency by hop",
    store: "clickhouse",
    text: "Quantiles in ns of each hop from the market event to the wire, exact, from the orders themselves: percentiles of percentiles add up to nothing.",
    params: WINDOW,
    sql: `SELECT hop, count() AS orders, quantileExact(0.5)(ns) AS p50_ns, quantileExact(0.99)(ns) AS p99_ns, max(ns) AS max_ns
FROM (
  SELECT arrayJoin([('tick to intent', intent_mono_ns - tick_mono_ns), ('intent to command', command_mono_ns - intent_mono_ns),
    ('command to wire', wire_mono_ns - command_mono_ns), ('tick to wire', wire_mono_ns - tick_mono_ns)]) AS pair,
    pair.1 AS hop, toInt64(pair.2) AS ns
  FROM tidegate.report
  WHERE kind = 'SENT' AND tick_mono_ns > 0 AND ${IN_WINDOW}
)
GROUP BY hop ORDER BY hop`,
  },
  {
    name: "fills-with-book",
    title: "Fills with the book at decision, arrival and fill",
    store: "clickhouse",
    text: "Each fill beside the best bid and ask this system knew when the strategy decided, when the order left for the venue, and when the fill came.",
    params: WINDOW,
    sql: `WITH ${MOMENTS}, ${BOOK}
SELECT m.wal_seq AS wal_seq, ${hexId("m.intent_id")} AS id, m.instrument_id AS instrument_id, m.side AS side, m.px_ticks AS px_ticks, m.qty_lots AS qty_lots,
  d.bid AS decision_bid, d.ask AS decision_ask, a.bid AS arrival_bid, a.ask AS arrival_ask, b.bid AS fill_bid, b.ask AS fill_ask
FROM moments AS m
ASOF LEFT JOIN book AS d ON m.instrument_id = d.instrument_id AND m.decided_ns >= d.at_ns
ASOF LEFT JOIN book AS a ON m.instrument_id = a.instrument_id AND m.arrived_ns >= a.at_ns
ASOF LEFT JOIN book AS b ON m.instrument_id = b.instrument_id AND m.filled_ns >= b.at_ns
ORDER BY wal_seq`,
  },
  {
    name: "tca",
    title: "Transaction cost analysis",
    store: "clickhouse",
    text: "By instrument and side: fills, lots, average price, and the cost against the mid at decision, at arrival and at fill, in ticks for each lot; positive is paid, negative is earned. The markout is the mid a second later against the price, for the position that was taken: negative is adverse. Fees in 1e-8 of their asset.",
    params: WINDOW,
    sql: `WITH ${MOMENTS}, ${BOOK}
SELECT m.instrument_id AS instrument_id, m.side AS side, m.fee_asset AS fee_asset, uniqExact(m.intent_id) AS orders, count() AS fills, sum(m.qty_lots) AS lots,
  sum(m.px_ticks * toInt64(m.qty_lots)) / lots AS average_px_ticks,
  sum(if(m.side = 'BUY', 1, -1) * (2 * m.px_ticks - d.bid - d.ask) * toInt64(m.qty_lots)) / 2 / lots AS decision_cost_ticks,
  sum(if(m.side = 'BUY', 1, -1) * (2 * m.px_ticks - a.bid - a.ask) * toInt64(m.qty_lots)) / 2 / lots AS arrival_cost_ticks,
  sum(if(m.side = 'BUY', 1, -1) * (2 * m.px_ticks - b.bid - b.ask) * toInt64(m.qty_lots)) / 2 / lots AS fill_cost_ticks,
  sum(if(m.side = 'BUY', 1, -1) * (l.bid + l.ask - 2 * m.px_ticks) * toInt64(m.qty_lots)) / 2 / lots AS markout_1s_ticks,
  sum(m.fee_e8) AS fees_e8
FROM moments AS m
ASOF INNER JOIN book AS d ON m.instrument_id = d.instrument_id AND m.decided_ns >= d.at_ns
ASOF INNER JOIN book AS a ON m.instrument_id = a.instrument_id AND m.arrived_ns >= a.at_ns
ASOF INNER JOIN book AS b ON m.instrument_id = b.instrument_id AND m.filled_ns >= b.at_ns
ASOF INNER JOIN book AS l ON m.instrument_id = l.instrument_id AND m.filled_ns + 1000000000 >= l.at_ns
GROUP BY instrument_id, side, fee_asset ORDER BY instrument_id, side, fee_asset`,
  },
  {
    name: "best-execution",
    title: "The best-execution record of every order",
    store: "clickhouse",
    text: "One row for each order that was accepted, filled or not: what was asked, when it was decided and sent, the market at both moments, what was got and at what cost.",
    params: WINDOW,
    sql: `WITH ${BOOK},
orders AS (
  SELECT r.intent_id AS intent_id, any(i.instrument_id) AS instrument_id, any(i.side) AS side, any(i.order_type) AS order_type, any(i.tif) AS tif,
    any(i.px_ticks) AS limit_px_ticks, any(i.qty_lots) AS qty_lots, min(i.ts_event_ns) AS decided_ns
  FROM (SELECT intent_id FROM tidegate.intent_reply WHERE decision = 'ACCEPTED' AND NOT repeated AND ${IN_WINDOW}) AS r
  INNER JOIN (SELECT * FROM tidegate.intent WHERE kind = 'NEW') AS i ON i.intent_id = r.intent_id
  GROUP BY intent_id
),
placed AS (
  SELECT o.intent_id AS intent_id, o.instrument_id AS instrument_id, o.side AS side, o.order_type AS order_type, o.tif AS tif, o.limit_px_ticks AS limit_px_ticks,
    o.qty_lots AS qty_lots, o.decided_ns AS decided_ns, s.arrived_ns AS arrived_ns, s.venue_id AS venue_id
  FROM orders AS o
  LEFT JOIN (SELECT intent_id, min(ts_recv_ns) AS arrived_ns, any(venue_id) AS venue_id FROM tidegate.report WHERE kind = 'SENT' GROUP BY intent_id) AS s
    ON s.intent_id = o.intent_id
)
SELECT ${hexId("p.intent_id")} AS id, p.instrument_id AS instrument_id, p.venue_id AS venue_id, p.side AS side, p.order_type AS order_type, p.tif AS tif,
  p.limit_px_ticks AS limit_px_ticks, p.qty_lots AS qty_lots, p.decided_ns AS decided_ns, p.arrived_ns AS arrived_ns,
  d.bid AS decision_bid, d.ask AS decision_ask, a.bid AS arrival_bid, a.ask AS arrival_ask,
  f.lots AS filled_lots, f.average AS average_px_ticks, f.fees AS fees_e8, u.state AS state, u.reason AS reason
FROM placed AS p
ASOF LEFT JOIN book AS d ON p.instrument_id = d.instrument_id AND p.decided_ns >= d.at_ns
ASOF LEFT JOIN book AS a ON p.instrument_id = a.instrument_id AND p.arrived_ns >= a.at_ns
LEFT JOIN (SELECT intent_id, sum(qty_lots) AS lots, sum(px_ticks * toInt64(qty_lots)) / lots AS average, sum(fee_e8) AS fees FROM tidegate.fill GROUP BY intent_id) AS f
  ON f.intent_id = p.intent_id
LEFT JOIN (SELECT intent_id, argMax(state, wal_seq) AS state, argMax(reason, wal_seq) AS reason FROM tidegate.order_update GROUP BY intent_id) AS u
  ON u.intent_id = p.intent_id
ORDER BY id`,
  },
  {
    name: "refusals",
    title: "Reasons of refusal",
    store: "clickhouse",
    text: "What the gateway refused and what the venue rejected, by reason.",
    params: WINDOW,
    sql: `SELECT who, reason, count() AS orders FROM (
  SELECT 'gateway' AS who, reason, ts_wal_ns FROM tidegate.intent_reply WHERE decision = 'REFUSED'
  UNION ALL
  SELECT 'venue', reason, ts_wal_ns FROM tidegate.report WHERE kind = 'REJECT'
)
WHERE ${IN_WINDOW}
GROUP BY who, reason ORDER BY orders DESC, who, reason`,
  },
  {
    name: "broken-chains",
    title: "Orders without their full chain",
    store: "clickhouse",
    text: "An accepted order has its intent before the reply, a command after it and a last word that is terminal or live. Orders of which a link is missing; none is the good answer.",
    params: {},
    rows: "none",
    sql: `SELECT ${hexId("r.intent_id")} AS id, i.seq AS intent_seq, r.seq AS reply_seq, c.seq AS command_seq, u.seq AS update_seq
FROM (SELECT intent_id, min(wal_seq) AS seq FROM tidegate.intent_reply WHERE decision = 'ACCEPTED' AND client_order_id != '' GROUP BY intent_id) AS r
LEFT JOIN (SELECT intent_id, min(wal_seq) AS seq FROM tidegate.intent GROUP BY intent_id) AS i ON i.intent_id = r.intent_id
LEFT JOIN (SELECT intent_id, min(wal_seq) AS seq FROM tidegate.command GROUP BY intent_id) AS c ON c.intent_id = r.intent_id
LEFT JOIN (SELECT intent_id, min(wal_seq) AS seq FROM tidegate.order_update GROUP BY intent_id) AS u ON u.intent_id = r.intent_id
WHERE r.intent_id IN (SELECT intent_id FROM tidegate.intent WHERE kind = 'NEW')
  AND (i.seq = 0 OR i.seq > r.seq OR c.seq = 0 OR c.seq < r.seq OR u.seq = 0)
ORDER BY id`,
  },
  {
    name: "stream-gaps",
    title: "What is missing of each stream",
    store: "clickhouse",
    text: "Messages that were published and never arrived, by stream and epoch, exact; a stream without a row has none.",
    params: {},
    rows: "any",
    sql: `SELECT payload_stream AS stream_name, epoch, count() AS gaps, sum(last_seq - first_seq + 1) AS missing
FROM tidegate.stream_gap GROUP BY stream_name, epoch ORDER BY stream_name, epoch`,
  },
  {
    name: "orders",
    title: "Every order and its last word",
    store: "relational",
    text: "The view `orders`: one row for each order with its state, what is filled and what is left.",
    params: {},
    sql: "SELECT intent_id, instrument_id, side, state, reason, px_ticks, qty_lots, cum_qty_lots, leaves_qty_lots FROM orders ORDER BY wal_seq",
  },
  {
    name: "positions",
    title: "Positions now",
    store: "relational",
    text: "The view `positions`: the last word on each account, strategy and instrument.",
    params: {},
    sql: "SELECT account_id, strategy_id, instrument_id, position_lots, open_cost_e8, realised_e8 FROM positions ORDER BY account_id, strategy_id, instrument_id",
  },
  {
    name: "order-explained",
    title: "One order explained",
    store: "relational",
    text: "Everything that was ever said of one order, from the relational store.",
    params: ORDER_ID,
    sql: `SELECT * FROM (
  SELECT wal_seq, ts_event_ns, 'intent' AS what, kind AS state, '' AS reason, px_ticks, qty_lots FROM intent WHERE intent_id = :order
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'reply', decision, reason, reference_px_ticks, accepted_qty_lots FROM intent_reply WHERE intent_id = :order
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'command', kind, '', px_ticks, qty_lots FROM command WHERE intent_id = :order
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'report', kind, reason, last_px_ticks, last_qty_lots FROM report WHERE intent_id = :order
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'fill', exec_id, '', px_ticks, qty_lots FROM fill WHERE intent_id = :order
  UNION ALL
  SELECT wal_seq, ts_event_ns, 'update', state, reason, px_ticks, cum_qty_lots FROM order_update WHERE intent_id = :order
) AS life
ORDER BY wal_seq`,
  },
  {
    name: "fees",
    title: "Fees by instrument and asset",
    store: "relational",
    text: "In 1e-8 of the asset; a rebate is negative.",
    params: {},
    sql: "SELECT instrument_id, fee_asset, count(*) AS fills, sum(fee_e8) AS fees_e8 FROM fill GROUP BY instrument_id, fee_asset ORDER BY instrument_id, fee_asset",
  },
  {
    name: "fills-unlike-orders",
    title: "Orders whose fills do not add up",
    store: "relational",
    text: "The sum of an order's fills is its cumulative quantity; none is the good answer.",
    params: {},
    rows: "none",
    sql: `SELECT o.intent_id, o.cum_qty_lots, coalesce(sum(f.qty_lots), 0) AS filled_lots
FROM orders o LEFT JOIN fill f ON f.intent_id = o.intent_id
GROUP BY o.intent_id, o.cum_qty_lots HAVING coalesce(sum(f.qty_lots), 0) <> o.cum_qty_lots`,
  },
  {
    name: "acts-of-people",
    title: "What people did",
    store: "relational",
    text: "Every act of an operator with its reason, from the journal; the audit chain is the table `audit_log`.",
    params: {},
    rows: "any",
    sql: "SELECT ts_event_ns, action, principal, reason FROM control_event ORDER BY wal_seq",
  },
];

/** @throws TypeError for a name that is none */
export function queryNamed(name: string): NamedQuery {
  const found = QUERIES.find((each) => each.name === name);
  if (found === undefined) throw new TypeError(`there is no query ${JSON.stringify(name)}`);
  return found;
}

/** The SQL cookbook as a page. */
export function cookbook(): string {
  const section = ({ title, name, store, text, params, sql, rows }: NamedQuery): string => {
    const list = Object.entries(params).map(([key, meaning]) => `- \`${key}\`: ${meaning}`);
    const where = store === "clickhouse" ? "ClickHouse" : "PostgreSQL and SQLite";
    const none = rows === "none" ? " Wants no rows." : "";
    return `## ${title}

${text}

\`${name}\`, runs on ${where}.${none}${list.length === 0 ? "" : `\n\n${list.join("\n")}`}

\`\`\`sql
${sql}
\`\`\`
`;
  };
  return `# SQL cookbook

Made from \`packages/storage/src/queries.ts\` by \`scripts/gen-docs.ts\`. Each query is run on loaded data by the tests and by \`./hft verify schema\`; \`hft tca daily\` and \`hft store ask\` run the same text.

Parameters stand as \`{name:Type}\` in ClickHouse and as \`:name\` in the others. Prices are in ticks and sizes in lots of the instrument table, times in ns since the Unix epoch; an \`intent_id\` is 128 bits, 32 hex digits in the relational stores.

${QUERIES.map(section).join("\n")}`;
}
