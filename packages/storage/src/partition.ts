import type { PartitionUnit, TableDefinition } from "./tables.ts";

const NS_PER_MS = 1_000_000n;

/** The partition a time falls into: 20261127 by day, 202611 by month, in UTC. */
export function partitionOf(unit: PartitionUnit, tsNs: bigint): number {
  // Towards the past for times before 1970 too, as a calendar does.
  const ms = tsNs >= 0n ? tsNs / NS_PER_MS : -((-tsNs + NS_PER_MS - 1n) / NS_PER_MS);
  const date = new Date(Number(ms));
  const month = date.getUTCFullYear() * 100 + date.getUTCMonth() + 1;
  return unit === "month" ? month : month * 100 + date.getUTCDate();
}

/** The same in ClickHouse; null for a table of one partition. */
export function partitionSql({ partition }: Pick<TableDefinition, "partition">): string | null {
  if (partition === null) return null;
  const { unit, column } = partition;
  const name = unit === "day" ? "toYYYYMMDD" : "toYYYYMM";
  return `${name}(toDateTime(intDiv(${column}, 1000000000), 'UTC'))`;
}
