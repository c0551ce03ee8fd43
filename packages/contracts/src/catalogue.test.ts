import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ContractError } from "./errors.ts";
import { reasons } from "./messages.ts";
import { METRICS, type Metric, metricsOf, PROCESSES } from "./metrics.ts";
import { reasonName, reasonRows } from "./reasons.ts";
import { linkName, MD_KINDS, mdTopic, parseMdTopic, topicLinkId } from "./topics.ts";

describe("[A37 B075] the metric catalogue", () => {
  const all: readonly Metric[] = Object.values(METRICS);

  it("names each metric once, with the prefix and the suffix of its type", () => {
    expect(new Set(all.map((metric) => metric.name)).size).toBe(all.length);
    for (const { name, type, unit } of all) {
      expect(name).toMatch(/^tidegate_[a-z][a-z0-9_]*$/);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      if (type === "histogram") expect(unit, name).toBe("s");
      if (unit === "s") expect(name).toMatch(/_seconds(_total)?$/);
    }
  });

  it("labels are few, distinct and no reserved name", () => {
    for (const { name, labels } of all) {
      expect(labels.length, name).toBeLessThanOrEqual(2);
      expect(new Set(labels).size, name).toBe(labels.length);
      for (const label of labels) expect(label).toMatch(/^[a-z][a-z_]*$/);
    }
  });

  it.each(PROCESSES)("%s has what every process has, and something of its own", (process) => {
    const own = metricsOf(process);
    expect(own).toContain(METRICS.up);
    expect(own.some((metric) => metric.processes.length < PROCESSES.length)).toBe(true);
  });
});

describe("[B004] topics match exactly", () => {
  it("a topic is no prefix of another", () => {
    const id = fc.integer({ min: 1, max: 0xffff_ffff });
    const topic = fc.record({
      venueId: id,
      instrumentId: id,
      kind: fc.constantFrom(...MD_KINDS),
    });
    fc.assert(
      fc.property(topic, topic, (left, right) => {
        expect(parseMdTopic(mdTopic(left))).toEqual(left);
        const same = mdTopic(left) === mdTopic(right);
        expect(mdTopic(left).startsWith(mdTopic(right))).toBe(same);
      }),
    );
    expect(mdTopic({ venueId: 1, instrumentId: 10, kind: "top" })).not.toContain("md.1.1.");
  });

  it.each(["md.1.1.top", "md.01.1.top.", "md.1.0.top.", "md.1.1.tip.", "md.4294967296.1.top.", ""])(
    "%j is none",
    (text) => {
      expect(parseMdTopic(text)).toBeNull();
    },
  );

  it("a topic that cannot be is a fault", () => {
    expect(() => mdTopic({ venueId: 0, instrumentId: 1, kind: "top" })).toThrow(ContractError);
  });

  it("the link id is the crc32c of the name", () => {
    // RFC 3720 B.4: crc32c of "123456789".
    expect(topicLinkId("123456789")).toBe(0xe306_9283);
    expect(linkName("intent", "strategy:1")).toBe("intent/strategy:1");
  });
});

describe("reason codes", () => {
  it("rise, have words, and are exactly the proto's", () => {
    const rows = reasonRows();
    const numbers = rows.map((row) => row.number);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    expect(rows.map((row) => row.name).toSorted()).toEqual(reasons.names.toSorted());
    for (const { name, number, meaning, remedy } of rows) {
      expect(reasonName(number)).toBe(name);
      expect(meaning.length, name).toBeGreaterThan(5);
      expect(remedy.length, name).toBeGreaterThan(2);
    }
  });

  it("an unknown number has no name", () => {
    expect(reasonName(0)).toBeNull();
    expect(reasonName(9_999)).toBeNull();
  });
});
