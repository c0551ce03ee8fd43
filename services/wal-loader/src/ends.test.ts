import { appendFileSync, mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GroupEnds } from "./ends.ts";
import { END_SEGMENTS_HELD } from "./limits.ts";

const at = (segment: number, offset: number) => ({ segment, offset });

describe("GroupEnds", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "ends-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("of two loaders that propose an end the first has it, for both and for whoever comes later [A33]", async () => {
    const [one, other] = [new GroupEnds(dir), new GroupEnds(dir)];
    expect(one.find(at(3, 64))).toBeNull();
    const both = await Promise.all([
      one.agree(at(3, 64), at(3, 900)),
      other.agree(at(3, 64), at(4, 70)),
    ]);
    expect(both[0]).toEqual(both[1]);
    expect(await other.agree(at(3, 64), at(9, 9))).toEqual(both[0]);
    expect(new GroupEnds(dir).find(at(3, 64))).toEqual(both[0]);
    expect(one.find(at(4, 64))).toBeNull();
  });

  it("a line that a crash tore counts nothing and harms no other, however much of it is there", async () => {
    const path = join(dir, "0000000005");
    const first = new GroupEnds(dir);
    await first.agree(at(5, 1), at(5, 1_234));
    const line = "\n77 5 8888 .";
    for (let length = 1; length < line.length; length += 1) {
      rmSync(path);
      await new GroupEnds(dir).agree(at(5, 1), at(5, 1_234));
      appendFileSync(path, line.slice(0, length));
      const next = new GroupEnds(dir);
      expect([next.find(at(5, 1)), next.find(at(5, 77))]).toEqual([at(5, 1_234), null]);
      expect(await next.agree(at(5, 77), at(6, 4))).toEqual(at(6, 4));
      expect(new GroupEnds(dir).find(at(5, 77))).toEqual(at(6, 4));
    }
  });

  it("a reader that met a line half written sees it once it is whole", () => {
    const path = join(dir, "0000000005");
    const reader = new GroupEnds(dir);
    appendFileSync(path, "\n77 5 88");
    expect(reader.find(at(5, 77))).toBeNull();
    appendFileSync(path, "88 .");
    expect(reader.find(at(5, 77))).toEqual(at(5, 8_888));
    appendFileSync(path, "\n78 5 9 .");
    expect(reader.find(at(5, 78))).toEqual(at(5, 9));
  });

  it("forgets segments that are gone, and holds few in memory without losing any", async () => {
    const ends = new GroupEnds(dir);
    for (let segment = 1; segment <= 12; segment += 1)
      await ends.agree(at(segment, 0), at(segment, 5));
    expect(readdirSync(dir)).toHaveLength(12);
    for (let segment = 1; segment <= 12; segment += 1)
      expect(ends.find(at(segment, 0))).toEqual(at(segment, 5));
    // Those held longest ago were let go: what they say is read from the folder again.
    truncateSync(join(dir, "0000000001"));
    expect([12 - END_SEGMENTS_HELD >= 1, ends.find(at(1, 0))]).toEqual([true, null]);
    ends.forget(11);
    expect(readdirSync(dir)).toEqual(["0000000011", "0000000012"]);
  });
});
