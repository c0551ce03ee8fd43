import { describe, expect, it } from "vitest";
import { NoAnswer, type RestAnswer } from "./rest.ts";
import { BACKOFF_MS, retried } from "./retry.ts";

const answer = (status: number, retryAfterS: number | null = null): RestAnswer => ({
  status,
  body: Buffer.from("{}"),
  usedWeight: null,
  retryAfterS,
  window: null,
  requestId: null,
});

type Happens = RestAnswer | NoAnswer;

/** Plays what happens, one after the other; gives the attempts, the waits, and how it ended. */
async function play(
  happens: readonly Happens[],
  safe: boolean,
): Promise<{ attempts: number; waits: number[]; end: number | "no answer" }> {
  let attempts = 0;
  const waits: number[] = [];
  const act = async (): Promise<RestAnswer> => {
    const next = happens[Math.min(attempts, happens.length - 1)];
    attempts += 1;
    if (next === undefined || next instanceof NoAnswer) throw next;
    return next;
  };
  const sleep = async (ms: number): Promise<void> => {
    waits.push(ms);
  };
  try {
    const { status } = await retried(act, { safe, sleep });
    return { attempts, waits, end: status };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { attempts, waits, end: "no answer" };
  }
}

const LOST = new NoAnswer(true, new Error("reset"));
const NEVER = new NoAnswer(false, new Error("refused"));

describe("retries", () => {
  /** Attempts at a fault that does not go away: of what changes nothing, and of what may have had an effect. */
  it.each([
    ["200", answer(200), 1, 1],
    ["400", answer(400), 1, 1],
    ["401", answer(401), 1, 1],
    ["403", answer(403), 1, 1],
    ["404", answer(404), 1, 1],
    ["408", answer(408), 4, 1],
    ["422", answer(422), 1, 1],
    ["429", answer(429), 4, 4],
    ["500", answer(500), 4, 1],
    ["502", answer(502), 4, 1],
    ["503", answer(503), 4, 1],
    ["504", answer(504), 4, 1],
    ["a connection that broke", LOST, 4, 1],
    ["a connection that was never made", NEVER, 4, 4],
  ] as const)("%s is asked so often [B020]", async (_, happens, safe, unsafe) => {
    expect((await play([happens], true)).attempts).toBe(safe);
    expect((await play([happens], false)).attempts).toBe(unsafe);
  });

  it("they wait 1, 2 and 4 seconds, longer where the venue says so, and give the last word [B020]", async () => {
    expect(BACKOFF_MS).toEqual([1_000, 2_000, 4_000]);
    expect(await play([answer(503)], true)).toEqual({
      attempts: 4,
      waits: [1_000, 2_000, 4_000],
      end: 503,
    });
    expect(await play([answer(429, 30), answer(200)], false)).toEqual({
      attempts: 2,
      waits: [30_000],
      end: 200,
    });
    expect(await play([LOST, answer(200)], true)).toMatchObject({ attempts: 2, end: 200 });
    expect(await play([LOST], true)).toMatchObject({ attempts: 4, end: "no answer" });
  });

  it("a wait beyond the bound is the caller's", async () => {
    expect(await play([answer(429, 61)], true)).toMatchObject({ attempts: 1, waits: [], end: 429 });
  });
});
