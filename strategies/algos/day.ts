/** A plain market for the tests of execution algorithms: a seeded walk, trades, and fills of what is open. No strategy imports it. */

import {
  type AnyStrategy,
  createHarness,
  type Harness,
  type Parent,
  Side,
  seededRandom,
  Tif,
} from "@tidegate/strategy-sdk";

export interface Sample {
  readonly second: number;
  readonly doneLots: number;
  readonly tradedLots: number;
}

export interface DayOptions {
  readonly params: Readonly<Record<string, unknown>>;
  readonly seconds: number;
  readonly seed?: number;
  readonly positions?: Readonly<Record<number, number>>;
  /** Called before each second; may kill. */
  readonly before?: (h: Harness, second: number) => void;
}

/** Runs an algorithm over so many seconds; each second a book, a trade, and fills of what is open. */
export function simulatedDay(definition: AnyStrategy, options: DayOptions) {
  const random = seededRandom(options.seed ?? 7);
  let parent: Parent | null = null;
  const spied: AnyStrategy = {
    ...definition,
    state(params) {
      const state = definition.state?.(params);
      parent = state.parent;
      return state;
    },
  };
  const h = createHarness(spied, {
    params: { instrument: 2, ...options.params },
    ...(options.positions === undefined ? {} : { positions: options.positions }),
  });
  const samples: Sample[] = [];
  let bid = 600_000;
  let tradedLots = 0;
  let crossings = 0;
  for (let second = 0; second < options.seconds; second += 1) {
    options.before?.(h, second);
    bid += Math.floor(random() * 3) - 1;
    h.top(2, { bidPxTicks: bid, askPxTicks: bid + 1 });
    const traded = Math.floor(random() * 200);
    tradedLots += traded;
    if (traded > 0) h.trade(2, bid, traded, random() < 0.5 ? Side.BUY : Side.SELL);
    h.advance(second === 0 ? 100 : 1_000);
    for (const order of h.open()) {
      const taking = order.tif === Tif.IOC;
      if (taking && order.pxTicks !== (order.side === Side.BUY ? bid + 1 : bid)) crossings += 1;
      // What takes gets all, or a part and its end; what rests is hit one time in ten, whole or in part.
      const part = random() < 0.5 ? order.qtyLots : Math.ceil(order.qtyLots * random());
      if (taking || random() < 0.1) h.fill(order.seq, part);
      if (taking && h.open().some(({ seq }) => seq === order.seq)) h.cancelled(order.seq);
    }
    samples.push({ second, doneLots: Math.abs(h.host.position(2)), tradedLots });
  }
  return { h, samples, crossings, parent: parent as unknown as Parent };
}

/** The most the lots done are away from a schedule at the ends of its slices, by a schedule given anew, and ahead of it at any time. */
export function scheduleError(
  samples: readonly Sample[],
  sliceS: number,
  due: (slice: number) => number,
): { readonly behind: number; readonly ahead: number } {
  let behind = 0;
  let ahead = 0;
  for (const { second, doneLots } of samples) {
    const slice = Math.floor(second / sliceS);
    ahead = Math.max(ahead, doneLots - due(slice));
    if ((second + 1) % sliceS === 0) behind = Math.max(behind, due(slice) - doneLots);
  }
  return { behind, ahead };
}
