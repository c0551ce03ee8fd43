import type { Money, PxTicks, QtyLots } from "@tidegate/contracts";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { OurBook, TOTALS_MAX } from "./book.ts";
import { CASES_MAX, EVIDENCE_MAX, Recon } from "./core.ts";
import type { Balance, Effect, Execution, Look, OpenOrder } from "./types.ts";

const SETTLE = 100;
const RULES = {
  ...{ instrumentId: 1, baseAsset: "BTC", quoteAsset: "USDT", settleMs: SETTLE },
  ...{ cashTolerance: 5n as Money, graveCases: 4 },
};
const BOOK = {
  ...{ baseAsset: "BTC", quoteAsset: "USDT", baseE8PerLot: 1_000n, quoteE8PerTickLot: 10n },
};
const TOTALS = { BTC: 1_000_000n, USDT: 9_000_000_000_000n };

let now = 0;
let book: OurBook;
let recon: Recon;
beforeEach(() => {
  now = 1_000;
  book = new OurBook(BOOK, TOTALS, () => now);
  recon = new Recon(RULES, book);
});

const order = (clientOrderId: string, over: Partial<OpenOrder> = {}): OpenOrder => ({
  ...{ clientOrderId, side: "BUY", pxTicks: 6_000_000 as PxTicks },
  ...{ qtyLots: 10 as QtyLots, cumLots: 0 as QtyLots },
  ...over,
});
const execution = (execId: string, over: Partial<Execution> = {}): Execution => ({
  ...{ execId, clientOrderId: null, venueOrderId: "7", side: "BUY" },
  ...{ pxTicks: 6_000_000 as PxTicks, qtyLots: 10 as QtyLots },
  ...{ fee: 3n as Money, feeAsset: "BTC", atMs: 0 },
  ...over,
});
const ask = (ms = 10) => {
  const askedMs = now;
  now += ms;
  return { askedMs, answeredMs: now };
};
const list = (...orders: OpenOrder[]): Look => ({ what: "orders", orders, ...ask() });
const account = (btc: bigint, usdt: bigint): Look => {
  const row = (total: bigint): Balance => ({ total: total as Money, locked: 0n as Money });
  const balances = new Map([
    ["BTC", row(btc)],
    ["USDT", row(usdt)],
  ]);
  return { what: "balances", of: null, balances, ...ask() };
};
const trades = (from: bigint, ...executions: Execution[]): Look => {
  return { what: "executions", from: { by: "id", id: from }, executions, ...ask() };
};
/** Time for our side to explain itself. */
const settle = (): Effect[] => {
  now += SETTLE;
  return recon.tick(now);
};
const kinds = (effects: readonly Effect[]) => effects.map(({ kind }) => kind);
const firstCase = () => recon.open()[0];

describe("a difference becomes a case, with both sides named and the instrument frozen [A28]", () => {
  const told = (...orders: OpenOrder[]): void => {
    for (const each of orders) book.sent(each);
    now += 1_000;
  };
  it.each([
    [
      "ORDER_UNKNOWN_HERE",
      "b",
      () => list(order("a"), order("b")),
      null,
      "BUY 10 at 6000000, 0 done",
    ],
    ["ORDER_GONE_THERE", "a", () => list(), "BUY 10 at 6000000, 0 done", null],
    [
      "ORDER_TERMS",
      "a",
      () => list(order("a", { pxTicks: 5 as PxTicks })),
      "BUY 10 at 6000000, 0 done",
      "BUY 10 at 5, 0 done",
    ],
    ["POSITION", "BTC", () => account(999_999n, TOTALS.USDT), "1000000", "999999"],
    ["CASH", "USDT", () => account(TOTALS.BTC, 1n), `${TOTALS.USDT}`, "1"],
    [
      "EXECUTION_MISSING_HERE",
      "5",
      () => trades(1n, execution("5")),
      null,
      "BUY 10 at 6000000 of order 7, fee 3 BTC",
    ],
  ] as const)("%s", (kind, subject, look, ours, theirs) => {
    told(order("a"));
    expect(recon.look(look()).filter((each) => each.kind !== "ask")).toEqual([]);
    now += SETTLE - 1;
    expect(recon.tick(now), "it may be news that is on its way here").toEqual([]);
    expect(recon.frozen()).toBe(false);
    now += 1;
    const effects = recon.tick(now);
    expect(kinds(effects).slice(0, 2)).toEqual(["open", "freeze"]);
    expect(firstCase()).toMatchObject({ kind, subject, state: "OPEN", severity: "MAJOR" });
    expect(firstCase()?.evidence).toMatchObject([{ ours, theirs }]);
    expect(recon.frozen()).toBe(true);
    expect(settle(), "one case, not one a look").toEqual([]);
  });

  it("EXECUTION_UNKNOWN_THERE: what we booked and the venue does not list, or lists otherwise", () => {
    book.executed(execution("5"));
    book.executed(execution("6"));
    now += 1_000;
    recon.look(trades(1n, execution("6", { qtyLots: 9 as QtyLots })));
    const effects = settle();
    expect(recon.open().map(({ kind, subject }) => [kind, subject])).toEqual([
      ["EXECUTION_UNKNOWN_THERE", "6"],
      ["EXECUTION_UNKNOWN_THERE", "5"],
    ]);
    expect(kinds(effects)).not.toContain("book");
    recon.look(trades(6n, execution("6")));
    expect(
      recon.open().map(({ state }) => state),
      "a list from 6 on says nothing of 5",
    ).toEqual(["AGREED", "OPEN"]);
  });

  it("a missing execution is to be booked once, under its case", () => {
    recon.look(trades(1n, execution("5")));
    const booked = settle().filter((each) => each.kind === "book");
    expect(booked).toMatchObject([{ caseId: 1, execution: { execId: "5" } }]);
    expect(kinds(recon.look(trades(1n, execution("5"))))).toEqual([]);
    expect(settle()).toEqual([]);
    expect(book.executed(execution("5"))).toBe(true);
    expect(book.executed(execution("5")), "a second time is none").toBe(false);
    expect(kinds(recon.look(trades(1n, execution("5"))))).toEqual(["agreed"]);
  });

  it("a missing execution that is booked as the venue has it agrees at once, one booked otherwise does not", () => {
    recon.look(trades(1n, execution("5"), execution("6")));
    settle();
    book.executed(execution("5"));
    book.executed(execution("6", { qtyLots: 9 as QtyLots }));
    expect(kinds(recon.tick(now))).toEqual(["agreed"]);
    expect(recon.open().map(({ subject, state }) => [subject, state])).toEqual([
      ["5", "AGREED"],
      ["6", "OPEN"],
    ]);
    expect(recon.tick(now), "once").toEqual([]);
    expect(recon.frozen(), "and a person signs it all the same").toBe(true);
  });

  it("cash within the tolerance is told and freezes nothing", () => {
    recon.look(account(TOTALS.BTC, TOTALS.USDT + 5n));
    expect(kinds(settle())).toEqual(["open"]);
    expect(firstCase()?.severity).toBe("MINOR");
    expect(recon.frozen()).toBe(false);
  });

  it("an event of the stream says of the assets it names, and of no other", () => {
    const row = (total: bigint): Balance => ({ total: total as Money, locked: 0n as Money });
    const event = (total: bigint): Look => {
      return { what: "balance event", balances: new Map([["USDT", row(total)]]), ...ask(0) };
    };
    recon.look(account(1n, TOTALS.USDT));
    recon.look(event(TOTALS.USDT - 700n));
    expect(kinds(settle())).toEqual(["open", "freeze", "open", "freeze"]);
    recon.look(event(TOTALS.USDT));
    expect(recon.open().map(({ subject, state }) => [subject, state])).toEqual([
      ["BTC", "OPEN"],
      ["USDT", "AGREED"],
    ]);
  });

  it("cases of an earlier run wait as they did, and the next has the next number", () => {
    recon.look(list(order("x")));
    settle();
    const [first] = recon.open();
    recon.sign(first?.id ?? 0, "ann", "seen", now);
    recon.look(list(order("y")));
    settle();
    const before = [...recon.signed(), ...recon.open()];
    recon = new Recon(RULES, book);
    recon.restore(before);
    expect(recon.frozen()).toBe(true);
    expect([...recon.signed(), ...recon.open()]).toEqual(before);
    recon.look(list(order("y"), order("z")));
    settle();
    expect(recon.open().map(({ id }) => id)).toEqual([2, 3]);
  });

  it("the fourth case asks for HALT", () => {
    recon.look(list(order("a"), order("b"), order("c")));
    expect(kinds(settle())).not.toContain("halt");
    recon.look(account(1n, TOTALS.USDT));
    expect(kinds(settle()).filter((kind) => kind !== "ask")).toEqual(["open", "freeze", "halt"]);
  });

  it("what is held for an order that is told of already asks for no list, anything else does", () => {
    // 10 lots at 6,000,000 ticks hold 600,000,000 of the quote asset.
    const held = (locked: bigint): Look => {
      const usdt = { total: TOTALS.USDT as Money, locked: locked as Money };
      return { what: "balance event", balances: new Map([["USDT", usdt]]), ...ask(0) };
    };
    const open = order("person");
    recon.look({ what: "order event", clientOrderId: "person", open, ...ask(0) });
    recon.look(held(600_000_000n));
    expect(kinds(settle())).toEqual(["open", "freeze"]);
    recon.look(held(600_000_001n));
    expect(kinds(settle()), "that is more than the order").toEqual(["ask"]);
    recon.look({ what: "order event", clientOrderId: "person", open: null, ...ask(0) });
    recon.look(held(600_000_000n));
    expect(kinds(settle()), "it has ended, and what it held is held").toEqual(["ask"]);
    recon.look(held(0n));
    expect(kinds(settle())).toEqual([]);
  });

  it("holds for open orders that do not fit ours ask for the list", () => {
    const locked = new Map([["USDT", { total: TOTALS.USDT as Money, locked: 1n as Money }]]);
    const btc: [string, Balance] = ["BTC", { total: TOTALS.BTC as Money, locked: 0n as Money }];
    const look: Look = {
      what: "balances",
      of: null,
      balances: new Map([btc, ...locked]),
      ...ask(),
    };
    expect(recon.look(look), "our own order may be on its way").toEqual([]);
    expect(settle()).toEqual([{ kind: "ask", what: "orders" }]);
    expect(settle(), "asked once").toEqual([]);
    recon.look(look);
    now += 1;
    const event: Look = { what: "balance event", balances: new Map([btc]), ...ask(0) };
    expect(recon.look(event), "the newest word counts").toEqual([]);
    expect(settle()).toEqual([]);
    book.sent(order("a"));
    expect(book.balances.get("USDT")?.locked).toBe(600_000_000n);
    book.sent(order("s", { side: "SELL" }));
    expect(book.balances.get("BTC")?.locked).toBe(10_000n);
  });
});

describe("news on its way is no difference [A28]", () => {
  it("an order of ours that the venue shows before we know of it", () => {
    recon.look(list(order("a")));
    now += SETTLE / 2;
    book.sent(order("a"));
    now += SETTLE;
    expect(recon.tick(now)).toEqual([]);
  });

  it("an end that we hear of a moment later, and an order sent after the question", () => {
    book.sent(order("a"));
    now += 1_000;
    recon.look(list());
    now += SETTLE / 2;
    book.ended("a");
    const asked = ask(0);
    book.sent(order("b"));
    now += 5;
    recon.look({ what: "orders", orders: [], askedMs: asked.askedMs, answeredMs: now });
    expect(settle()).toEqual([]);
    recon.look(list());
    expect(kinds(settle()), "the next list has to show it").toEqual(["open", "freeze"]);
  });

  it("an order whose list was made before the venue had it, and one whose list is older than its event", () => {
    book.sent(order("a"));
    now += 2;
    recon.look(list());
    now += 5;
    book.acked("a");
    expect(settle()).toEqual([]);
    const asked = now;
    now += 5;
    const event = { what: "order event", clientOrderId: "x", open: null } as const;
    recon.look({ ...event, askedMs: now, answeredMs: now });
    now += 5;
    const old = [order("a"), order("x")];
    recon.look({ what: "orders", orders: old, askedMs: asked, answeredMs: now });
    expect(settle()).toEqual([]);
    recon.look(list(...old));
    expect(kinds(settle()), "a list from after it counts").toEqual(["open", "freeze"]);
  });

  it("a fill that we book a moment after the account shows it, and one the account does not show yet", () => {
    const after = [TOTALS.BTC + 10_000n - 3n, TOTALS.USDT - 600_000_000n] as const;
    recon.look(account(...after));
    now += SETTLE / 2;
    book.executed(execution("5"));
    now += SETTLE;
    expect(recon.tick(now)).toEqual([]);
    expect(recon.look(account(...after))).toEqual([]);
    const before = ask();
    book.executed(execution("6"));
    now += 1;
    const old = account(...after);
    recon.look({ ...old, askedMs: before.askedMs, answeredMs: now });
    expect(settle().filter((each) => each.kind === "open")).toEqual([]);
  });

  it("a fill that we book a moment later explains a balance whose last digits the venue hides", () => {
    const row = (total: bigint, slack: bigint): Balance => {
      return { total: total as Money, locked: null, slack: slack as Money };
    };
    const cash = (total: bigint, slack: bigint): Look => {
      const balances = new Map([["USDT", row(total, slack)]]);
      return { what: "balance event", balances, ...ask(0) };
    };
    // The fill takes 600,000,000 of the quote asset and the venue shows it up to 7.
    recon.look(cash(TOTALS.USDT - 600_000_000n + 7n, 7n));
    now += 10;
    book.executed(execution("5", { fee: 0n as Money }));
    expect(settle()).toEqual([]);
    recon.look(cash(TOTALS.USDT - 1_200_000_000n + 8n, 7n));
    now += 10;
    book.executed(execution("6", { fee: 0n as Money }));
    expect(kinds(settle()), "that is more than the digits hide").toEqual(["open", "freeze"]);
  });

  it("a difference is found although we traded once meanwhile, and although we trade all the time", () => {
    recon.look(account(TOTALS.BTC - 77n, TOTALS.USDT));
    now += SETTLE / 2;
    book.executed(execution("5"));
    now += SETTLE;
    expect(kinds(recon.tick(now))).toEqual(["open", "freeze"]);
    expect(recon.open().map(({ subject }) => subject)).toEqual(["BTC"]);
  });

  it("an amount that stays in two looks is a case at the second whatever moved between", () => {
    let n = 5;
    const trade = () => {
      now += 3;
      book.executed(execution(String(n++), { fee: 0n as Money }));
    };
    const total = (asset: string) => book.balances.get(asset)?.total ?? 0n;
    for (const want of [[], ["open", "freeze"]]) {
      const asked = now;
      trade();
      trade();
      const look = account(total("BTC") + 1n, total("USDT"));
      expect(kinds(recon.look({ ...look, askedMs: asked }))).toEqual(want);
      trade();
      trade();
      now += SETTLE;
      expect(recon.tick(now)).toEqual([]);
    }
  });
});

describe("our side is gone for a while [A28]", () => {
  const gone = (): void => {
    book.sent(order("a"));
    now += 1_000;
    recon.look(list());
  };

  it("a silent side has explained nothing yet; one that speaks and does not explain has a case", () => {
    gone();
    const heardMs = now + SETTLE - 1;
    now += 10 * SETTLE;
    expect(recon.tick(now, heardMs)).toEqual([]);
    book.ended("a");
    expect(recon.tick(now, now), "it was on its way").toEqual([]);
    gone();
    now += 10 * SETTLE;
    expect(recon.tick(now, now - 10 * SETTLE)).toEqual([]);
    expect(kinds(recon.tick(now, now))).toEqual(["open", "freeze"]);
  });

  it("what was seen before is forgotten, what a look shows afterwards is not", () => {
    gone();
    recon.look(account(TOTALS.BTC + 1n, TOTALS.USDT));
    recon.forget();
    now += 10 * SETTLE;
    expect(recon.tick(now)).toEqual([]);
    expect(recon.look(account(TOTALS.BTC + 1n, TOTALS.USDT)), "no drift of before").toEqual([]);
    recon.look(list());
    expect(kinds(settle()).filter((kind) => kind === "open")).toHaveLength(2);
  });
});

describe("equal fills one after the other [A28]", () => {
  const moved = (fills: bigint, off = 0n) =>
    account(TOTALS.BTC + fills * 9_997n + off, TOTALS.USDT - fills * 600_000_000n);
  /** Each look shows one fill more than we have booked, or, with `off`, and something else besides. */
  const looks = (off = 0n): Effect[] =>
    [1n, 2n, 3n].flatMap((n) => {
      const effects = recon.look(moved(n, off));
      now += SETTLE / 2;
      book.executed(execution(`${n}`));
      return [...effects, ...settle()];
    });

  it("are each news while they are", () => {
    expect(looks().filter((each) => each.kind === "open")).toEqual([]);
  });

  it("do not hide what we never come to", () => {
    expect(looks(1n).filter((each) => each.kind === "open")).toHaveLength(1);
    expect(firstCase()).toMatchObject({ kind: "POSITION", subject: "BTC" });
  });

  it("are remembered up to the bound: one that moved oftener is looked at as if nothing were known", () => {
    const [since, first] = [now, TOTALS.BTC];
    book.adjusted("BTC", 1n);
    for (let n = 1; n < TOTALS_MAX; n += 1) book.adjusted("BTC", 1n);
    expect(book.stoodAt("BTC", first, 0n, since)).toBe(true);
    expect(book.stoodAt("BTC", first, 0n, since + 1), "not since then").toBe(false);
    expect(book.stoodAt("BTC", first - 2n, 2n, since), "as near as the venue says").toBe(true);
    book.adjusted("BTC", 1n);
    expect(book.stoodAt("BTC", first, 0n, since)).toBe(false);
    expect(book.stoodAt("BTC", first + BigInt(TOTALS_MAX) + 1n, 0n, since)).toBe(true);
  });

  it("a fee in the asset that was bought moves it once", () => {
    book.executed(execution("5"));
    expect(book.stoodAt("BTC", TOTALS.BTC + 10_000n, 0n, 0)).toBe(false);
    expect(book.stoodAt("BTC", TOTALS.BTC + 9_997n, 0n, 0)).toBe(true);
  });
});

describe("a case ends by a person alone [B054]", () => {
  const open = (): number => {
    recon.look(list(order("x")));
    settle();
    return firstCase()?.id ?? 0;
  };

  it("agreement is evidence and no end; a new difference opens it again", () => {
    const id = open();
    expect(kinds(recon.look(list()))).toEqual(["agreed"]);
    expect(recon.frozen(), "until it is signed").toBe(true);
    expect(recon.look(list(order("x", { cumLots: 1 as QtyLots })))).toEqual([]);
    expect(kinds(settle())).toEqual(["reopened"]);
    expect(firstCase()?.evidence.map(({ theirs }) => theirs)).toEqual([
      "BUY 10 at 6000000, 0 done",
      null,
      "BUY 10 at 6000000, 1 done",
    ]);
    expect(recon.sign(id, "ann", "cancelled by hand", now)).toMatchObject([{ kind: "thaw" }]);
    expect(recon.open()).toEqual([]);
    expect(recon.signed()).toMatchObject([{ id, signed: { by: "ann" }, state: "SIGNED" }]);
  });

  it("the instrument thaws with the last of its cases", () => {
    recon.look(list(order("x"), order("y")));
    settle();
    const [first, second] = recon.open();
    expect(recon.sign(first?.id ?? 0, "ann", "seen", now)).toEqual([]);
    expect(kinds(recon.sign(second?.id ?? 0, "ann", "seen", now))).toEqual(["thaw"]);
  });

  it("refuses nobody, no reason, an unknown case and a second signature", () => {
    const id = open();
    for (const [by, why] of [
      ["", "seen"],
      ["ann", ""],
    ] as const)
      expect(() => recon.sign(id, by, why, now)).toThrow(RangeError);
    expect(() => recon.sign(99, "ann", "seen", now)).toThrow("case 99");
    recon.sign(id, "ann", "seen", now);
    expect(() => recon.sign(id, "ann", "seen", now)).toThrow(RangeError);
  });

  it("a difference that stands after the signature is a case again", () => {
    const id = open();
    recon.sign(id, "ann", "seen", now);
    recon.look(list(order("x")));
    expect(kinds(settle())).toEqual(["open", "freeze"]);
    expect(firstCase()?.id).toBe(id + 1);
  });

  it("keeps the first evidence and the newest, and no more cases than its bound", () => {
    open();
    for (let n = 1; n < 20; n += 1) recon.look(list(order("x", { cumLots: n as QtyLots })));
    expect(firstCase()?.evidence).toHaveLength(EVIDENCE_MAX);
    expect(firstCase()?.evidence[0]?.theirs).toBe("BUY 10 at 6000000, 0 done");
    expect(firstCase()?.evidence.at(-1)?.theirs).toContain("19 done");
    const many = Array.from({ length: CASES_MAX + 3 }, (_, n) => order(`o${n}`));
    recon.look(list(...many));
    const halts = settle().filter((each) => each.kind === "halt");
    expect(recon.open()).toHaveLength(CASES_MAX);
    expect(recon.unkept).toBe(4);
    expect(halts.at(-1)).toMatchObject({ reason: expect.stringContaining("1000") });
  });
});

/** What happens at the venue, and how much later our side hears of it. */
const step = fc.record({
  waitMs: fc.integer({ min: 1, max: 400 }),
  lagMs: fc.integer({ min: 0, max: SETTLE - 20 }),
  what: fc.constantFrom("place", "cancel", "fill"),
  id: fc.integer({ min: 0, max: 5 }).map((n) => `o${n}`),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
/** Several fills within one settling time may look like another amount; a venue of this pace has one. */
const paced = (steps: readonly Step[]) =>
  steps.map((each) => ({ ...each, waitMs: each.waitMs + SETTLE }));

/** Two looks at the account, each between a fill and our word of it, and both fills alike. */
const equalFills: Step[] = [
  { waitMs: 76, lagMs: 0, what: "place", id: "o0" },
  { waitMs: 196, lagMs: 0, what: "place", id: "o5" },
  { waitMs: 16, lagMs: 0, what: "place", id: "o0" },
  { waitMs: 296, lagMs: 46, what: "fill", id: "o5" },
  { waitMs: 271, lagMs: 21, what: "fill", id: "o0" },
];

describe("laws of reconciliation [B053]", () => {
  /** A venue whose every act our side hears of after a lag below the settling time. */
  function played(steps: readonly Step[], first: readonly OpenOrder[] = []) {
    const theirs = new Map(first.map((each) => [each.clientOrderId, each]));
    const totals = { BTC: TOTALS.BTC, USDT: TOTALS.USDT };
    const words: { readonly atMs: number; readonly tell: () => void }[] = [];
    let [execs, looks] = [0, 0];
    const effects: Effect[] = [];
    const pass = (untilMs: number): void => {
      for (; now < untilMs; now += 5) {
        for (const word of words.splice(0)) {
          if (word.atMs <= now) word.tell();
          else words.push(word);
        }
        looks += 5;
        const times = { askedMs: now, answeredMs: now };
        if (looks % 90 === 0)
          effects.push(...recon.look({ what: "orders", orders: [...theirs.values()], ...times }));
        if (looks % 350 === 0) {
          const row = (total: bigint): Balance => ({ total: total as Money, locked: 0n as Money });
          const balances = new Map([
            ["BTC", row(totals.BTC)],
            ["USDT", row(totals.USDT)],
          ]);
          effects.push(...recon.look({ what: "balances", of: null, balances, ...times }));
        }
        effects.push(...recon.tick(now));
      }
    };
    for (const { waitMs, lagMs, what, id } of steps) {
      pass(now + waitMs);
      const tell = (word: () => void) => words.push({ atMs: now + lagMs, tell: word });
      if (what === "place" && !theirs.has(id)) {
        theirs.set(id, order(id));
        tell(() => book.sent(order(id)));
      } else if (what === "cancel" && theirs.delete(id)) tell(() => book.ended(id));
      else if (what === "fill" && theirs.delete(id)) {
        execs += 1;
        const done = execution(String(execs), { clientOrderId: id });
        totals.BTC += 10_000n - 3n;
        totals.USDT -= 600_000_000n;
        tell(() => book.executed(done));
      }
    }
    pass(now + 1_000);
    return { theirs, totals, effects, pass };
  }

  it("two sides that tell the same story, one a little later, never have a case", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        now = 1_000;
        book = new OurBook(BOOK, TOTALS, () => now);
        recon = new Recon(RULES, book);
        expect(played(paced(steps)).effects.filter((each) => each.kind === "open")).toEqual([]);
      }),
      { numRuns: 150, examples: [[equalFills]] },
    );
  });

  it("whatever is left different has a case, and our side is as it was", () => {
    const drift = fc.constantFrom("extra", "gone", "terms", "base", "quote");
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), drift, (steps, what) => {
        now = 1_000;
        book = new OurBook(BOOK, TOTALS, () => now);
        recon = new Recon(RULES, book);
        book.sent(order("kept"));
        now += 1_000;
        const { theirs, totals, pass } = played(paced(steps), [order("kept")]);
        expect(recon.open()).toEqual([]);
        if (what === "extra") theirs.set("other", order("other"));
        if (what === "gone") theirs.delete("kept");
        if (what === "terms") theirs.set("kept", order("kept", { qtyLots: 9 as QtyLots }));
        if (what === "base") totals.BTC += 1n;
        if (what === "quote") totals.USDT -= 100n;
        const ours = () => ({
          orders: new Map(book.orders),
          balances: book.balances,
          executions: [...book.executionsFrom({ by: "id", id: 0n })],
        });
        const before = ours();
        pass(now + 1_000);
        expect(recon.open()).toHaveLength(1);
        expect(recon.frozen()).toBe(true);
        expect(ours()).toEqual(before);
      }),
      { numRuns: 60 },
    );
  });
});
