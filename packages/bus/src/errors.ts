import { ClusterError } from "@tidegate/contracts";

export type BusFault =
  | { readonly code: "ENDPOINT_MALFORMED"; readonly url: string }
  | { readonly code: "ENDPOINT_PATH_TOO_LONG"; readonly url: string; readonly bytes: number }
  | { readonly code: "ENDPOINT_IN_USE"; readonly url: string }
  | { readonly code: "ENDPOINT_NOT_A_SOCKET"; readonly url: string }
  | { readonly code: "ENDPOINT_DIR_SHARED"; readonly dir: string }
  | { readonly code: "ENDPOINT_UNAVAILABLE"; readonly url: string }
  | { readonly code: "CURVE_NEEDED"; readonly url: string }
  | { readonly code: "CURVE_KEY_MALFORMED"; readonly which: string }
  | { readonly code: "ALLOW_LIST_MALFORMED"; readonly size: number; readonly max: number }
  | { readonly code: "IDENTITY_MALFORMED"; readonly identity: string }
  | { readonly code: "TOPIC_LIMIT"; readonly max: number }
  | { readonly code: "PAYLOAD_REFUSED"; readonly refusal: string };

/** A lane could not be opened, or was handed what it cannot carry. */
export class BusError extends ClusterError<BusFault> {}

export function endpointMalformed(url: string, want: string): BusError {
  return new BusError(`Cannot use endpoint ${JSON.stringify(url)}: want ${want}`, {
    code: "ENDPOINT_MALFORMED",
    url,
  });
}

export function endpointPathTooLong(url: string, bytes: number, max: number): BusError {
  return new BusError(
    `Cannot use ${url}: its path has ${bytes} bytes, the system takes ${max}; use a relative path`,
    { code: "ENDPOINT_PATH_TOO_LONG", url, bytes },
  );
}

export function endpointInUse(url: string, options?: ErrorOptions): BusError {
  return new BusError(
    `Cannot listen on ${url}: another process does; stop it first`,
    { code: "ENDPOINT_IN_USE", url },
    options,
  );
}

export function endpointNotASocket(url: string): BusError {
  return new BusError(`Cannot listen on ${url}: it is no socket; move it away`, {
    code: "ENDPOINT_NOT_A_SOCKET",
    url,
  });
}

export function endpointDirShared(dir: string): BusError {
  return new BusError(
    `Cannot put a socket into ${dir}: want a directory of this user's own, not shared`,
    { code: "ENDPOINT_DIR_SHARED", dir },
  );
}

export function endpointUnavailable(url: string, cause: unknown): BusError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new BusError(
    `Cannot open ${url}: ${why}`,
    { code: "ENDPOINT_UNAVAILABLE", url },
    { cause },
  );
}

export function curveNeeded(url: string): BusError {
  return new BusError(
    `Cannot use ${url} without keys: tcp:// is spoken with CURVE by the bridge only; want ipc://`,
    { code: "CURVE_NEEDED", url },
  );
}

export function curveKeyMalformed(which: string): BusError {
  return new BusError(`Cannot use the ${which}: want 40 Z85 letters`, {
    code: "CURVE_KEY_MALFORMED",
    which,
  });
}

export function allowListMalformed(what: string, size: number, max: number): BusError {
  return new BusError(`Cannot let in ${size} ${what}: want 1 to ${max}`, {
    code: "ALLOW_LIST_MALFORMED",
    size,
    max,
  });
}

export function identityMalformed(identity: string, max: number): BusError {
  return new BusError(
    `Cannot connect as ${JSON.stringify(identity)}: want 1 to ${max} printable ASCII letters`,
    { code: "IDENTITY_MALFORMED", identity },
  );
}

export function topicLimit(max: number): BusError {
  return new BusError(`Cannot hold another topic: this end has ${max}`, {
    code: "TOPIC_LIMIT",
    max,
  });
}

export function payloadRefused(refusal: string): BusError {
  return new BusError(`Cannot publish this payload: ${refusal}`, {
    code: "PAYLOAD_REFUSED",
    refusal,
  });
}
