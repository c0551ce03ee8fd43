//! The versioned instrument table: what one tick and one lot of an instrument are worth.
//!
//! A table is read whole from JSON, checked once, and never changes; its `version` and BLAKE3 hash travel with what was
//! decided by it. Ids are permanent, so a changed unit is a new id.
#![forbid(unsafe_code)]

pub mod limits;

use limits::{ASSET_BYTES_MAX, INSTRUMENTS_MAX, SCALE_MAX, SYMBOL_BYTES_MAX, TABLE_BYTES_MAX, UNIT_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use tidegate_units::{DecimalFault, InstrumentId, SAFE_INTEGER, VenueId, format_decimal, parse_decimal};

/// A venue the system has a session kind for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Venue {
    #[serde(rename = "BINANCE_SPOT")]
    BinanceSpot,
    #[serde(rename = "BINANCE_USDM")]
    BinanceUsdm,
    #[serde(rename = "BINANCE_COINM")]
    BinanceCoinm,
    /// US stocks.
    #[serde(rename = "ALPACA")]
    Alpaca,
    #[serde(rename = "ALPACA_CRYPTO")]
    AlpacaCrypto,
    /// Taiwan stocks, futures and options.
    #[serde(rename = "SHIOAJI")]
    Shioaji,
    /// Any venue over FIX 4.4.
    #[serde(rename = "FIX")]
    Fix,
}

impl Venue {
    /// The name in the table, in logs and in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BinanceSpot => "BINANCE_SPOT",
            Self::BinanceUsdm => "BINANCE_USDM",
            Self::BinanceCoinm => "BINANCE_COINM",
            Self::Alpaca => "ALPACA",
            Self::AlpacaCrypto => "ALPACA_CRYPTO",
            Self::Shioaji => "SHIOAJI",
            Self::Fix => "FIX",
        }
    }

    /// What the venue lists.
    const fn lists(self, kind: Kind) -> bool {
        match self {
            Self::BinanceSpot | Self::AlpacaCrypto => matches!(kind, Kind::Spot),
            Self::BinanceUsdm => matches!(kind, Kind::LinearPerp),
            Self::Fix => matches!(kind, Kind::Spot | Kind::LinearPerp),
            Self::BinanceCoinm => matches!(kind, Kind::InversePerp),
            Self::Alpaca => matches!(kind, Kind::Equity),
            Self::Shioaji => matches!(kind, Kind::Equity | Kind::Future | Kind::Option),
        }
    }

    /// What its symbols may have beside upper-case letters, digits and `_`: `BRK.B`, `BTC/USD`.
    const fn symbol_marks(self) -> &'static [u8] {
        match self {
            Self::Alpaca => b".",
            Self::AlpacaCrypto | Self::Fix => b"/",
            _ => b"",
        }
    }
}

/// What is traded, and so what a fill posts to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A fill exchanges base for quote.
    Spot,
    /// A fill opens or closes a contract worth its size in base, settled in quote.
    LinearPerp,
    /// A contract worth a fixed sum of quote, settled in base: its value in quote does not move with the price.
    InversePerp,
    /// A share.
    Equity,
    /// A contract worth `multiplier` times its price, with an expiry.
    Future,
    /// Data only.
    Option,
}

/// One row. Prices are integer counts of `px_unit * 10^-px_scale` quote per base, sizes of `qty_unit * 10^-qty_scale` base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    pub id: u32,
    pub venue_id: u32,
    pub venue: Venue,
    /// The venue's own name for it, upper case.
    pub symbol: String,
    pub kind: Kind,
    pub base: String,
    pub quote: String,
    pub px_scale: u32,
    pub px_unit: i64,
    pub qty_scale: u32,
    pub qty_unit: i64,
    /// Worth of one tick times one lot, in 1e-8 of the quote asset.
    pub e8_per_tick_lot: i64,
    /// Smallest and largest order, in lots.
    pub min_qty_lots: i64,
    pub max_qty_lots: i64,
    /// Smallest order value, in 1e-8 of the quote asset.
    pub min_notional_e8: i64,
    /// Units of base in a contract of size one, the point value of a future; 1 for what is no contract.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub multiplier: u32,
    /// Last trading day of a contract, `YYYYMMDD` of the exchange's calendar; 0 for what has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expiry: u32,
}

const fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_one(value: &u32) -> bool {
    *value == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// Whether a number reads as a day, `YYYYMMDD`.
const fn is_day(day: u32) -> bool {
    let (year, month, of_month) = (day / 10_000, day / 100 % 100, day % 100);
    year >= 1_990 && year < 2_100 && month >= 1 && month <= 12 && of_month >= 1 && of_month <= 31
}

impl Instrument {
    /// Whether the order path knows how to send, value and post orders of it. The others are market data only, and a limits
    /// file that names one is refused.
    pub const fn tradable(&self) -> bool {
        matches!(
            (self.venue, self.kind),
            (Venue::BinanceSpot | Venue::Fix, Kind::Spot)
                | (Venue::BinanceUsdm | Venue::Fix, Kind::LinearPerp)
                | (Venue::Alpaca | Venue::Shioaji, Kind::Equity)
        )
    }

    /// The row's id as a unit.
    pub const fn instrument_id(&self) -> InstrumentId {
        InstrumentId(self.id)
    }

    /// The row's venue as a unit.
    pub const fn venue(&self) -> VenueId {
        VenueId(self.venue_id)
    }

    /// One lot in 1e-8 of the base asset.
    pub fn base_e8_per_lot(&self) -> i64 {
        self.qty_unit * pow10(SCALE_MAX - self.qty_scale.min(SCALE_MAX))
    }

    /// Value of `qty_lots` at `px_ticks` in 1e-8 of the quote asset, or `None` beyond 128 bits.
    pub fn notional_e8(&self, px_ticks: i64, qty_lots: i64) -> Option<i128> {
        i128::from(px_ticks).checked_mul(i128::from(qty_lots))?.checked_mul(i128::from(self.e8_per_tick_lot))
    }

    /// Reads a price as the venue writes it.
    ///
    /// # Errors
    /// Not a decimal, between two ticks, or too large.
    pub fn parse_px(&self, text: &[u8]) -> Result<i64, DecimalFault> {
        parse_decimal(text, self.px_scale, self.px_unit)
    }

    /// Reads a size as the venue writes it.
    ///
    /// # Errors
    /// Not a decimal, between two lots, or too large.
    pub fn parse_qty(&self, text: &[u8]) -> Result<i64, DecimalFault> {
        parse_decimal(text, self.qty_scale, self.qty_unit)
    }

    /// A price as the venue reads it.
    pub fn format_px(&self, px_ticks: i64) -> String {
        format_decimal(px_ticks, self.px_scale, self.px_unit)
    }

    /// A size as the venue reads it.
    pub fn format_qty(&self, qty_lots: i64) -> String {
        format_decimal(qty_lots, self.qty_scale, self.qty_unit)
    }

    fn check(&self) -> Result<(), RowFault> {
        if self.id == 0 || self.venue_id == 0 {
            return Err(RowFault::ZeroId);
        }
        let symbol_ok = !self.symbol.is_empty()
            && self.symbol.len() <= SYMBOL_BYTES_MAX
            && self.symbol.bytes().all(|b| {
                b.is_ascii_uppercase()
                    || b.is_ascii_digit()
                    || b == b'_'
                    || self.venue.symbol_marks().contains(&b)
            });
        if !symbol_ok {
            return Err(RowFault::BadSymbol);
        }
        for asset in [&self.base, &self.quote] {
            let ok = !asset.is_empty()
                && asset.len() <= ASSET_BYTES_MAX
                && asset.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if !ok {
                return Err(RowFault::BadAsset);
            }
        }
        if self.base == self.quote {
            return Err(RowFault::SameAssets);
        }
        if self.px_scale > SCALE_MAX || self.qty_scale > SCALE_MAX {
            return Err(RowFault::ScaleTooFine);
        }
        if !(1..=UNIT_MAX).contains(&self.px_unit) || !(1..=UNIT_MAX).contains(&self.qty_unit) {
            return Err(RowFault::BadUnit);
        }
        let decimals = self.px_scale + self.qty_scale;
        let Some(spare) = SCALE_MAX.checked_sub(decimals) else {
            return Err(RowFault::FinerThanMoney);
        };
        let dated = matches!(self.kind, Kind::Future | Kind::Option);
        if self.multiplier == 0 || (self.multiplier != 1 && !dated && self.kind != Kind::InversePerp) {
            return Err(RowFault::BadMultiplier);
        }
        if dated != (self.expiry != 0) || (dated && !is_day(self.expiry)) {
            return Err(RowFault::BadExpiry);
        }
        let linear = i128::from(self.px_unit) * i128::from(self.qty_unit) * i128::from(pow10(spare));
        // An inverse contract is worth the same at every price, so a tick times a lot is worth nothing.
        let want =
            if self.kind == Kind::InversePerp { 0 } else { linear.saturating_mul(self.multiplier.into()) };
        if i128::from(self.e8_per_tick_lot) != want {
            return Err(RowFault::WorthInconsistent { is: self.e8_per_tick_lot, want });
        }
        if self.min_qty_lots < 1 || self.max_qty_lots < self.min_qty_lots || self.max_qty_lots > SAFE_INTEGER
        {
            return Err(RowFault::BadQtyRange);
        }
        if self.min_notional_e8 < 0 {
            return Err(RowFault::NegativeNotional);
        }
        if !self.venue.lists(self.kind) {
            return Err(RowFault::KindNotOfVenue);
        }
        Ok(())
    }
}

const fn pow10(n: u32) -> i64 {
    10_i64.pow(n)
}

/// What is wrong with one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFault {
    ZeroId,
    BadSymbol,
    BadAsset,
    SameAssets,
    ScaleTooFine,
    BadUnit,
    /// One tick times one lot is less than 1e-8 of the quote asset.
    FinerThanMoney,
    WorthInconsistent {
        is: i64,
        want: i128,
    },
    BadQtyRange,
    NegativeNotional,
    /// 0, or not 1 for what is no contract.
    BadMultiplier,
    /// A future or option without a day, a day for anything else, or a number that is no day.
    BadExpiry,
    KindNotOfVenue,
    DuplicateId,
    DuplicateSymbol,
    /// One venue id names two venues, or one venue has two ids.
    VenueIdAmbiguous,
}

/// Why a table was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableFault {
    /// More bytes than a table may have.
    TooLarge {
        bytes: usize,
    },
    /// Not JSON of the table's shape; the text says where.
    Malformed(String),
    /// Version 0 means "no table".
    ZeroVersion,
    Empty,
    TooManyRows {
        rows: usize,
    },
    /// The row at `index` (from 0), with its id.
    Row {
        index: usize,
        id: u32,
        fault: RowFault,
    },
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "cannot read an instrument table of {bytes} bytes: at most {TABLE_BYTES_MAX}")
            }
            Self::Malformed(text) => write!(f, "cannot read the instrument table: {text}"),
            Self::ZeroVersion => f.write_str("cannot use instrument table version 0: versions start at 1"),
            Self::Empty => f.write_str("cannot use an instrument table without instruments"),
            Self::TooManyRows { rows } => {
                write!(f, "cannot use an instrument table of {rows} rows: at most {INSTRUMENTS_MAX}")
            }
            Self::Row { index, id, fault } => {
                write!(f, "cannot use row {index} (id {id}) of the instrument table: {fault:?}")
            }
        }
    }
}

impl std::error::Error for TableFault {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    instruments: Vec<Instrument>,
}

/// A checked table. Lookups by id and by venue and symbol; the order of rows is by id.
#[derive(Debug, Clone)]
pub struct Table {
    version: u32,
    hash: [u8; 32],
    rows: Vec<Instrument>,
    by_symbol: BTreeMap<(u32, String), usize>,
}

impl Table {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// The first thing wrong, by name and row.
    pub fn from_json(json: &[u8]) -> Result<Self, TableFault> {
        if json.len() > TABLE_BYTES_MAX {
            return Err(TableFault::TooLarge { bytes: json.len() });
        }
        let file: File = serde_json::from_slice(json).map_err(|e| TableFault::Malformed(e.to_string()))?;
        Self::new(file.version, file.instruments)
    }

    /// Checks rows made in code, as tests and tools do.
    ///
    /// # Errors
    /// The first thing wrong, by name and row.
    pub fn new(version: u32, rows: Vec<Instrument>) -> Result<Self, TableFault> {
        if version == 0 {
            return Err(TableFault::ZeroVersion);
        }
        if rows.is_empty() {
            return Err(TableFault::Empty);
        }
        if rows.len() > INSTRUMENTS_MAX {
            return Err(TableFault::TooManyRows { rows: rows.len() });
        }
        let mut ids = BTreeMap::new();
        let mut symbols = BTreeMap::new();
        let mut venues: BTreeMap<u32, Venue> = BTreeMap::new();
        let mut venue_ids: BTreeMap<Venue, u32> = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            let bad = |fault| TableFault::Row { index, id: row.id, fault };
            row.check().map_err(bad)?;
            if ids.insert(row.id, index).is_some() {
                return Err(bad(RowFault::DuplicateId));
            }
            if symbols.insert((row.venue_id, row.symbol.as_str()), index).is_some() {
                return Err(bad(RowFault::DuplicateSymbol));
            }
            let same_venue = *venues.entry(row.venue_id).or_insert(row.venue) == row.venue;
            if !same_venue || *venue_ids.entry(row.venue).or_insert(row.venue_id) != row.venue_id {
                return Err(bad(RowFault::VenueIdAmbiguous));
            }
        }
        let mut rows = rows;
        rows.sort_by_key(|row| row.id);
        let by_symbol = rows.iter().enumerate().map(|(i, r)| ((r.venue_id, r.symbol.clone()), i)).collect();
        let hash = hash(version, &rows);
        Ok(Self { version, hash, rows, by_symbol })
    }

    /// Rises with every change of the table; messages that carry prices name it.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// BLAKE3 of the version and the rows in order of id; white space and row order of the file do not matter.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The hash as 64 lower-case hex digits.
    pub fn hash_hex(&self) -> String {
        blake3::Hash::from_bytes(self.hash).to_hex().to_string()
    }

    /// All rows in order of id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Instrument> {
        self.rows.iter()
    }

    /// How many rows there are, at least one.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row by id.
    pub fn get(&self, id: InstrumentId) -> Option<&Instrument> {
        self.rows.get(self.index(id)?)
    }

    /// The place of a row in `iter`, for arrays beside the table.
    pub fn index(&self, id: InstrumentId) -> Option<usize> {
        // Ids mostly count up from the first: then the place is known without a search.
        let guess = id.0.checked_sub(self.rows.first()?.id)? as usize;
        if self.rows.get(guess).is_some_and(|row| row.id == id.0) {
            return Some(guess);
        }
        self.rows.binary_search_by_key(&id.0, |row| row.id).ok()
    }

    /// A row by venue and the venue's symbol in upper case.
    pub fn by_symbol(&self, venue: VenueId, symbol: &str) -> Option<&Instrument> {
        self.by_symbol.get(&(venue.0, symbol.to_string())).and_then(|&i| self.rows.get(i))
    }

    /// The venue a venue id stands for.
    pub fn venue(&self, venue: VenueId) -> Option<Venue> {
        self.rows.iter().find(|row| row.venue_id == venue.0).map(|row| row.venue)
    }
}

fn hash(version: u32, rows: &[Instrument]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"tidegate instrument table v1");
    hasher.update(&version.to_le_bytes());
    for row in rows {
        for number in [row.id, row.venue_id, row.px_scale, row.qty_scale] {
            hasher.update(&number.to_le_bytes());
        }
        for text in [row.venue.name(), &row.symbol, &row.base, &row.quote] {
            hasher.update(&(text.len() as u32).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&[match row.kind {
            Kind::Spot => 1,
            Kind::LinearPerp => 2,
            Kind::InversePerp => 3,
            Kind::Equity => 4,
            Kind::Future => 5,
            Kind::Option => 6,
        }]);
        // Only where there are any: tables from before contracts keep their hashes.
        if row.multiplier != 1 || row.expiry != 0 {
            hasher.update(&row.multiplier.to_le_bytes());
            hasher.update(&row.expiry.to_le_bytes());
        }
        for number in [
            row.px_unit,
            row.qty_unit,
            row.e8_per_tick_lot,
            row.min_qty_lots,
            row.max_qty_lots,
            row.min_notional_e8,
        ] {
            hasher.update(&number.to_le_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHIPPED: &[u8] = include_bytes!("../../../../../config/instruments.json");

    fn rows() -> Vec<Instrument> {
        Table::from_json(SHIPPED).unwrap().iter().cloned().collect()
    }

    fn row_fault(change: impl Fn(&mut Vec<Instrument>)) -> RowFault {
        let mut rows = rows();
        change(&mut rows);
        match Table::new(1, rows).unwrap_err() {
            TableFault::Row { fault, .. } => fault,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_shipped_table_means_what_the_venues_say() {
        let table = Table::from_json(SHIPPED).unwrap();
        assert_eq!((table.version(), table.len()), (1, 2));
        let spot = table.get(InstrumentId(1)).unwrap();
        let perp = table.by_symbol(VenueId(2), "BTCUSDT").unwrap();
        assert_eq!((spot.kind, perp.kind), (Kind::Spot, Kind::LinearPerp));
        assert_eq!(table.venue(VenueId(2)), Some(Venue::BinanceUsdm));
        // 0.5 BTC at 61,800.25 USDT = 30,900.125 USDT, by hand.
        let (px, qty) = (spot.parse_px(b"61800.25").unwrap(), spot.parse_qty(b"0.5").unwrap());
        assert_eq!((px, qty), (6_180_025, 50_000));
        assert_eq!(spot.notional_e8(px, qty), Some(3_090_012_500_000));
        assert_eq!(spot.base_e8_per_lot(), 1_000);
        // 0.5 BTC at 61,800.2 = 30,900.1 USDT.
        let (px, qty) = (perp.parse_px(b"61800.2").unwrap(), perp.parse_qty(b"0.500").unwrap());
        assert_eq!(perp.notional_e8(px, qty), Some(3_090_010_000_000));
        assert_eq!(perp.base_e8_per_lot(), 100_000);
        assert_eq!((perp.format_px(618_002), perp.format_qty(1)), ("61800.2".into(), "0.001".into()));
        assert_eq!(perp.parse_px(b"61800.25"), Err(DecimalFault::OffUnit));
    }

    #[test]
    fn lookups_of_what_is_not_there_are_none() {
        let table = Table::from_json(SHIPPED).unwrap();
        assert!(table.get(InstrumentId(0)).is_none() && table.get(InstrumentId(3)).is_none());
        assert!(table.by_symbol(VenueId(1), "btcusdt").is_none());
        assert!(table.by_symbol(VenueId(3), "BTCUSDT").is_none());
        assert!(table.venue(VenueId(9)).is_none());
        assert_eq!(table.index(InstrumentId(2)), Some(1));
    }

    #[test]
    fn each_fault_of_a_row_has_its_name() {
        type Change = fn(&mut Vec<Instrument>);
        let cases: Vec<(RowFault, Change)> = vec![
            (RowFault::ZeroId, |r| r[0].id = 0),
            (RowFault::ZeroId, |r| r[1].venue_id = 0),
            (RowFault::BadSymbol, |r| r[0].symbol = "btcusdt".into()),
            (RowFault::BadSymbol, |r| r[0].symbol = "A".repeat(SYMBOL_BYTES_MAX + 1)),
            (RowFault::BadAsset, |r| r[0].quote = String::new()),
            (RowFault::SameAssets, |r| r[0].quote = "BTC".into()),
            (RowFault::ScaleTooFine, |r| r[0].px_scale = 9),
            (RowFault::BadUnit, |r| r[0].px_unit = 0),
            (RowFault::BadUnit, |r| r[0].qty_unit = UNIT_MAX + 1),
            (RowFault::FinerThanMoney, |r| r[0].px_scale = 4),
            (RowFault::WorthInconsistent { is: 11, want: 10 }, |r| r[0].e8_per_tick_lot = 11),
            (RowFault::WorthInconsistent { is: 10, want: 50 }, |r| r[0].px_unit = 5),
            (RowFault::WorthInconsistent { is: 10, want: 100_000_000_000_000_000_000 }, |r| {
                // The product of the largest units passes 64 bits and must not wrap.
                (r[0].px_unit, r[0].qty_unit, r[0].px_scale, r[0].qty_scale) = (UNIT_MAX, UNIT_MAX, 0, 0);
            }),
            (RowFault::BadQtyRange, |r| r[0].min_qty_lots = 0),
            (RowFault::BadQtyRange, |r| r[0].max_qty_lots = 0),
            (RowFault::BadQtyRange, |r| r[0].max_qty_lots = SAFE_INTEGER + 1),
            (RowFault::NegativeNotional, |r| r[0].min_notional_e8 = -1),
            (RowFault::KindNotOfVenue, |r| r[0].kind = Kind::LinearPerp),
            (RowFault::BadSymbol, |r| r[0].symbol = "BTC/USDT".into()),
            (RowFault::BadMultiplier, |r| r[0].multiplier = 0),
            (RowFault::BadMultiplier, |r| r[0].multiplier = 2),
            (RowFault::BadExpiry, |r| r[0].expiry = 20_261_231),
            (RowFault::DuplicateId, |r| r[1].id = 1),
            (RowFault::DuplicateSymbol, |r| {
                let mut again = r[0].clone();
                again.id = 3;
                r.push(again);
            }),
            (RowFault::VenueIdAmbiguous, |r| {
                let mut other = r[0].clone();
                (other.id, other.venue_id) = (3, 7);
                r.push(other);
            }),
        ];
        for (want, change) in cases {
            assert_eq!(row_fault(change), want);
        }
    }

    /// One row of each venue that only feeds market data.
    fn fed_only() -> Vec<Instrument> {
        let row = |id, venue_id, venue, symbol: &str, kind| Instrument {
            id,
            venue_id,
            venue,
            symbol: symbol.into(),
            kind,
            base: "X".into(),
            quote: "USD".into(),
            px_scale: 2,
            px_unit: 1,
            qty_scale: 0,
            qty_unit: 1,
            e8_per_tick_lot: 1_000_000,
            min_qty_lots: 1,
            max_qty_lots: 1_000,
            min_notional_e8: 0,
            multiplier: 1,
            expiry: 0,
        };
        let future = Instrument {
            multiplier: 200,
            expiry: 20_260_415,
            e8_per_tick_lot: 200_000_000,
            ..row(6, 6, Venue::Shioaji, "TXFD6", Kind::Future)
        };
        vec![
            Instrument {
                e8_per_tick_lot: 0,
                multiplier: 100,
                ..row(3, 3, Venue::BinanceCoinm, "BTCUSD_PERP", Kind::InversePerp)
            },
            row(4, 4, Venue::Alpaca, "BRK.B", Kind::Equity),
            row(5, 5, Venue::AlpacaCrypto, "BTC/USD", Kind::Spot),
            future.clone(),
            Instrument { id: 7, symbol: "TXO35000Q6".into(), kind: Kind::Option, ..future },
            row(8, 6, Venue::Shioaji, "2330", Kind::Equity),
        ]
    }

    #[test]
    fn a_fix_venue_lists_pairs_and_perpetuals_that_the_order_path_knows() {
        let row = |kind| Instrument {
            id: 9,
            venue_id: 7,
            venue: Venue::Fix,
            symbol: "BTC/USD".into(),
            kind,
            ..rows()[0].clone()
        };
        for kind in [Kind::Spot, Kind::LinearPerp] {
            let table = Table::new(1, vec![row(kind)]).unwrap();
            assert!(table.iter().all(Instrument::tradable));
            assert_eq!(table.venue(VenueId(7)).map(Venue::name), Some("FIX"));
        }
        for kind in [Kind::Equity, Kind::InversePerp, Kind::Option] {
            assert!(Table::new(1, vec![row(kind)]).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn every_venue_has_rows_and_those_the_order_path_does_not_know_are_not_tradable() {
        let all: Vec<Instrument> = rows().into_iter().chain(fed_only()).collect();
        let table = Table::new(2, all).unwrap();
        let tradable: Vec<u32> = table.iter().filter(|row| row.tradable()).map(|row| row.id).collect();
        assert_eq!(tradable, [1, 2, 4, 8]);
        for (venue_id, venue) in [(3, "BINANCE_COINM"), (4, "ALPACA"), (5, "ALPACA_CRYPTO"), (6, "SHIOAJI")] {
            assert_eq!(table.venue(VenueId(venue_id)).map(Venue::name), Some(venue));
        }
        let json =
            serde_json::to_vec(&File { version: 2, instruments: table.iter().cloned().collect() }).unwrap();
        assert_eq!(Table::from_json(&json).unwrap().hash(), table.hash());
        let refused = |change: fn(&mut Instrument), at: usize| {
            let mut rows = fed_only();
            change(&mut rows[at]);
            match Table::new(1, rows).unwrap_err() {
                TableFault::Row { fault, .. } => fault,
                other => panic!("{other}"),
            }
        };
        assert_eq!(refused(|r| r.expiry = 0, 3), RowFault::BadExpiry);
        assert_eq!(refused(|r| r.expiry = 20_261_341, 3), RowFault::BadExpiry);
        assert_eq!(
            refused(|r| r.e8_per_tick_lot = 1_000_000, 0),
            RowFault::WorthInconsistent { is: 1_000_000, want: 0 }
        );
        assert_eq!(
            refused(|r| r.multiplier = 1, 3),
            RowFault::WorthInconsistent { is: 200_000_000, want: 1_000_000 }
        );
        let mut later = fed_only();
        later[3].expiry += 1;
        assert_ne!(Table::new(1, fed_only()).unwrap().hash_hex(), Table::new(1, later).unwrap().hash_hex());
    }

    #[test]
    fn each_fault_of_a_table_has_its_name() {
        assert_eq!(Table::new(0, rows()).unwrap_err(), TableFault::ZeroVersion);
        assert_eq!(Table::new(1, vec![]).unwrap_err(), TableFault::Empty);
        let many = vec![rows()[0].clone(); INSTRUMENTS_MAX + 1];
        assert!(matches!(Table::new(1, many), Err(TableFault::TooManyRows { .. })));
        let large = vec![b' '; TABLE_BYTES_MAX + 1];
        assert!(matches!(Table::from_json(&large), Err(TableFault::TooLarge { .. })));
        let unknown = String::from_utf8(SHIPPED.to_vec()).unwrap().replacen("\"id\"", "\"typo\":1,\"id\"", 1);
        assert!(
            matches!(Table::from_json(unknown.as_bytes()), Err(TableFault::Malformed(t)) if t.contains("typo"))
        );
    }

    #[test]
    fn the_hash_sees_every_field_and_no_layout() {
        let table = Table::from_json(SHIPPED).unwrap();
        let mut turned = rows();
        turned.reverse();
        assert_eq!(Table::new(1, turned).unwrap().hash(), table.hash());
        assert_ne!(Table::new(2, rows()).unwrap().hash(), table.hash());
        let changes: [fn(&mut Instrument); 4] =
            [|r| r.id = 9, |r| r.symbol.push('X'), |r| r.max_qty_lots -= 1, |r| r.min_notional_e8 += 1];
        for change in changes {
            let mut rows = rows();
            change(&mut rows[0]);
            assert_ne!(Table::new(1, rows).unwrap().hash(), table.hash());
        }
        assert_eq!(table.hash_hex().len(), 64);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_and_never_panic(bytes: Vec<u8>) {
            prop_assert!(Table::from_json(&bytes).is_err());
        }

        #[test]
        fn notional_agrees_with_exact_rationals(px in 1_i64..100_000_000, qty in 1_i64..1_000_000) {
            // px/100 * qty/100000 USDT, in 1e-8: px * qty * 1e8 / 1e7.
            let spot = &rows()[0];
            let want = i128::from(px) * i128::from(qty) * 100_000_000 / 10_000_000;
            prop_assert_eq!(spot.notional_e8(px, qty), Some(want));
        }
    }
}
