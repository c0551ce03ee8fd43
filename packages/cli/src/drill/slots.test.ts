import { describe, expect, it } from "vitest";
import { Slots } from "./slots.ts";

describe("slots of a drill", () => {
  it("never more at a time than there are, in the order they came, and a failure frees its own", async () => {
    const slots = new Slots(2);
    const began: number[] = [];
    let [now, most] = [0, 0];
    const all = [0, 1, 2, 3, 4].map((n) =>
      slots.in(async () => {
        began.push(n);
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 5));
        now -= 1;
        if (n === 1) throw new Error("it failed");
        return n;
      }),
    );
    const ends = await Promise.allSettled(all);
    expect(ends.map(({ status }) => status === "fulfilled")).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
    expect([most, began]).toEqual([2, [0, 1, 2, 3, 4]]);
    expect(() => new Slots(0)).toThrow("want at least one");
  });
});
