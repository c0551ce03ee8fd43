import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { isShipped } from "./plan.ts";

const root = join(fileURLToPath(new URL("../../../../", import.meta.url)));

it.each([
  ["strategies/simple-mm.ts", true],
  ["strategies/grid.ts", true],
  // A reader's own file in the same folder, one of the same name elsewhere, and one in a folder of its own.
  ["strategies/my-follower.ts", false],
  ["../simple-mm.ts", false],
  ["strategies/simple-mm/simple-mm.ts", false],
])("%s shares the runner's process: %s", (file, shipped) => {
  expect(isShipped(root, join(root, file))).toBe(shipped);
});
