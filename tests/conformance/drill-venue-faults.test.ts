import { describe, expect, it } from "vitest";
import { drillVenueFaults } from "../../packages/cli/src/drill/venue-faults.ts";

const drill = async (options: object) => {
  const quiet = { seeds: 3, from: 1, plant: null, progress: () => undefined };
  const { ok, checks, figures } = await drillVenueFaults({ ...quiet, ...options });
  return { ok, figures, value: Object.fromEntries(checks.map((each) => [each.name, each.value])) };
};

describe("drill venue-faults", () => {
  it("an episode at each venue ends with the venue's own book, and silence releases nothing [B022 B023]", async () => {
    const { value, figures } = await drill({});
    expect(value, JSON.stringify(figures)).toMatchObject({
      ...{ duplicates: 0, position_difference: 0, cash_difference: 0, unknown_unresolved: 0 },
      ...{ unknown_resolved_wrongly: 0, released_without_evidence: 0, episodes_that_differ: 0 },
    });
    expect(value["released_without_evidence_of"]).toBeGreaterThan(9);
  }, 180_000);

  it("an unknown break is refused with those there are", async () => {
    await expect(drill({ plant: "x" })).rejects.toThrow("dearer, release");
  });
});
