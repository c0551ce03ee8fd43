import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dataFolder } from "../commands/measured.ts";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { Comparisons } from "./compare.ts";
import { plain } from "./plain.ts";
import { PLANT_NAMES, subjectOf } from "./plants.ts";
import { published } from "./published.ts";
import { programFigures, type Reference, readRecorded, recordedFigures } from "./recorded.ts";

/** Fewer means that a file was read in part. */
const COMPARED_MIN = 2_900;
/** Figures out of tolerance that the result names. */
const NAMED_MAX = 20;

/** Holds every statistic against published examples, other programs, recorded accounts and plain models. */
export function verifyStatistics(
  root: string,
  data: string | undefined,
  plant: string | undefined,
): Result {
  const subject = subjectOf(plant);
  if (subject === undefined) {
    throw new UsageError(`--break ${plant}: want one of ${PLANT_NAMES.join(", ")}`);
  }
  const path = join(root, "packages/research/golden/reference.json");
  const reference = JSON.parse(readFileSync(path, "utf8")) as Reference;
  const recorded = readRecorded(dataFolder(data), reference.files);
  const to = new Comparisons();
  published(subject, to);
  plain(subject, to);
  programFigures(subject, to, reference);
  recordedFigures(subject, to, recorded, reference);
  const off = to.all.filter(({ ok }) => !ok);
  const groups = Object.fromEntries(
    Object.entries(Object.groupBy(to.all, ({ group }) => group)).map(([name, all = []]) => [
      name,
      { compared: all.length, outOfTolerance: all.filter(({ ok }) => !ok).length },
    ]),
  );
  return result(
    "verify statistics",
    [
      check("out_of_tolerance", off.length, "=", 0),
      check("compared", to.all.length, ">=", COMPARED_MIN),
    ],
    { groups, programs: reference.made, named: off.slice(0, NAMED_MAX), plant: plant ?? null },
  );
}
