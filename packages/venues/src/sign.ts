import { createHmac } from "node:crypto";

/** One key pair of a venue. `secret` is a function, so that printing the pair shows none. */
export interface VenueKey {
  readonly key: string;
  readonly secret: () => string;
}

/** A query in sent order, percent-encoded, with its HMAC-SHA256 signature appended. */
export function signQuery(params: readonly (readonly [string, string])[], secret: string): string {
  const query = params.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  const signature = createHmac("sha256", secret).update(query).digest("hex");
  return query === "" ? `signature=${signature}` : `${query}&signature=${signature}`;
}
