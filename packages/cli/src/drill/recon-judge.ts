/** Judges a reconciliation drill. Pure: what was broken and when, what the monitor's case file says, what the gateway held. */

import { type Check, check } from "../result.ts";
import type { DrillVenue } from "./recon-cluster.ts";

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
  readonly venue: DrillVenue;
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
  readonly cashMs: number;
}

/** What was made at one venue: so many breaks of each of these kinds, and the bounds its monitor prints. */
export interface VenueBreaks {
  readonly venue: DrillVenue;
  readonly breaks: readonly Break[];
  readonly kinds: readonly Kind[];
  readonly each: number;
  readonly bounds: Bounds;
}

/** What is asked of each venue, ms; null = what its monitor prints. Alpaca's budget allows a list each five seconds. */
const WANTED: Readonly<
  Record<DrillVenue, { readonly orders: number; readonly positions: number | null }>
> = {
  spot: { orders: 1_000, positions: 5_000 },
  usdm: { orders: 1_000, positions: 5_000 },
  alpaca: { orders: 6_000, positions: null },
};

const took = (one: Break): number =>
  one.detectedMs === null ? NEVER_MS : one.detectedMs - one.atMs;
const byBalance = (kind: Kind): boolean => BY_BALANCE.includes(kind);

function boundOf({ kind }: Break, bounds: Bounds): number {
  if (!byBalance(kind)) return bounds.ordersMs;
  return kind === "cash_drift" ? bounds.cashMs : bounds.positionsMs;
}

/** The checks of one venue's own; spot's names have no ending. */
function venueChecks({ venue, breaks, kinds, each, bounds }: VenueBreaks): readonly Check[] {
  const name = (text: string) => (venue === "spot" ? text : `${text}.${venue}`);
  const of = (wanted: (kind: Kind) => boolean) => breaks.filter(({ kind }) => wanted(kind));
  const most = (some: readonly Break[]) => Math.max(0, ...some.map(took));
  const fewest = Math.min(...kinds.map((kind) => of((one) => one === kind).length));
  const { orders, positions } = WANTED[venue];
  // Where cash is a question of its own it has a bound of its own.
  const apart = bounds.cashMs > bounds.positionsMs;
  const held = (kind: Kind) => byBalance(kind) && !(apart && kind === "cash_drift");
  const bound = positions ?? bounds.positionsMs;
  const checks = [
    check(name("breaks_of_each_kind"), fewest, ">=", each),
    check(name("detect_orders_ms_max"), most(of((kind) => !byBalance(kind))), "<=", orders, "ms"),
    check(name("detect_positions_ms_max"), most(of(held)), "<=", bound, "ms"),
  ];
  const cash = most(of((kind) => kind === "cash_drift"));
  return apart
    ? [...checks, check(name("detect_cash_ms_max"), cash, "<=", bounds.cashMs, "ms")]
    : checks;
}

function spread(some: readonly Break[]) {
  const all = some.map(took).sort((a, b) => a - b);
  const at = (part: number) => all[Math.floor((all.length - 1) * part)] ?? null;
  return { count: all.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** The checks, and how long each kind took at each venue. `share` is the dearest minute's of any venue's budget. */
export function judge(
  venues: readonly VenueBreaks[],
  share: number,
): { readonly checks: readonly Check[]; readonly figures: Readonly<Record<string, unknown>> } {
  const made = venues.filter(({ kinds }) => kinds.length > 0);
  const count = (holds: (one: Break, bounds: Bounds) => boolean) =>
    made.reduce(
      (sum, { breaks, bounds }) => sum + breaks.filter((one) => holds(one, bounds)).length,
      0,
    );
  const late = count((one, bounds) => took(one) > boundOf(one, bounds));
  const loose = count(({ frozen }) => !frozen);
  const silent = count(({ silently }) => silently);
  return {
    checks: [
      ...made.flatMap(venueChecks),
      check("detect_ms_over_venue_bound", late, "=", 0),
      check("recon_budget_share_max", share, "<=", 0.1),
      check("not_frozen", loose, "=", 0),
      check("silently_overwritten", silent, "=", 0),
    ],
    figures: {
      venue_bounds: Object.fromEntries(made.map(({ venue, bounds }) => [venue, bounds])),
      detect_ms: Object.fromEntries(
        made.map(({ venue, kinds, breaks }) => [
          venue,
          Object.fromEntries(
            kinds.map((kind) => [kind, spread(breaks.filter((one) => one.kind === kind))]),
          ),
        ]),
      ),
    },
  };
}
