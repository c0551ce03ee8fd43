//! A book kernel of any set, by name.

use crate::basic::LobBasic;
use crate::flow::Flow;
use crate::limits::FEATURES_MAX;
use crate::micro::Micro;
use crate::row::Row;
use crate::set::{Input, SETS, SetSpec, by_name};
use crate::shared::Shared;
use crate::timed::Timed;
use crate::view::{Print, View};
use crate::vol::Vol;
use std::fmt;

/// A kernel of one instrument.
#[derive(Debug, Clone)]
pub struct Kernel {
    set: &'static SetSpec,
    which: Which,
}

#[derive(Debug, Clone)]
enum Which {
    Basic(Box<Basic>),
    Shared(Box<Shared>),
    Timed(Box<Timed>),
    Micro(Box<Micro>),
    Flow(Box<Flow>),
    Vol(Box<Vol>),
}

/// `lob_basic_v1` behind the same interface.
#[derive(Debug, Clone)]
struct Basic {
    kernel: LobBasic,
    row: Row,
}

/// There is no book kernel of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchSet(pub String);

impl fmt::Display for NoSuchSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = SETS.iter().filter(|set| set.on == Input::Book).map(|set| set.name).collect();
        write!(f, "{}: no such feature set of a book; want one of {}", self.0, names.join(", "))
    }
}

impl std::error::Error for NoSuchSet {}

impl Kernel {
    /// A fresh kernel of a set.
    ///
    /// # Errors
    /// No set of a book has that name.
    pub fn new(name: &str) -> Result<Self, NoSuchSet> {
        let set = by_name(name).ok_or_else(|| NoSuchSet(name.into()))?;
        let which = match name {
            "lob_basic_v1" => {
                Which::Basic(Box::new(Basic { kernel: LobBasic::new(), row: Row::new(set.features.len()) }))
            }
            "lob_shared_v1" => Which::Shared(Box::new(Shared::new(1))),
            "lob_shared_v2" => Which::Shared(Box::new(Shared::new(2))),
            "lob_shared_v3" => Which::Shared(Box::new(Shared::new(3))),
            "lob_time_v1" => Which::Timed(Box::default()),
            "micro_v1" => Which::Micro(Box::default()),
            "flow_v1" => Which::Flow(Box::default()),
            "vol_v1" => Which::Vol(Box::default()),
            _ => return Err(NoSuchSet(name.into())),
        };
        Ok(Self { set, which })
    }

    /// The set it computes.
    pub fn set(&self) -> &'static SetSpec {
        self.set
    }

    /// Messages were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        match &mut self.which {
            Which::Basic(basic) => {
                basic.kernel.on_gap();
                basic.row = Row::new(self.set.features.len());
            }
            Which::Shared(kernel) => kernel.on_gap(),
            Which::Timed(kernel) => kernel.on_gap(),
            Which::Micro(kernel) => kernel.on_gap(),
            Which::Flow(kernel) => kernel.on_gap(),
            Which::Vol(kernel) => kernel.on_gap(),
        }
    }

    /// One public trade.
    pub fn on_trade(&mut self, print: &Print) {
        match &mut self.which {
            Which::Basic(basic) => basic.kernel.on_trade(print.aggressor, print.ts),
            Which::Shared(kernel) => kernel.on_trade(print),
            Which::Timed(kernel) => kernel.on_trade(print),
            Which::Micro(kernel) => kernel.on_trade(print),
            Which::Flow(kernel) => kernel.on_trade(print),
            Which::Vol(kernel) => kernel.on_trade(print),
        }
    }

    /// One update of the book.
    pub fn on_view(&mut self, view: &View) -> &Row {
        match &mut self.which {
            Which::Basic(basic) => basic.on_view(view),
            Which::Shared(kernel) => kernel.on_view(view),
            Which::Timed(kernel) => kernel.on_view(view),
            Which::Micro(kernel) => kernel.on_view(view),
            Which::Flow(kernel) => kernel.on_view(view),
            Which::Vol(kernel) => kernel.on_view(view),
        }
    }
}

impl Basic {
    fn on_view(&mut self, view: &View) -> &Row {
        let output = self.kernel.on_view(view);
        let mut values = [0; FEATURES_MAX];
        for (place, value) in values.iter_mut().zip(output.values) {
            *place = value;
        }
        self.row.put(&values);
        self.row.flags = output.flags | view.quality;
        self.row.warm = if output.flags & crate::flags::WARMING_UP == 0 { self.row.mask() } else { 0 };
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags;
    use tidegate_units::{EpochNs, Side};

    fn view(n: i64) -> View {
        let bids: Vec<_> = (0..5).map(|level| (100 - level, 10 + n % 7 + level)).collect();
        let asks: Vec<_> = (0..5).map(|level| (102 + level + n % 3, 9 + n % 5 + level)).collect();
        View::from_levels(&bids, &asks, EpochNs(n * 100_000_000))
    }

    #[test]
    fn a09_every_book_set_has_a_kernel_that_warms_up_and_forgets() {
        for set in SETS.iter().filter(|set| set.on == Input::Book) {
            let mut kernel = Kernel::new(set.name).unwrap_or_else(|fault| unreachable!("{fault}"));
            assert_eq!(kernel.set().hash(), set.hash());
            let first = *kernel.on_view(&view(0));
            assert_eq!(first.values().len(), set.features.len(), "{}", set.name);
            assert_ne!(first.flags & flags::STATE_RESET, 0, "{}", set.name);
            for n in 1..7_000 {
                kernel.on_trade(&Print::certain(101, 3, Side::Buy, EpochNs(n * 100_000_000)));
                kernel.on_view(&view(n));
            }
            let warm = *kernel.on_view(&view(7_000));
            assert_eq!((warm.flags, warm.warm), (0, warm.mask()), "{}", set.name);
            kernel.on_gap();
            let after = *kernel.on_view(&view(7_001));
            assert_eq!(after.flags & (flags::GAP | flags::STATE_RESET), flags::GAP | flags::STATE_RESET);
            assert_eq!(after.values().len(), set.features.len());
        }
    }

    #[test]
    fn b073_an_unknown_set_is_refused_with_the_names_there_are() {
        let fault = Kernel::new("lob_shared_v4").map(|_| ()).map_err(|fault| fault.to_string());
        assert!(fault.is_err_and(|text| text.contains("lob_shared_v4") && text.contains("lob_time_v1")));
        assert!(Kernel::new("bar_wide_v1").is_err(), "a set of bars has no book kernel");
    }
}
