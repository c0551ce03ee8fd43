/** The native matching core behind the port. */

import { SimMarket } from "@tidegate/rust-core";
import type { SimMarketFactory } from "./core.ts";

export const newRustMarket: SimMarketFactory = (configJson) => new SimMarket(configJson);
