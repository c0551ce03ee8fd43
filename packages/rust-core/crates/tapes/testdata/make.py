"""Writes the samples beside it with Databento's own library (databento-dbn 0.72.0, zstd 1.5), and what they hold by a plain model.

python3 -m venv v && v/bin/pip install databento-dbn==0.72.0 && v/bin/python make.py

A sample NAME.dbn.zst has NAME.csv: a line a row of the tape, `kind,venue_ns,received_ns,px,qty`, prices in quarters.
"""
import random
import subprocess
import databento_dbn as d

NONE, QUARTER, BEGIN = 2**63 - 1, 250_000_000, 1_700_000_000_000_000_000
BID, ASK, BUY, SELL, CLEAR = 0, 1, 2, 3, 6
random.seed(20231225)


def metadata(version, schema, symbols):
    maps = {name: [{"start_date": __import__("datetime").date(2023, 11, 14), "end_date": __import__("datetime").date(2023, 11, 15), "symbol": str(id)}] for name, id in symbols.items()}
    class M:  # the shape the library reads mappings from
        def __init__(self, raw_symbol, intervals): self.raw_symbol, self.intervals = raw_symbol, intervals
    class I:
        def __init__(self, start_date, end_date, symbol): self.start_date, self.end_date, self.symbol = start_date, end_date, symbol
    mappings = [M(name, [I(**each) for each in of]) for name, of in maps.items()]
    return d.Metadata(dataset="GLBX.MDP3", start=BEGIN, stype_in=d.SType.RAW_SYMBOL, stype_out=d.SType.INSTRUMENT_ID, schema=schema,
                      symbols=list(symbols), partial=[], not_found=["NOT"], mappings=mappings, version=version)


def save(name, meta, records, rows):
    plain = meta.encode() + b"".join(bytes(record) for record in records)
    packed = subprocess.run(["zstd", "-19", "-qc"], input=plain, capture_output=True, check=True).stdout
    open(f"{name}.dbn.zst", "wb").write(packed)
    open(f"{name}.csv", "w").write("".join(",".join(map(str, row)) + "\n" for row in rows))


class Model:
    """Orders as a dict; levels are summed anew each time."""
    def __init__(self): self.orders = {}
    def level(self, side, px): return sum(q for s, p, q in self.orders.values() if (s, p) == (side, px))


def mbo():
    model, records, rows, at, seq, next_id = Model(), [], [], BEGIN, 0, 10
    side_of = {"B": BID, "A": ASK}
    def rec(action, side, id, px, qty, last, event, recv, instrument=118):
        nonlocal seq
        seq += 1
        flags = (128 if last else 0)
        records.append(d.MBOMsg(publisher_id=1, instrument_id=instrument, ts_event=event, order_id=id, price=px * QUARTER if px else NONE, size=qty,
                                action=d.Action(action), side=d.Side(side), ts_recv=recv, flags=flags, channel_id=0, ts_in_delta=1000, sequence=seq))
    rec("R", "N", 0, 0, 0, True, at, at + 5_000)
    rows.append((CLEAR, at, at + 5_000, 0, 0))
    for n in range(200):
        at += random.randrange(1_000, 90_000)
        recv = at + random.randrange(2_000, 9_000)
        touched, parts = [], random.randrange(1, 4)
        def touch(side, px):
            if (side, px) not in touched: touched.append((side, px))
        for part in range(parts):
            last, what = part == parts - 1, random.random()
            side = random.choice("BA")
            px = random.randrange(19_900, 19_950) if side == "B" else random.randrange(19_950, 20_000)
            if what < 0.5 or not model.orders:
                qty = random.randrange(1, 20)
                model.orders[next_id] = (side, px, qty)
                touch(side, px)
                rec("A", side, next_id, px, qty, last, at, recv)
                next_id += 1
            elif what < 0.65:
                id = random.choice(list(model.orders))
                side, old, qty = model.orders[id]
                px = old + random.choice([0, 0, -1])
                qty = random.randrange(1, 20)
                touch(side, old); touch(side, px)
                model.orders[id] = (side, px, qty)
                rec("M", side, id, px, qty, last, at, recv)
            elif what < 0.85:
                id = random.choice(list(model.orders))
                side, px, qty = model.orders[id]
                by = random.choice([qty, random.randrange(1, qty + 1)])
                touch(side, px)
                if by == qty: del model.orders[id]
                else: model.orders[id] = (side, px, qty - by)
                rec("C", side, id, px, by, last, at, recv)
            elif what < 0.95:
                qty = random.randrange(1, 9)
                who = random.choice("BAN")
                rec("T", who, 0, px, qty, last, at, recv)
                if who != "N": rows.append((BUY if who == "B" else SELL, at, recv, px, qty))
            else:
                rec("A", "B", 1_000_000 + seq, 4_000, 1, False, at, recv, instrument=4358)
                rec("N", "N", 0, 0, 0, last, at, recv)
        rows.extend((side_of[side], at, recv, px, model.level(side, px)) for side, px in touched)
    save("mbo-v3", metadata(3, d.Schema.MBO, {"ESU4": 118, "NQU4": 4358}), records, rows)


def mbp10():
    records, rows, at, bids, asks = [], [], BEGIN, [], []
    for n in range(60):
        at += random.randrange(1_000, 90_000)
        recv = at + random.randrange(2_000, 9_000)
        trade = random.random() < 0.2
        new_bids, new_asks = bids, asks
        if not trade:
            best = random.randrange(19_945, 19_950)
            new_bids = [(best - k, random.randrange(1, 3)) for k in range(random.randrange(0, 11))]
            new_asks = [(best + 1 + k, random.randrange(1, 3)) for k in range(random.randrange(0, 11))]
        levels = []
        for k in range(10):
            bid = new_bids[k] if k < len(new_bids) else None
            ask = new_asks[k] if k < len(new_asks) else None
            levels.append(d.BidAskPair(bid_px=bid[0] * QUARTER if bid else NONE, ask_px=ask[0] * QUARTER if ask else NONE,
                                       bid_sz=bid[1] if bid else 0, ask_sz=ask[1] if ask else 0, bid_ct=1 if bid else 0, ask_ct=1 if ask else 0))
        who = random.choice("BAN") if trade else random.choice("BA")
        records.append(d.MBP10Msg(publisher_id=1, instrument_id=118, ts_event=at, price=19_950 * QUARTER, size=3, action=d.Action("T" if trade else "A"), side=d.Side(who),
                                  depth=0, ts_recv=recv, flags=128, ts_in_delta=500, sequence=n, levels=levels))
        if trade and who != "N": rows.append((BUY if who == "B" else SELL, at, recv, 19_950, 3))
        for kind, was, now in ((BID, bids, new_bids), (ASK, asks, new_asks)):
            rows.extend((kind, at, recv, px, 0) for px, _ in was if px not in dict(now))
            rows.extend((kind, at, recv, px, qty) for px, qty in now if dict(was).get(px) != qty)
        bids, asks = new_bids, new_asks
    save("mbp10-v2", metadata(2, d.Schema.MBP_10, {"ESU4": 118}), records, rows)


def trades():
    records, rows, at = [], [], BEGIN
    for n in range(50):
        at += random.randrange(1_000, 90_000)
        who, px, qty = random.choice("BAN"), random.randrange(19_940, 19_960), random.randrange(1, 9)
        records.append(d.TradeMsg(publisher_id=1, instrument_id=118, ts_event=at, price=px * QUARTER, size=qty, action=d.Action("T"), side=d.Side(who), depth=0,
                                  ts_recv=at + 700, flags=0, ts_in_delta=500, sequence=n))
        if who != "N": rows.append((BUY if who == "B" else SELL, at, at + 700, px, qty))
    save("trades-v1", metadata(1, d.Schema.TRADES, {"ESU4": 118}), records, rows)


mbo()
mbp10()
trades()
