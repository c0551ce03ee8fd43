import type { Limits } from "../types.ts";

/** About 200 requests a minute, account and host. Source: the venue's documentation, "Usage limit". */
export const limits: Limits = {
  weightPerMinute: 200,
  ordersPer10s: 33,
  ordersPerMinute: 200,
  connectionMsMax: 0,
  clientOrderId: /^[\x21-\x7e]{1,128}$/,
};

/** A request is a request: the venue weighs none. */
export const depthWeight = (_levels: number): number => 1;

/** The free plan's channels: trades and quotes together; bars are not counted. */
export const IEX_CHANNELS_MAX = 30;
