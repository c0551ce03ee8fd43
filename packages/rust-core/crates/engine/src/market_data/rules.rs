//! What a venue says may be done in an instrument, as its status messages carry it.

use tidegate_normalise::{Last, LimitBand, Moves, TradingState, TradingStatus};
use tidegate_units::EpochNs;
use tidegate_wire::pb::marketdata::v1::{InstrumentStatus, TradingState as PbTradingState};

/// The venue's last words on trading and its limits.
#[derive(Debug, Clone, Default)]
pub struct VenueRules {
    status: InstrumentStatus,
}

impl VenueRules {
    /// Takes a trading status. Whether it says something new.
    pub fn on_status(&mut self, status: &TradingStatus, ts_venue: EpochNs) -> bool {
        let trading = match status.state {
            TradingState::Trading => PbTradingState::Trading,
            TradingState::Halted => PbTradingState::Halted,
            TradingState::Paused => PbTradingState::Paused,
            TradingState::QuotesOnly => PbTradingState::QuotesOnly,
        };
        self.change(ts_venue, |told| {
            told.trading = trading.into();
            told.trading_code = status.code.as_str().into();
            told.trading_reason = status.reason.as_str().into();
        })
    }

    /// Takes the limits outside which nothing may trade. Whether they are new.
    pub fn on_band(&mut self, band: &LimitBand) -> bool {
        self.change(band.ts_venue, |told| {
            (told.limit_down_px_ticks, told.limit_up_px_ticks) = (band.down.0, band.up.0);
        })
    }

    fn change(&mut self, ts_venue: EpochNs, change: impl FnOnce(&mut InstrumentStatus)) -> bool {
        let before = self.status.clone();
        change(&mut self.status);
        let new = self.status != before;
        if new {
            self.status.ts_venue_ns = ts_venue.0;
        }
        new
    }

    /// The part of a status message that the venue's words fill.
    pub fn status(&self) -> InstrumentStatus {
        self.status.clone()
    }
}

/// `Trade.excluded` of what a print moves.
pub const fn excluded(moves: Moves) -> u32 {
    let last = match moves.last {
        Last::Never => 1,
        Last::IfFirst => 8,
        Last::Always => 0,
    };
    last | (!moves.high_low as u32) << 1 | (!moves.volume as u32) << 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_print_does_not_move_is_told_bit_by_bit() {
        assert_eq!(excluded(Moves::ALL), 0);
        assert_eq!(excluded(Moves::LATE), 8);
        assert_eq!(excluded(Moves::VOLUME), 0b011);
        assert_eq!(excluded(Moves::NONE), 0b111);
        assert_eq!(excluded(Moves::PRICE), 0b100);
    }
}
