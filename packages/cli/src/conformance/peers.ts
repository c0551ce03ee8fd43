/** `hft conformance peers`: clients and engines that are not ours against our simulators and our FIX engine. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newRustMarket, startVenueSim, systemClock } from "@tidegate/venue-sim";
import { Settings } from "@tidegate/venue-sim/config";
import { type Check, type Result, result } from "../result.ts";
import { run } from "../run.ts";
import { UsageError } from "../sim/options.ts";
import { AlpacaVenues, MIDDLES, market, sdkCards, wrongFees } from "./alpaca-orders.ts";
import { type Card, judged, type Played, play } from "./cards.ts";
import { ccxtAlpacaCards, ccxtBinanceCards } from "./ccxt-orders.ts";
import { PARTS as FIX_PARTS, fix } from "./fix.ts";

/** What can be run alone, and the fewest cards of each that say anything. */
export const PARTS = {
  alpaca_sdk: 25,
  alpaca_py: 15,
  ccxt: 18,
  fix_scripts: FIX_PARTS.scripts,
  quickfix_initiator: FIX_PARTS.quickfix_initiator,
  quickfix_acceptor: FIX_PARTS.quickfix_acceptor,
  jspurefix: FIX_PARTS.jspurefix,
} as const;
type Part = keyof typeof PARTS;

/** Each fault that can be planted, and the parts that must notice it. */
export const PLANTS: Readonly<Record<string, readonly Part[]>> = {
  // A venue that takes another fee than it says.
  "wrong-fee": ["alpaca_sdk", "alpaca_py", "ccxt"],
  "withhold-orders": ["fix_scripts"],
  "wrong-peer": ["quickfix_initiator", "jspurefix"],
};

/** The versions that judge; the lists of what is installed say the same. */
const VERSIONS = {
  "@alpacahq/alpaca-trade-api": "4.0.2",
  "alpaca-py": "0.43.2",
  ccxt: "4.5.84",
  "quickfixj-core": "2.3.2",
  jspurefix: "5.11.4",
} as const;

const PYTHON_MS_MAX = 180_000;

interface Flags {
  readonly data: () => string;
  readonly only: string | null;
  readonly plant: string | null;
}

/** Installs what is not there yet. Throws UsageError with the installer's own words where it cannot. */
async function installed(root: string, script: string, file: string, peer: string): Promise<void> {
  if (existsSync(join(root, file))) return;
  process.stderr.write(`installing ${peer} …\n`);
  const { code, output } = await run(join(root, "scripts", script), ["install"], { cwd: root });
  if (code === 0 && existsSync(join(root, file))) return;
  throw new UsageError(
    `${peer} cannot be installed; scripts/${script} install said: ${output.trim().slice(-600)}`,
  );
}

async function alpacaSdk(wrong: boolean): Promise<Played[]> {
  using venues = new AlpacaVenues(wrong);
  return await play(sdkCards(() => venues.open()));
}

/** The vendor's Python client: one process that plays its cards against one venue, moving its market by the control port. */
async function alpacaPy(root: string, wrong: boolean): Promise<Played[]> {
  using venues = new AlpacaVenues(wrong);
  // All its cards share the one venue, and so the minute.
  await using venue = await venues.open(10);
  for (const [symbol, middle] of MIDDLES) market(venue, symbol, middle);
  const python = join(root, ".tools/venue-peers/bin/python");
  const script = join(root, "packages/cli/venue-peers/alpaca_peer.py");
  const ended = run(python, [script, `http://127.0.0.1:${venue.port}`], { cwd: root });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PYTHON_MS_MAX);
  });
  const ran = await Promise.race([ended, late]);
  clearTimeout(timer);
  const last = ran?.output.trimEnd().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(last) as Played[];
  } catch {
    const fault = ran === null ? `not done within ${PYTHON_MS_MAX} ms` : ran.output.slice(-400);
    return [{ name: "the Python client", fault: `no cards: ${fault}`, ms: 0 }];
  }
}

async function ccxtCards(wrong: boolean): Promise<Played[]> {
  using venues = new AlpacaVenues(wrong);
  const dir = mkdtempSync(join(tmpdir(), "tidegate-peers-binance-"));
  try {
    await using binance = await startVenueSim(Settings.parse({ venueDir: dir }), {
      clock: systemClock,
      newMarket: wrong ? wrongFees : newRustMarket,
      onFatal: (error) => {
        throw error;
      },
    });
    const cards: Card[] = [
      ...ccxtAlpacaCards(() => venues.open()),
      ...ccxtBinanceCards(`http://127.0.0.1:${binance.port}`),
    ];
    return await play(cards);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The FIX parts are those of `hft conformance fix`, and its checks have the names they have here. */
async function fixParts(
  root: string,
  parts: readonly Part[],
  flags: Flags,
): Promise<{ checks: Check[]; figures: Record<string, unknown> }> {
  const checks: Check[] = [];
  const figures: Record<string, unknown> = {};
  for (const part of parts) {
    const only = part === "fix_scripts" ? "scripts" : part;
    const plant = flags.plant !== null && PLANTS[flags.plant]?.includes(part) ? flags.plant : null;
    const value = await fix(root, { data: flags.data, only, plant });
    checks.push(...value.checks);
    figures[part] = value.figures[only] ?? value.figures;
  }
  return { checks, figures };
}

export async function peers(command: string, root: string, flags: Flags): Promise<Result> {
  const { only, plant } = flags;
  if (only !== null && !(only in PARTS)) {
    throw new UsageError(`--only ${only}: want ${Object.keys(PARTS).join(", ")}`);
  }
  const noticing = plant === null ? null : PLANTS[plant];
  if (noticing === undefined) {
    throw new UsageError(`--break ${plant}: want ${Object.keys(PLANTS).join(", ")}`);
  }
  if (only !== null && noticing?.includes(only as Part) === false) {
    throw new UsageError(`--break ${plant}: noticed by ${noticing.join(", ")}, not by ${only}`);
  }
  const wrong = plant === "wrong-fee";
  const parts = only === null ? (Object.keys(PARTS) as Part[]) : [only as Part];
  const engines: readonly Part[] = ["quickfix_initiator", "quickfix_acceptor", "jspurefix"];
  // First everything is there, then the first card is played.
  if (parts.includes("fix_scripts")) flags.data();
  if (parts.includes("alpaca_py")) {
    await installed(root, "venue-peers", ".tools/venue-peers/installed", "alpaca-py");
  }
  if (parts.some((part) => engines.includes(part))) {
    const file = ".tools/fix-peers/node_modules/jspurefix/package.json";
    await installed(root, "fix-peers", file, "QuickFIX/J and jspurefix");
  }
  const checks: Check[] = [];
  const figures: Record<string, unknown> = {};
  const judge = (part: Part, played: readonly Played[]): void => {
    checks.push(...judged(part, played, PARTS[part]));
    figures[part] = played;
  };
  if (parts.includes("alpaca_sdk")) judge("alpaca_sdk", await alpacaSdk(wrong));
  if (parts.includes("alpaca_py")) judge("alpaca_py", await alpacaPy(root, wrong));
  if (parts.includes("ccxt")) judge("ccxt", await ccxtCards(wrong));
  const fixed = parts.filter((part) => part === "fix_scripts" || engines.includes(part));
  if (fixed.length > 0) {
    const read = await fixParts(root, fixed, flags);
    checks.push(...read.checks);
    Object.assign(figures, read.figures);
  }
  return result(command, checks, { ...figures, peers: VERSIONS });
}
