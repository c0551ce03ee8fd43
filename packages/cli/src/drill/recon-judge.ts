/** Judges a reconciliation drill. Pure: what was broken and when, what the monitor's case file says, what the gateway held. */

import { type Check, check } from "../result.ts";

export const KINDS = [
  "order_unknown",
  "order_gone",
  "fill_missing",
  "external_trade",
  "position_drift",
  "cash_drift",
] as const;
export type Kind = (typeof KINDS)[number];
/** Found by the account's balances; the others by orders and executions. */
export const BY_BALANCE: readonly Kind[] = ["position_drift", "cash_drift"];

/** Cases that tell of a break. A fill that was missed is seen in what it moved, too. */
const TELLS: Readonly<Record<Kind, readonly string[]>> = {
  order_unknown: ["ORDER_UNKNOWN_HERE"],
  order_gone: ["ORDER_GONE_THERE"],
  fill_missing: ["EXECUTION_MISSING_HERE", "POSITION", "CASH", "ORDER_GONE_THERE", "ORDER_TERMS"],
  external_trade: ["EXECUTION_MISSING_HERE"],
  position_drift: ["POSITION"],
  cash_drift: ["CASH"],
};

/** One line of the case file. */
export interface CaseLine {
  readonly atMs: number;
  readonly case?: {
    readonly id: number;
    readonly kind: string;
    readonly state: string;
    readonly evidence: readonly { readonly ours: string | null; readonly theirs: string | null }[];
  };
}

/** One break. */
export interface Break {
  readonly kind: Kind;
  /** Just before the venue did it. */
  readonly atMs: number;
  readonly detectedMs: number | null;
  readonly frozen: boolean;
  /** The gateway's view changed while no case told of the break, or is not what the break should have left. */
  readonly silently: boolean;
}

/** When the first case that tells of a break was opened after it; null where none was. */
export function detected(lines: readonly CaseLine[], kind: Kind, atMs: number): number | null {
  const found = lines.find(
    (line) => line.atMs >= atMs && line.case?.state === "OPEN" && tells(line, kind),
  );
  return found?.atMs ?? null;
}

function tells(line: CaseLine, kind: Kind): boolean {
  if (line.case === undefined || !TELLS[kind].includes(line.case.kind)) return false;
  const [first] = line.case.evidence;
  // A case names both sides, and they are different.
  return first !== undefined && first.ours !== first.theirs;
}

/** What stands for "never", ms. */
export const NEVER_MS = 600_000;

export interface Bounds {
  readonly ordersMs: number;
  readonly positionsMs: number;
}

/** What was made: so many breaks of each of these kinds. */
export interface Made {
  readonly breaks: readonly Break[];
  readonly kinds: readonly Kind[];
  readonly each: number;
}

/** The checks, and how long each kind took. `share` is the dearest minute's of the venue's budget. */
export function judge(
  { breaks, kinds, each }: Made,
  bounds: Bounds,
  share: number,
): { readonly checks: readonly Check[]; readonly figures: Readonly<Record<string, unknown>> } {
  const took = (one: Break) => (one.detectedMs === null ? NEVER_MS : one.detectedMs - one.atMs);
  const of = (wanted: (kind: Kind) => boolean) => breaks.filter(({ kind }) => wanted(kind));
  const most = (some: readonly Break[]) => Math.max(0, ...some.map(took));
  const byBalance = (kind: Kind) => BY_BALANCE.includes(kind);
  const bound = ({ kind }: Break) => (byBalance(kind) ? bounds.positionsMs : bounds.ordersMs);
  const fewest = Math.min(...kinds.map((kind) => of((one) => one === kind).length));
  const count = (holds: (one: Break) => boolean) => breaks.filter(holds).length;
  return {
    checks: [
      check("breaks_of_each_kind", fewest, ">=", each),
      check("detect_orders_ms_max", most(of((kind) => !byBalance(kind))), "<=", 1_000, "ms"),
      check("detect_positions_ms_max", most(of(byBalance)), "<=", 5_000, "ms"),
      check(
        "detect_ms_over_venue_bound",
        count((one) => took(one) > bound(one)),
        "=",
        0,
      ),
      check("recon_budget_share_max", share, "<=", 0.1),
      check(
        "not_frozen",
        count(({ frozen }) => !frozen),
        "=",
        0,
      ),
      check(
        "silently_overwritten",
        count(({ silently }) => silently),
        "=",
        0,
      ),
    ],
    figures: {
      venue_bounds: bounds,
      detect_ms: Object.fromEntries(
        kinds.map((kind) => {
          const all = of((one) => one === kind)
            .map(took)
            .sort((a, b) => a - b);
          const at = (part: number) => all[Math.floor((all.length - 1) * part)] ?? null;
          return [kind, { count: all.length, p50: at(0.5), p99: at(0.99), max: at(1) }];
        }),
      ),
    },
  };
}
