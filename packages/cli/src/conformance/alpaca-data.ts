/** `hft conformance alpaca-data`: real clients against the simulator's market data. */

import { Feeds } from "@tidegate/venue-sim/feeds";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { restCards } from "./alpaca-rest.ts";
import { streamCards } from "./alpaca-stream.ts";
import { play } from "./cards.ts";
import { ccxtCards } from "./ccxt.ts";

/** Fewest cards of a run that says anything. */
export const CARDS_MIN = 15;
export const BREAKS = ["wrong-host"] as const;

export async function alpacaData(command: string, plant: string | null): Promise<Result> {
  if (plant !== null && !(BREAKS as readonly string[]).includes(plant)) {
    throw new UsageError(`--break ${plant}: want ${BREAKS.join(", ")}`);
  }
  // Bars each two seconds, so that no card waits a minute.
  await using feeds = await Feeds.start({ scale: 30, seed: 7 });
  const at = (venue: Parameters<Feeds["port"]>[0]) => `127.0.0.1:${feeds.port(venue)}`;
  const stock = at("ALPACA");
  const crypto = at("ALPACA_CRYPTO");
  // The planted fault: REST that goes to a venue where the account has no such markets.
  const restStock = plant === "wrong-host" ? crypto : stock;
  const cards = [
    ...streamCards({
      feeds,
      url: (path) => `ws://${stock}${path}`,
      cryptoUrl: `ws://${crypto}/v1beta3/crypto/us`,
    }),
    ...restCards(`http://${restStock}`, `http://${crypto}`),
  ];
  const played = await play(cards);
  const markets = {
    spot: "BINANCE_SPOT",
    linear: "BINANCE_USDM",
    inverse: "BINANCE_COINM",
  } as const;
  const ccxt = await play(ccxtCards((kind) => `http://${at(markets[kind])}`));
  const failed = (of: typeof played) => of.filter(({ fault }) => fault !== "").length;
  const figures = {
    cards: [...played, ...ccxt],
    peers: { "@alpacahq/alpaca-trade-api": "4.0.2", ccxt: "4.5.84" },
  };
  return result(
    command,
    [
      check("failed", failed(played), "=", 0, "cards"),
      check("failed_of", played.length, ">=", CARDS_MIN, "cards"),
      check("failed.ccxt", failed(ccxt), "=", 0, "cards"),
      check("failed.ccxt_of", ccxt.length, ">=", 9, "cards"),
    ],
    figures,
    7,
  );
}
