//! Which prints move what: the sale-condition table.

/// What one print moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// Open and close.
    pub last: bool,
    pub high_low: bool,
    pub volume: bool,
}

impl Moves {
    /// A regular print.
    pub const ALL: Self = Self { last: true, high_low: true, volume: true };
    /// Odd lots, average prices, cash and next-day sales, extended hours.
    pub const VOLUME: Self = Self { last: false, high_low: false, volume: true };
    /// Out of sequence: the day's range, not the last price.
    pub const NOT_LAST: Self = Self { last: false, high_low: true, volume: true };
    /// A print that is none: official closes and opens repeat what was already printed.
    pub const NOTHING: Self = Self { last: false, high_low: false, volume: false };

    /// What both would move.
    const fn and(self, other: Self) -> Self {
        Self {
            last: self.last && other.last,
            high_low: self.high_low && other.high_low,
            volume: self.volume && other.volume,
        }
    }
}

/// The consolidated tapes' rule for the conditions of one US equity print (CTA and UTP specifications, "consolidated
/// processing"). A print with several conditions moves only what each of them moves; an unknown one moves nothing but volume.
pub fn us_moves(conditions: &str) -> Moves {
    conditions.chars().fold(Moves::ALL, |moves, condition| {
        moves.and(match condition {
            // Regular, acquisition, bunched, distribution, intermarket sweep, cross, opening, closing, reopening, yellow flag,
            // derivatively priced at the market, contingent sold as regular.
            '@' | ' ' | 'A' | 'B' | 'D' | 'E' | 'F' | 'K' | 'O' | 'S' | 'X' | 'Y' | '1' | '5' | '6' => {
                Moves::ALL
            }
            // Sold last, sold out of sequence, prior reference price, derivatively priced.
            'L' | 'Z' | 'P' | '4' => Moves::NOT_LAST,
            // Market centre official close and open, corrected close.
            'M' | 'Q' | '9' => Moves::NOTHING,
            _ => Moves::VOLUME,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_26_conditions_move_only_what_each_of_them_moves() {
        assert_eq!((us_moves(""), us_moves("@F")), (Moves::ALL, Moves::ALL));
        assert_eq!((us_moves("@ZI"), us_moves("@Z")), (Moves::VOLUME, Moves::NOT_LAST));
        assert_eq!((us_moves("T"), us_moves("?")), (Moves::VOLUME, Moves::VOLUME));
        assert_eq!(us_moves("@M"), Moves::NOTHING);
    }
}
