/**
 * The lease of a pair as a key in Redis. It is a hint who should ask the router for the next epoch and nothing more: a store
 * that is away, slow or wrong costs availability, never a second dispatcher.
 */

import type { EngineEvent } from "@tidegate/service-kit";
import { Redis } from "ioredis";
import { z } from "zod";
import type { CoreCall } from "./control.ts";

export const LEASE_KEY = "tidegate:gateway:lease";
/** A request without an answer by then is given up; the loop asks again anyway. */
const COMMAND_MS_MAX = 300;
const RECONNECT_MS_MAX = 200;

/** Takes a free key, or lengthens one that is ours. */
const HOLD = `
local is = redis.call('GET', KEYS[1])
if is and is ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;
/** Deletes the key if it is ours. */
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0`;

const Wanted = z.object({
  type: z.literal("lease"),
  op: z.enum(["hold", "release"]),
  token: z.number().int().nonnegative(),
  ttlMs: z.number().int().nonnegative(),
  holder: z.string().regex(/^[0-9a-f]{16}$/),
});

interface Log {
  warn(fields: Record<string, unknown>, msg: string): void;
}

/** Carries the loop's requests to Redis and the answers back. */
export class RedisLease {
  readonly #redis: Redis;
  readonly #call: CoreCall;
  readonly #log: Log;
  #away = false;

  constructor(url: string, call: CoreCall, log: Log) {
    this.#call = call;
    this.#log = log;
    this.#redis = new Redis(url, {
      commandTimeout: COMMAND_MS_MAX,
      connectTimeout: COMMAND_MS_MAX,
      // An old request says nothing by the time the store is back.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (times) => Math.min(RECONNECT_MS_MAX, 20 * times),
    });
    this.#redis.on("error", (error: Error) => this.#lost(error));
    this.#redis.on("ready", () => {
      this.#away = false;
    });
  }

  #lost(error: Error): void {
    if (!this.#away) {
      this.#log.warn({ why: error.message }, "the lease cannot be reached in Redis");
    }
    this.#away = true;
  }

  /** One event of the loop; others than its requests are none of this. */
  onEvent(event: EngineEvent): void {
    const wanted = Wanted.safeParse(event);
    if (!wanted.success) return;
    void this.#ask(wanted.data);
  }

  async #ask({ op, token, ttlMs, holder }: z.output<typeof Wanted>): Promise<void> {
    try {
      const answer =
        op === "hold"
          ? await this.#redis.eval(HOLD, 1, LEASE_KEY, holder, ttlMs)
          : await this.#redis.eval(RELEASE, 1, LEASE_KEY, holder);
      if (op === "hold") await this.#call({ op: "lease", token, ours: answer === 1 });
    } catch (error) {
      // No answer is an answer: the lease grows old.
      this.#lost(error as Error);
    }
  }

  close(): void {
    this.#redis.disconnect();
  }
}
