"""hftbacktest's Python package, its strategies compiled by numba, as its users run it: the day as one array in memory, the vector
of levels, a queue by probability, no partial fills. Arguments: a raw capture of Binance USD-M BTCUSDT, and where to put the day as
hftbacktest's own converter makes it. Rounds: replay (no orders), grid (ten orders a side, every 100 ms)."""

import os
import sys
from importlib.metadata import version

import numpy as np
from hftbacktest import BUY, GTX, LIMIT, SELL, BacktestAsset, ROIVectorMarketDepthBacktest
from hftbacktest.data.utils.binancefutures import convert
from numba import njit, uint64
from numba.typed import Dict
from turns import serve

STEP_NS = 100_000_000
LATENCY_NS = 1_000_000


@njit
def replay(hbt):
    steps = 0
    while hbt.elapse(STEP_NS) == 0:
        steps += 1
    return steps


@njit
def grid(hbt, half, levels, skew, qty, position_max):
    """The grid of hftbacktest's examples: prices as doubles, orders known by their price in ticks."""
    tick = hbt.depth(0).tick_size
    while hbt.elapse(STEP_NS) == 0:
        depth = hbt.depth(0)
        if depth.best_bid_tick == -(2**63) or depth.best_ask_tick == 2**63 - 1:
            continue
        position = hbt.position(0)
        bid, ask = depth.best_bid, depth.best_ask
        mid = (bid + ask) / 2
        held = position / qty
        low = min(mid * (1 - (half + skew * held)), bid)
        high = max(mid * (1 + (half - skew * held)), ask)
        step = max(round(mid * half / tick) * tick, tick)
        low = np.floor(low / step) * step
        high = np.ceil(high / step) * step
        hbt.clear_inactive_orders(0)
        orders = hbt.orders(0)
        for side in (BUY, SELL):
            wanted = Dict.empty(np.uint64, np.float64)
            if side == BUY and position < position_max and np.isfinite(low):
                for _ in range(levels):
                    wanted[uint64(round(low / tick))] = low
                    low -= step
            if side == SELL and position > -position_max and np.isfinite(high):
                for _ in range(levels):
                    wanted[uint64(round(high / tick))] = high
                    high += step
            values = orders.values()
            while values.has_next():
                order = values.get()
                if order.side == side and order.cancellable and order.order_id not in wanted:
                    hbt.cancel(0, order.order_id, False)
            for order_id, price in wanted.items():
                if order_id not in orders:
                    if side == BUY:
                        hbt.submit_buy_order(0, order_id, price, qty, GTX, LIMIT, False)
                    else:
                        hbt.submit_sell_order(0, order_id, price, qty, GTX, LIMIT, False)


def main():
    capture, npz = sys.argv[1], sys.argv[2]
    if not os.path.exists(npz):
        os.makedirs(os.path.dirname(npz), exist_ok=True)
        part = npz + ".part.npz"
        # Their converter talks; our lines are JSON alone.
        stdout, sys.stdout = sys.stdout, sys.stderr
        convert(capture, part, buffer_size=2_000_000)
        sys.stdout = stdout
        os.rename(part, npz)
    data = np.load(npz)["data"]

    def engine():
        asset = (
            BacktestAsset()
            .data(data)
            .linear_asset(1.0)
            .constant_order_latency(LATENCY_NS, LATENCY_NS)
            .power_prob_queue_model3(3.0)
            .no_partial_fill_exchange()
            .trading_value_fee_model(-0.00005, 0.0007)
            .tick_size(0.1)
            .lot_size(0.001)
            .last_trades_capacity(0)
            .roi_lb(55_000.0)
            .roi_ub(68_000.0)
        )
        return ROIVectorMarketDepthBacktest([asset])

    def told(hbt):
        values, depth = hbt.state_values(0), hbt.depth(0)
        out = {
            "fills": int(values.num_trades),
            "position": float(hbt.position(0)),
            "balance": float(values.balance),
            "fee": float(values.fee),
            "touch": [int(depth.best_bid_tick), int(depth.best_ask_tick)],
        }
        hbt.close()
        return out

    runs = {"replay": lambda hbt: replay(hbt), "grid": lambda hbt: grid(hbt, 0.0005, 10, 0.00005, 0.01, 0.1)}
    # Compiled before anybody looks at a clock.
    for run in runs.values():
        hbt = engine()
        run(hbt)
        hbt.close()
    hello = {"peer": "hftbacktest", "version": version("hftbacktest"), "numba": version("numba"), "rows": len(data)}
    serve(hello, {name: (engine, run, told) for name, run in runs.items()})


main()
