"""Writes the samples beside it with pyarrow 26.0.1, and the tape rows they mean by a plain model.

python3 -m venv v && v/bin/pip install pyarrow==26.0.1 && v/bin/python make.py

NAME.csv of NAME.parquet has a line a row of the tape: `kind,venue_ns,received_ns,px,qty`; prices in cents, sizes in hundredths.
"""
import random
from decimal import Decimal
import pyarrow as pa
import pyarrow.parquet as pq

BID, ASK, BUY, SELL = 0, 1, 2, 3
BEGIN = 1_704_067_200_000_000_000
random.seed(20240101)


def save(name, rows):
    open(f"{name}.csv", "w").write("".join(",".join(map(str, row)) + "\n" for row in rows))


def quotes():
    at, rows, was = BEGIN, [], {BID: None, ASK: None}
    columns = {"exchange": [], "local": [], "bp": [], "bs": [], "ap": [], "as": []}
    for _ in range(150):
        at += random.randrange(1_000, 2_000_000)
        recv = at + random.randrange(100, 900)
        bid = random.randrange(10_000, 10_010)
        new = {BID: (bid, random.randrange(0, 4) * 25), ASK: (bid + random.randrange(1, 3), random.randrange(0, 4) * 25)}
        for side in (BID, ASK):
            old, (px, qty) = was[side], new[side]
            if old and (old[0] != px or qty == 0): rows.append((side, at, recv, old[0], 0))
            if qty and (px, qty) != old: rows.append((side, at, recv, px, qty))
            was[side] = (px, qty) if qty else None
        columns["exchange"].append(at); columns["local"].append(recv)
        columns["bp"].append(new[BID][0] / 100); columns["bs"].append(new[BID][1] / 100)
        columns["ap"].append(new[ASK][0] / 100); columns["as"].append(new[ASK][1] / 100)
    table = pa.table({"exchange": pa.array(columns["exchange"], pa.timestamp("ns", "UTC")), "local": pa.array(columns["local"], pa.int64()),
                      **{name: pa.array(columns[name], pa.float64()) for name in ("bp", "bs", "ap", "as")}, "note": pa.array(["x"] * 150)})
    pq.write_table(table, "quotes.parquet", compression="snappy", row_group_size=64)
    save("quotes", rows)


def trades():
    at, rows, columns = BEGIN // 1_000, [], {"t": [], "price": [], "size": [], "side": []}
    for _ in range(120):
        at += random.randrange(1, 2_000)
        px, qty, buy = random.randrange(9_990, 10_020), random.randrange(1, 500), random.random() < 0.5
        rows.append((BUY if buy else SELL, at * 1_000, at * 1_000, px, qty))
        columns["t"].append(at); columns["price"].append(px * 10_000_000)
        columns["size"].append(str(Decimal(qty) / 100)); columns["side"].append("B" if buy else "S")
    table = pa.table({"t": pa.array(columns["t"], pa.timestamp("us")), "price": pa.array(columns["price"], pa.int64()),
                      "size": pa.array(columns["size"]), "side": pa.array(columns["side"]).dictionary_encode()})
    pq.write_table(table, "trades.parquet", compression="gzip", data_page_version="2.0")
    save("trades", rows)


def bars():
    """The rule of docs/reference/backtest.md, written a second time."""
    rows, lines, px, side, before, level = [], ["time,open,high,low,close,volume"], 10_000, BUY, None, {BID: None, ASK: None}
    minute = 60_000_000_000
    for n in range(80):
        if n % 17 == 5: continue  # a minute nobody traded in
        o = px + random.randrange(-3, 4)
        c = o + random.randrange(-10, 11)
        h, l = max(o, c) + random.randrange(0, 4), min(o, c) - random.randrange(0, 4)
        volume = random.choice([0, 1, 3, random.randrange(4, 4_000)])
        start = BEGIN + n * minute
        path = [o, l, h, c] if c > o else [o, h, l, c]
        part = volume // 4
        for k, price in enumerate(path):
            at = start + [0, minute // 3, minute * 2 // 3, minute - 1][k]
            if before is not None and price != before: side = BUY if price > before else SELL
            before = price
            size = part if k < 3 else volume - 3 * part
            if size: rows.append((side, at, at, price, size))
            bid = price - 2 if side == BUY else price
            new = {BID: bid, ASK: bid + 2}
            for which in (BID, ASK):
                if level[which] and level[which][0] != new[which]:
                    rows.append((which, at, at, level[which][0], 0)); level[which] = None
            quote = max(1, part)
            for which in (BID, ASK):
                if level[which] != (new[which], quote):
                    rows.append((which, at, at, new[which], quote)); level[which] = (new[which], quote)
        lines.append(f"2024-01-01 {n // 60:02}:{n % 60:02}:00,{o / 100:.2f},{h / 100:.2f},{l / 100:.2f},{c / 100:.2f},{volume / 100:.2f}")
        px = c
    open("bars-in.csv", "w").write("\n".join(lines) + "\n")
    save("bars", rows)


quotes()
trades()
bars()
