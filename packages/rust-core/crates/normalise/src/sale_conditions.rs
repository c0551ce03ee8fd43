//! Which prints of the American tapes move the last price, the day's high and low, the volume and so a bar.
//!
//! A print names up to four conditions, one letter each; what it moves is what every one of them allows. Source: the sale-condition
//! tables of the CTA plan (tapes A and B) and of the UTP plan (tape C), columns "consolidated".

use crate::Refusal;

/// Whose tape a print is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tape {
    /// A and B: the CTA plan.
    Cta,
    /// C: the UTP plan.
    Utp,
}

impl Tape {
    /// By its letter in messages; `None` for a letter of no tape.
    pub const fn of(letter: u8) -> Option<Self> {
        match letter {
            b'A' | b'B' => Some(Self::Cta),
            b'C' => Some(Self::Utp),
            _ => None,
        }
    }
}

/// Whether a print is the last price: ordered so that the least of several holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Last {
    Never,
    /// Reported late or out of sequence: only where the day has no last price yet.
    IfFirst,
    Always,
}

/// What one print moves. Open and close of a bar follow `last`, its high and low `high_low`, its volume `volume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    pub last: Last,
    pub high_low: bool,
    pub volume: bool,
}

impl Moves {
    /// A print without any condition, or on a venue that has none.
    pub const ALL: Self = Self { last: Last::Always, high_low: true, volume: true };
    /// Late or out of sequence.
    pub const LATE: Self = Self { last: Last::IfFirst, high_low: true, volume: true };
    /// Traded at a price that says nothing of the market now.
    pub const VOLUME: Self = Self { last: Last::Never, high_low: false, volume: true };
    /// A price published once more.
    pub const NONE: Self = Self { last: Last::Never, high_low: false, volume: false };
    /// The close put right: a price whose volume was already counted.
    pub const PRICE: Self = Self { last: Last::Always, high_low: true, volume: false };

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            last: if (self.last as u8) < (other.last as u8) { self.last } else { other.last },
            high_low: self.high_low && other.high_low,
            volume: self.volume && other.volume,
        }
    }
}

/// Conditions that both plans have with one meaning.
const BOTH: &[(u8, Moves)] = &[
    (b' ', Moves::ALL),    // regular sale
    (b'@', Moves::ALL),    // regular sale
    (b'C', Moves::VOLUME), // cash settlement
    (b'F', Moves::ALL),    // intermarket sweep
    (b'H', Moves::VOLUME), // price variation
    (b'I', Moves::VOLUME), // odd lot
    (b'K', Moves::ALL),    // rule 127 or 155
    (b'L', Moves::LATE),   // sold last
    (b'M', Moves::NONE),   // official close of a market centre
    (b'N', Moves::VOLUME), // next-day settlement
    (b'O', Moves::ALL),    // opening trade
    (b'P', Moves::LATE),   // prior reference price
    (b'Q', Moves::NONE),   // official open of a market centre
    (b'R', Moves::VOLUME), // seller's settlement
    (b'T', Moves::VOLUME), // extended hours
    (b'U', Moves::VOLUME), // extended hours, out of sequence
    (b'V', Moves::VOLUME), // contingent
    (b'X', Moves::ALL),    // cross
    (b'Z', Moves::LATE),   // sold, out of sequence
    (b'4', Moves::LATE),   // derivatively priced
    (b'5', Moves::ALL),    // reopening
    (b'6', Moves::ALL),    // closing trade
    (b'7', Moves::VOLUME), // qualified contingent
    (b'9', Moves::PRICE),  // corrected consolidated close
];

/// What only tapes A and B have.
const CTA: &[(u8, Moves)] = &[
    (b'B', Moves::VOLUME), // average price
    (b'E', Moves::ALL),    // automatic execution
];

/// What only tape C has.
const UTP: &[(u8, Moves)] = &[
    (b'A', Moves::ALL),    // acquisition
    (b'B', Moves::ALL),    // bunched
    (b'D', Moves::ALL),    // distribution
    (b'G', Moves::LATE),   // bunched, sold
    (b'S', Moves::ALL),    // split
    (b'W', Moves::VOLUME), // average price
    (b'Y', Moves::ALL),    // yellow flag
    (b'1', Moves::ALL),    // stopped stock
    (b'2', Moves::LATE),   // stopped stock, sold last
    (b'3', Moves::LATE),   // stopped stock, out of sequence
    (b'8', Moves::ALL),    // exempt from rule 611
];

/// What a print with one condition moves.
///
/// # Errors
/// [`Refusal::UnknownCondition`]: a letter of no table. It is not guessed what such a print moves.
pub fn moves(tape: Tape, condition: u8) -> Result<Moves, Refusal> {
    let own = match tape {
        Tape::Cta => CTA,
        Tape::Utp => UTP,
    };
    let found = BOTH.iter().chain(own).find(|(letter, _)| *letter == condition);
    found.map(|(_, moves)| *moves).ok_or(Refusal::UnknownCondition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tape: Tape, all: &str) -> Result<Moves, Refusal> {
        all.bytes().try_fold(Moves::ALL, |sum, letter| moves(tape, letter).map(|one| sum.and(one)))
    }

    #[test]
    fn rule_26_what_a_print_moves_by_its_conditions_and_its_tape() {
        for (tape, all, want) in [
            (Tape::Cta, "", Moves::ALL),
            (Tape::Cta, "@", Moves::ALL),
            (Tape::Cta, "@F", Moves::ALL),
            (Tape::Utp, "@I", Moves::VOLUME),
            (Tape::Utp, "@TI", Moves::VOLUME),
            (Tape::Cta, "Z", Moves::LATE),
            (Tape::Cta, "ZU", Moves::VOLUME),
            (Tape::Cta, "M", Moves::NONE),
            (Tape::Utp, "9", Moves::PRICE),
            // The same letter is another thing on another tape.
            (Tape::Cta, "B", Moves::VOLUME),
            (Tape::Utp, "B", Moves::ALL),
        ] {
            assert_eq!(of(tape, all), Ok(want), "{tape:?} {all}");
        }
        assert_eq!(of(Tape::Cta, "W"), Err(Refusal::UnknownCondition), "average price of the other tape");
        assert_eq!(of(Tape::Utp, "@E"), Err(Refusal::UnknownCondition));
        assert_eq!(Tape::of(b'D'), None);
    }

    #[test]
    fn no_letter_stands_twice_on_a_tape_and_several_conditions_never_move_more_than_one_of_them() {
        for (tape, own) in [(Tape::Cta, CTA), (Tape::Utp, UTP)] {
            let letters: Vec<u8> = BOTH.iter().chain(own).map(|(letter, _)| *letter).collect();
            let once: std::collections::BTreeSet<u8> = letters.iter().copied().collect();
            assert_eq!(once.len(), letters.len(), "{tape:?}");
            for (a, b) in letters.iter().flat_map(|a| letters.iter().map(move |b| (*a, *b))) {
                let (one, two) = (moves(tape, a).unwrap(), moves(tape, b).unwrap());
                let sum = one.and(two);
                assert_eq!(sum, two.and(one));
                assert!(sum.last <= one.last && sum.last <= two.last);
                assert_eq!(
                    (sum.high_low, sum.volume),
                    (one.high_low & two.high_low, one.volume & two.volume)
                );
            }
        }
    }
}
