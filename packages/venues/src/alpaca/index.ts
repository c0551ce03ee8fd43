export { capabilities } from "./capabilities.ts";
export { DATA_REST, endpoints, paths } from "./endpoints.ts";
export { errorMeaning } from "./errors.ts";
export * as limits from "./limits.ts";
export { cryptoMarketData, marketData, sipMarketData } from "./market-data.ts";
export * as queries from "./queries.ts";
