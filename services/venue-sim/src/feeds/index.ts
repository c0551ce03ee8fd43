/** The market-data side of every venue: one host each, one control port, one truth. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { SAMPLE_FILES } from "../config.ts";
import { loadSample } from "../sample.ts";
import type { Account } from "./alpaca/protocol.ts";
import { AlpacaSkin } from "./alpaca/skin.ts";
import { GeneratedMarket, type Market } from "./binance/market.ts";
import { BINANCE_MARKETS, type BinanceVenue } from "./binance/markets.ts";
import { ReplayedMarket } from "./binance/replayed.ts";
import { BinanceSkin } from "./binance/skin.ts";
import { type Certificates, makeCertificates } from "./certificate.ts";
import { type HostClock, hostClock, VenueClock } from "./clock.ts";
import { handleControl } from "./control.ts";
import { Host, type Skin } from "./host.ts";
import { UNSENT_BYTES_MAX } from "./limits.ts";
import { hash32, Random } from "./random.ts";
import type { Injection, Step } from "./scenario.ts";
import { ShioajiSkin } from "./shioaji/skin.ts";
import { type FeedVenue, Switchboard, SwitchError, VENUES } from "./switches.ts";
import { TruthLog } from "./truth.ts";

const TICK_MS = 10;

/** Accounts of Alpaca: the key every test knows, one that pays for SIP, one that has no v2 at all. */
export const ACCOUNTS: readonly Account[] = [
  { key: "sim", secret: "sim-secret", feeds: ["iex", "test", "us"] },
  { key: "sim-sip", secret: "sim-secret", feeds: ["iex", "sip", "us"], unlimited: true },
  { key: "sim-second", secret: "sim-secret", feeds: ["iex", "us"] },
  { key: "sim-third", secret: "sim-secret", feeds: ["iex", "us"] },
  { key: "sim-none", secret: "sim-secret", feeds: [] },
];

export interface FeedsOptions {
  readonly venues?: readonly FeedVenue[];
  readonly seed?: number;
  /** How fast session rules (pings, lives, heartbeats, bars) run. */
  readonly scale?: number;
  /** Venues that speak TLS. */
  readonly tls?: readonly FeedVenue[];
  /** Recordings of BTCUSDT instead of the generated market, where there are. */
  readonly samples?: boolean;
  /** Unsent bytes after which a client is slow. */
  readonly unsentBytesMax?: number;
  /** Unix socket of the Shioaji daemon. */
  readonly shioajiSocket?: string;
  readonly controlPort?: number;
  readonly scenario?: readonly Step[];
  readonly clock?: HostClock;
  readonly onError?: (error: unknown) => void;
}

interface Running {
  readonly skin: Skin;
  readonly board: Switchboard;
  readonly host: Host;
  readonly clock: VenueClock;
  readonly tls: boolean;
}

export class Feeds implements AsyncDisposable {
  readonly truth = new TruthLog();
  readonly certificates: Certificates | null;
  readonly #running = new Map<FeedVenue, Running>();
  readonly #control: Server;
  readonly #steps: Step[];
  readonly #clock: HostClock;
  readonly #startedMs: number;
  #timer: NodeJS.Timeout | null = null;
  controlPort = 0;

  private constructor(options: FeedsOptions) {
    this.#clock = options.clock ?? hostClock;
    this.#startedMs = this.#clock.monoMs();
    this.#steps = [...(options.scenario ?? [])];
    const tls = options.tls ?? [];
    this.certificates = tls.length === 0 ? null : makeCertificates(Date.now());
    const onError = options.onError ?? ((error) => console.error(error));
    for (const venue of options.venues ?? VENUES) {
      const board = new Switchboard(venue);
      const clock = new VenueClock(this.#clock, options.scale ?? 1);
      const skin = makeSkin(venue, options, clock, board, this.truth);
      const certificates = tls.includes(venue) ? this.certificates : null;
      const host = new Host({ skin, board, certificates, onError });
      if (skin instanceof ShioajiSkin) skin.delayed = (act) => host.delayed(act);
      this.#running.set(venue, { skin, board, host, clock, tls: certificates !== null });
    }
    this.#control = createServer(
      (request, response) => void handleControl(this, request, response),
    );
  }

  static async start(options: FeedsOptions = {}): Promise<Feeds> {
    const feeds = new Feeds(options);
    for (const [venue, { host }] of feeds.#running) {
      await host.listen(0);
      if (venue === "SHIOAJI" && options.shioajiSocket !== undefined) {
        await host.listenUnix(options.shioajiSocket);
      }
    }
    await new Promise<void>((resolve, reject) => {
      feeds.#control.once("error", reject);
      feeds.#control.listen(options.controlPort ?? 0, "127.0.0.1", resolve);
    });
    feeds.controlPort = (feeds.#control.address() as AddressInfo).port;
    const turn = () => {
      feeds.#turn();
      feeds.#timer = setTimeout(turn, TICK_MS);
    };
    turn();
    return feeds;
  }

  #turn(): void {
    const seconds = (this.#clock.monoMs() - this.#startedMs) / 1_000;
    while (this.#steps[0] !== undefined && this.#steps[0].atSeconds <= seconds) {
      const step = this.#steps.shift();
      if (step !== undefined) this.inject(step);
    }
    for (const { skin } of this.#running.values()) skin.tick();
  }

  /** Arms a switch. Throws SwitchError where it does not apply. */
  inject(injection: Injection): void {
    const running = this.#of(injection.venue);
    running.board.arm(injection.switch, injection);
    if (injection.kick === true) this.kick(injection.venue);
  }

  /** Ends every connection of a venue. */
  kick(venue: FeedVenue): void {
    for (const peer of [...this.#of(venue).skin.peers]) if (!peer.frozen) peer.terminate();
  }

  #of(venue: FeedVenue): Running {
    const running = this.#running.get(venue);
    if (running === undefined) throw new SwitchError(`${venue} is not simulated here`);
    return running;
  }

  port(venue: FeedVenue): number {
    return this.#of(venue).host.port;
  }

  /** Ports, counts of injections, and peers, by venue. */
  stats(): Record<string, unknown> {
    const venues = [...this.#running].map(([venue, { skin, board, host, clock, tls }]) => [
      venue,
      {
        port: host.port,
        tls,
        peers: skin.peers.size,
        addedMs: Math.round(clock.addedMs),
        injected: board.injected(),
        ...(skin instanceof AlpacaSkin ? { logins: Object.fromEntries(skin.logins) } : {}),
        ...(skin instanceof ShioajiSkin ? skin.stats() : {}),
      },
    ]);
    return { truth: this.truth.next, venues: Object.fromEntries(venues) as unknown };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const { host } of this.#running.values()) await host.close();
    this.#control.closeAllConnections();
    await new Promise<void>((resolve) => this.#control.close(() => resolve()));
  }
}

function binanceMarkets(venue: BinanceVenue, options: FeedsOptions): Market[] {
  const market = BINANCE_MARKETS[venue];
  const recorded = { BINANCE_SPOT: "spot", BINANCE_USDM: "usdm" } as const;
  return market.symbols.map((spec) => {
    const of = venue === "BINANCE_COINM" ? null : recorded[venue];
    const file = of === null ? undefined : SAMPLE_FILES.find((path) => path.includes(`-${of}-`));
    if (
      options.samples !== false &&
      of !== null &&
      spec.symbol === "BTCUSDT" &&
      file !== undefined
    ) {
      return new ReplayedMarket(spec, loadSample([file]), of);
    }
    const seed = (options.seed ?? 1) ^ hash32(`${venue} ${spec.symbol}`);
    return new GeneratedMarket(spec, new Random(seed), market.stepMs);
  });
}

function makeSkin(
  venue: FeedVenue,
  options: FeedsOptions,
  clock: VenueClock,
  board: Switchboard,
  truth: TruthLog,
): Skin {
  const seed = options.seed ?? 1;
  const unsentBytesMax = options.unsentBytesMax ?? UNSENT_BYTES_MAX;
  const common = { clock, board, truth, unsentBytesMax };
  switch (venue) {
    case "BINANCE_SPOT":
    case "BINANCE_USDM":
    case "BINANCE_COINM": {
      const market = BINANCE_MARKETS[venue];
      return new BinanceSkin({ ...common, market, symbols: binanceMarkets(venue, options) });
    }
    case "ALPACA": {
      const symbols = ["AAPL", "MSFT", "SPY", "FAKEPACA"];
      return new AlpacaSkin({ ...common, venue, seed, accounts: ACCOUNTS, symbols });
    }
    case "ALPACA_CRYPTO": {
      const symbols = ["BTC/USD", "ETH/USD"];
      return new AlpacaSkin({ ...common, venue, seed, accounts: ACCOUNTS, symbols });
    }
    case "SHIOAJI":
      return new ShioajiSkin({ ...common, seed });
  }
}
