/** Statistics of returns: pure functions over plain arrays. */

export {
  type Blocks,
  type BootstrapOptions,
  bootstrapInterval,
  DRAWS_MAX,
  type Interval,
  optimalBlockLength,
  resample,
} from "./bootstrap.ts";
export {
  deflatedSharpe,
  expectedMaxSharpe,
  independentTrials,
  minTrackRecord,
  probabilisticSharpe,
  type TrackRecord,
} from "./deflated.ts";
export {
  type Drawdown,
  type DrawdownOptions,
  drawdowns,
  maxDrawdown,
  underwater,
} from "./drawdown.ts";
export {
  kurtosis,
  mean,
  quantile,
  skewness,
  standardDeviation,
  sum,
} from "./moments.ts";
export { normalCdf, normalDensity, normalQuantile } from "./normal.ts";
export { BLOCKS_MAX, backtestOverfitting, type Overfitting } from "./overfitting.ts";
export {
  annualReturn,
  annualVolatility,
  calmar,
  downsideDeviation,
  equityOf,
  type Period,
  returnsOf,
  sharpe,
  sortino,
  tStatistic,
} from "./performance.ts";
export { type Split, type WalkForward, walkForward } from "./splits.ts";
export {
  expectedShortfall,
  omega,
  profitFactor,
  tailRatio,
  valueAtRisk,
} from "./tails.ts";
