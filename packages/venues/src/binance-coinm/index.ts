export { capabilities } from "./capabilities.ts";
export { endpoints, paths } from "./endpoints.ts";
export { errorMeaning } from "./errors.ts";
export * as limits from "./limits.ts";
export { marketData } from "./market-data.ts";
export * as queries from "./queries.ts";
