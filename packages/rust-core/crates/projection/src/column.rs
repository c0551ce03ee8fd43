//! Columns of ClickHouse's Native format: <https://clickhouse.com/docs/interfaces/formats/Native>.

use crate::schema::{Column, Table, Type};
use std::collections::HashMap;
use tidegate_wire::fields::{packed, zigzag};

/// Keys follow in the column itself, and this block's are all of them.
const OWN_KEYS: u64 = 1 << 9 | 1 << 10;
/// The one version of a dictionary's form.
const KEYS_VERSION: u64 = 1;

/// One value; a column takes the kind its type says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Bool(bool),
    U32(u32),
    /// The bits of a signed one too.
    U64(u64),
    U128(u128),
    Text(&'a [u8]),
    /// A packed column as it stands on the wire; whether zigzag.
    List(&'a [u8], bool),
}

fn leb128(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    leb128(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Texts by their number, in the order they first came.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Vec<u8>, u32>,
    keys: Vec<u8>,
    rows: Vec<u32>,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = self.numbers.len() as u32;
                self.numbers.insert(name.to_vec(), number);
                text(&mut self.keys, name);
                number
            }
        };
        self.rows.push(number);
    }

    fn write(&self, out: &mut Vec<u8>) {
        let keys = self.numbers.len() as u64;
        let width: u64 = match keys {
            0..=0x100 => 0,
            0x101..=0x1_0000 => 1,
            _ => 2,
        };
        for word in [KEYS_VERSION, OWN_KEYS | width, keys] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.keys);
        out.extend_from_slice(&(self.rows.len() as u64).to_le_bytes());
        for row in &self.rows {
            out.extend_from_slice(&row.to_le_bytes()[..1 << width]);
        }
    }
}

/// One column being filled.
#[derive(Debug)]
enum Data {
    /// Numbers and texts, as they are written.
    Plain(Vec<u8>),
    Names(Names),
    Lists {
        ends: Vec<u8>,
        end: u64,
        values: Vec<u8>,
    },
}

impl Data {
    fn new(of: Type) -> Self {
        match of {
            Type::Name => Self::Names(Names::default()),
            Type::Ints | Type::Uints => Self::Lists { ends: Vec::new(), end: 0, values: Vec::new() },
            _ => Self::Plain(Vec::new()),
        }
    }

    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Plain(out), Value::Bool(value)) => out.push(value.into()),
            (Self::Plain(out), Value::U32(value)) => out.extend_from_slice(&value.to_le_bytes()),
            (Self::Plain(out), Value::U64(value)) => out.extend_from_slice(&value.to_le_bytes()),
            (Self::Plain(out), Value::U128(value)) => out.extend_from_slice(&value.to_le_bytes()),
            (Self::Plain(out), Value::Text(value)) => text(out, value),
            (Self::Names(names), Value::Text(value)) => names.push(value),
            (Self::Lists { ends, end, values }, Value::List(bytes, signed)) => {
                for each in packed(bytes) {
                    let bits = if signed { zigzag(each).cast_unsigned() } else { each };
                    values.extend_from_slice(&bits.to_le_bytes());
                    *end += 1;
                }
                ends.extend_from_slice(&end.to_le_bytes());
            }
            (data, value) => debug_assert!(false, "the schema proved types: {value:?} into {data:?}"),
        }
    }
}

/// The rows of one insert by column.
#[derive(Debug)]
pub(crate) struct Columns {
    data: Vec<Data>,
    rows: u32,
}

impl Columns {
    pub(crate) fn new(table: &Table) -> Self {
        Self { data: table.columns.iter().map(|column| Data::new(column.of)).collect(), rows: 0 }
    }

    pub(crate) const fn rows(&self) -> u32 {
        self.rows
    }

    /// Adds a row; `value` is asked for each column in turn.
    pub(crate) fn push<'a>(&mut self, table: &Table, value: impl Fn(&Column) -> Value<'a>) {
        for (data, column) in self.data.iter_mut().zip(&table.columns) {
            data.push(value(column));
        }
        self.rows += 1;
    }

    /// The block: number of columns, number of rows, then each column with its name and type.
    pub(crate) fn finish(self, table: &Table) -> Vec<u8> {
        let held = |data: &Data| match data {
            Data::Plain(bytes) => bytes.len(),
            Data::Names(names) => names.keys.len() + 4 * names.rows.len(),
            Data::Lists { ends, values, .. } => ends.len() + values.len(),
        };
        let mut out = Vec::with_capacity(self.data.iter().map(|data| held(data) + 96).sum());
        leb128(&mut out, self.data.len());
        leb128(&mut out, self.rows as usize);
        for (data, column) in self.data.iter().zip(&table.columns) {
            text(&mut out, column.name.as_bytes());
            text(&mut out, column.of.name().as_bytes());
            match data {
                Data::Plain(bytes) => out.extend_from_slice(bytes),
                Data::Names(names) => names.write(&mut out),
                Data::Lists { ends, values, .. } => {
                    out.extend_from_slice(ends);
                    out.extend_from_slice(values);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_leb128() {
        for (value, want) in [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2])] {
            let mut out = Vec::new();
            leb128(&mut out, value);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn numbers_of_names_are_as_wide_as_their_count_needs() {
        for (count, width) in [(1_u32, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4)] {
            let mut names = Names::default();
            for number in 0..count {
                names.push(&number.to_le_bytes());
                names.push(&0_u32.to_le_bytes());
            }
            let mut out = Vec::new();
            names.write(&mut out);
            let rows = 2 * count as usize;
            assert_eq!(out.len(), 32 + 5 * count as usize + width * rows, "{count}");
            assert_eq!(out[8], width.trailing_zeros() as u8);
            let last = out.len() - width;
            assert!(out[last..].iter().all(|byte| *byte == 0), "the last row is the first name again");
            let before = u32::from_le_bytes({
                let mut bytes = [0; 4];
                bytes[..width].copy_from_slice(&out[last - width..last]);
                bytes
            });
            assert_eq!(before, count - 1);
        }
    }
}
