"""Makes reference.json: the figures of other people's programs over recorded series, for `hft verify statistics`.

    python3 -m venv V && V/bin/pip install numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 arch==8.0.0 scikit-learn==1.9.1 \
        empyrical-reloaded==0.7.1 jsharpe==0.6.3 purgedcv==0.1.11
    V/bin/python packages/research/golden/make.py DATA > packages/research/golden/reference.json

DATA is the folder of the reference data. Nothing here is run by a build or a test, and nothing of ours is imported.
"""

import gzip
import hashlib
import importlib.metadata as metadata
import json
import pathlib
import sys

import empyrical
import jsharpe.sharpe as js
import numpy as np
import pandas as pd
import purgedcv
from arch.bootstrap import CircularBlockBootstrap, StationaryBootstrap, optimal_block_length
from scipy import stats
from sklearn.model_selection import TimeSeriesSplit

PACKAGES = "numpy scipy pandas arch scikit-learn empyrical-reloaded jsharpe purgedcv".split()
DRAWS = 100_000
folder = pathlib.Path(sys.argv[1]) / "portfolio-accounting"


def read(name):
    return pd.read_csv(gzip.open(folder / name), index_col=0)


returns = pd.read_csv(gzip.open(folder / "test_returns_to_2007.csv.gz"), header=None, index_col=0)[1].to_numpy()
prices = read("stock_prices.csv.gz")
# Twenty-three strategies of the same 2,128 days: sixteen blocks of 133.
matrix = prices.pct_change(fill_method=None).iloc[1:].to_numpy()
columns = [column for column in range(matrix.shape[1]) if np.isfinite(matrix[:, column]).all()]
matrix = matrix[-2128:, columns]


def series(x, target):
    x = np.asarray(x)
    excess = x - target
    curve = np.concatenate([[1.0], np.cumprod(1 + x)])
    high = np.maximum.accumulate(curve)
    under = 1 - curve / high
    trough = int(np.argmax(under))
    peak = int(np.flatnonzero(curve[: trough + 1] == high[trough])[-1])
    later = np.flatnonzero(curve[trough:] >= high[trough])
    recovery = int(trough + later[0]) if len(later) else None
    g3, g4 = stats.skew(x), stats.kurtosis(x, fisher=False)
    ratio = x.mean() / x.std(ddof=1)
    block = optimal_block_length(x)
    return {
        "target": target,
        "sharpe": empyrical.sharpe_ratio(x, risk_free=target, annualization=252),
        "sortino": empyrical.sortino_ratio(x, required_return=target, annualization=252),
        "downsideDeviation": empyrical.downside_risk(x, required_return=target, annualization=252),
        "annualVolatility": empyrical.annual_volatility(x, annualization=252),
        "annualReturn": empyrical.annual_return(x, annualization=252),
        "calmar": empyrical.calmar_ratio(x, annualization=252),
        "tStatistic": float(stats.ttest_1samp(x, 0).statistic),
        "skewness": float(g3),
        "kurtosis": float(g4),
        "maxDrawdown": {
            "depth": -empyrical.max_drawdown(x),
            "peak": peak,
            "trough": trough,
            "recovery": recovery,
            "length": (recovery if recovery is not None else len(curve) - 1) - peak,
        },
        "meanUnderwater": float(under.mean()),
        "probabilisticSharpe": float(
            stats.norm.cdf(ratio * np.sqrt(len(x) - 1) / np.sqrt(1 - g3 * ratio + (g4 - 1) / 4 * ratio**2))
        ),
        "expectedMaxSharpe100": js.expected_maximum_sharpe_ratio(100, 0.002),
        "minTrackRecord": float(
            1 + (1 - g3 * ratio + (g4 - 1) / 4 * ratio**2) * (stats.norm.ppf(0.95) / ratio) ** 2
        ),
        "blockLength": {
            "stationary": float(block["stationary"].iloc[0]),
            "circular": float(block["circular"].iloc[0]),
        },
    }


def interval(x, kind, length, figure):
    make = StationaryBootstrap if kind == "stationary" else CircularBlockBootstrap
    draws = make(length, np.asarray(x), seed=7).apply(figure, DRAWS)[:, 0]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {
        "kind": kind,
        "blockLength": length,
        "low": float(low),
        "high": float(high),
        "standardError": float(draws.std(ddof=1)),
    }


def sharpe(x):
    return x.mean() / x.std(ddof=1)


def splits(length, count, test, gap, longest):
    cut = TimeSeriesSplit(n_splits=count, test_size=test, gap=gap, max_train_size=longest)
    found = [
        [int(train[0]), int(train[-1]) + 1, int(held[0]), int(held[-1]) + 1]
        for train, held in cut.split(np.zeros(length))
    ]
    return {"length": length, "count": count, "test": test, "gap": gap, "longest": longest, "splits": found}


def overfitting(of, blocks, matrix):
    found = purgedcv.probability_of_backtest_overfitting(matrix.T.copy(), n_splits=blocks)
    outside = found.is_oos_performance[:, 1]
    return {
        "of": of,
        "blocks": blocks,
        "strategies": matrix.shape[1],
        "periods": matrix.shape[0],
        # Half and less: a rank in the very middle counts as the lower half, as the paper integrates up to 0.
        "pbo": float(np.mean(found.logits <= 0)),
        "logits": [float(each) for each in np.quantile(found.logits, np.linspace(0, 1, 101))],
        "meanLogit": float(found.logits.mean()),
        "slope": found.slope,
        "lossProbability": float(np.mean(outside < 0)),
        "splits": found.n_combos,
    }


noise = np.random.default_rng(3).normal(size=(240, 10))

print(
    json.dumps(
        {
            "made": {name: metadata.version(name) for name in PACKAGES},
            "files": {
                name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
                for name in ["test_returns_to_2007.csv.gz", "stock_prices.csv.gz"]
            },
            "portfolio": [series(returns, target) for target in [0.0, 0.0002]],
            "stocks": [{"column": column, **series(matrix[:, at], 0.0)} for at, column in enumerate(columns)],
            "normal": {
                "cdf": [[x, float(stats.norm.cdf(x))] for x in np.linspace(-12, 8, 81)],
                "quantile": [
                    [p, float(stats.norm.ppf(p))]
                    for p in [1e-300, 1e-100, 1e-20, 1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999]
                ],
            },
            "expectedMaxSharpe": [
                [trials, variance, js.expected_maximum_sharpe_ratio(trials, variance)]
                for trials in [2, 10, 100, 5_000]
                for variance in [1e-4, 0.5]
            ],
            "overfitting": [
                overfitting("stocks", 16, matrix),
                overfitting("stocks", 8, matrix),
                overfitting("noise", 6, noise),
            ],
            "noise": [[float(each) for each in row] for row in noise.T],
            "bootstrap": {
                "draws": DRAWS,
                "mean": [interval(returns, kind, 10, np.mean) for kind in ["stationary", "circular"]],
                "sharpe": [interval(returns, kind, 10, sharpe) for kind in ["stationary", "circular"]],
            },
            "walkForward": [
                splits(1_000, 5, 100, 0, None),
                splits(1_000, 5, 100, 7, None),
                splits(1_000, 5, 100, 7, 300),
                splits(103, 4, 20, 3, 17),
            ],
        },
        indent=1,
    )
)
