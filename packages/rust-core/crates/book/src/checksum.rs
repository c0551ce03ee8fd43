//! The venues' own checksums over the best levels, rebuilt from integers.
//!
//! Both venues sum the decimal text. Kraken strips the point and leading zeros, which is the integer itself when a tick and a
//! lot are units of the venue's last decimal. OKX and OKCoin send no trailing zeros, so their text follows from the integer
//! and the scale. No text is kept.

use crate::l2::L2Book;
use crate::limits::CHECKSUM_LEVELS_MAX;
use tidegate_units::Side;

/// How one venue sums its book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Kraken v1: the 10 best asks, then the 10 best bids, price then size, digits alone.
    Kraken,
    /// OKX and OKCoin: 25 levels, bid then ask in turn, `price:size`, joined by `:`.
    Okx,
}

/// Decimals of the numbers of a book: px = ticks × `px_unit` × 10^-`px_scale`; qty alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimals {
    pub px_scale: u32,
    pub px_unit: i64,
    pub qty_scale: u32,
    pub qty_unit: i64,
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0_u32; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// CRC-32 of IEEE 802.3, as in zlib.
#[derive(Debug, Clone, Copy)]
struct Crc(u32);

impl Crc {
    const fn new() -> Self {
        Self(u32::MAX)
    }

    fn byte(&mut self, byte: u8) {
        let index = (self.0 as u8 ^ byte) as usize;
        self.0 = self.0 >> 8 ^ TABLE.get(index).copied().unwrap_or(0);
    }

    const fn value(self) -> u32 {
        !self.0
    }
}

/// Most digits of an i64 × i64.
const DIGITS_MAX: usize = 39;

/// The digits of `count × unit`, most significant first, in the end of the buffer; at least `least` of them.
fn digits(count: i64, unit: i64, least: usize, buffer: &mut [u8; DIGITS_MAX]) -> usize {
    let mut left = (i128::from(count) * i128::from(unit)).unsigned_abs();
    let mut start = DIGITS_MAX;
    while start > 0 && (left > 0 || DIGITS_MAX - start < least) {
        start -= 1;
        if let Some(place) = buffer.get_mut(start) {
            *place = b'0' + (left % 10) as u8;
        }
        left /= 10;
    }
    start
}

/// Digits alone, without leading zeros: `0.05005` is `5005`.
fn plain(crc: &mut Crc, count: i64, unit: i64) {
    let mut buffer = [0; DIGITS_MAX];
    let start = digits(count, unit, 0, &mut buffer);
    buffer.iter().skip(start).for_each(|byte| crc.byte(*byte));
}

/// Decimal text without trailing zeros: `1.0010` is `1.001`, `4000.00` is `4000`.
fn trimmed(crc: &mut Crc, count: i64, unit: i64, scale: u32) {
    let scale = (scale as usize).min(DIGITS_MAX - 1);
    let mut buffer = [0; DIGITS_MAX];
    let start = digits(count, unit, scale + 1, &mut buffer);
    let point = DIGITS_MAX - scale;
    let end = buffer.iter().rposition(|byte| *byte != b'0').map_or(point, |last| (last + 1).max(point));
    for (index, byte) in buffer.iter().enumerate().take(end).skip(start) {
        if index == point {
            crc.byte(b'.');
        }
        crc.byte(*byte);
    }
}

impl Checksum {
    /// The checksum of a book. OKX's signed number is the same 32 bits: compare `value as u32`.
    pub fn of(self, book: &L2Book, decimals: Decimals) -> u32 {
        let mut crc = Crc::new();
        match self {
            Self::Kraken => {
                for side in [Side::Sell, Side::Buy] {
                    for (px, qty) in book.levels(side).take(10) {
                        plain(&mut crc, px, decimals.px_unit);
                        plain(&mut crc, qty, decimals.qty_unit);
                    }
                }
            }
            Self::Okx => {
                let (mut bids, mut asks) = (book.levels(Side::Buy), book.levels(Side::Sell));
                let mut first = true;
                for _ in 0..CHECKSUM_LEVELS_MAX {
                    for (px, qty) in [bids.next(), asks.next()].into_iter().flatten() {
                        if !std::mem::take(&mut first) {
                            crc.byte(b':');
                        }
                        trimmed(&mut crc, px, decimals.px_unit, decimals.px_scale);
                        crc.byte(b':');
                        trimmed(&mut crc, qty, decimals.qty_unit, decimals.qty_scale);
                    }
                }
            }
        }
        crc.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Crc), want: &str) {
        let (mut one, mut two) = (Crc::new(), Crc::new());
        write(&mut one);
        want.bytes().for_each(|byte| two.byte(byte));
        assert_eq!(one.value(), two.value(), "{want}");
    }

    #[test]
    fn the_crc_is_the_one_of_the_standard() {
        let mut crc = Crc::new();
        b"123456789".iter().for_each(|byte| crc.byte(*byte));
        assert_eq!(crc.value(), 0xCBF4_3926, "the check value published with the polynomial");
    }

    #[test]
    fn integers_give_the_venues_text() {
        text(|crc| plain(crc, 5_005, 1), "5005");
        text(|crc| trimmed(crc, 10_010, 1, 4), "1.001");
        text(|crc| trimmed(crc, 400_000, 1, 2), "4000");
        text(|crc| trimmed(crc, 5, 1, 4), "0.0005");
        text(|crc| trimmed(crc, 3, 5, 1), "1.5");
        text(|crc| trimmed(crc, 1_200, 1, 0), "1200");
        text(|crc| trimmed(crc, 0, 1, 2), "0");
        text(|crc| trimmed(crc, i64::MAX, i64::MAX, 60), &{
            let whole = (i128::from(i64::MAX) * i128::from(i64::MAX)).to_string();
            let padded = format!("{whole:0>39}");
            format!("{}.{}", &padded[..1], padded[1..].trim_end_matches('0'))
        });
    }

    #[test]
    fn krakens_documented_example() {
        let asks = [5005, 5010, 5015, 5020, 5025, 5030, 5035, 5040, 5045, 5050];
        let bids = [5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950];
        let mut book = L2Book::default();
        asks.iter().for_each(|px| book.set(Side::Sell, *px, 500));
        bids.iter().for_each(|px| book.set(Side::Buy, *px, 500));
        let decimals = Decimals { px_scale: 5, px_unit: 1, qty_scale: 8, qty_unit: 1 };
        assert_eq!(Checksum::Kraken.of(&book, decimals), 974_947_235, "as the venue's guide computes it");
        // The eleventh level is not covered; the tenth is.
        book.set(Side::Buy, 4_000, 7);
        assert_eq!(Checksum::Kraken.of(&book, decimals), 974_947_235);
        book.set(Side::Buy, 4_950, 7);
        assert_ne!(Checksum::Kraken.of(&book, decimals), 974_947_235);
    }
}
