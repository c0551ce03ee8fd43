/** Plots as SVG text. Coordinates are rounded to a tenth of a unit, so that the same data give the same text. */

export interface Chart {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

type Points = readonly (readonly [number, number])[];

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [960, 240, 84, 26, 10, 12];
const TICKS = 5;

/** Steps of 1, 2 or 5 times a power of ten that cover a range in about `TICKS` parts. */
export function ticks(low: number, high: number, count = TICKS): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step =
    [1, 2, 5, 10].map((each) => each * power).find((each) => span / each <= count) ?? span;
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step);
  return Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step);
}

/** A number for an axis: no more digits than its neighbours need. */
function label(value: number, step: number): string {
  const digits = Math.max(0, Math.min(8, -Math.floor(Math.log10(step || 1))));
  return value.toLocaleString("en-US", {
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
  });
}

interface Frame {
  readonly x: (value: number) => string;
  readonly y: (value: number) => string;
  readonly axes: string;
}

const at = (value: number) => (Math.round(value * 10) / 10).toString();

function range(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (!(low <= high)) return [0, 1];
  return low === high ? [low - 1, high + 1] : [low, high];
}

function frame([x0, x1]: [number, number], [y0, y1]: [number, number], unit: string): Frame {
  const x = (value: number) => at(LEFT + ((value - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT));
  const y = (value: number) =>
    at(HEIGHT - BOTTOM - ((value - y0) / (y1 - y0)) * (HEIGHT - BOTTOM - TOP));
  const [xs, ys] = [unit === "" ? [] : ticks(x0, x1, 8), ticks(y0, y1)];
  const step = (values: readonly number[]) => (values[1] ?? 1) - (values[0] ?? 0);
  const lines = [
    ...ys.map(
      (value) =>
        `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke-dasharray="2 4"/><text x="${LEFT - 6}" y="${y(value)}" text-anchor="end" dominant-baseline="middle">${label(value, step(ys))}</text>`,
    ),
    ...xs.map(
      (value) =>
        `<text x="${x(value)}" y="${HEIGHT - 8}" text-anchor="middle">${label(value, step(xs))}</text>`,
    ),
    `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}"/>`,
    unit === ""
      ? ""
      : `<text x="${WIDTH - RIGHT}" y="${HEIGHT - BOTTOM - 6}" text-anchor="end">${unit}</text>`,
  ];
  return { x, y, axes: lines.join("") };
}

const svg = (title: string, inside: string): string =>
  `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")}">${inside}</svg>`;

function path(name: string, title: string, unit: string, points: Points, steps: boolean): Chart {
  const { x, y, axes } = frame(
    range(points.map(([px]) => px)),
    range(points.map(([, py]) => py)),
    unit,
  );
  const data = points
    .map(([px, py], index) => {
      if (index === 0) return `M${x(px)} ${y(py)}`;
      return steps ? `H${x(px)}V${y(py)}` : `L${x(px)} ${y(py)}`;
    })
    .join("");
  return {
    name,
    title,
    svg: svg(title, `${axes}<path class="mark" data-points="${points.length}" d="${data}"/>`),
  };
}

/** A line through points. */
export function lineChart(name: string, title: string, unit: string, points: Points): Chart {
  return path(name, title, unit, points, false);
}

/** A value that holds until the next point. */
export function stepChart(name: string, title: string, unit: string, points: Points): Chart {
  return path(name, title, unit, points, true);
}

/** A bar for each named value, from 0. */
export function barChart(
  name: string,
  title: string,
  bars: readonly (readonly [string, number])[],
): Chart {
  const { x, y, axes } = frame(
    [0, Math.max(1, bars.length)],
    range([0, ...bars.map(([, value]) => value)]),
    "",
  );
  const inside = bars.map(([text, value], index) => {
    const [from, to] = [Number(x(index + 0.2)), Number(x(index + 0.8))];
    const [top, bottom] = [Number(y(Math.max(value, 0))), Number(y(Math.min(value, 0)))];
    return `<rect class="bar" x="${at(from)}" y="${at(top)}" width="${at(to - from)}" height="${at(Math.max(0.5, bottom - top))}"/><text x="${at((from + to) / 2)}" y="${HEIGHT - 8}" text-anchor="middle">${text}</text>`;
  });
  return { name, title, svg: svg(title, axes + inside.join("")) };
}

/** How often values fall into each of `bins` equal parts of their range. */
export function histogram(
  name: string,
  title: string,
  values: readonly number[],
  bins: number,
): Chart {
  const [low, high] = range(values);
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const { x, y, axes } = frame([low, high], [0, Math.max(1, ...counts)], " ");
  const width = (high - low) / bins;
  const inside = counts.map((count, bin) => {
    const [from, to] = [Number(x(low + bin * width)), Number(x(low + (bin + 1) * width))];
    const top = Number(y(count));
    return `<rect class="bar" x="${at(from)}" y="${at(top)}" width="${at(Math.max(0.5, to - from - 1))}" height="${at(HEIGHT - BOTTOM - top)}"/>`;
  });
  return { name, title, svg: svg(title, axes + inside.join("")) };
}
