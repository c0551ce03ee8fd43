import type { Limits } from "../types.ts";

/** 250 orders in ten seconds, 50 market queries in ten. Source: the vendor's site and the daemon's notes; the stricter counts. */
export const limits: Limits = {
  weightPerMinute: 300,
  ordersPer10s: 250,
  ordersPerMinute: 0,
  connectionMsMax: 0,
  clientOrderId: /^[0-9A-Za-z]{1,6}$/,
};

/** A query is a query. */
export const depthWeight = (_levels: number): number => 1;

/** Subscriptions of one login, and logins of one person. */
export const SUBSCRIPTIONS_MAX = 200;
export const LOGINS_MAX = 5;
