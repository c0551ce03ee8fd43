//! Either kind of book and any model of the queue, chosen by a run's configuration.

use crate::limits::VECTOR_TICKS_MAX;
use tidegate_backtest::depth::Levels;
use tidegate_backtest::queue::{Probable, QueueModel, RiskAverse};
use tidegate_backtest::tape::Stream;
use tidegate_book::{BoundedL2Book, L2Book};
use tidegate_units::Side;

/// Levels as a vector where the tape's prices allow it, as a map where they do not.
#[derive(Debug, Clone)]
pub(crate) enum Book {
    Vector(Box<BoundedL2Book>),
    Map(Box<L2Book>),
}

impl Book {
    /// An empty book that holds every price of both streams.
    pub fn of(streams: [Stream<'_>; 2]) -> Self {
        let prices = || streams.iter().flat_map(|stream| stream.px.iter().copied().map(i64::from));
        let (low, high) = (prices().min().unwrap_or(0), prices().max().unwrap_or(0));
        // The vector's upper end is not in it.
        let vector =
            (high - low < VECTOR_TICKS_MAX).then(|| BoundedL2Book::new(low, high + 1).ok()).flatten();
        vector.map_or_else(|| Self::Map(Box::default()), |book| Self::Vector(Box::new(book)))
    }
}

impl Levels for Book {
    #[inline]
    fn qty(&self, side: Side, px: i64) -> i64 {
        match self {
            Self::Vector(book) => Levels::qty(&**book, side, px),
            Self::Map(book) => Levels::qty(&**book, side, px),
        }
    }
    #[inline]
    fn set(&mut self, side: Side, px: i64, qty: i64) -> bool {
        match self {
            Self::Vector(book) => Levels::set(&mut **book, side, px, qty),
            Self::Map(book) => Levels::set(&mut **book, side, px, qty),
        }
    }
    #[inline]
    fn worse(&self, side: Side, px: i64) -> Option<i64> {
        match self {
            Self::Vector(book) => Levels::worse(&**book, side, px),
            Self::Map(book) => Levels::worse(&**book, side, px),
        }
    }
    fn clear(&mut self) {
        match self {
            Self::Vector(book) => Levels::clear(&mut **book),
            Self::Map(book) => Levels::clear(&mut **book),
        }
    }
}

/// A queue model by name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Queue {
    RiskAverse(RiskAverse),
    Probable(Probable),
}

/// A place under either: of the model that made it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    RiskAverse(<RiskAverse as QueueModel>::Place),
    Probable(<Probable as QueueModel>::Place),
}

impl QueueModel for Queue {
    type Place = Place;

    fn join(&self, ahead: i64) -> Place {
        match self {
            Self::RiskAverse(model) => Place::RiskAverse(model.join(ahead)),
            Self::Probable(model) => Place::Probable(model.join(ahead)),
        }
    }

    fn trade(&self, place: &mut Place, qty: i64) {
        match (self, place) {
            (Self::RiskAverse(model), Place::RiskAverse(place)) => model.trade(place, qty),
            (Self::Probable(model), Place::Probable(place)) => model.trade(place, qty),
            _ => {}
        }
    }

    fn level(&self, place: &mut Place, was: i64, now: i64) {
        match (self, place) {
            (Self::RiskAverse(model), Place::RiskAverse(place)) => model.level(place, was, now),
            (Self::Probable(model), Place::Probable(place)) => model.level(place, was, now),
            _ => {}
        }
    }

    fn reached(&self, place: &mut Place) -> i64 {
        match (self, place) {
            (Self::RiskAverse(model), Place::RiskAverse(place)) => model.reached(place),
            (Self::Probable(model), Place::Probable(place)) => model.reached(place),
            _ => 0,
        }
    }

    fn ahead(&self, place: &Place) -> f64 {
        match (self, place) {
            (Self::RiskAverse(model), Place::RiskAverse(place)) => model.ahead(place),
            (Self::Probable(model), Place::Probable(place)) => model.ahead(place),
            _ => f64::NAN,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::RiskAverse(model) => model.name(),
            Self::Probable(model) => model.name(),
        }
    }
}
