"""The vendor's Python client against our simulator of Alpaca's orders; run by `hft conformance peers`.

Usage: alpaca_peer.py http://127.0.0.1:PORT
Plays cards against a venue whose markets stand still until this moves them by the control port, and prints them as one
line of JSON: [{"name", "fault", "ms"}]. Every amount a card wants is reckoned by hand from the book it has written.
"""

import json
import sys
import threading
import time
from datetime import date

import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetClass,
    OrderSide,
    OrderStatus,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopOrderRequest,
)
from alpaca.trading.stream import TradingStream

BASE = sys.argv[1]
KEY, SECRET = "sim", "sim-secret"
WAIT_S = 8.0

client = TradingClient(KEY, SECRET, url_override=BASE)


class Updates(threading.Thread):
    """The client's own stream in a thread of its own, with what it has told so far."""

    def __init__(self):
        super().__init__(daemon=True)
        self.told = []
        url = BASE.replace("http", "ws") + "/stream"
        self.stream = TradingStream(KEY, SECRET, url_override=url)

        async def heard(update):
            self.told.append(update)

        self.stream.subscribe_trade_updates(heard)

    def run(self):
        self.stream.run()

    def of(self, order, event):
        """Waits for an event of an order."""

        def found():
            return [u for u in self.told if u.order.id == order.id and str_of(u.event) == event]

        return wait(f"{event} of {order.id}", found)[0]

    def events(self, order):
        return [str_of(u.event) for u in self.told if u.order.id == order.id]


def str_of(value):
    return getattr(value, "value", value)


def wait(what, read):
    end = time.monotonic() + WAIT_S
    while True:
        value = read()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {WAIT_S} s")
        time.sleep(0.01)


def same(got, want, what):
    assert got == want, f"{what}: got {got!r}, want {want!r}"


def control(path, body):
    response = requests.post(f"{BASE}/_sim/{path}", json=body, timeout=WAIT_S)
    assert response.ok, f"{path}: {response.text}"


def market(symbol, middle):
    """Two levels a side, 100 at each, and a last trade in the middle."""

    def level(away):
        return [f"{middle + away:.2f}", "100"]

    bids, asks = [level(-0.01), level(-0.02)], [level(0.01), level(0.02)]
    control("book", {"symbol": symbol, "bids": bids, "asks": asks})
    control("print", {"symbol": symbol, "price": f"{middle:.2f}", "qty": "1", "aggressor": "BUY"})


def refused(act, status, code):
    """The refusal that must come; gives its body."""
    try:
        act()
    except APIError as error:
        same((error.status_code, error.code), (status, code), error.message)
        return json.loads(str(error))
    raise AssertionError("it was not refused")


def buy(qty=1, symbol="AAPL", side=OrderSide.BUY, tif=TimeInForce.DAY, **more):
    return client.submit_order(
        MarketOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=tif, **more)
    )


def limit(price, qty=1, side=OrderSide.BUY, tif=TimeInForce.DAY, **more):
    request = LimitOrderRequest(
        symbol="AAPL", qty=qty, side=side, time_in_force=tif, limit_price=price, **more
    )
    return client.submit_order(request)


def cash():
    return float(client.get_account().cash)


CARDS = []


def card(name):
    def keep(act):
        CARDS.append((name, act))
        return act

    return keep


@card("a wrong key is refused")
def _(updates):
    wrong = TradingClient(KEY, "wrong", url_override=BASE)
    refused(wrong.get_account, 401, 40110000)


@card("the account reads as a model, active and with its money")
def _(updates):
    account = client.get_account()
    same((str_of(account.status), account.currency), ("ACTIVE", "USD"), "the account")
    same(float(account.equity), 100000.0, "the equity")


@card("clock and calendar")
def _(updates):
    assert client.get_clock().is_open, "the market is closed"
    request = GetCalendarRequest(start=date(2026, 11, 25), end=date(2026, 11, 30))
    days = [(str(day.date), str(day.close.time())) for day in client.get_calendar(request)]
    want = [("2026-11-25", "16:00:00"), ("2026-11-27", "13:00:00"), ("2026-11-30", "16:00:00")]
    same(days, want, "the days")


@card("assets, of stocks and of coins")
def _(updates):
    coins = client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    same(sorted(each.symbol for each in coins), ["BTC/USD", "ETH/USD"], "the coins")
    asset = client.get_asset("AAPL")
    same((asset.symbol, asset.shortable, asset.fractionable), ("AAPL", True, True), "the asset")
    refused(lambda: client.get_asset("NOPE"), 404, 40410000)


@card("a market order takes the best price first, and the stream tells each fill")
def _(updates):
    order = buy(150)
    updates.of(order, "fill")
    same(updates.events(order), ["new", "partial_fill", "fill"], "the events")
    fills = [u for u in updates.told if u.order.id == order.id and u.execution_id][1:]
    same([(u.price, u.qty, u.position_qty) for u in fills], [(100.01, 100, 100), (100.02, 50, 150)], "fills")
    same(len({u.execution_id for u in fills}), 2, "the keys")
    got = client.get_order_by_id(order.id)
    # 100 × 100.01 + 50 × 100.02 = 15,002; of 150 that is 100.0133.
    same((str_of(got.status), float(got.filled_avg_price)), ("filled", 100.0133), "the order")
    same(cash(), 84998.0, "the cash")


@card("a limit order rests, is found by either id, and is cancelled once")
def _(updates):
    name = f"py-{time.monotonic_ns()}"
    order = limit(99.5, 10, client_order_id=name)
    same(client.get_order_by_client_id(name).id, order.id, "the order")
    same(client.get_order_by_id(order.id).status, OrderStatus.NEW, "its status")
    refused(lambda: limit(99.5, 10, client_order_id=name), 422, 40010001)
    client.cancel_order_by_id(order.id)
    same(updates.of(order, "canceled").order.status, OrderStatus.CANCELED, "the end")
    refused(lambda: client.cancel_order_by_id(order.id), 422, 42210000)


@card("a replacement is a new order, linked both ways")
def _(updates):
    old = limit(99.5, 10)
    fresh = client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=7, limit_price=99.4))
    same((fresh.replaces, float(fresh.qty)), (old.id, 7.0), "the new order")
    same(updates.of(old, "replaced").order.replaced_by, fresh.id, "the old order")
    updates.of(fresh, "new")


@card("everything open is cancelled at once")
def _(updates):
    orders = [limit(90), limit(91)]
    answers = client.cancel_orders()
    same(sorted((str(a.id), a.status) for a in answers), sorted((str(o.id), 200) for o in orders), "answers")
    same(client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN)), [], "what is open")


@card("a position with its cost, closed in part and whole")
def _(updates):
    before = cash()
    buy(10)
    position = client.get_open_position("AAPL")
    same((float(position.qty), float(position.avg_entry_price)), (10.0, 100.01), "the position")
    part = client.close_position("AAPL", ClosePositionRequest(percentage="50"))
    same((str_of(part.side), float(part.qty)), ("sell", 5.0), "the part")
    rest = client.close_all_positions(cancel_orders=True)
    same([(each.symbol, each.status) for each in rest], [("AAPL", 200)], "the rest")
    # Bought at 100.01, sold at 99.99: 0.02 lost on each of ten.
    same(round(cash() - before, 2), -0.2, "the cash")


@card("a short position is told as one")
def _(updates):
    buy(3, side=OrderSide.SELL)
    position = client.get_open_position("AAPL")
    same((float(position.qty), str_of(position.side)), (-3.0, "short"), "the position")


@card("a stop waits for its price, a stop-limit then for its limit")
def _(updates):
    buy(10)
    common = {"symbol": "AAPL", "side": OrderSide.SELL, "time_in_force": TimeInForce.GTC}
    stop = client.submit_order(StopOrderRequest(qty=4, stop_price=95, **common))
    limited = client.submit_order(StopLimitOrderRequest(qty=6, stop_price=95, limit_price=94.9, **common))
    market("AAPL", 94.5)
    same(updates.of(stop, "fill").price, 94.49, "the stop")
    same(client.get_order_by_id(limited.id).status, OrderStatus.NEW, "the stop with a limit")
    market("AAPL", 94.95)
    same(updates.of(limited, "fill").price, 94.9, "its price")


@card("at once: in part, or whole or not at all")
def _(updates):
    part = limit(100.01, 150, tif=TimeInForce.IOC)
    same(float(updates.of(part, "canceled").order.filled_qty), 100.0, "in part")
    whole = limit(100.01, 150, tif=TimeInForce.FOK)
    same(float(updates.of(whole, "canceled").order.filled_qty), 0.0, "not at all")


@card("dollars buy parts of a share")
def _(updates):
    request = MarketOrderRequest(symbol="AAPL", notional=250, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    order = client.submit_order(request)
    # 250 / 100.01 = 2.49975…
    same(float(updates.of(order, "fill").order.filled_qty), 2.49975, "what they bought")


@card("a coin's fee comes out of the coin")
def _(updates):
    updates.of(buy(0.1, symbol="BTC/USD", tif=TimeInForce.GTC), "fill")
    # A quarter of a hundredth of 0.1 is 0.00025.
    same(float(client.get_open_position("BTCUSD").qty), 0.09975, "the position")


@card("refusals have the venue's codes and what it says beside them")
def _(updates):
    same(refused(lambda: limit(90, 3000), 403, 40310000)["cost_basis"], "270000", "the cost")
    own = limit(99)
    wash = refused(lambda: limit(98.5, side=OrderSide.SELL), 403, 40310000)
    same(wash["existing_order_id"], str(own.id), "the other order")
    refused(lambda: limit(99.001), 422, 42210000)
    refused(lambda: buy(1, symbol="NOPE"), 422, 42210000)


@card("an answer that is lost leaves an order that its id finds")
def _(updates):
    control("inject", {"switch": "ack_lost"})
    name = f"lost-{time.monotonic_ns()}"
    try:
        limit(90, client_order_id=name)
    except requests.exceptions.ConnectionError:
        pass
    else:
        raise AssertionError("there was an answer")
    same(client.get_order_by_client_id(name).status, OrderStatus.NEW, "the order")


@card("too many requests: the client waits and asks again")
def _(updates):
    control("inject", {"switch": "rate_limit"})
    same(str_of(client.get_account().status), "ACTIVE", "the account")


@card("the stream comes back by itself and hears what is next")
def _(updates):
    control("inject", {"switch": "disconnect"})
    stats = f"{BASE}/_sim/stats"
    wait("the return", lambda: requests.get(stats, timeout=WAIT_S).json()["clients"] == 1)
    time.sleep(0.3)
    updates.of(buy(1), "fill")


def clean():
    """Brings the account back to nothing but its dollars, at the prices it began with."""
    market("AAPL", 100)
    market("BTC/USD", 60000)
    client.cancel_orders()
    for answer in client.close_all_positions(cancel_orders=True):
        assert answer.status == 200, f"{answer.symbol}: {answer.body}"
    market("AAPL", 100)
    market("BTC/USD", 60000)


def main():
    updates = Updates()
    updates.start()
    stats = f"{BASE}/_sim/stats"
    wait("the stream", lambda: requests.get(stats, timeout=WAIT_S).json()["clients"] == 1)
    time.sleep(0.3)
    played = []
    for name, act in CARDS:
        started = time.monotonic()
        fault = ""
        try:
            act(updates)
        except Exception as error:  # whatever comes is the card's fault, and the next is played
            fault = f"{type(error).__name__}: {error}"[:400]
        try:
            clean()
        except Exception as error:
            fault = fault or f"clean up: {error}"[:400]
        played.append({"name": name, "fault": fault, "ms": round((time.monotonic() - started) * 1000)})
    print(json.dumps(played))


if __name__ == "__main__":
    main()
    # The stream's thread waits for its next message; there is nothing to wait for.
    sys.stdout.flush()
    sys.exit(0)
