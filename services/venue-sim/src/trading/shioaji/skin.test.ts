import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SwitchError } from "../../switchboard.ts";
import { ACCOUNT_ID, BROKER_ID, REQUESTS_PER_10S, ShioajiOrders } from "./index.ts";

const ACCOUNT = { broker_id: BROKER_ID, account_id: ACCOUNT_ID };

describe("the simulated daemon", () => {
  let dir = "";
  let venue: ShioajiOrders;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "shioaji-orders-"));
    venue = await ShioajiOrders.alone(dir, {
      onFatal: (error) => {
        throw error;
      },
    });
    venue.book("2890", { bids: [["29.95", 1]], asks: [["30.05", 1]] });
  });
  afterEach(async () => {
    await venue[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });

  async function post(path: string, body: unknown): Promise<{ status: number; body: never }> {
    const response = await fetch(`http://127.0.0.1:${venue.port}/api/v1/${path}`, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as never };
  }

  const order = (over: object = {}) => ({
    contract: { security_type: "STK", exchange: "TSE", code: "2890" },
    stock_order: {
      ...{ action: "Buy", price: 29.5, quantity: 2, price_type: "LMT", order_type: "ROD" },
      ...{ order_lot: "Common", order_cond: "Cash", custom_field: "00000a", account: ACCOUNT },
      ...over,
    },
  });
  interface Trade {
    readonly order: { readonly id: string; readonly custom_field: string; readonly price: number };
    readonly status: {
      readonly status: string;
      readonly cancel_quantity: number;
      readonly deals: readonly { readonly seq: string; readonly quantity: number }[];
    };
  }
  const trades = async (): Promise<readonly Trade[]> => (await post("order/trades", ACCOUNT)).body;

  it("answers an order before the exchange has spoken, and lists it after", async () => {
    const { status, body } = await post("order/place_order", order());
    const placed = body as Trade;
    expect([status, placed.status.status, placed.order]).toMatchObject([
      200,
      "PendingSubmit",
      { custom_field: "00000a", price: 29.5 },
    ]);
    expect((await trades())[0]?.status.status).toBe("Submitted");
  });

  it("says what is wrong with a request by its status, and what fails by a 200", async () => {
    const wrong = [
      ["order/place_order", "{", 400],
      ["order/place_order", order({ custom_field: "1234567" }), 422],
      ["order/place_order", { ...order(), contract: { ...order().contract, code: "1" } }, 404],
      ["order/place_order", order({ account: { broker_id: "x", account_id: "y" } }), 404],
      ["order/cancel_order", { trade_id: "nobody" }, 404],
      ["order/update_qty", { trade_id: "nobody", quantity: 0 }, 422],
      ["order/nothing", {}, 404],
    ] as const;
    for (const [path, body, status] of wrong) {
      expect((await post(path, body)).status, `${path} ${JSON.stringify(body)}`).toBe(status);
    }
    for (const over of [{ price: 29.51 }, { price: 29.499999 }, { quantity: 500 }, { price: -1 }]) {
      const { status, body } = await post("order/place_order", order(over));
      expect([status, (body as Trade).status.status]).toEqual([200, "Failed"]);
    }
    expect(venue.truth().orders.size).toBe(0);
  });

  it("takes lots off an order, the last of them ends it, and never more than there are", async () => {
    const { body } = await post("order/place_order", order({ quantity: 3 }));
    const { id } = (body as Trade).order;
    for (const [quantity, status, cancelled] of [
      [2, "Submitted", 2],
      [2, "Submitted", 2],
      [1, "Cancelled", 3],
    ] as const) {
      await post("order/update_qty", { trade_id: id, quantity });
      const { status: said } = (await trades())[0] as Trade;
      expect([said.status, said.cancel_quantity]).toEqual([status, cancelled]);
    }
  });

  it("numbers the deals of an order by the order, and holds its log sound", async () => {
    venue.book("2890", {
      bids: [["29.95", 1]],
      asks: [
        ["30.05", 1],
        ["30.10", 4],
      ],
    });
    await post("order/place_order", order({ price: 30.1, quantity: 3 }));
    const { status } = (await trades())[0] as Trade;
    expect(status.deals.map(({ seq, quantity }) => [seq, quantity])).toEqual([
      ["000001", 1],
      ["000002", 2],
    ]);
    const { fills, inconsistencies, positionLots } = venue.truth();
    expect([fills.length, inconsistencies, positionLots["shioaji:2890"]]).toEqual([2, [], 3_000n]);
  });

  it("what the exchange rejects after it was taken has not traded, whatever its price", async () => {
    venue.inject({ switch: "reject_after_ack" });
    await post("order/place_order", order({ price: 30.1, order_type: "IOC" }));
    expect((await trades())[0]?.status).toMatchObject({ status: "Failed", deals: [] });
    const { orders, fills, inconsistencies } = venue.truth();
    expect([[...orders.values()].map(({ status }) => status), fills, inconsistencies]).toEqual([
      ["REJECTED"],
      [],
      [],
    ]);
  });

  it("bans whoever asks too often", async () => {
    const statuses: number[] = [];
    for (let n = 0; n <= REQUESTS_PER_10S; n += 1) {
      statuses.push((await post("order/trades", ACCOUNT)).status);
    }
    expect(statuses.indexOf(503)).toBe(REQUESTS_PER_10S);
  });

  it("a switch that does not apply, or a status it has not, is refused by name", () => {
    expect(() => venue.inject({ switch: "bust" })).toThrow(SwitchError);
    expect(() => venue.inject({ switch: "refuse", code: 418 })).toThrow("want one of 200");
  });
});
