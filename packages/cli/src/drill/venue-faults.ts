/**
 * `hft drill venue-faults`: the real execution-router at venues that lose, repeat, delay and get wrong, episode by episode; and
 * at one that falls silent for ever. The venue's own log judges.
 */

import type { Report } from "@tidegate/contracts";
import { ORDER_SWITCHES, type OrderSwitch, type OrderVenue } from "@tidegate/venue-sim/switches";
import { ALPACA } from "../conformance/alpaca-router.ts";
import {
  type CardVenue,
  difference,
  FIX,
  Hands,
  type HandsOptions,
  type Market,
  SPOT,
  USDM,
} from "../conformance/router.ts";
import { SHIOAJI } from "../conformance/shioaji-router.ts";
import { check, type Result, result } from "../result.ts";
import { sleep } from "../sim/cluster.ts";
import { UsageError } from "../sim/options.ts";
import { MuteRelay } from "./mute-relay.ts";
import { Slots } from "./slots.ts";
import { NOTHING, released, type Sums, sums } from "./venue-faults-judge.ts";

/** A market whose venue is only asked for what every venue has. */
type AnyMarket = Market<CardVenue>;
const MARKETS = [SPOT, USDM, FIX, ALPACA, SHIOAJI] as unknown as readonly AnyMarket[];
/** Episodes at a time: most of each is waiting, for a ban to end or for what an answer leaves open. */
const LANES = 20;
/** Routers that start at a time, which is work: more would not start in time. */
const STARTS = 3;
const START_TRIES = 3;
/** Acts of one episode, and how many of them come with a fault of the venue. */
const ACTS = 12;
const FAULTY = 5;
/** How long a venue is well before what is left counts, ms. */
const HEALED_MS = 25_000;
/** And longer where the venue's answers leave more open: its requests take effect late, its bans are a minute. */
const HEALED_MORE_MS: Readonly<Partial<Record<OrderVenue, number>>> = {
  ALPACA: 30_000,
  SHIOAJI: 80_000,
};
/** Between two rounds of questions, as reconciliation makes them. */
const ASK_MS = 1_000;
/** How long an episode waits for the first fill, where a fault needs one. */
const FILL_MS_MAX = 3_000;
/** And for an order that rests, where a fault is of its cancel, amend or query. */
const RESTS_MS_MAX = 3_000;
/** And for a question to be asked. */
const ASKED_MS_MAX = 8_000;
/** Orders sent into the silence, and how long it lasts: beyond every time-out of the router. */
const SILENT_ORDERS = 10;
const SILENT_MS = 20_000;
const SILENT_OF = 50;

/** The venue's faults, by what must happen for each to act. */
const BY_ACT = {
  place: [
    ...["ack_lost", "ack_late", "ack_504", "request_lost", "answer_500", "fill_before_ack"],
    ...["reject_after_ack", "refuse", "gap", "duplicate", "late_events", "garbled"],
    ...["session_reject", "business_reject", "message_limit"],
    ...["ack_500", "pattern_day_trader", "rate_limit"],
  ],
  cancel: ["pending_cancel", "cancel_rejected", "cancel_ack_lost"],
  amend: ["pending_replace", "replace_rejected", "replace_ack_lost"],
  query: ["query_lost"],
  login: ["auth_timeout", "slow_accept"],
  fill: ["bust", "correct"],
  now: [
    ...["disconnect", "stream_ends", "halt", "session_roll"],
    ...["half_open", "clock_skew", "daemon_restart"],
  ],
} as const;
type Act = keyof typeof BY_ACT;
/** After it the router sends nothing until the ban is over: what came behind it would find nothing to act on. */
const LAST: OrderSwitch = "rate_limit";
const VENUES: Readonly<Record<AnyMarket["keyName"], OrderVenue>> = {
  "binance-spot": "BINANCE_SPOT",
  "binance-usdm": "BINANCE_USDM",
  alpaca: "ALPACA",
  fix: "FIX",
  shioaji: "SHIOAJI",
};
/** A venue in the clear has nothing for it to act on; the sockets' own tests throw it. */
export const NOT_THROWN: readonly OrderSwitch[] = ["tls"];

export function faultsOf({
  keyName,
}: Pick<AnyMarket, "keyName">): readonly { readonly name: OrderSwitch; readonly act: Act }[] {
  const venue = VENUES[keyName];
  return (Object.keys(BY_ACT) as Act[]).flatMap((act) =>
    (BY_ACT[act] as readonly OrderSwitch[])
      .filter((name) => (ORDER_SWITCHES[name].venues as readonly string[]).includes(venue))
      .map((name) => ({ name, act })),
  );
}

/** What comes of a report before it is judged: the faults that can be planted. */
const PLANTS: Readonly<Record<string, (report: Report) => Report>> = {
  dearer: (report) =>
    report.kind === "FILL"
      ? { ...report, lastPxTicks: (report.lastPxTicks + 1) as Report["lastPxTicks"] }
      : report,
  // A time-out taken for a refusal.
  release: (report) => (report.kind === "UNKNOWN" ? { ...report, kind: "DEAD" } : report),
};

export interface VenueFaultsOptions {
  readonly seeds: number;
  readonly from: number;
  readonly plant: string | null;
  readonly progress: (text: string) => void;
}

interface Episode {
  readonly seed: number;
  readonly market: AnyMarket["id"];
  readonly sums: Sums;
  /** What is different beyond the sums; null where nothing is. */
  readonly fault: string | null;
  readonly injected: Readonly<Record<string, number>>;
}

/** mulberry32: the same acts in every run of a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One venue, one router, one row of acts; then the venue is well, and what is asked is answered. */
class Play {
  readonly #hands: Hands<CardVenue>;
  readonly #random: (below: number) => number;
  readonly #ids: string[] = [];

  constructor(hands: Hands<CardVenue>, seed: number) {
    this.#hands = hands;
    this.#random = randomOf(seed);
  }

  /** Faults go round, so that each acts in some seed; `turn` says where this seed begins. */
  async acts(turn: number): Promise<void> {
    const all = faultsOf(this.#hands.market);
    const faults = Array.from({ length: FAULTY }, (_, n) => all[(turn * FAULTY + n) % all.length])
      .filter((fault) => fault !== undefined)
      .toSorted((a, b) => Number(a.name === LAST) - Number(b.name === LAST));
    for (let n = 0; n < ACTS; n += 1) {
      const fault = n % 2 === 1 ? faults[(n - 1) / 2] : undefined;
      await this.#hands.inStep();
      if (fault?.act === "fill") await this.#filled();
      if (fault?.act === "cancel" || fault?.act === "amend" || fault?.act === "query")
        await this.#resting();
      if (fault !== undefined) this.#throw(fault.name);
      if (fault?.act === "login") this.#throw("disconnect");
      this.#act(fault?.act ?? (["place", "place", "cancel", "amend"] as const)[this.#random(4)]);
      if (fault?.act === "query") await this.#asked(fault.name);
      if (this.#random(3) === 0) this.#hands.at(60_000 + this.#random(7) - 3, 1 + this.#random(4));
      await sleep(this.#random(250));
    }
    this.#hands.at(60_000);
  }

  #throw(name: OrderSwitch): void {
    this.#hands.market.inject(this.#hands.venue, { switch: name });
  }

  /** Until the question that is lost has been asked, which a venue's budget may put off. */
  async #asked(fault: OrderSwitch): Promise<void> {
    const { market, venue } = this.#hands;
    const end = performance.now() + ASKED_MS_MAX;
    for (let tries = 1; performance.now() < end; tries += 1) {
      if ((market.injected(venue)[fault] ?? 0) > 0) return;
      await sleep(50);
      await this.#hands.inStep();
      if (tries % 20 === 0) this.#act("query");
    }
  }

  /** An order that rests, where the fault is of what is done to one. */
  async #resting(): Promise<void> {
    const rests = (id: string): boolean => {
      const kinds = this.#hands.kinds(id);
      return kinds.includes("ACK") && !ended(kinds);
    };
    const end = performance.now() + RESTS_MS_MAX;
    for (let tries = 0; !this.#ids.some(rests) && performance.now() < end; tries += 1) {
      await this.#hands.inStep();
      if (tries % 20 === 0) this.#ids.push(this.#hands.place({ dollars: 59_000, units: 2 }));
      await sleep(50);
    }
  }

  /** A fill that can be taken back. */
  async #filled(): Promise<void> {
    const { venue } = this.#hands;
    const end = performance.now() + FILL_MS_MAX;
    for (let tries = 0; venue.truth().fills.length === 0 && performance.now() < end; tries += 1) {
      await this.#hands.inStep();
      if (tries % 20 === 0) this.#ids.push(this.#hands.place({ dollars: 60_003, tif: "IOC" }));
      await sleep(50);
    }
  }

  #act(act: Act | undefined): void {
    const live = this.#ids.filter((id) => !ended(this.#hands.kinds(id)));
    const one = live[this.#random(Math.max(1, live.length))];
    if (act === "cancel" && one !== undefined) this.#hands.cancel(one);
    else if (act === "query" && one !== undefined) this.#hands.query(one);
    else if (act === "amend" && one !== undefined)
      // Spot takes a smaller quantity at the same price alone, and an order of two units can be made smaller once.
      this.#hands.amend(one, 59_000, 1);
    else if (act !== "now" && act !== "login" && act !== "fill") this.#place();
  }

  #place(): void {
    const crosses = this.#random(3) === 0;
    const terms = crosses
      ? { dollars: 60_003, tif: "IOC" as const, units: 1 + this.#random(2) }
      : { dollars: 59_000, units: 2 };
    this.#ids.push(this.#hands.place(terms));
  }

  /** Asks as reconciliation does, until both books are the same or the time is over. */
  async heal(): Promise<string | null> {
    const { venue, reports, market } = this.#hands;
    const more = HEALED_MORE_MS[VENUES[market.keyName]] ?? 0;
    const end = performance.now() + HEALED_MS + more;
    let fault: string | null = "nothing was compared";
    for (let asked = 0; performance.now() < end; ) {
      fault = difference(venue.truth(), reports, market);
      if (fault === null) return null;
      if (performance.now() - asked > ASK_MS) {
        await this.#hands.inStep();
        asked = performance.now();
        for (const id of this.#ids) if (!ended(this.#hands.kinds(id))) this.#hands.query(id);
      }
      await sleep(100);
    }
    return fault;
  }
}

const ended = (kinds: readonly string[]): boolean =>
  kinds.some((kind) => ["CANCELLED", "EXPIRED", "REJECT", "NEVER_SENT", "DEAD"].includes(kind));

/** A venue and a router that is up at it. Nothing is judged before, so one that a busy machine starts too late is started again. */
async function started(
  starts: Slots,
  market: AnyMarket,
  options: HandsOptions<CardVenue>,
): Promise<Hands<CardVenue>> {
  const start = async (): Promise<Hands<CardVenue>> => {
    const hands = await Hands.open(market, options);
    try {
      await hands.up();
      return hands;
    } catch (error) {
      await hands[Symbol.asyncDispose]();
      throw error;
    }
  };
  return starts.in(async () => {
    for (let tries = 1; tries < START_TRIES; tries += 1) {
      try {
        return await start();
      } catch {
        // The last one says why.
      }
    }
    return start();
  });
}

/** An episode that breaks off is one that differs: it takes no other with it. */
async function told(starts: Slots, seed: number, plant: string | null): Promise<Episode> {
  try {
    return await episode(starts, seed, plant);
  } catch (error) {
    const { id } = MARKETS[seed % MARKETS.length] as AnyMarket;
    const fault = `not played: ${error instanceof Error ? error.message : String(error)}`;
    return { seed, market: id, sums: NOTHING, fault, injected: {} };
  }
}

async function episode(starts: Slots, seed: number, plant: string | null): Promise<Episode> {
  const market = MARKETS[seed % MARKETS.length] as AnyMarket;
  const heard = plant === null ? undefined : PLANTS[plant];
  await using hands = await started(starts, market, heard === undefined ? {} : { heard });
  const play = new Play(hands, seed);
  await play.acts(Math.floor(seed / MARKETS.length));
  const fault = await play.heal();
  const found = sums(hands.venue.truth(), hands.reports, market.id);
  const injected = market.injected(hands.venue);
  return { seed, market: market.id, sums: found, fault, injected };
}

/** A venue that falls silent with orders under way: whatever the router waits, nothing of them is let go. */
async function silence(starts: Slots, market: AnyMarket, plant: string | null) {
  await using relay = await MuteRelay.listen();
  const heard = plant === null ? undefined : PLANTS[plant];
  await using hands = await started(starts, market, {
    through: (port) => relay.to(port),
    ...(heard === undefined ? {} : { heard }),
  });
  await hands.inStep();
  await hands.taken();
  await hands.inStep();
  relay.mute();
  for (let n = 0; n < SILENT_ORDERS; n += 1) hands.place();
  await sleep(SILENT_MS);
  return released(hands.reports);
}

/** Where the venue may stay unwell for longest first, so that nobody waits for one that began last. */
function longestFirst(seeds: readonly number[]): number[] {
  const healed = (seed: number): number => {
    const market = MARKETS[seed % MARKETS.length] as AnyMarket;
    return HEALED_MORE_MS[VENUES[market.keyName]] ?? 0;
  };
  return seeds.toSorted((a, b) => healed(b) - healed(a) || a - b);
}

/** Runs the drill. */
export async function drillVenueFaults(options: VenueFaultsOptions): Promise<Result> {
  const { seeds, from, plant, progress } = options;
  if (plant !== null && PLANTS[plant] === undefined)
    throw new UsageError(`--break ${plant}: want ${Object.keys(PLANTS).join(", ")}`);
  const [lanes, starts] = [new Slots(LANES), new Slots(STARTS)];
  const episodes: Episode[] = [];
  const silent: Awaited<ReturnType<typeof silence>>[] = [];
  const play = async (seed: number): Promise<void> => {
    const found = await told(starts, seed, plant);
    episodes.push(found);
    if (found.fault !== null) progress(`drill: seed ${found.seed}: ${found.fault}`);
    if (episodes.length % 20 === 0) progress(`drill: ${episodes.length} episodes`);
  };
  const times = Math.max(1, Math.floor(seeds / SILENT_OF));
  const ways = MARKETS.flatMap((market) => Array.from({ length: times }, () => market));
  const all = longestFirst(Array.from({ length: seeds }, (_, n) => from + n));
  await Promise.all([
    ...all.map((seed) => lanes.in(() => play(seed))),
    ...ways.map((market) =>
      lanes.in(async () => {
        try {
          silent.push(await silence(starts, market, plant));
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          progress(`drill: a silence of ${market.id} was not played: ${why}`);
        }
      }),
    ),
  ]);
  episodes.sort((a, b) => a.seed - b.seed);
  return judge(episodes, silent, ways.length - silent.length, from);
}

function judge(
  episodes: readonly Episode[],
  silent: readonly { readonly sent: number; readonly released: number }[],
  silencesNotPlayed: number,
  seed: number,
): Result {
  const sum = (of: (episode: Episode) => bigint | number): number =>
    Number(episodes.reduce((all, each) => all + BigInt(of(each)), 0n));
  const injected = (market: AnyMarket, name: string) =>
    episodes
      .filter((each) => each.market === market.id)
      .reduce((all, each) => all + (each.injected[name] ?? 0), 0);
  const tally = MARKETS.flatMap((market) =>
    faultsOf(market).map(({ name }) => [`${market.id}.${name}`, injected(market, name)] as const),
  );
  const sent = silent.reduce((all, each) => all + each.sent, 0);
  const letGo = silent.reduce((all, each) => all + each.released, 0);
  return result(
    "drill venue-faults",
    [
      check("switches_not_injected", tally.filter(([, count]) => count === 0).length, "=", 0),
      check(
        "duplicates",
        sum((each) => each.sums.duplicates),
        "=",
        0,
      ),
      check(
        "position_difference",
        sum((each) => each.sums.positionDifference),
        "=",
        0,
        "lots",
      ),
      check(
        "cash_difference",
        sum((each) => each.sums.cashDifference),
        "=",
        0,
        "1e-8",
      ),
      check(
        "unknown_unresolved",
        sum((each) => each.sums.unknownUnresolved),
        "=",
        0,
      ),
      check(
        "unknown_unresolved_of",
        sum((each) => each.sums.unknown),
        ">=",
        1,
      ),
      check(
        "unknown_resolved_wrongly",
        sum((each) => each.sums.unknownResolvedWrongly),
        "=",
        0,
      ),
      check("released_without_evidence", letGo, "=", 0),
      check("released_without_evidence_of", sent, ">=", SILENT_ORDERS),
      check("silences_not_played", silencesNotPlayed, "=", 0),
      check("episodes_that_differ", episodes.filter(({ fault }) => fault !== null).length, "=", 0),
      check("episodes", episodes.length, ">=", 1),
    ],
    {
      injected: Object.fromEntries(tally),
      differ: episodes.flatMap(({ seed: at, fault }) => (fault === null ? [] : [[at, fault]])),
    },
    seed,
  );
}
