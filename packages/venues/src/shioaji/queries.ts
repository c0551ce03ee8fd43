import type { RestAnswer, RestClient } from "../rest.ts";
import { paths } from "./endpoints.ts";

/** Whether the daemon is well: token, contracts, maintenance. */
export const time = (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
  rest.ask("GET", paths.time, [], "none", stop);

/** There is no depth to fetch: each BidAsk is a whole book of five levels. */
export const depthSnapshot = null;
