export * from "./schedule.ts";
export * from "./slicer.ts";
export * from "./standing.ts";
export * from "./stops.ts";
