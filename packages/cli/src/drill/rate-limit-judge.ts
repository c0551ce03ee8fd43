/** Judges a rate drill from the venue's own log of requests. Pure. */

/** One line of the venue's request log. */
export interface Request {
  readonly ts: number;
  readonly m: string;
  readonly op: string;
  readonly key: string;
  readonly weight: number;
  readonly orders: 0 | 1;
  readonly status: number;
  readonly stampMs: number | null;
  readonly blockedUntilMs: number | null;
}

/** A limit of one window. */
export interface Limit {
  readonly name: string;
  readonly windowMs: number;
  readonly max: number;
  readonly of: (request: Request) => number;
}

export interface Windows {
  /** Windows that end with a request, and those of them that held more than the limit. */
  readonly judged: number;
  readonly over: number;
  readonly most: number;
}

/** Every sliding window `(t - windowMs, t]` that ends with a counted request. Refused requests count, as at the venue. */
export function windows(requests: readonly Request[], { windowMs, max, of }: Limit): Windows {
  const sorted = [...requests].sort((a, b) => a.ts - b.ts);
  let [from, sum, judged, over, most] = [0, 0, 0, 0, 0];
  for (const request of sorted) {
    sum += of(request);
    for (; (sorted[from]?.ts ?? Number.POSITIVE_INFINITY) <= request.ts - windowMs; from += 1)
      sum -= of(sorted[from] as Request);
    if (of(request) === 0) continue;
    judged += 1;
    most = Math.max(most, sum);
    if (sum > max) over += 1;
  }
  return { judged, over, most };
}

export interface Silences {
  /** Scripted blocks that a sender ran into, by status. */
  readonly met: Readonly<Record<"429" | "418", number>>;
  /** Requests of a sender that had been told, before the reset. */
  readonly early: number;
  /** Requests that had left before their sender can have read the answer. */
  readonly crossed: number;
}

/**
 * Whether a sender that was told to be silent was. A request counts as early when its own signed stamp lies more than
 * `graceMs` after the first answer of that block to the same key: by then its sender has read it.
 */
export function silences(requests: readonly Request[], graceMs: number): Silences {
  const told = new Map<string, number>();
  const met = { "429": 0, "418": 0 };
  let [early, crossed] = [0, 0];
  for (const request of [...requests].sort((a, b) => a.ts - b.ts)) {
    if (request.blockedUntilMs === null) continue;
    const block = `${request.key} ${request.m} ${request.blockedUntilMs}`;
    const first = told.get(block);
    if (first === undefined) {
      told.set(block, request.ts);
      met[request.status === 418 ? "418" : "429"] += 1;
    } else if ((request.stampMs ?? request.ts) > first + graceMs) early += 1;
    else crossed += 1;
  }
  return { met, early, crossed };
}
