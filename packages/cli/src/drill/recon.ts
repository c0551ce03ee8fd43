/**
 * `hft drill recon`: six kinds of break between us and a venue, again and again, on running clusters. The monitor's case file
 * says when each was found, the gateway what it held meanwhile, the venue's log what the looking cost.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Result, result } from "../result.ts";
import { makeRunDir, removeRunDir } from "../sim/cluster.ts";
import { UsageError } from "../sim/options.ts";
import { windows } from "./rate-limit-judge.ts";
import { type DrillVenue, type Plant, ReconCluster, VENUES } from "./recon-cluster.ts";
import { Hand } from "./recon-hand.ts";
import {
  type Bounds,
  type Break,
  judge,
  KINDS,
  type Kind,
  type VenueBreaks,
} from "./recon-judge.ts";
import { DRIFT_EVERY, Lane } from "./recon-lane.ts";
import { type Place, placeOf } from "./recon-places.ts";
import { until } from "./started.ts";

const PLANTS: readonly Plant[] = ["blind", "no-freeze", "slow", "greedy"];
/** Spot's breaks are shared by so many clusters at most, of so many breaks each at least. */
const SPOT_CLUSTERS_MAX = 2;
const SPOT_BREAKS_MIN = 20;
/** Of so many breaks of a kind at spot, one is made at the venue too. */
const ONE_IN: Readonly<Record<DrillVenue, number>> = { spot: 1, usdm: 4, alpaca: 10 };

export interface ReconOptions {
  /** Breaks of each kind at spot. */
  readonly breaks: number;
  /** These kinds alone; the checks are of them. */
  readonly kinds?: readonly string[];
  /** These venues alone. */
  readonly venues?: readonly string[];
  readonly plant: string | null;
  readonly progress: (text: string) => void;
}

/** Errors  UsageError: a name there is not */
function named<N extends string>(
  option: string,
  wanted: readonly string[] = [],
  all: readonly N[],
): readonly N[] {
  const unknown = wanted.find((name) => !(all as readonly string[]).includes(name));
  if (unknown !== undefined) throw new UsageError(`${option} ${unknown}: want ${all.join(", ")}`);
  return wanted.length === 0 ? all : all.filter((name) => wanted.includes(name));
}

/** One cluster: the venue it reconciles, and how many breaks of each kind are made there. */
export interface Share {
  readonly venue: DrillVenue;
  readonly rounds: number;
}

/**
 * How the breaks are shared out. Each cluster has a venue, an account, a budget, a monitor and a gateway of its own, so nothing
 * of one is seen in another.
 */
export function sharesOf(breaks: number, venues: readonly DrillVenue[]): readonly Share[] {
  return venues.flatMap((venue): Share[] => {
    const rounds = Math.ceil(breaks / ONE_IN[venue]);
    const clusters =
      venue === "spot"
        ? Math.min(SPOT_CLUSTERS_MAX, Math.max(1, Math.floor(breaks / SPOT_BREAKS_MIN)))
        : 1;
    return Array.from({ length: clusters }, (_, at) => ({
      venue,
      rounds: Math.floor((rounds + at) / clusters),
    }));
  });
}

/** What a cluster found. */
interface Found {
  readonly venue: DrillVenue;
  readonly breaks: readonly Break[];
  readonly bounds: Bounds;
  /** The dearest minute as a part of what the venue allows, and the questions it was asked. */
  readonly share: number;
  readonly questions: number;
  readonly healed: number;
}

/** Runs the drill. */
export async function drillRecon(root: string, options: ReconOptions): Promise<Result> {
  const { plant, breaks, progress } = options;
  const known = PLANTS.find((each) => each === plant);
  if (plant !== null && known === undefined)
    throw new UsageError(`--break ${plant}: want ${PLANTS.join(", ")}`);
  const kinds = named("--kinds", options.kinds, KINDS);
  const venues = named("--venues", options.venues, VENUES);
  const shares = sharesOf(breaks, venues);
  const dirs = shares.map(() => makeRunDir(root, { runDir: null }));
  let keep = true;
  try {
    const running = shares.map((share, at) =>
      runShare(root, dirs[at] ?? "", share, { kinds, plant: known ?? null, progress }),
    );
    // All end before one that failed is told of: none is left running.
    const found = (await Promise.allSettled(running)).map((each) => {
      if (each.status === "rejected") throw each.reason;
      return each.value;
    });
    const value = judged(found, kinds, venues, options);
    keep = !value.ok && plant === null;
    if (keep) progress(`drill: what it left is in ${dirs.join(", ")}`);
    return value;
  } finally {
    if (!keep) for (const dir of dirs) removeRunDir(root, dir);
  }
}

function judged(
  found: readonly Found[],
  kinds: readonly Kind[],
  venues: readonly DrillVenue[],
  { breaks, plant }: ReconOptions,
): Result {
  const of = (venue: DrillVenue): VenueBreaks => ({
    venue,
    breaks: found.flatMap((each) => each.breaks).filter((each) => each.venue === venue),
    kinds: kinds.filter((kind) => kindsAt(venue).includes(kind)),
    each: Math.ceil(breaks / ONE_IN[venue] / DRIFT_EVERY[venue]),
    bounds: found.find((each) => each.venue === venue)?.bounds ?? NO_BOUNDS,
  });
  const share = Math.max(0, ...found.map((each) => each.share));
  const { checks, figures } = judge(venues.map(of), share);
  const shown = plant === null ? {} : { planted: plant };
  return result("drill recon", checks, {
    ...{ ...figures, ...shown, clusters: found.length },
    breaks: found.reduce((sum, each) => sum + each.breaks.length, 0),
    healed_before_a_difference: found.reduce((sum, each) => sum + each.healed, 0),
    recon_questions: found.reduce((sum, each) => sum + each.questions, 0),
  });
}

/** No order of ours reaches Alpaca. */
const kindsAt = (venue: DrillVenue): readonly Kind[] =>
  venue === "alpaca"
    ? KINDS.filter((kind) => kind !== "order_gone" && kind !== "fill_missing")
    : KINDS;
/** Of a monitor that was never asked. */
const NO_BOUNDS: Bounds = { ordersMs: 1_000, positionsMs: 5_000, cashMs: 5_000 };

interface ShareOptions {
  readonly kinds: readonly Kind[];
  readonly plant: Plant | null;
  readonly progress: (text: string) => void;
}

async function runShare(
  root: string,
  dir: string,
  { venue, rounds }: Share,
  { kinds, plant, progress }: ShareOptions,
): Promise<Found> {
  await using cluster = new ReconCluster(root, dir, plant, venue);
  await cluster.start();
  await using hand = await Hand.connect(`ipc://${join(dir, "s/intent.sock")}`, 1);
  await until("the strategy's link is in step", 10_000, () => hand.state === "SYNCED");
  const place = placeOf(venue, cluster);
  const bounds = await boundsOf(cluster, place, plant);
  const lane = new Lane({ cluster, place, hand, plant, bounds, progress });
  const some = kinds.filter((kind) => place.kinds.includes(kind));
  const breaks = some.length === 0 ? [] : await lane.run(some, rounds);
  const { most, judged: questions } = costOf(dir, place);
  return { venue, breaks, bounds, share: most / place.perMinute, questions, healed: lane.healed };
}

async function boundsOf(
  cluster: ReconCluster,
  { account }: Place,
  plant: Plant | null,
): Promise<Bounds> {
  if (plant === "blind") return NO_BOUNDS;
  const { body } = await cluster.as("ann", "monitor").get("/recon");
  const venues = body["venues"] as Record<string, { readonly bounds: Bounds }>;
  return venues[account]?.bounds ?? NO_BOUNDS;
}

/** What the monitor's key cost a venue: the dearest sliding minute. */
function costOf(dir: string, { mark, perMinute }: Place) {
  const lines = readFileSync(join(dir, "venue/requests.ndjson"), "utf8").split("\n").slice(0, -1);
  const limit = { name: "recon", windowMs: 60_000, max: perMinute };
  return windows(
    lines.map((line) => JSON.parse(line)),
    { ...limit, of: ({ key, m, weight }) => (key === "sim-kill" && m === mark ? weight : 0) },
  );
}
