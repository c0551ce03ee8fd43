/** The reconciliation of one instrument as a running thing: asks the venue, hears its stream, and carries out what is decided. */

import type { Envelope } from "@tidegate/contracts";
import type { Logger } from "@tidegate/service-kit";
import { BudgetSpent, type RestAnswer, silenceMs, type WeightBudget } from "@tidegate/venues";
import type { OurBook } from "./book.ts";
import { type Ask, boundsOf, confirmsOf, type Periods } from "./cadence.ts";
import type { CaseFile, Taken } from "./cases.ts";
import type { Recon } from "./core.ts";
import { type Place, takeRecord } from "./ours.ts";
import { Turns } from "./turns.ts";
import type { BreakKind, Case, Effect, Look } from "./types.ts";
import type { VenueSide } from "./venue.ts";

const TICK_MS = 20;
/** A freeze that the gateway did not take is asked for again after this long, ms. */
const OWED_MS = 500;
/** Questions in a row without an answer that can be read, and for how long, after which the gateway is asked for HALT. */
const FAILURES_MAX = 10;
const FAILING_MS_MAX = 20_000;
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
  readonly recon: Recon;
  readonly book: OurBook;
  readonly venue: VenueSide;
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
  /** When our side was last heard, ms of `performance.now()`. */
  readonly heardMs: () => number;
}

export class ReconDesk {
  readonly #parts: DeskParts;
  readonly #turns: Turns;
  readonly #flying = new Set<Ask>();
  readonly #timer: NodeJS.Timeout;
  /** What the gateway has yet to take: the reason of a freeze, of a HALT. */
  #owed: { freeze: string | null; halt: string | null } = { freeze: null, halt: null };
  #router = false;
  #dunning = false;
  #dunMs = 0;
  #failures = 0;
  #failingSinceMs = 0;
  #blind = false;
  readonly #asked: Record<Ask, number> = { orders: 0, balances: 0, executions: 0, cash: 0 };
  #events = 0;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    const { venue, periods, budget } = parts;
    this.#turns = new Turns(periods, venue.weights, confirmsOf(budget.max, venue));
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
    const { venue, log } = this.#parts;
    try {
      const looks = venue.hear(Buffer.from(text), performance.now());
      if (looks.length > 0) this.#events += 1;
      for (const look of looks) this.#look(look);
    } catch (error) {
      // What it said is asked for.
      log.warn({ err: error }, "an event of the private stream cannot be read");
      this.askAll();
    }
  }

  /** Our side is not whole any more: what waits to be explained by it is looked at again when it is. */
  lost(): void {
    this.#parts.recon.forget();
  }

  /** Asks for everything at once: at the start, and after each time the venue may have said what was not heard. */
  askAll(): void {
    this.#turns.all();
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
    const { recon, periods, settleMs, place, venue } = this.#parts;
    const { freeze, halt } = this.#owed;
    return {
      ...{
        ...place,
        whole: this.#parts.whole(),
        periods,
        bounds: boundsOf(periods, settleMs, venue.weights),
      },
      ...{ open: recon.open().length, frozen: recon.frozen(), unkept: recon.unkept },
      ...{ freezeOwed: freeze, haltOwed: halt, failures: this.#failures },
      ...{ asked: { ...this.#asked }, waited: this.#turns.waited, events: this.#events },
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
    this.#carryOut(this.#parts.recon.tick(now, this.#parts.heardMs()));
    const { budget } = this.#parts;
    for (;;) {
      const what = this.#turns.next(now, budget.room, this.#flying);
      if (what === null) break;
      void this.#ask(what, now);
    }
    if (now >= this.#dunMs) void this.#dun(now);
  }

  #look(look: Look): void {
    this.#carryOut(this.#parts.recon.look(look));
  }

  async #ask(what: Ask, askedMs: number): Promise<void> {
    const { periods, log } = this.#parts;
    this.#flying.add(what);
    try {
      const look = await this.#question(what, askedMs);
      this.#asked[what] += 1;
      this.#failures = 0;
      this.#blind = false;
      this.#look(look);
    } catch (error) {
      if (error instanceof BudgetSpent) {
        // A kill has used the monitor's weight, or the venue wants silence.
        this.#turns.later(what, performance.now() + Math.min(error.waitMs, periods[what]));
        return;
      }
      // It says nothing, and the next one is asked as it was due.
      log.warn({ err: error, what }, "a question of the reconciliation has no answer");
      this.#failed(performance.now());
    } finally {
      this.#flying.delete(what);
    }
  }

  /** Where a venue is asked twice a second, ten questions are soon gone: how long counts too. */
  #failed(now: number): void {
    if (this.#failures === 0) this.#failingSinceMs = now;
    this.#failures += 1;
    const long = now - this.#failingSinceMs >= FAILING_MS_MAX;
    if (this.#failures < FAILURES_MAX || !long || this.#blind) return;
    this.#blind = true;
    this.#owed.halt = `reconciliation: ${this.#failures} questions in a row without an answer`;
  }

  async #question(what: Ask, askedMs: number): Promise<Look> {
    const { venue, book, budget } = this.#parts;
    const from = book.recent(venue.back);
    const weight = venue.weights[what];
    // In the same turn as the room was seen: what is taken first is counted before the next is chosen.
    budget.take(`reconciliation: ${what}`, weight);
    let answer: RestAnswer;
    try {
      answer = await venue.question(what, from);
    } finally {
      budget.settle(weight);
    }
    const silent = silenceMs(answer.status, answer.retryAfterS);
    if (silent !== null) budget.block(silent);
    const body = wholeBody(answer);
    return venue.read(what, body, from, { askedMs, answeredMs: performance.now() });
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
          this.#turns.raise(effect.what);
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

/** Errors  an answer that is none: it says nothing */
function wholeBody({ status, body }: RestAnswer): Uint8Array {
  if (status === 200) return body;
  const words = Buffer.from(body.subarray(0, 200)).toString("utf8");
  throw new Error(`status ${status}: ${words}`);
}
