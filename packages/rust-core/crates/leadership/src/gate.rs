//! The router's stream to a gateway: when it counts.

use tidegate_mutants::{Bug, planted};

/// Closed until the router has begun to answer this process's own request for leadership.
///
/// The link keeps what an earlier life of this process had not acknowledged, and hands it to the next. Those reports are
/// in order and pass every check, but the commands between them, which a life that lost its journal does not know, are
/// not among them: to take them would be to learn of fills of orders nobody reserved for. So the router begins each
/// answer to a GRANT with a copy of it, and only what follows that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    holder: u64,
    open: bool,
}

impl Gate {
    /// Closed, for the process of this holder.
    pub const fn new(holder: u64) -> Self {
        Self { holder, open: false }
    }

    /// The copy of a GRANT came.
    pub const fn granted(&mut self, holder: u64) {
        self.open |= self.holder == holder;
    }

    /// Whether what comes now counts.
    pub fn is_open(self) -> bool {
        self.open || planted(Bug::GateOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_grant_opens_it() {
        let mut gate = Gate::new(7);
        gate.granted(8);
        assert!(!gate.is_open(), "the request of an earlier life");
        gate.granted(7);
        assert!(gate.is_open());
    }
}
