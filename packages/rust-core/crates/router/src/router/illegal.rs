//! What a venue says that cannot follow what it said before. It is told by name, and money is booked all the same.

use super::*;

/// A step no order can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Illegal {
    /// A second end, other than the first.
    EndAfterEnd,
    /// Held by the venue after the proof that it never was, or that no byte left.
    LiveAfterDead,
    LiveAfterNeverSent,
    /// Traded after that, or after a rejection.
    FillAfterDead,
    FillAfterNeverSent,
    FillAfterReject,
    /// More than was asked for.
    FillBeyondQuantity,
    /// Bought where it sells.
    FillOfWrongSide,
    /// Rejected after it was held.
    RejectAfterAck,
}

impl Illegal {
    /// The name in logs and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndAfterEnd => "END_AFTER_END",
            Self::LiveAfterDead => "LIVE_AFTER_DEAD",
            Self::LiveAfterNeverSent => "LIVE_AFTER_NEVER_SENT",
            Self::FillAfterDead => "FILL_AFTER_DEAD",
            Self::FillAfterNeverSent => "FILL_AFTER_NEVER_SENT",
            Self::FillAfterReject => "FILL_AFTER_REJECT",
            Self::FillBeyondQuantity => "FILL_BEYOND_QUANTITY",
            Self::FillOfWrongSide => "FILL_OF_WRONG_SIDE",
            Self::RejectAfterAck => "REJECT_AFTER_ACK",
        }
    }
}

impl Router {
    /// Names a step that cannot be.
    pub(super) fn illegal(&mut self, id: ClientId, what: Illegal, out: &mut Vec<Effect>) {
        *self.illegal.entry(what).or_default() += 1;
        let phase = self.orders.get(&id).map(|order| order.phase);
        let text = format!("illegal transition {} of {id}, which is {phase:?}", what.name());
        out.push(Effect::Note { level: Level::Warn, text });
    }

    /// How often each illegal step was seen.
    pub const fn illegal_steps(&self) -> &BTreeMap<Illegal, u64> {
        &self.illegal
    }
}
