//! The tables as their owner describes them, resolved against the fields of the proto.

use serde::Deserialize;
use std::fmt;
use tidegate_calendar::Date;
use tidegate_wire::fields::{ENVELOPE, INTENT_ID, Kind, Message};

/// Field numbers a message may have: one more and the description is refused.
pub(crate) const NUMBERS: usize = 64;
const NS_PER_DAY: i64 = 86_400_000_000_000;

/// A description that cannot be followed: which column, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFault(String);

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write these tables: {}", self.0)
    }
}

impl std::error::Error for SchemaFault {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TableText {
    name: String,
    holds: String,
    partition: Option<Unit>,
    columns: Vec<ColumnText>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ColumnText {
    name: String,
    #[serde(rename = "type")]
    of: String,
    path: String,
    safe: bool,
}

/// What one partition of a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    Day,
    Month,
}

impl Unit {
    /// The number of the partition a time falls into, in UTC. Units   ns since the Unix epoch
    pub(crate) const fn of(self, ts_ns: i64) -> i64 {
        let day = ts_ns.div_euclid(NS_PER_DAY);
        match self {
            Self::Day => day,
            Self::Month => {
                let (year, month, _) = Date::of_days(day).parts();
                year * 12 + month as i64
            }
        }
    }
}

/// The types of columns there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Int64,
    UInt64,
    UInt32,
    UInt128,
    Bool,
    Text,
    /// A text of which a table has few different ones.
    Name,
    Ints,
    Uints,
}

impl Type {
    const ALL: [Self; 9] = [
        Self::Int64,
        Self::UInt64,
        Self::UInt32,
        Self::UInt128,
        Self::Bool,
        Self::Text,
        Self::Name,
        Self::Ints,
        Self::Uints,
    ];

    /// As ClickHouse spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Int64 => "Int64",
            Self::UInt64 => "UInt64",
            Self::UInt32 => "UInt32",
            Self::UInt128 => "UInt128",
            Self::Bool => "Bool",
            Self::Text => "String",
            Self::Name => "LowCardinality(String)",
            Self::Ints => "Array(Int64)",
            Self::Uints => "Array(UInt64)",
        }
    }
}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub number: usize,
    pub kind: Kind,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    WalSeq,
    Stream,
    StreamEpoch,
    StreamSeq,
    TsNs,
    PayloadHash,
    TraceId,
    SpanId,
    Head(Slot),
    Payload(Slot),
    Reason,
    Bytes,
    Segment,
    Block,
    FirstWalSeq,
    LastWalSeq,
    Rows,
    Hash,
}

impl Source {
    fn of(path: &str, message: Option<&'static Message>) -> Option<Self> {
        let (owner, field) = path.split_once('.')?;
        let slot = |message: &Message| {
            let found = message.field(field)?;
            let number = usize::try_from(found.number).ok().filter(|number| *number < NUMBERS)?;
            Some(Slot { number, kind: found.kind })
        };
        match (owner, field) {
            ("place", "wal_seq") => Some(Self::WalSeq),
            ("place", "stream") => Some(Self::Stream),
            ("place", "epoch") => Some(Self::StreamEpoch),
            ("place", "seq") => Some(Self::StreamSeq),
            ("place", "ts_ns") => Some(Self::TsNs),
            ("place", "payload_hash") => Some(Self::PayloadHash),
            ("quarantine", "reason") => Some(Self::Reason),
            ("quarantine", "payload") => Some(Self::Bytes),
            ("block", "segment") => Some(Self::Segment),
            ("block", "block") => Some(Self::Block),
            ("block", "first_wal_seq") => Some(Self::FirstWalSeq),
            ("block", "last_wal_seq") => Some(Self::LastWalSeq),
            ("block", "rows") => Some(Self::Rows),
            ("block", "hash") => Some(Self::Hash),
            ("envelope", "trace_id") => Some(Self::TraceId),
            // The field of this name is a number; tables hold it as 16 digits.
            ("envelope", "span_id") => Some(Self::SpanId),
            ("envelope", _) => slot(&ENVELOPE).map(Self::Head),
            _ => message.filter(|message| message.name == owner).and_then(slot).map(Self::Payload),
        }
    }

    /// The one type that holds its values.
    fn fits(self) -> Option<Type> {
        Some(match self {
            Self::WalSeq | Self::StreamSeq | Self::PayloadHash => Type::UInt64,
            Self::Segment | Self::FirstWalSeq | Self::LastWalSeq => Type::UInt64,
            Self::StreamEpoch | Self::Block | Self::Rows | Self::Hash => Type::UInt32,
            Self::TsNs => Type::Int64,
            Self::Stream => Type::Name,
            Self::TraceId | Self::SpanId | Self::Reason | Self::Bytes => Type::Text,
            Self::Head(Slot { kind, .. }) | Self::Payload(Slot { kind, .. }) => match kind {
                Kind::Bool => Type::Bool,
                Kind::Uint32 => Type::UInt32,
                Kind::Uint64 | Kind::Fixed64 => Type::UInt64,
                Kind::Int64 | Kind::Sint64 => Type::Int64,
                Kind::Text => Type::Text,
                Kind::Uints => Type::Uints,
                Kind::Sints => Type::Ints,
                Kind::Enum(_) => Type::Name,
                Kind::Message(message) if std::ptr::eq(message, &INTENT_ID) => Type::UInt128,
                Kind::Message(_) => return None,
            },
        })
    }
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    pub name: String,
    pub of: Type,
    pub source: Source,
    /// Whether readers hold the value as a JavaScript number: one beyond 2^53-1 is no value of this column.
    pub safe: bool,
    pub path: String,
}

/// One table.
#[derive(Debug)]
pub(crate) struct Table {
    pub name: String,
    pub partition: Option<Unit>,
    pub columns: Vec<Column>,
}

/// Every table a group of records is written into.
#[derive(Debug)]
pub struct Schema {
    pub(crate) tables: Vec<Table>,
    /// The table of a payload, by the number of its field in the envelope.
    pub(crate) by_number: [Option<usize>; NUMBERS],
    pub(crate) quarantine: usize,
    pub(crate) blocks: usize,
}

impl Schema {
    /// Reads a description.
    ///
    /// Shape   JSON `[{name, holds, partition, columns: [{name, type, path, safe}]}]`; `holds` is the payload's name in the
    /// envelope, `quarantine` or `blocks`; `partition` is `day`, `month` or null; `path` is `place.…`, `envelope.…`,
    /// `quarantine.…`, `block.…` or `<payload>.…` with the field in the words of the proto
    ///
    /// # Errors
    /// A path that leads nowhere, a type that does not hold what is there, a kind of record without a table.
    pub fn parse(text: &str) -> Result<Self, SchemaFault> {
        let described: Vec<TableText> =
            serde_json::from_str(text).map_err(|error| SchemaFault(error.to_string()))?;
        let mut by_number = [None; NUMBERS];
        let (mut quarantine, mut blocks) = (None, None);
        let mut tables = Vec::with_capacity(described.len());
        for (at, table) in described.into_iter().enumerate() {
            let mut message = None;
            let place = match table.holds.as_str() {
                "quarantine" => &mut quarantine,
                "blocks" => &mut blocks,
                kind => {
                    let Some((number, found)) = payload(kind) else {
                        return Err(SchemaFault(format!("{}: the envelope has no {kind}", table.name)));
                    };
                    message = Some(found);
                    &mut by_number[number]
                }
            };
            if place.replace(at).is_some() {
                return Err(SchemaFault(format!("{}: a second table of {}", table.name, table.holds)));
            }
            let columns = table.columns.into_iter().map(|column| resolve(&table.name, column, message));
            let columns = columns.collect::<Result<_, _>>()?;
            tables.push(Table { name: table.name, partition: table.partition, columns });
        }
        for field in ENVELOPE.fields {
            let number = field.number as usize;
            if payload(field.name).is_some() && by_number.get(number).is_none_or(Option::is_none) {
                return Err(SchemaFault(format!("no table holds {}", field.name)));
            }
        }
        let missing = |name| SchemaFault(format!("no table holds {name}"));
        Ok(Self {
            tables,
            by_number,
            quarantine: quarantine.ok_or_else(|| missing("quarantine"))?,
            blocks: blocks.ok_or_else(|| missing("blocks"))?,
        })
    }
}

/// Number and message of a payload of the envelope.
fn payload(name: &str) -> Option<(usize, &'static Message)> {
    let field = ENVELOPE.field(name)?;
    match field.kind {
        Kind::Message(message) if (field.number as usize) < NUMBERS => Some((field.number as usize, message)),
        _ => None,
    }
}

fn resolve(
    table: &str,
    ColumnText { name, of, path, safe }: ColumnText,
    message: Option<&'static Message>,
) -> Result<Column, SchemaFault> {
    let fault = |what: String| SchemaFault(format!("{table}.{name}: {what}"));
    let source = Source::of(&path, message).ok_or_else(|| fault(format!("nothing is at {path}")))?;
    let fits = source.fits().ok_or_else(|| fault(format!("{path} is a message")))?;
    let of =
        Type::ALL.into_iter().find(|each| each.name() == of).ok_or_else(|| fault(format!("no type {of}")))?;
    if of != fits {
        return Err(fault(format!("{path} is {}, not {}", fits.name(), of.name())));
    }
    Ok(Column { name, of, source, safe, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_days_and_months_of_utc_before_1970_too() {
        for (ts_s, day, month) in [
            (0, 0, 1970 * 12 + 1),
            (-1, -1, 1969 * 12 + 12),
            // 2026-11-30 23:59:59 and a second later.
            (1_796_083_199, 20_787, 2026 * 12 + 11),
            (1_796_083_200, 20_788, 2026 * 12 + 12),
        ] {
            assert_eq!(Unit::Day.of(ts_s * 1_000_000_000), day);
            assert_eq!(Unit::Month.of(ts_s * 1_000_000_000), month);
        }
    }

    #[test]
    fn a_description_that_cannot_be_followed_names_the_column() {
        let column = |of: &str, path: &str| {
            format!(
                r#"[{{"name":"t","holds":"trade","partition":null,"columns":[{{"name":"c","type":"{of}","path":"{path}","safe":false}}]}}]"#
            )
        };
        for (text, part) in [
            ("[", "EOF"),
            (r#"[{"name":"t","holds":"x","partition":null,"columns":[]}]"#, "t: the envelope has no x"),
            (
                r#"[{"name":"t","holds":"source","partition":null,"columns":[]}]"#,
                "t: the envelope has no source",
            ),
            (column("Int64", "trade.px").as_str(), "t.c: nothing is at trade.px"),
            (column("Int64", "fill.px_ticks").as_str(), "t.c: nothing is at fill.px_ticks"),
            (column("UInt64", "trade.px_ticks").as_str(), "t.c: trade.px_ticks is Int64, not UInt64"),
            (column("Float64", "trade.px_ticks").as_str(), "t.c: no type Float64"),
            (column("String", "envelope.trade").as_str(), "t.c: envelope.trade is a message"),
            (column("Int64", "trade.px_ticks").as_str(), "no table holds book_top"),
        ] {
            let found = Schema::parse(text).map_or_else(|fault| fault.to_string(), |_| "taken".into());
            assert!(found.contains(part), "{found}, not {part}");
        }
    }
}
