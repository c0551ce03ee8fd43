//! The rows of a group by table, one insert for each partition they fall into. Pure.

use crate::column::{Columns, Value};
use crate::schema::{Column, NUMBERS, Schema, Slot, Source};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use tidegate_wire::envelope;
use tidegate_wire::fields::{Kind, Raw, name_of, packed, walk, zigzag};
use tidegate_wire::limits::SAFE_INTEGER_MAX;

/// A count beyond what every reader holds exactly: the one refusal a valid envelope can still meet.
const INTEGER_UNSAFE: &str = "INTEGER_UNSAFE";
/// Payloads of the envelope have numbers from here on.
const PAYLOAD_NUMBER_MIN: usize = 20;

/// One record of the WAL.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    pub wal_seq: u64,
    pub stream: &'a str,
    pub epoch: u32,
    pub seq: u64,
    /// Ns since the Unix epoch, when the recorder took it.
    pub ts_ns: i64,
    /// Bytes of an envelope, or of whatever else was recorded.
    pub payload: &'a [u8],
}

impl RecordRef<'_> {
    /// Whether it is a raw capture: a venue's bytes, kept in the WAL alone. Gaps and marks of a capture stream are envelopes,
    /// which begin with another byte.
    fn is_capture(&self) -> bool {
        self.stream.starts_with("raw.") && self.payload.first() == Some(&1)
    }

    /// First 8 bytes of SHA-256 of the payload, little-endian.
    fn hash(&self) -> u64 {
        let digest = Sha256::digest(self.payload);
        digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

/// Digits of [`Insert::content`].
const CONTENT_DIGITS: usize = 32;

/// One insert: rows of one table in one partition of it, for only within one is an insert whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    pub table: String,
    pub rows: u32,
    pub last_wal_seq: u64,
    /// One block of the Native format.
    pub body: Vec<u8>,
    /// First 128 bits of the BLAKE3 of `body`, in hexadecimal: equal for the same rows, and never for others.
    pub content: String,
}

/// What a group comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sliced {
    /// In the order their first rows came.
    pub inserts: Vec<Insert>,
    /// Goes in after the others: the sign that the blocks are in.
    pub blocks: Option<Insert>,
    /// Rows of the quarantine by the code of their refusal.
    pub quarantined: BTreeMap<&'static str, u64>,
    pub last_wal_seq: u64,
}

#[derive(Debug)]
struct Building {
    table: usize,
    partition: i64,
    columns: Columns,
    last: u64,
}

/// What stands in a field.
#[derive(Debug, Clone, Copy)]
struct Cell<'a> {
    number: u64,
    bytes: &'a [u8],
}

const NOTHING: Cell<'_> = Cell { number: 0, bytes: &[] };

/// The fields of an envelope and its payload by their numbers; what is absent is 0 or empty, as the proto means it.
struct Cells<'a> {
    head: [Cell<'a>; PAYLOAD_NUMBER_MIN],
    payload: [Cell<'a>; NUMBERS],
    /// Number of the payload.
    kind: usize,
}

impl<'a> Cells<'a> {
    /// Shape   `bytes` are those of a checked envelope
    fn of(bytes: &'a [u8]) -> Self {
        let mut cells = Self { head: [NOTHING; PAYLOAD_NUMBER_MIN], payload: [NOTHING; NUMBERS], kind: 0 };
        let cell = |raw| match raw {
            Raw::Number(number) => Cell { number, bytes: &[] },
            Raw::Bytes(bytes) => Cell { number: 0, bytes },
        };
        let mut body: &[u8] = &[];
        for (number, raw) in walk(bytes) {
            match (cells.head.get_mut(number as usize), raw) {
                (Some(held), _) => *held = cell(raw),
                (None, Raw::Bytes(bytes)) => (cells.kind, body) = (number as usize, bytes),
                (None, Raw::Number(_)) => {}
            }
        }
        for (number, raw) in walk(body) {
            if let Some(held) = cells.payload.get_mut(number as usize) {
                *held = cell(raw);
            }
        }
        cells
    }

    fn cell(&self, source: Source) -> Option<(Cell<'a>, Kind)> {
        match source {
            Source::Head(Slot { number, kind }) => self.head.get(number).map(|cell| (*cell, kind)),
            Source::Payload(Slot { number, kind }) => self.payload.get(number).map(|cell| (*cell, kind)),
            _ => None,
        }
    }

    /// Whether every reader holds the column's number exactly.
    fn is_safe(&self, column: &Column) -> bool {
        let signed = |value: i64| value.unsigned_abs() <= SAFE_INTEGER_MAX.unsigned_abs();
        let unsigned = |value: u64| value <= SAFE_INTEGER_MAX.unsigned_abs();
        match self.cell(column.source) {
            Some((cell, Kind::Uint64 | Kind::Fixed64)) => unsigned(cell.number),
            Some((cell, Kind::Int64)) => signed(cell.number.cast_signed()),
            Some((cell, Kind::Sint64)) => signed(zigzag(cell.number)),
            Some((cell, Kind::Uints)) => packed(cell.bytes).all(unsigned),
            Some((cell, Kind::Sints)) => packed(cell.bytes).all(|each| signed(zigzag(each))),
            _ => true,
        }
    }

    fn value(&self, source: Source) -> Value<'a> {
        let Some((Cell { number, bytes }, kind)) = self.cell(source) else { return Value::U64(0) };
        match kind {
            Kind::Bool => Value::Bool(number != 0),
            Kind::Uint32 => Value::U32(number as u32),
            Kind::Uint64 | Kind::Int64 | Kind::Fixed64 => Value::U64(number),
            Kind::Sint64 => Value::U64(zigzag(number).cast_unsigned()),
            Kind::Text => Value::Text(bytes),
            Kind::Uints => Value::List(bytes, false),
            Kind::Sints => Value::List(bytes, true),
            Kind::Enum(names) => Value::Text(name_of(names, number as i32).as_bytes()),
            Kind::Message(_) => Value::U128(id(bytes)),
        }
    }
}

/// The 128 bits of an id's message; 0 for none, which no id is.
fn id(bytes: &[u8]) -> u128 {
    walk(bytes).fold(0, |id, field| match field {
        (1, Raw::Number(hi)) => id | u128::from(hi) << 64,
        (2, Raw::Number(lo)) => id | u128::from(lo),
        _ => id,
    })
}

/// Lowest `digits` digits of a number in hex; nothing for 0.
fn hex(value: u128, digits: usize, into: &mut [u8; 32]) -> &[u8] {
    if value == 0 {
        return &[];
    }
    for (at, byte) in into.iter_mut().take(digits).enumerate() {
        *byte = b"0123456789abcdef"[(value >> (4 * (digits - 1 - at))) as usize & 15];
    }
    &into[..digits]
}

/// Numbers of the envelope's fields that are held in another form than on the wire.
mod head {
    pub const TRACE_HI: usize = 3;
    pub const TRACE_LO: usize = 4;
    pub const SPAN_ID: usize = 5;
}

/// Puts records into the tables of a schema.
#[derive(Debug)]
pub struct Slicer<'s> {
    schema: &'s Schema,
    /// By table: what is at or below it is in.
    highest: Vec<u64>,
    /// By table: the insert that is being filled.
    current: Vec<Option<usize>>,
    all: Vec<Building>,
    quarantined: BTreeMap<&'static str, u64>,
    last_wal_seq: u64,
}

impl<'s> Slicer<'s> {
    /// `highest` is the highest `wal_seq` each table holds: inserts of a table are whole and in order, so what is at or below it
    /// is in and left out here.
    pub fn new(schema: &'s Schema, highest: &HashMap<String, u64>) -> Self {
        let known = |name: &String| highest.get(name).copied().unwrap_or(0);
        Self {
            schema,
            highest: schema.tables.iter().map(|table| known(&table.name)).collect(),
            current: vec![None; schema.tables.len()],
            all: Vec::new(),
            quarantined: BTreeMap::new(),
            last_wal_seq: 0,
        }
    }

    /// One block with its records in order.
    pub fn block<'a>(
        &mut self,
        segment: u64,
        block: u32,
        crc: u32,
        records: impl Iterator<Item = RecordRef<'a>>,
    ) {
        let (mut first, mut rows) = (0, 0);
        for record in records {
            if rows == 0 {
                first = record.wal_seq;
            }
            rows += 1;
            self.last_wal_seq = record.wal_seq;
            if !record.is_capture() {
                self.record(&record);
            }
        }
        let last = self.last_wal_seq;
        self.put(self.schema.blocks, last, 0, |column| match column.source {
            Source::Segment => Value::U64(segment),
            Source::Block => Value::U32(block),
            Source::FirstWalSeq => Value::U64(first),
            Source::Rows => Value::U32(rows),
            Source::Hash => Value::U32(crc),
            _ => Value::U64(last),
        });
    }

    fn record(&mut self, record: &RecordRef<'_>) {
        let schema = self.schema;
        let refusal = match envelope::decode_checked(record.payload) {
            Err(refusal) => (refusal.code.name(), refusal.field),
            Ok(_) => {
                let cells = Cells::of(record.payload);
                let table = schema.by_number.get(cells.kind).copied().flatten();
                let Some(table) = table else { return };
                let unsafe_one = schema.tables[table].columns.iter().find(|c| c.safe && !cells.is_safe(c));
                match unsafe_one {
                    Some(column) => (INTEGER_UNSAFE, column.path.as_str()),
                    None => {
                        self.row(table, record, Some(&cells), b"");
                        return;
                    }
                }
            }
        };
        let reason = format!("{} {}", refusal.0, refusal.1);
        if self.row(schema.quarantine, record, None, reason.as_bytes()) {
            *self.quarantined.entry(refusal.0).or_default() += 1;
        }
    }

    fn row(
        &mut self,
        table: usize,
        record: &RecordRef<'_>,
        cells: Option<&Cells<'_>>,
        reason: &[u8],
    ) -> bool {
        if record.wal_seq <= self.highest[table] {
            return false;
        }
        let hash = record.hash();
        let (mut trace, mut span) = ([0; 32], [0; 32]);
        let number = |at: usize| cells.map_or(0, |cells| cells.head[at].number);
        let both = u128::from(number(head::TRACE_HI)) << 64 | u128::from(number(head::TRACE_LO));
        let trace = hex(both, 32, &mut trace);
        let span = hex(number(head::SPAN_ID).into(), 16, &mut span);
        self.put(table, record.wal_seq, record.ts_ns, |column| match column.source {
            Source::WalSeq => Value::U64(record.wal_seq),
            Source::Stream => Value::Text(record.stream.as_bytes()),
            Source::StreamEpoch => Value::U32(record.epoch),
            Source::StreamSeq => Value::U64(record.seq),
            Source::TsNs => Value::U64(record.ts_ns.cast_unsigned()),
            Source::PayloadHash => Value::U64(hash),
            Source::TraceId => Value::Text(trace),
            Source::SpanId => Value::Text(span),
            Source::Reason => Value::Text(reason),
            Source::Bytes => Value::Text(record.payload),
            source => cells.map_or(Value::U64(0), |cells| cells.value(source)),
        })
    }

    fn put<'a>(
        &mut self,
        table: usize,
        wal_seq: u64,
        ts_ns: i64,
        value: impl Fn(&Column) -> Value<'a>,
    ) -> bool {
        if wal_seq <= self.highest[table] {
            return false;
        }
        let of = &self.schema.tables[table];
        let partition = of.partition.map_or(0, |unit| unit.of(ts_ns));
        let held = self.current[table].filter(|at| self.all[*at].partition == partition);
        let at = held.unwrap_or_else(|| {
            self.all.push(Building { table, partition, columns: Columns::new(of), last: 0 });
            self.all.len() - 1
        });
        self.current[table] = Some(at);
        let building = &mut self.all[at];
        building.columns.push(of, value);
        building.last = wal_seq;
        true
    }

    /// The inserts.
    pub fn finish(self) -> Sliced {
        let mut sliced = Sliced {
            inserts: Vec::with_capacity(self.all.len()),
            blocks: None,
            quarantined: self.quarantined,
            last_wal_seq: self.last_wal_seq,
        };
        for Building { table, columns, last, .. } in self.all {
            let of = &self.schema.tables[table];
            let rows = columns.rows();
            let body = columns.finish(of);
            let content = blake3::hash(&body).to_hex()[..CONTENT_DIGITS].to_string();
            let insert = Insert { table: of.name.clone(), rows, last_wal_seq: last, body, content };
            // The table of blocks has one partition, so one insert.
            if table == self.schema.blocks {
                sliced.blocks = Some(insert);
            } else {
                sliced.inserts.push(insert);
            }
        }
        sliced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_of_fixed_width_and_nothing_for_zero() {
        let mut into = [0; 32];
        assert_eq!(hex(0, 32, &mut into), b"");
        assert_eq!(hex(0xab, 16, &mut into), b"00000000000000ab");
        assert_eq!(hex(u128::MAX, 32, &mut into), [b'f'; 32]);
    }

    #[test]
    fn the_head_has_the_numbers_it_is_read_by() {
        use tidegate_wire::fields::ENVELOPE;
        let number = |name: &str| ENVELOPE.field(name).map_or(0, |field| field.number as usize);
        assert_eq!(number("trace_hi"), head::TRACE_HI);
        assert_eq!(number("trace_lo"), head::TRACE_LO);
        assert_eq!(number("span_id"), head::SPAN_ID);
        for field in ENVELOPE.fields {
            let payload = matches!(field.kind, Kind::Message(_));
            assert_eq!(field.number as usize >= PAYLOAD_NUMBER_MIN, payload, "{}", field.name);
        }
    }
}
