/**
 * The grid of hftbacktest's examples, step for step as `bench/peers/python/hftbacktest_peer.py` has it: the same doubles, one order a
 * price, laid anew every 100 ms by the timer. The grid that ships is laid by the book and in whole ticks; this one is for the clock.
 */

import { defineStrategy, OrderState, Side, Tif } from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  instrument: z.number().int().min(1).default(2),
  tick: z.number().positive().default(0.1),
  lot: z.number().positive().default(0.001),
  half: z.number().positive().default(0.0005),
  levels: z.number().int().min(0).max(16).default(10),
  qtyLots: z.number().int().min(1).default(10),
  positionMax: z.number().positive().default(0.1),
});
type Params = z.output<typeof Params>;

interface State {
  /** Orders that have not ended by price, ticks: one a price, whatever its side. */
  readonly orders: Map<number, { readonly ref: number; readonly side: number }>;
  bid: number;
  ask: number;
}

/** Rounds a half to the even neighbour, as Python does. */
function roundEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** The first price of a side and `levels` of them, in ticks. */
function ladder(into: number[], first: number, step: number, tick: number, levels: number): void {
  into.length = 0;
  let px = first;
  for (let at = 0; at < levels; at += 1) {
    into.push(roundEven(px / tick));
    px += step;
  }
}

const wanted: number[] = [];

export default defineStrategy<Params, State>({
  id: "grid-step",
  params: Params,
  timerMs: 100,
  state: () => ({ orders: new Map(), bid: 0, ask: 0 }),
  onBookTop({ state }, top) {
    // The peer quotes from any book with two sides, one that no snapshot has confirmed among them.
    state.bid = top.bidQtyLots > 0 ? top.bidPxTicks : 0;
    state.ask = top.askQtyLots > 0 ? top.askPxTicks : 0;
  },
  onTimer(ctx) {
    const { state, params } = ctx;
    const { tick, half, levels, instrument, qtyLots, positionMax } = params;
    if (state.bid === 0 || state.ask === 0) return;
    const position = ctx.position(instrument) * params.lot;
    const [bid, ask] = [state.bid * tick, state.ask * tick];
    const mid = (bid + ask) / 2;
    const lean = (half / 10) * (position / (qtyLots * params.lot));
    const step = Math.max(roundEven((mid * half) / tick) * tick, tick);
    const low = Math.floor(Math.min(mid * (1 - (half + lean)), bid) / step) * step;
    const high = Math.ceil(Math.max(mid * (1 + (half - lean)), ask) / step) * step;
    for (const side of [Side.BUY, Side.SELL] as const) {
      const buys = side === Side.BUY;
      const room = buys ? position < positionMax : position > -positionMax;
      ladder(wanted, buys ? low : high, buys ? -step : step, tick, room ? levels : 0);
      for (const [px, { ref, side: its }] of state.orders) {
        if (its !== side || wanted.includes(px)) continue;
        const order = ctx.order(ref);
        const rests = order?.state === OrderState.LIVE || order?.state === OrderState.PARTIAL;
        if (rests && order?.cancelling === false) ctx.cancel(ref);
      }
      for (const px of wanted) {
        if (state.orders.has(px)) continue;
        const options = { tif: Tif.POST_ONLY };
        const ref = buys
          ? ctx.buy(instrument, px, qtyLots, options)
          : ctx.sell(instrument, px, qtyLots, options);
        if (ref !== 0) state.orders.set(px, { ref, side });
      }
    }
  },
  onOrder({ state }, order) {
    if (order.terminal && state.orders.get(order.pxTicks)?.ref === order.order)
      state.orders.delete(order.pxTicks);
  },
});
