"""nautilus_trader's BacktestEngine over the same day: every level and every trade of the file hftbacktest's converter made, one
object a message, made and added before the clock. Argument: that file. Rounds: replay (a strategy that is subscribed and does
nothing), grid (the grid of hftbacktest's examples written for it: ten orders a side, every 100 ms)."""

import math
import sys
from datetime import timedelta
from decimal import Decimal

import nautilus_trader
import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import LatencyModel, MakerTakerFeeModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    OrderStatus,
    RecordFlag,
    TimeInForce,
)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, TraderId, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy
from turns import serve

VENUE = Venue("BINANCE")
ID = InstrumentId(Symbol("BTCUSDT-PERP"), VENUE)
TICK = 0.1
INSTRUMENT = CryptoPerpetual(
    instrument_id=ID,
    raw_symbol=Symbol("BTCUSDT"),
    base_currency=BTC,
    quote_currency=USDT,
    settlement_currency=USDT,
    is_inverse=False,
    price_precision=1,
    price_increment=Price.from_str("0.1"),
    size_precision=3,
    size_increment=Quantity.from_str("0.001"),
    max_quantity=Quantity.from_str("1000.000"),
    min_quantity=Quantity.from_str("0.001"),
    max_notional=None,
    min_notional=None,
    max_price=Price.from_str("1000000.0"),
    min_price=Price.from_str("0.1"),
    margin_init=Decimal("0.05"),
    margin_maint=Decimal("0.025"),
    maker_fee=Decimal("-0.00005"),
    taker_fee=Decimal("0.0007"),
    ts_event=0,
    ts_init=0,
)
# Kinds of hftbacktest's rows, in their low byte, and its flags above.
DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
LOCAL, BUY = 1 << 30, 1 << 29


def objects(data):
    """The received stream as nautilus takes it; the number of levels and of trades in it."""
    rows = data[(data["ev"] & LOCAL) != 0]
    rows = rows[np.argsort(rows["local_ts"], kind="stable")]
    prices, sizes, out = {}, {}, []

    def price(px):
        if px not in prices:
            prices[px] = Price(px, 1)
        return prices[px]

    def size(qty):
        if qty not in sizes:
            sizes[qty] = Quantity(qty, 3)
        return sizes[qty]

    levels = trades = 0
    message, times, cleared = [], None, False

    def end():
        nonlocal message, cleared
        if message:
            action, order, _ = message[-1]
            message[-1] = (action, order, RecordFlag.F_LAST)
            deltas = [OrderBookDelta.clear(ID, 0, *times)] if cleared else []
            deltas += [OrderBookDelta(ID, action, order, flag, 0, *times) for action, order, flag in message]
            out.append(OrderBookDeltas(ID, deltas))
        message, cleared = [], False

    for ev, exch, local, px, qty in zip(
        rows["ev"].tolist(), rows["exch_ts"].tolist(), rows["local_ts"].tolist(), rows["px"].tolist(), rows["qty"].tolist()
    ):
        kind, now = ev & 0xFF, (exch, local)
        if message and (kind == TRADE or now != times):
            end()
        times = now
        if kind == TRADE:
            trades += 1
            side = AggressorSide.BUYER if ev & BUY else AggressorSide.SELLER
            out.append(TradeTick(ID, price(px), size(qty), side, TradeId(str(trades)), exch, local))
        elif kind == CLEAR:
            cleared = True
        elif kind in (DEPTH, SNAPSHOT):
            levels += 1
            action = BookAction.DELETE if qty == 0 else BookAction.UPDATE
            order = BookOrder(OrderSide.BUY if ev & BUY else OrderSide.SELL, price(px), size(qty), 0)
            message.append((action, order, 0))
    end()
    return out, levels, trades


class Empty(Strategy):
    def on_start(self):
        self.deltas = self.trades = 0
        self.subscribe_order_book_deltas(ID)
        self.subscribe_trade_ticks(ID)

    def on_order_book_deltas(self, deltas):
        self.deltas += 1

    def on_trade_tick(self, trade):
        self.trades += 1


class GridConfig(StrategyConfig, frozen=True):
    half: float = 0.0005
    levels: int = 10
    qty: float = 0.01
    position_max: float = 0.1


class Grid(Strategy):
    def on_start(self):
        self.subscribe_order_book_deltas(ID)
        self.subscribe_trade_ticks(ID)
        self.qty = INSTRUMENT.make_qty(self.config.qty)
        self.clock.set_timer("step", timedelta(milliseconds=100), callback=self.step)

    def step(self, _event):
        book, config = self.cache.order_book(ID), self.config
        bid, ask = book.best_bid_price(), book.best_ask_price()
        if bid is None or ask is None:
            return
        bid, ask = float(bid), float(ask)
        position = float(self.portfolio.net_position(ID))
        mid, held, skew = (bid + ask) / 2, position / config.qty, config.half / config.levels
        low = min(mid * (1 - (config.half + skew * held)), bid)
        high = max(mid * (1 + (config.half - skew * held)), ask)
        step = max(round(mid * config.half / TICK) * TICK, TICK)
        low, high = math.floor(low / step) * step, math.ceil(high / step) * step
        open_orders = self.cache.orders_open(instrument_id=ID) + self.cache.orders_inflight(instrument_id=ID)
        for side, first, add, wants in (
            (OrderSide.BUY, low, -step, position < config.position_max),
            (OrderSide.SELL, high, step, position > -config.position_max),
        ):
            wanted = {round((first + add * at) / TICK) for at in range(config.levels)} if wants else set()
            have = set()
            for order in open_orders:
                if order.side != side:
                    continue
                tick = round(float(order.price) / TICK)
                have.add(tick)
                waits = (OrderStatus.PENDING_CANCEL, OrderStatus.SUBMITTED, OrderStatus.INITIALIZED)
                if tick not in wanted and order.status not in waits:
                    self.cancel_order(order)
            for tick in sorted(wanted - have):
                self.submit_order(
                    self.order_factory.limit(
                        ID, side, self.qty, INSTRUMENT.make_price(tick * TICK), time_in_force=TimeInForce.GTC, post_only=True
                    )
                )


def main():
    out, levels, trades = objects(np.load(sys.argv[1])["data"])
    books = [each for each in out if type(each) is OrderBookDeltas]
    prints = [each for each in out if type(each) is not OrderBookDeltas]

    def engine(strategy):
        rate = "1000000/00:00:01"
        made = BacktestEngine(
            BacktestEngineConfig(
                trader_id=TraderId("T-1"),
                logging=LoggingConfig(bypass_logging=True),
                risk_engine=RiskEngineConfig(max_order_submit_rate=rate, max_order_modify_rate=rate),
                run_analysis=False,
            )
        )
        made.add_venue(
            VENUE,
            OmsType.NETTING,
            AccountType.MARGIN,
            [Money(10_000_000, USDT)],
            default_leverage=Decimal(10),
            book_type=BookType.L2_MBP,
            fee_model=MakerTakerFeeModel(),
            latency_model=LatencyModel(base_latency_nanos=1_000_000),
            queue_position=True,
            trade_execution=True,
            bar_execution=False,
        )
        made.add_instrument(INSTRUMENT)
        made.add_strategy(strategy)
        made.add_data(books, sort=False)
        made.add_data(prints)
        return made, strategy

    def told(pair):
        made, strategy = pair
        book = made.cache.order_book(ID)
        orders = made.cache.orders()
        fills = [each for order in orders for each in order.events if type(each).__name__ == "OrderFilled"]
        out = {
            "orders": len(orders),
            "fills": len(fills),
            "touch": [round(float(book.best_bid_price()) / TICK), round(float(book.best_ask_price()) / TICK)],
        }
        if isinstance(strategy, Empty):
            out.update(deltas=strategy.deltas, trades=strategy.trades)
        made.dispose()
        return out

    run = lambda pair: pair[0].run()
    hello = {
        "peer": "nautilus_trader",
        "version": nautilus_trader.__version__,
        "levels": levels,
        "trades": trades,
        "messages": len(books),
    }
    serve(
        hello,
        {
            "replay": (lambda: engine(Empty()), run, told),
            "grid": (lambda: engine(Grid(GridConfig())), run, told),
        },
    )


main()
