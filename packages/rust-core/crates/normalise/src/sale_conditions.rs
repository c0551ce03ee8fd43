//! Which prints of the American tapes move the last price, the day's high and low, the volume and so a bar.
//!
//! A print names up to four conditions, one letter each; what it moves is what every one of them allows. Source: the sale-condition
//! tables of the CTA plan (CTS output specification, "trade conditions", tapes A and B) and of the UTP plan (UTP data feed
//! specification, "sale condition modifiers", tape C), columns "consolidated". A test holds this one against three independent
//! readings of them. One row is narrower than the plans: "sold last", reported late, moves the last price here only where the
//! day has none; the plans also let it where the last came from the same market centre (CTA) or before 16:01:30 (UTP). A price
//! of the past is not taken for the price now.

use crate::Refusal;

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

/// What a print of no plan can have, over the counter and overnight.
const REGULAR: &[(u8, Moves)] = &[
    (b' ', Moves::ALL), // regular sale
    (b'@', Moves::ALL), // regular sale
];

/// Conditions that both plans have with one meaning.
const BOTH: &[(u8, Moves)] = &[
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
];

/// The rows of one tape by its letter in messages: A and B are the CTA plan's, C is the UTP plan's, any other of neither.
fn rows(tape: u8) -> impl Iterator<Item = &'static (u8, Moves)> {
    let (both, own) = match tape {
        b'A' | b'B' => (BOTH, CTA),
        b'C' => (BOTH, UTP),
        _ => (&[][..], &[][..]),
    };
    REGULAR.iter().chain(both).chain(own)
}

/// What a print with one condition moves on the tape of this letter.
///
/// # Errors
/// [`Refusal::UnknownCondition`]: a letter of no table. It is not guessed what such a print moves.
pub fn moves(tape: u8, condition: u8) -> Result<Moves, Refusal> {
    let found = rows(tape).find(|(letter, _)| *letter == condition);
    found.map(|(_, moves)| *moves).ok_or(Refusal::UnknownCondition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tape: u8, all: &str) -> Result<Moves, Refusal> {
        all.bytes().try_fold(Moves::ALL, |sum, letter| moves(tape, letter).map(|one| sum.and(one)))
    }

    #[test]
    fn rule_26_what_a_print_moves_by_its_conditions_and_its_tape() {
        for (tape, all, want) in [
            (b'A', "", Moves::ALL),
            (b'A', "@", Moves::ALL),
            (b'B', "@F", Moves::ALL),
            (b'C', "@I", Moves::VOLUME),
            (b'C', "@TI", Moves::VOLUME),
            (b'A', "Z", Moves::LATE),
            (b'A', "ZU", Moves::VOLUME),
            (b'A', "M", Moves::NONE),
            (b'C', "9", Moves::PRICE),
            // The same letter is another thing on another tape.
            (b'A', "B", Moves::VOLUME),
            (b'C', "B", Moves::ALL),
            (b'O', "@ ", Moves::ALL),
        ] {
            assert_eq!(of(tape, all), Ok(want), "{} {all}", tape as char);
        }
        assert_eq!(of(b'A', "W"), Err(Refusal::UnknownCondition), "average price of the other tape");
        assert_eq!(of(b'C', "@E"), Err(Refusal::UnknownCondition), "a placeholder of the plan");
        assert_eq!(of(b'O', "T"), Err(Refusal::UnknownCondition), "of no plan's tape");
    }

    /// Letters one after the other, each with what one of the readings says of it.
    fn each(text: &str) -> impl Iterator<Item = (u8, u8)> {
        text.split(' ').filter_map(|pair| match pair.as_bytes() {
            [letter, says] => Some((*letter, *says)),
            _ => None,
        })
    }

    /// By plan: whether a print is eligible as last (Y, N, or the number of a note that makes it depend on what came before) and
    /// as volume. Read from the plans by the authors of a public converter of NYSE TAQ files (`taq-prep`), which never saw this.
    /// Its placeholders (8 and, on tape C, E) are left out: nobody sends them, and we refuse them.
    const LAST: [(u8, &str); 2] = [
        (b'A', "CN BN EY FY HN IN KY L3 MN NN O1 P2 QN RN TN UN VN XY Z2 42 5Y 6Y 7N 9Y"),
        (
            b'C',
            "@Y AY BY CN DY FY G4 HN IN KY L5 MN NN OY P4 QN RN SY TN UN VN WN XY YY Z4 1Y 44 5Y 6Y 7N 9Y",
        ),
    ];

    /// The specification of the UTP plan, page 43, as a customer of Alpaca cites it with bars equal to the venue's: conditions that
    /// move no high and low; no open and close; no volume.
    const NO_HIGH_LOW: &str = "CHIMNQRTUVW7";
    const NO_OPEN_CLOSE: &str = "CGHIMNPQRTUVWZ47";
    const NO_VOLUME: &str = "MQ9";

    /// The condition table of a third vendor (Polygon, by its mapping to the plans' letters), high and low: those that it lets move.
    /// Its row for R (seller's settlement) is not in here: it lets it move, which the specification does not.
    const HIGH_LOW: &str = "@AB4D6FGKLOPSXYZ159";

    #[test]
    fn rule_26_three_independent_readings_of_the_plans_say_the_same() {
        let mut compared = 0;
        for (tape, all) in LAST {
            for (letter, says) in each(all) {
                let ours = moves(tape, letter).map(|moves| moves.last);
                let want = match says {
                    b'Y' => Last::Always,
                    b'N' => Last::Never,
                    // Late ones, by the notes: where nothing came before.
                    _ => Last::IfFirst,
                };
                let opening = (tape, letter, says) == (b'A', b'O', b'1');
                // Note 1: of each market centre the first opening print; it sends no other.
                let want = if opening { Last::Always } else { want };
                assert_eq!(ours, Ok(want), "{} {}", tape as char, letter as char);
                compared += 1;
            }
        }
        for (letter, ours) in rows(b'C') {
            let in_list = |list: &str| list.bytes().any(|known| known == *letter);
            let name = *letter as char;
            assert_eq!(ours.high_low, !in_list(NO_HIGH_LOW), "high and low of {name}");
            assert_eq!(ours.volume, !in_list(NO_VOLUME), "volume of {name}");
            let late = matches!(letter, b'L' | b'2' | b'3');
            assert_eq!(ours.last != Last::Always, in_list(NO_OPEN_CLOSE) || late, "open and close of {name}");
            if in_list(HIGH_LOW) {
                assert!(ours.high_low, "high and low of {name}");
            }
            compared += 3;
        }
        assert!(compared > 140, "{compared}");
    }

    #[test]
    fn no_letter_stands_twice_on_a_tape_and_several_conditions_never_move_more_than_one_of_them() {
        for tape in [b'A', b'B', b'C', b'O'] {
            let letters: Vec<u8> = rows(tape).map(|(letter, _)| *letter).collect();
            let once: std::collections::BTreeSet<u8> = letters.iter().copied().collect();
            assert_eq!(once.len(), letters.len(), "{}", tape as char);
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
