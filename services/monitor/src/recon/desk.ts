/** The reconciliation of one instrument as a running thing: asks the venue, hears its stream, and carries out what is decided. */

import type { Envelope } from "@tidegate/contracts";
import type { Logger } from "@tidegate/service-kit";
import {
  BudgetSpent,
  binanceSpot,
  type RestAnswer,
  type RestClient,
  type WeightBudget,
} from "@tidegate/venues";
import type { OurBook } from "./book.ts";
import { boundsOf, type Periods, type Weights } from "./cadence.ts";
import type { CaseFile, Taken } from "./cases.ts";
import type { Recon } from "./core.ts";
import { type Place, takeRecord } from "./ours.ts";
import type { SpotReader } from "./spot.ts";
import type { BreakKind, Case, Effect, Look } from "./types.ts";

/** Executions before the newest that each look covers again. */
const EXECUTIONS_BACK = 200;
const TICK_MS = 20;
/** A freeze that the gateway did not take is asked for again after this long, ms. */
const OWED_MS = 500;
/** Questions in a row without an answer that can be read, after which the gateway is asked for HALT. */
const FAILURES_MAX = 10;
const ASKS = ["orders", "balances", "executions"] as const;
type Ask = (typeof ASKS)[number];
/** Breaks that the router can clear up by asking the venue: what it finds it books once, by the venue's own id. */
const FOR_THE_ROUTER: readonly BreakKind[] = [
  "ORDER_GONE_THERE",
  "ORDER_TERMS",
  "EXECUTION_MISSING_HERE",
  "POSITION",
  "CASH",
];

export interface DeskParts {
  readonly place: Place;
  readonly symbol: string;
  readonly rest: RestClient;
  readonly recon: Recon;
  readonly book: OurBook;
  readonly reader: SpotReader;
  readonly file: CaseFile;
  /** What of the account's weight is this desk's: less than the monitor's whole, so that a kill always finds room. */
  readonly budget: WeightBudget;
  readonly periods: Periods;
  readonly settleMs: number;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** Asks the gateway; false where it did not take it. */
  readonly freeze: (instrumentId: number, reason: string) => Promise<boolean>;
  readonly halt: (reason: string) => Promise<boolean>;
  /** Asks the router to ask the venue for every open order. */
  readonly lookAgain: (venueId: number) => Promise<boolean>;
  /** Whether our side is whole: nothing is compared before. */
  readonly whole: () => boolean;
}

export class ReconDesk {
  readonly #parts: DeskParts;
  readonly #weights = weightsOf();
  readonly #due: Record<Ask, number> = { orders: 0, balances: 0, executions: 0 };
  readonly #busy = new Set<Ask>();
  readonly #timer: NodeJS.Timeout;
  /** What the gateway has yet to take: the reason of a freeze, of a HALT. */
  #owed: { freeze: string | null; halt: string | null } = { freeze: null, halt: null };
  #router = false;
  #dunning = false;
  #dunMs = 0;
  #failures = 0;
  readonly #asked: Record<Ask, number> = { orders: 0, balances: 0, executions: 0 };
  #events = 0;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    const { cases, taken } = parts.file.kept;
    for (const each of taken) this.#take(each);
    parts.recon.restore(cases);
    if (parts.recon.frozen()) this.#owed.freeze = "cases of an earlier run wait for a sign-off";
    this.#timer = setInterval(() => this.#turn(), TICK_MS);
  }

  /** One record of the gateway's journal. */
  take(record: Envelope): void {
    takeRecord(this.#parts.book, this.#parts.place, record);
  }

  /** One text of the private stream. */
  hear(text: string): void {
    if (!this.#parts.whole()) return;
    const { reader, log } = this.#parts;
    const body = Buffer.from(text);
    const now = performance.now();
    try {
      const heard = reader.event(body, now);
      const balances = heard === null ? reader.balanceEvent(body, now) : null;
      if (heard === null && balances === null) return;
      this.#events += 1;
      if (balances !== null) this.#look(balances);
      if (heard === null) return;
      this.#look(heard.look);
      const { execution } = heard;
      if (execution !== null)
        this.#look({ what: "execution event", execution, askedMs: now, answeredMs: now });
    } catch (error) {
      // What it said is asked for.
      log.warn({ err: error }, "an event of the private stream cannot be read");
      this.askAll();
    }
  }

  /** Asks for everything at once: at the start, and after each time the venue may have said what was not heard. */
  askAll(): void {
    for (const what of ASKS) this.#due[what] = 0;
  }

  /** Ends a case that both sides agree on, or that a person has looked at. Errors as `Recon.sign`. */
  sign(caseId: number, by: string, why: string): Case {
    return this.#sign(caseId, by, why);
  }

  /**
   * Takes the venue's word in a case, as external to the cluster: an execution of somebody else, a transfer, a loss.
   *
   * Errors  RangeError: no such case, or one of an order, which is nothing that can be taken
   */
  adopt(caseId: number, by: string, why: string): Case {
    const found = this.#parts.recon.open().find(({ id }) => id === caseId);
    if (found === undefined)
      throw new RangeError(`case ${caseId}: no case that waits for a sign-off`);
    const taken = this.#takenOf(found);
    if (taken === null)
      throw new RangeError(
        `case ${caseId} is of ${found.kind}: want a case of an execution, a position or cash`,
      );
    this.#parts.file.append({ taken }, Date.now());
    this.#take(taken);
    return this.#sign(caseId, by, why);
  }

  status() {
    const { recon, periods, settleMs, place } = this.#parts;
    const { freeze, halt } = this.#owed;
    return {
      ...{ ...place, whole: this.#parts.whole(), periods, bounds: boundsOf(periods, settleMs) },
      ...{ open: recon.open().length, frozen: recon.frozen(), unkept: recon.unkept },
      ...{ freezeOwed: freeze, haltOwed: halt, failures: this.#failures },
      ...{ asked: { ...this.#asked }, events: this.#events },
    };
  }

  cases(): { readonly open: readonly Case[]; readonly signed: readonly Case[] } {
    return { open: this.#parts.recon.open(), signed: this.#parts.recon.signed() };
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#parts.file.close();
  }

  #takenOf({ kind, subject, evidence, execution }: Case): Taken | null {
    if (kind === "EXECUTION_MISSING_HERE") return execution === null ? null : { execution };
    if (kind !== "POSITION" && kind !== "CASH") return null;
    const last = evidence.at(-1);
    return { asset: subject, by: BigInt(last?.theirs ?? "0") - BigInt(last?.ours ?? "0") };
  }

  #take(taken: Taken): void {
    const { book } = this.#parts;
    if ("execution" in taken) book.executed(taken.execution);
    else book.adjusted(taken.asset, taken.by);
  }

  #sign(caseId: number, by: string, why: string): Case {
    const { recon, file } = this.#parts;
    const effects = recon.sign(caseId, by, why, performance.now());
    const done = recon.signed().at(-1);
    if (done?.id !== caseId) throw new Error(`case ${caseId}: signed, and not kept`);
    file.append({ case: done }, Date.now());
    this.#carryOut(effects);
    return done;
  }

  #turn(): void {
    if (!this.#parts.whole()) return;
    const now = performance.now();
    this.#carryOut(this.#parts.recon.tick(now));
    for (const what of ASKS)
      if (now >= this.#due[what] && !this.#busy.has(what)) void this.#ask(what, now);
    if (now >= this.#dunMs) void this.#dun(now);
  }

  #look(look: Look): void {
    this.#carryOut(this.#parts.recon.look(look));
  }

  async #ask(what: Ask, askedMs: number): Promise<void> {
    const { periods, log } = this.#parts;
    this.#busy.add(what);
    this.#due[what] = askedMs + periods[what];
    try {
      const look = await this.#question(what, askedMs);
      this.#asked[what] += 1;
      this.#failures = 0;
      this.#look(look);
    } catch (error) {
      if (error instanceof BudgetSpent) {
        this.#due[what] = performance.now() + Math.min(error.waitMs, periods[what]);
        return;
      }
      // It says nothing, and the next one is asked as it was due.
      this.#failures += 1;
      log.warn({ err: error, what }, "a question of the reconciliation has no answer");
      if (this.#failures === FAILURES_MAX)
        this.#owed.halt = `reconciliation: ${FAILURES_MAX} questions in a row without an answer`;
    } finally {
      this.#busy.delete(what);
    }
  }

  async #question(what: Ask, askedMs: number): Promise<Look> {
    const { rest, reader, symbol, book, budget } = this.#parts;
    const { queries } = binanceSpot;
    const from = book.recentExecId(EXECUTIONS_BACK) ?? 0n;
    budget.take(`reconciliation: ${what}`, this.#weights[what]);
    let answer: RestAnswer;
    try {
      if (what === "orders") answer = await queries.openOrders(rest, symbol);
      else if (what === "balances") answer = await queries.account(rest);
      else answer = await queries.trades(rest, symbol, { fromId: `${from}` });
    } finally {
      budget.settle(this.#weights[what]);
    }
    const times = { askedMs, answeredMs: performance.now() };
    const body = wholeBody(answer);
    if (what === "orders") return reader.orders(body, times);
    return what === "balances"
      ? reader.balances(body, times)
      : reader.executions(body, from, times);
  }

  #carryOut(effects: readonly Effect[]): void {
    const { file, log } = this.#parts;
    for (const effect of effects) {
      switch (effect.kind) {
        case "open":
        case "agreed":
        case "reopened": {
          const { id, kind, subject } = effect.case;
          file.append({ case: effect.case }, Date.now());
          log.warn({ case: id, what: kind, subject }, `a reconciliation case: ${effect.kind}`);
          if (effect.kind !== "agreed" && FOR_THE_ROUTER.includes(kind)) this.#router = true;
          this.#dunMs = 0;
          break;
        }
        case "freeze":
          this.#owed.freeze = `reconciliation case ${effect.caseId}`;
          break;
        case "halt":
          this.#owed.halt = `reconciliation: ${effect.reason}`;
          break;
        case "ask":
          this.#due[effect.what] = 0;
          break;
        // The router books it, or a person takes it as somebody else's: never this side by itself.
        case "book":
          break;
        // Two persons thaw at the gateway: a sign-off here says that nothing stands in the way.
        case "thaw":
          log.info({ instrument: effect.instrumentId }, "no case waits any more; it may be thawed");
          break;
      }
    }
  }

  /** Asks the gateway and the router for what they have not taken yet, until they have. */
  async #dun(now: number): Promise<void> {
    if (this.#dunning) return;
    this.#dunning = true;
    this.#dunMs = now + OWED_MS;
    const { place, freeze, halt, lookAgain } = this.#parts;
    const owed = this.#owed;
    const reason = { ...owed };
    try {
      // What came up meanwhile is owed still.
      if (reason.freeze !== null && (await freeze(place.instrumentId, reason.freeze)))
        if (owed.freeze === reason.freeze) owed.freeze = null;
      if (reason.halt !== null && (await halt(reason.halt))) owed.halt = null;
      if (this.#router) {
        this.#router = false;
        if (!(await lookAgain(place.venueId))) this.#router = true;
      }
    } finally {
      this.#dunning = false;
    }
  }
}

/** What each question costs at the venue. */
export function weightsOf(): Weights {
  const { limits } = binanceSpot;
  const of = (path: string) => limits.restWeight("GET", path, [["symbol", "X"]]);
  const { openOrders, account, trades } = binanceSpot.paths;
  return { orders: of(openOrders), balances: of(account), executions: of(trades) };
}

/** Errors  an answer that is none: it says nothing */
function wholeBody({ status, body }: RestAnswer): Uint8Array {
  if (status === 200) return body;
  const words = Buffer.from(body.subarray(0, 200)).toString("utf8");
  throw new Error(`status ${status}: ${words}`);
}
