//! Which messages of a stream are mutated, how, and in what order they then arrive.

use crate::books::rng::Rng;

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Drop,
    /// It comes twice.
    Dup,
    /// It and the next change places.
    Reorder,
    /// Its end is missing.
    Truncate,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Drop, Self::Dup, Self::Reorder, Self::Truncate];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Dup => "dup",
            Self::Reorder => "reorder",
            Self::Truncate => "truncate",
        }
    }

    /// Reads `drop,dup,…`.
    ///
    /// # Errors
    /// A name that is none of them, or none at all.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let one = |name: &str| {
            let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
            found.ok_or_else(|| format!("--mutate {name}: want drop, dup, reorder, truncate, by commas"))
        };
        text.split(',').map(one).collect()
    }
}

/// One arrival: when, which message, and how many bytes of it are left if it was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub ts: i64,
    pub index: usize,
    /// Of a million: how much of the message is left.
    pub cut: Option<u64>,
}

/// No message of the last seconds is mutated, so that every fault can be repaired within the recording.
pub const TAIL_NS: i64 = 3_000_000_000;

/// The arrivals of one seed. `may` says whether a message may be mutated; `rate` is in millionths; `made` counts by kind.
pub fn arrivals(
    times: &[i64],
    may: impl Fn(usize) -> bool,
    kinds: &[Kind],
    rate: u64,
    rng: &mut Rng,
    made: &mut [u64; 4],
) -> Vec<Arrival> {
    let end = times.last().copied().unwrap_or(0) - TAIL_NS;
    let mut all = Vec::with_capacity(times.len() + times.len() / 64);
    let mut index = 0;
    while let Some(ts) = times.get(index).copied() {
        let whole = Arrival { ts, index, cut: None };
        let chosen = if may(index) && ts < end && rng.below(1_000_000) < rate {
            kinds.get(rng.below(kinds.len() as u64) as usize).copied()
        } else {
            None
        };
        let next = times.get(index + 1).copied().filter(|_| may(index + 1));
        let chosen = if chosen == Some(Kind::Reorder) && next.is_none() { Some(Kind::Drop) } else { chosen };
        if let Some(count) = chosen.and_then(|kind| made.get_mut(kind as usize)) {
            *count += 1;
        }
        match chosen {
            None => all.push(whole),
            Some(Kind::Drop) => {}
            Some(Kind::Dup) => all.extend([whole, whole]),
            Some(Kind::Truncate) => all.push(Arrival { cut: Some(rng.below(1_000_000)), ..whole }),
            Some(Kind::Reorder) => {
                all.push(Arrival { index: index + 1, ..whole });
                all.push(Arrival { ts: next.unwrap_or(ts), ..whole });
                index += 1;
            }
        }
        index += 1;
    }
    all
}

/// Cuts bytes to a part of a million, at least one byte short.
pub fn cut(bytes: &[u8], part: u64) -> &[u8] {
    let left = (bytes.len() as u128 * u128::from(part) / 1_000_000) as usize;
    bytes.get(..left.min(bytes.len().saturating_sub(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(kind: Kind) -> (Vec<usize>, u64) {
        let times: Vec<i64> = (0..10).map(|n| n * 1_000_000_000).collect();
        let mut made = [0; 4];
        let all = arrivals(
            &times,
            |index| index == 2 || index == 3,
            &[kind],
            1_000_000,
            &mut Rng::new(1),
            &mut made,
        );
        assert!(all.iter().zip(all.iter().skip(1)).all(|(a, b)| a.ts <= b.ts));
        (all.iter().map(|each| each.index).collect(), made.iter().sum())
    }

    #[test]
    fn each_kind_does_what_it_says_and_only_where_it_may() {
        assert_eq!(order(Kind::Drop), (vec![0, 1, 4, 5, 6, 7, 8, 9], 2));
        assert_eq!(order(Kind::Dup), (vec![0, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9], 2));
        assert_eq!(order(Kind::Reorder), (vec![0, 1, 3, 2, 4, 5, 6, 7, 8, 9], 1));
        assert_eq!(order(Kind::Truncate).1, 2);
        assert_eq!((cut(b"abcd", 999_999), cut(b"abcd", 0), cut(b"", 5)), (&b"abc"[..], &b""[..], &b""[..]));
        assert!(Kind::list("drop,truncate").is_ok() && Kind::list("drop,swap").is_err());
    }
}
