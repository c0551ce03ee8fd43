import { describe, expect, it } from "vitest";
import { alpacaData } from "../../packages/cli/src/conformance/alpaca-data.ts";

const faults = (figures: Readonly<Record<string, unknown>>) =>
  (figures["cards"] as readonly { name: string; fault: string }[]).filter(
    ({ fault }) => fault !== "",
  );

describe("conformance alpaca-data", () => {
  it("the vendor's client and ccxt agree with the simulator", async () => {
    const { ok, figures, checks } = await alpacaData("conformance alpaca-data", null);
    expect(faults(figures)).toEqual([]);
    expect(checks.find(({ name }) => name === "failed_of")?.value).toBeGreaterThanOrEqual(15);
    expect(ok).toBe(true);
  }, 120_000);

  it("--break wrong-host fails", async () => {
    const { ok, figures } = await alpacaData("conformance alpaca-data", "wrong-host");
    expect(ok).toBe(false);
    expect(faults(figures).every(({ name }) => name.startsWith("REST"))).toBe(true);
  }, 120_000);

  it("an unknown break is refused with those there are", async () => {
    await expect(alpacaData("conformance alpaca-data", "x")).rejects.toThrow("wrong-host");
  });
});
