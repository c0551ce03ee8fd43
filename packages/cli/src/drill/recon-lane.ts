/** One lane of the reconciliation drill: the breaks of one account, one after the other, each from its making to its sign-off. */

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ControlAnswer, NotReached } from "../control/client.ts";
import { sleep } from "../sim/cluster.ts";
import type { DrillVenue, OwnView, Plant, ReconCluster } from "./recon-cluster.ts";
import type { Hand } from "./recon-hand.ts";
import {
  type Bounds,
  type Break,
  BY_BALANCE,
  type CaseLine,
  detected,
  type Kind,
} from "./recon-judge.ts";
import type { Place } from "./recon-places.ts";
import { until } from "./started.ts";

/** Found later than its venue's bound and this is not found; with a planted fault nobody waits longer, ms. */
const FOUND_MS_MAX = 15_000;
const FROZEN_MS_MAX = 1_000;
const SETTLED_MS_MAX = 15_000;
/** A connection that ended under an act is made anew so often. */
const TRIES_MAX = 20;
/** Between two looks at what became of a break, ms. */
const LOOK_MS = 20;
/** A difference has to stand for 250 ms: what is right again before that was none. */
const HEALED_MS_MAX = 300;
/** An order's end has the second within which it must be found. */
const HEALED_ORDER_MS_MAX = 1_000;
/** So often a break is made again for it. */
const HEALED_MAX = 10;
/** What is found by asking for the cash alone waits for its minute. */
const CASH_MS = 65_000;
/** In one round of so many a drift is made: where cash has its minute, it takes one each time. */
export const DRIFT_EVERY: Readonly<Record<DrillVenue, number>> = { spot: 1, usdm: 1, alpaca: 2 };
/** Our own side changes when such a break is cleared up. */
const CHANGES: readonly Kind[] = ["order_gone", "fill_missing"];

/** What a break needs to be made, and how it is cleared up. */
interface Made {
  /** What the gateway's view must be in the end, beside what it was. */
  readonly expect: { readonly live: number; readonly fills: number; readonly lots: number };
  /** Ends the break where the venue or a person has to. */
  readonly undo: () => Promise<void>;
}
type Prepared = () => Promise<Made>;
const NOTHING = { live: 0, fills: 0, lots: 0 };

/**
 * What is made at once. One transfer makes both drifts; an order of somebody else and one of ours that is gone have cases of
 * their own kinds. A drift is made apart from an order of ours: its case has the router look again, which then finds what
 * became of the order before anybody else can.
 */
export function together(kinds: readonly Kind[]): readonly (readonly Kind[])[] {
  const drifts = kinds.filter((kind) => BY_BALANCE.includes(kind));
  const orders: readonly Kind[] = kinds.filter(
    (kind) => kind === "order_gone" || kind === "order_unknown",
  );
  const others = kinds.filter((kind) => !orders.includes(kind) && !drifts.includes(kind));
  return [orders, ...others.map((kind) => [kind]), drifts].filter((some) => some.length > 0);
}

export interface LaneParts {
  readonly cluster: ReconCluster;
  readonly place: Place;
  /** Orders of ours go this way. */
  readonly hand: Hand;
  readonly plant: Plant | null;
  readonly bounds: Bounds;
  readonly progress: (text: string) => void;
}

export class Lane {
  readonly #cluster: ReconCluster;
  readonly #parts: LaneParts;
  readonly #breaks: Break[] = [];
  #people = 0;
  /** Breaks that the router healed before they were a difference; each was made again. */
  healed = 0;

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.#cluster = parts.cluster;
  }

  /** So many breaks of each kind. */
  async run(kinds: readonly Kind[], rounds: number): Promise<readonly Break[]> {
    const { place, progress } = this.#parts;
    await until("the market has a touch", 10_000, async () => (await place.touch()).ask > 0);
    for (let round = 0; round < rounds; round += 1) {
      const drifts = round % DRIFT_EVERY[place.venue] === 0;
      const now = kinds.filter((kind) => drifts || !BY_BALANCE.includes(kind));
      for (const some of together(now))
        for (let tries = 0; !(await this.#made(some, round, tries < HEALED_MAX)); tries += 1);
      this.#cluster.alive();
      if ((round + 1) % 10 === 0)
        progress(`drill: ${round + 1} breaks of each kind at ${place.venue}`);
    }
    return this.#breaks;
  }

  /** One break from its making to its sign-off, or the two that one transfer makes. */
  async #made(kinds: readonly Kind[], round: number, mayHeal: boolean): Promise<boolean> {
    const { progress, place } = this.#parts;
    const prepared = await this.#prepare(kinds, round);
    const before = await this.#own();
    const from = Date.now();
    const made = await prepared();
    const found = await this.#watch(kinds, from, before);
    if (mayHeal && (await this.#healed(kinds, from, found.changedMs))) {
      await made.undo();
      await this.#settle(kinds);
      await this.#thaw();
      return false;
    }
    const atMs = kinds.map((kind, at) => found.atMs[at] ?? detected(this.#lines(), kind, from));
    const frozen = await this.#frozen();
    await made.undo();
    const settled = await this.#settle(kinds);
    const after = await this.#own();
    const { live, fills, lots } = made.expect;
    const right =
      after.liveOrders === before.liveOrders + live &&
      after.fills === before.fills + fills &&
      BigInt(after.lots) === BigInt(before.lots) + BigInt(lots);
    if (!settled || !right)
      progress(
        `drill: ${place.venue} ${kinds.join()} ${round}: settled ${settled}, before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`,
      );
    const silently = found.silently || !right;
    for (const [at, kind] of kinds.entries())
      this.#breaks.push({
        ...{ kind, venue: place.venue, atMs: from, detectedMs: atMs[at] ?? null },
        ...{ frozen, silently },
      });
    await this.#thaw();
    return true;
  }

  /**
   * The router may find a fill or an end nobody told it of by itself, and our side is right before a difference has stood for
   * its time. Then there was nothing to find, and the break is made again; how often is a figure.
   */
  async #healed(kinds: readonly Kind[], from: number, changedMs: number | null): Promise<boolean> {
    const ours = kinds.filter((kind) => CHANGES.includes(kind));
    const within = kinds.includes("fill_missing") ? HEALED_MS_MAX : HEALED_ORDER_MS_MAX;
    if (ours.length === 0 || changedMs === null || changedMs > within) return false;
    await sleep(2 * HEALED_MS_MAX);
    if (ours.some((kind) => detected(this.#lines(), kind, from) !== null)) return false;
    this.healed += 1;
    return true;
  }

  /** Waits for a case of each; sees whether the gateway's view changes before there is one. */
  async #watch(kinds: readonly Kind[], from: number, before: OwnView) {
    const late = Math.max(FOUND_MS_MAX, ...kinds.map((kind) => this.#boundOf(kind) + LOOK_MS));
    const wait = this.#parts.plant === "blind" ? 2_000 : late;
    const begun = performance.now();
    const end = begun + wait;
    let silently = false;
    let changedMs: number | null = null;
    for (;;) {
      const own = await this.#own();
      const lines = this.#lines();
      const atMs = kinds.map((kind) => detected(lines, kind, from));
      if (!atMs.includes(null) || performance.now() > end) return { atMs, silently, changedMs };
      const booked = own.fills !== before.fills || own.lots !== before.lots;
      // The order whose fill is missed is our own act.
      const moved = !kinds.includes("fill_missing") && own.liveOrders !== before.liveOrders;
      // Whatever changes our side has its own case first.
      const changes = kinds.map((kind) => CHANGES.includes(kind));
      const told = atMs.some(
        (each, at) => each !== null && (changes[at] || !changes.includes(true)),
      );
      if ((booked || moved) && !told) {
        silently = true;
        changedMs ??= performance.now() - begun;
        // Whether it was only healed is seen at once: nobody waits for a case that will not come.
        const gone = kinds.includes("order_gone") && changedMs <= HEALED_ORDER_MS_MAX;
        if (gone || (kinds.includes("fill_missing") && changedMs <= HEALED_MS_MAX))
          return { atMs, silently, changedMs };
      }
      await sleep(LOOK_MS);
    }
  }

  #boundOf(kind: Kind): number {
    const { bounds } = this.#parts;
    if (!BY_BALANCE.includes(kind)) return bounds.ordersMs;
    return kind === "cash_drift" ? Math.min(CASH_MS, bounds.cashMs) : bounds.positionsMs;
  }

  #own(): Promise<OwnView> {
    return this.#cluster.own(this.#parts.place.instrumentId);
  }

  async #frozen(): Promise<boolean> {
    const end = performance.now() + FROZEN_MS_MAX;
    while (performance.now() < end) {
      if ((await this.#own()).frozen) return true;
      await sleep(LOOK_MS);
    }
    return false;
  }

  /** Signs every case once both sides agree. */
  async #settle(kinds: readonly Kind[]): Promise<boolean> {
    if (this.#parts.plant === "blind") return true;
    const end = performance.now() + SETTLED_MS_MAX;
    while (performance.now() < end) {
      const cases = await this.#cases();
      if (cases.length === 0) return true;
      for (const { id, state, kind } of cases)
        if (state === "AGREED") await this.#sign(id, "both sides agree");
        else if (this.#goesWith(kinds, kind))
          await this.#sign(id, "it is what the trade moved that was adopted");
      await sleep(50);
    }
    // What is left would be taken for the next break's.
    for (const { id } of await this.#cases()) await this.#sign(id, "the drill goes on");
    return false;
  }

  /** Where the account itself is asked for seldom, a person need not wait for it. */
  #goesWith(kinds: readonly Kind[], kind: string): boolean {
    const moved = kind === "POSITION" || kind === "CASH";
    return moved && kinds.includes("external_trade") && this.#parts.place.venue === "alpaca";
  }

  async #cases(): Promise<OpenCase[]> {
    const { body } = await this.#cluster.see("monitor", "/recon/cases");
    const open = body["open"] as OpenCase[];
    return open.filter(({ venue }) => venue === this.#parts.place.account);
  }

  async #sign(id: number, reason: string): Promise<void> {
    const { account: venue } = this.#parts.place;
    await this.#act("monitor", "ann", "/recon/sign", { case: id, venue, reason });
  }

  /** One act of a person, again where it came too fast. */
  async #act(
    service: "gateway" | "monitor",
    person: "ann" | "bob",
    path: string,
    body: object,
  ): Promise<ControlAnswer> {
    const key = randomUUID();
    for (let tries = 1; ; tries += 1) {
      try {
        const answer = await this.#cluster.as(person, service).post(path, body, key);
        if (answer.status !== 429) return answer;
      } catch (error) {
        // Under the same key it has no second effect.
        if (!(error instanceof NotReached) || tries > TRIES_MAX) throw error;
      }
      await sleep(100);
    }
  }

  /** Two persons. */
  async #thaw(): Promise<void> {
    const { instrumentId: instrument } = this.#parts.place;
    const body = { instrument, reason: "the cases are signed" };
    for (const person of ["ann", "bob"] as const)
      await this.#act("gateway", person, "/control/thaw", body);
    await until("the instrument is thawed", 5_000, async () => !(await this.#own()).frozen);
  }

  #lines(): CaseLine[] {
    const path = join(this.#cluster.dir, `recon/${this.#parts.place.account}.ndjson`);
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    // Breaks are made one after the other: what tells of one is among the newest.
    return lines.slice(-100).map((line) => JSON.parse(line) as CaseLine);
  }

  /** Everything up to the break; what it gives makes it. */
  async #prepare(kinds: readonly Kind[], round: number): Promise<Prepared> {
    const each: Prepared[] = [];
    // Ours first: what is hushed is the next event.
    if (kinds.includes("order_gone")) each.push(await this.#gone());
    if (kinds.includes("order_unknown")) each.push(this.#unknown(round));
    if (kinds.includes("fill_missing")) each.push(await this.#missing(round));
    if (kinds.includes("external_trade")) each.push(this.#external());
    if (kinds.some((kind) => BY_BALANCE.includes(kind))) each.push(await this.#drift(kinds, round));
    return async () => {
      const made: Made[] = [];
      for (const make of each) made.push(await make());
      const sum = (of: "live" | "fills" | "lots") =>
        made.reduce((total, { expect }) => total + expect[of], 0);
      return {
        expect: { live: sum("live"), fills: sum("fills"), lots: sum("lots") },
        async undo() {
          for (const { undo } of made) await undo();
        },
      };
    };
  }

  #person(): string {
    this.#people += 1;
    return `person-${this.#people}`;
  }

  /** An order of somebody else. Where the list is what finds an order, every second one comes without a word. */
  #unknown(round: number): Prepared {
    const { place } = this.#parts;
    const hushed = place.venue !== "spot" && round % 2 === 0;
    const id = this.#person();
    return async () => ({ expect: NOTHING, undo: await place.rest(id, hushed) });
  }

  /** An order of ours that rests, and that somebody else cancels while nobody is told. */
  async #gone(): Promise<Prepared> {
    const { place } = this.#parts;
    const { instrumentId, buyLots: qtyLots } = place;
    const before = await this.#own();
    const pxTicks = Math.floor((await place.touch()).bid * 0.99);
    const id = await this.#parts.hand.order({ instrumentId, side: "BUY", pxTicks, qtyLots });
    await until("the order rests", 5_000, async () => {
      return (await this.#own()).liveOrders === before.liveOrders + 1;
    });
    // The ack is in the journal, and with the monitor, before anybody cancels.
    await sleep(400);
    return async () => {
      await place.cancelUntold(id);
      return { expect: { live: -1, fills: 0, lots: 0 }, undo: async () => undefined };
    };
  }

  /** An order of ours that fills at once, and whose events nobody is told. */
  async #missing(round: number): Promise<Prepared> {
    const { place } = this.#parts;
    const { instrumentId, buyLots, sellLots } = place;
    const sells = round % 2 === 1;
    const { bid, ask } = await place.touch();
    const before = await this.#own();
    const wish = sells
      ? ({ instrumentId, side: "SELL", pxTicks: bid - 50, qtyLots: sellLots } as const)
      : ({ instrumentId, side: "BUY", pxTicks: ask + 50, qtyLots: buyLots } as const);
    return async () => {
      // That it was taken, and that it has filled.
      await place.hush(2);
      await this.#parts.hand.order(wish);
      const lots = sells ? -sellLots : buyLots;
      // Once it is booked the account says so again, as it would with the next trade.
      const undo = async () => {
        const end = performance.now() + SETTLED_MS_MAX;
        while ((await this.#own()).fills === before.fills && performance.now() < end)
          await sleep(LOOK_MS);
        await place.move(0n, 0n, true);
      };
      return { expect: { live: 0, fills: 1, lots }, undo };
    };
  }

  /** A trade of somebody else. */
  #external(): Prepared {
    const { place } = this.#parts;
    const id = this.#person();
    return async () => {
      await place.trade(id);
      return { expect: NOTHING, undo: () => this.#adopt(["EXECUTION_MISSING_HERE"]) };
    };
  }

  /** What moves without a word on the stream. Moved back with one; where the venue has no word for it, persons take it. */
  async #drift(kinds: readonly Kind[], round: number): Promise<Prepared> {
    const { place } = this.#parts;
    const { base, quote } = place.driftE8;
    const n = BigInt(round + 1);
    const baseE8 = kinds.includes("position_drift") ? base * (place.venue === "spot" ? n : 1n) : 0n;
    const quoteE8 = kinds.includes("cash_drift") ? -quote * n : 0n;
    // At another moment of the account's period each time.
    await sleep(Math.floor(Math.random() * 1_000));
    return async () => {
      await place.move(baseE8, quoteE8, false);
      const undo = () =>
        place.venue === "alpaca"
          ? this.#adopt(["POSITION", "CASH"])
          : place.move(-baseE8, -quoteE8, true);
      return { expect: NOTHING, undo };
    };
  }

  /** Two persons take what somebody else did for what it is; the account says that nothing else is different. */
  async #adopt(kinds: readonly string[]): Promise<void> {
    if (this.#parts.plant === "blind") return;
    const { place } = this.#parts;
    for (const { id, kind } of await this.#cases()) {
      if (!kinds.includes(kind)) continue;
      const body = { case: id, venue: place.account, reason: "somebody else's act" };
      for (const person of ["ann", "bob"] as const)
        await this.#act("monitor", person, "/recon/adopt", body);
    }
    await place.move(0n, 0n, true);
  }
}

interface OpenCase {
  readonly id: number;
  readonly venue: string;
  readonly kind: string;
  readonly state: string;
}
