//! Every number of a record must stand in its message: a check of exactness that knows no venue.

use std::collections::BTreeSet;
use tidegate_dialects::json::{self, Json};
use tidegate_dialects::{Dec, Level, Record};

/// # Errors
/// The first number that does not stand in the message.
pub fn hold(message: &[u8], records: &[Record]) -> Result<(), String> {
    if records.is_empty() {
        return Ok(());
    }
    let read = json::parse(message).map_err(|e| e.to_string())?;
    let mut numbers = BTreeSet::new();
    gather(&read, &mut numbers);
    for record in records {
        for value in values(record) {
            // Zero stands for a level that goes, whatever the venue writes.
            if !value.is_zero() && !numbers.contains(&value.trimmed().abs()) {
                return Err(format!("{value} of a record does not stand in its message"));
            }
        }
    }
    Ok(())
}

fn gather(value: &Json<'_>, numbers: &mut BTreeSet<Dec>) {
    match value {
        Json::Num(text) => numbers.extend(Dec::parse(text).map(|d| d.trimmed().abs())),
        Json::Str(text) => numbers.extend(Dec::parse(text).map(|d| d.trimmed().abs())),
        Json::Arr(items) => items.iter().for_each(|item| gather(item, numbers)),
        Json::Obj(fields) => fields.iter().for_each(|(_, item)| gather(item, numbers)),
        Json::Null | Json::Bool(_) => {}
    }
}

/// Every price and size of a record.
pub fn values(record: &Record) -> Vec<Dec> {
    let of = |levels: &[Level]| levels.iter().flat_map(|level| [level.px, level.qty]).collect::<Vec<_>>();
    match record {
        Record::Book(book) => [of(&book.bids), of(&book.asks)].concat(),
        Record::Trade(trade) | Record::Liquidation(trade) => vec![trade.px, trade.qty],
        Record::Quote(q) => [q.bid_px, q.bid_qty, q.ask_px, q.ask_qty].into_iter().flatten().collect(),
        Record::Derivative(_) => Vec::new(),
        Record::Bar(bar) => vec![bar.open, bar.high, bar.low, bar.close, bar.volume],
        Record::Order(order) => [order.px, order.qty].into_iter().flatten().collect(),
        Record::Orders(orders) => {
            orders.orders.iter().flat_map(|(_, _, level)| [level.px, level.qty]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_dialects::{Side, Trade};

    #[test]
    fn a_number_that_is_not_in_the_message_is_found() {
        let trade = |px: &str| {
            Record::Trade(Trade {
                symbol: "A".into(),
                id: None,
                px: Dec::parse(px).unwrap(),
                qty: Dec::parse("2").unwrap(),
                side: Side::Buy,
                ts: None,
            })
        };
        let message = br#"{"p":"1.50","q":[-2.0]}"#;
        assert_eq!(hold(message, &[trade("1.5")]), Ok(()));
        assert!(hold(message, &[trade("1.51")]).is_err());
    }
}
