/** Which path is which operation. Pure. */

export type Op =
  | "account"
  | "configurations"
  | "configurations.change"
  | "activities"
  | "order.place"
  | "order.list"
  | "order.get"
  | "order.byClientId"
  | "order.replace"
  | "order.cancel"
  | "order.cancelAll"
  | "position.list"
  | "position.get"
  | "position.close"
  | "position.closeAll"
  | "asset.list"
  | "asset.get"
  | "clock"
  | "calendar";

const ROUTES: Readonly<Record<string, Op>> = {
  "GET /v2/account": "account",
  "GET /v2/account/configurations": "configurations",
  "PATCH /v2/account/configurations": "configurations.change",
  "GET /v2/account/activities": "activities",
  "GET /v2/account/activities/*": "activities",
  "POST /v2/orders": "order.place",
  "GET /v2/orders": "order.list",
  "GET /v2/orders/*": "order.get",
  "GET /v2/orders:by_client_order_id": "order.byClientId",
  "PATCH /v2/orders/*": "order.replace",
  "DELETE /v2/orders/*": "order.cancel",
  "DELETE /v2/orders": "order.cancelAll",
  "GET /v2/positions": "position.list",
  "GET /v2/positions/*": "position.get",
  "DELETE /v2/positions/*": "position.close",
  "DELETE /v2/positions": "position.closeAll",
  "GET /v2/assets": "asset.list",
  "GET /v2/assets/*": "asset.get",
  "GET /v2/clock": "clock",
  "GET /v2/calendar": "calendar",
};

/** What may bring exposure: refused to a key that may look and cancel alone. */
export const TRADES: readonly Op[] = [
  "order.place",
  "order.replace",
  "position.close",
  "position.closeAll",
  "configurations.change",
];

export interface Route {
  readonly op: Op;
  /** The last part of the path where the operation is about one thing, decoded; else empty. */
  readonly id: string;
}

/** The operation of a request; null is a 404. */
export function route(method: string, path: string): Route | null {
  const plain = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  const whole = ROUTES[`${method} ${plain}`];
  if (whole !== undefined) return { op: whole, id: "" };
  const slash = plain.lastIndexOf("/");
  const op = ROUTES[`${method} ${plain.slice(0, slash)}/*`];
  if (op === undefined) return null;
  try {
    return { op, id: decodeURIComponent(plain.slice(slash + 1)) };
  } catch {
    return null;
  }
}
