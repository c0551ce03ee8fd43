//! A record as one line of text, every field in it, decimals without trailing zeros; `-` stands for none.

use tidegate_dialects::{Dec, Level, OrderChange, Record, Side, Trade};
use tidegate_units::EpochNs;

/// The line of one record.
pub fn of(record: &Record) -> String {
    match record {
        Record::Book(book) => {
            let kind = if book.snapshot { "whole" } else { "change" };
            format!(
                "book {} {kind} {} {} {}",
                book.symbol,
                levels(&book.bids),
                levels(&book.asks),
                time(book.ts)
            )
        }
        Record::Trade(trade) => print("trade", trade),
        Record::Liquidation(trade) => print("liquidation", trade),
        Record::Quote(q) => format!(
            "quote {} {} {} {} {} {}",
            q.symbol,
            optional(q.bid_px),
            optional(q.bid_qty),
            optional(q.ask_px),
            optional(q.ask_qty),
            time(q.ts)
        ),
        Record::Derivative(d) => format!(
            "derivative {} {} {} {} {} {} {} {} {}",
            d.symbol,
            optional(d.last_px),
            optional(d.open_interest),
            optional(d.funding_rate),
            time(d.funding_ts),
            optional(d.predicted_funding_rate),
            optional(d.index_px),
            optional(d.mark_px),
            time(d.ts)
        ),
        Record::Bar(bar) => format!(
            "bar {} {} {} {} {} {} {} {}",
            bar.symbol,
            bar.start,
            number(bar.open),
            number(bar.high),
            number(bar.low),
            number(bar.close),
            number(bar.volume),
            if bar.closed { "closed" } else { "open" }
        ),
        Record::Order(order) => format!(
            "order {} {} {} {} {} {} {}",
            order.symbol,
            match order.change {
                OrderChange::New => "new",
                OrderChange::Change => "change",
                OrderChange::Cancel => "cancel",
            },
            order.id,
            side(order.side),
            optional(order.px),
            optional(order.qty),
            time(order.ts)
        ),
        Record::Orders(orders) => {
            let each = orders
                .orders
                .iter()
                .map(|(of, id, level)| format!("{}:{id}:{}", side(*of), self::level(*level)))
                .collect::<Vec<_>>();
            format!("orders {} {} {}", orders.symbol, each.join(","), time(orders.ts))
        }
    }
}

fn print(kind: &str, trade: &Trade) -> String {
    format!(
        "{kind} {} {} {} {} {} {}",
        trade.symbol,
        trade.id.as_deref().unwrap_or("-"),
        number(trade.px),
        number(trade.qty),
        side(trade.side),
        time(trade.ts)
    )
}

fn number(value: Dec) -> String {
    value.trimmed().to_string()
}

fn optional(value: Option<Dec>) -> String {
    value.map_or_else(|| "-".into(), number)
}

fn time(ts: Option<EpochNs>) -> String {
    ts.map_or_else(|| "-".into(), |ts| ts.to_string())
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
        Side::Unknown => "unknown",
    }
}

fn level(level: Level) -> String {
    format!("{}x{}", number(level.px), number(level.qty))
}

fn levels(levels: &[Level]) -> String {
    if levels.is_empty() {
        return "-".into();
    }
    levels.iter().map(|each| level(*each)).collect::<Vec<_>>().join(",")
}
