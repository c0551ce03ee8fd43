import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { STAT_LEAVES_MAX } from "./limits.ts";

/** One row of the metric catalogue. `stat` is the dotted path of the statistic it shows, as `latency.p99`. */
export interface MetricDef {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly unit: string;
  readonly labels: readonly string[];
  readonly help: string;
  readonly buckets?: readonly number[];
  readonly stat?: string;
}

/** What every process has, whatever its service. */
export const KIT_METRICS: readonly MetricDef[] = [
  {
    name: "tidegate_ready",
    type: "gauge",
    unit: "1",
    labels: [],
    help: "1 while the service says it is ready",
  },
  {
    name: "tidegate_stat",
    type: "gauge",
    unit: "1",
    labels: ["path"],
    help: "Each number of the service's statistics, by its path",
  },
  {
    name: "tidegate_stats_left_off",
    type: "gauge",
    unit: "1",
    labels: [],
    help: "Statistics past the export bound",
  },
];

type Labels = Readonly<Record<string, string>>;

/** The registry of one process, made from the catalogue alone: a name that is not in it cannot be measured. */
export class Metrics {
  readonly registry = new Registry();
  readonly #all = new Map<string, Counter | Gauge | Histogram>();
  readonly #byStat = new Map<string, Counter | Gauge>();

  constructor(service: string, catalogue: readonly MetricDef[]) {
    this.registry.setDefaultLabels({ service });
    for (const def of new Map(
      [...KIT_METRICS, ...catalogue].map((each) => [each.name, each]),
    ).values()) {
      const options = {
        name: def.name,
        help: `${def.help} (${def.unit})`,
        labelNames: [...def.labels],
        registers: [this.registry],
      };
      if (def.type === "histogram") {
        const buckets = def.buckets === undefined ? {} : { buckets: [...def.buckets] };
        this.#all.set(def.name, new Histogram({ ...options, ...buckets }));
        continue;
      }
      const metric = def.type === "counter" ? new Counter(options) : new Gauge(options);
      this.#all.set(def.name, metric);
      if (def.stat !== undefined && def.labels.length === 0) this.#byStat.set(def.stat, metric);
    }
  }

  /** Node's own metrics (heap, event loop, gc). Costs a few milliseconds, so the shell asks for it. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  /** @throws TypeError when the catalogue has no counter of that name */
  counter(name: string): Counter {
    return this.#find(name, Counter);
  }

  /** @throws TypeError when the catalogue has no gauge of that name */
  gauge(name: string): Gauge {
    return this.#find(name, Gauge);
  }

  /** @throws TypeError when the catalogue has no histogram of that name */
  histogram(name: string): Histogram {
    return this.#find(name, Histogram);
  }

  #find<M>(name: string, type: new (...args: never[]) => M): M {
    const metric = this.#all.get(name);
    if (metric instanceof type) return metric;
    throw new TypeError(`metric ${name} is not in the catalogue as a ${type.name}`);
  }

  /** Shows a statistics object: catalogue metrics by their `stat` path, every other number as `tidegate_stat{path}`. */
  showStats(stats: object): void {
    const generic = this.gauge("tidegate_stat");
    generic.reset();
    let left = 0;
    let shown = 0;
    for (const [path, value] of numbers(stats)) {
      const metric = this.#byStat.get(path);
      if (metric instanceof Counter) {
        metric.reset();
        metric.inc(Math.max(0, value));
      } else if (metric !== undefined) metric.set(value);
      else if (shown < STAT_LEAVES_MAX) {
        shown += 1;
        generic.set({ path } satisfies Labels, value);
      } else left += 1;
    }
    this.gauge("tidegate_stats_left_off").set(left);
  }
}

/** Every finite number and boolean of a JSON value with its dotted path. */
export function* numbers(value: unknown, path = ""): Generator<[string, number]> {
  if (typeof value === "number" && Number.isFinite(value)) yield [path, value];
  else if (typeof value === "bigint" || typeof value === "boolean") yield [path, Number(value)];
  else if (typeof value === "object" && value !== null) {
    for (const [key, each] of Object.entries(value))
      yield* numbers(each, path === "" ? key : `${path}.${key}`);
  }
}
