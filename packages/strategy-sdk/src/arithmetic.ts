/** Arithmetic strategies share: books, flows that fade, prices over a window. Pure; every state is plain data. */

/**
 * How much more is bid than asked at the touch.
 *
 * Units   millionths, -1,000,000 (all asked) to 1,000,000 (all bid); 0 for two empty sides
 */
export function imbalancePpm(bidQtyLots: number, askQtyLots: number): number {
  const all = bidQtyLots + askQtyLots;
  return all === 0 ? 0 : Math.round(((bidQtyLots - askQtyLots) * 1e6) / all);
}

/** The middle of the touch, in half ticks: whole for any touch. */
export const midHalfTicks = (bidPxTicks: number, askPxTicks: number): number =>
  bidPxTicks + askPxTicks;

/** How far `now` is from `then`, in millionths of `then`. */
export const movePpm = (then: number, now: number): number =>
  then === 0 ? 0 : Math.round(((now - then) * 1e6) / then);

/** A sum whose parts fade: each counts half after a half-life. A Hawkes process with one exponential kernel. */
export interface Fading {
  sum: number;
  ns: number;
}

export const fading = (): Fading => ({ sum: 0, ns: 0 });

/** What is left of it now. */
export function fadedTo(flow: Fading, nowNs: number, halfLifeMs: number): number {
  return flow.sum * 2 ** (-Math.max(0, nowNs - flow.ns) / (halfLifeMs * 1e6));
}

export function addFading(flow: Fading, amount: number, nowNs: number, halfLifeMs: number): void {
  flow.sum = fadedTo(flow, nowNs, halfLifeMs) + amount;
  flow.ns = nowNs;
}

/** Prices of the last while, oldest first. */
export interface PxWindow {
  readonly ns: number[];
  readonly px: number[];
}
/** Prices a window keeps; the oldest goes first, so a busy window is shorter than asked, never longer. */
export const WINDOW_PX_MAX = 512;

export const pxWindow = (): PxWindow => ({ ns: [], px: [] });

/** Adds a price that differs from the last, and drops what is older than the window; its first price stays as its start. */
export function pushPx(window: PxWindow, px: number, nowNs: number, windowMs: number): void {
  if (window.px.at(-1) !== px) {
    window.ns.push(nowNs);
    window.px.push(px);
  }
  const from = nowNs - windowMs * 1e6;
  // The price that stood when the window began is in it: the one before the first that is younger.
  while (window.ns.length > 1 && (window.ns[1] ?? nowNs) <= from) {
    window.ns.shift();
    window.px.shift();
  }
  if (window.ns.length > WINDOW_PX_MAX) {
    window.ns.shift();
    window.px.shift();
  }
}

export function clearPx(window: PxWindow): void {
  window.ns.length = 0;
  window.px.length = 0;
}

/** The price that stood when the window began; undefined for an empty one. */
export const oldestPx = (window: PxWindow): number | undefined => window.px[0];
export const lowPx = (window: PxWindow): number => Math.min(...window.px);
export const highPx = (window: PxWindow): number => Math.max(...window.px);
