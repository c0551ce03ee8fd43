//! The venue of one instrument: the recorded book, our resting orders beside it, and what fills them.
//!
//! Our orders change nothing in the recording: nobody reacts to them. What fills an order is the recorded market coming to it.

use crate::account::{Fill, Source};
use crate::depth::{Depth, Levels};
use crate::event::Kind;
use crate::order::{Answer, NewOrder, Request, Tif, What};
use crate::queue::QueueModel;
use crate::tape::Stream;
use tidegate_units::Side;

/// How much of an order the recorded market fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FillModel {
    /// By size, and no recorded quantity more than once: a print fills at most its own size of all our orders, a level at most
    /// what it shows until it is named again. The default.
    Consuming,
    /// An order at the front is filled by what trades past the front; one that the market passes, and what takes beyond the
    /// levels, is filled whole. As hftbacktest's partial-fill exchange.
    Partial,
    /// Every fill is of the whole order. As hftbacktest's no-partial-fill exchange.
    Whole,
}

impl FillModel {
    /// The model and what it promises, for the assumptions of a run.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consuming => "consuming: by size, no recorded quantity twice",
            Self::Partial => {
                "partial: by size at the front, whole where the market passes; liquidity is not consumed"
            }
            Self::Whole => "whole: every fill is of the whole order, whatever the size",
        }
    }
}

/// Levels that a market order takes at most under [`FillModel::Partial`], in ticks from the touch.
const PARTIAL_MARKET_TICKS: i64 = 100;

#[derive(Debug, Clone, Copy)]
struct Resting<P> {
    id: u64,
    px: i64,
    left: i64,
    tif: Tif,
    place: P,
}

/// Our resting orders of one side, the best first, the older first at a price.
#[derive(Debug, Clone)]
struct Book<P> {
    orders: Vec<Resting<P>>,
    /// A bit for the low byte of each price with an order: most updates are of other prices and stop here.
    mask: [u64; 4],
}

impl<P: Copy> Book<P> {
    const fn new() -> Self {
        Self { orders: Vec::new(), mask: [0; 4] }
    }

    #[inline]
    fn may_hold(&self, px: i64) -> bool {
        let low = px as u8;
        self.mask[usize::from(low >> 6)] >> (low & 63) & 1 == 1
    }

    #[inline]
    fn best(&self) -> Option<i64> {
        self.orders.first().map(|order| order.px)
    }

    fn remask(&mut self) {
        self.mask = [0; 4];
        for order in &self.orders {
            let low = order.px as u8;
            self.mask[usize::from(low >> 6)] |= 1 << (low & 63);
        }
    }

    fn insert(&mut self, side: Side, order: Resting<P>) {
        let rank = order.px * side.sign();
        let at = self.orders.partition_point(|other| other.px * side.sign() >= rank);
        self.orders.insert(at, order);
        self.remask();
    }

    fn find(&self, id: u64) -> Option<usize> {
        self.orders.iter().position(|order| order.id == id)
    }

    fn remove(&mut self, at: usize) -> Resting<P> {
        let order = self.orders.remove(at);
        self.remask();
        order
    }

    fn drop_filled(&mut self) {
        let before = self.orders.len();
        self.orders.retain(|order| order.left > 0);
        if self.orders.len() != before {
            self.remask();
        }
    }
}

/// What we took of a level since it was last named.
#[derive(Debug, Clone, Copy)]
struct Taken {
    side: Side,
    px: i64,
    qty: i64,
    row: usize,
}

/// The venue of one instrument.
#[derive(Debug, Clone)]
pub(crate) struct Venue<L, Q: QueueModel> {
    depth: Depth<L>,
    queue: Q,
    model: FillModel,
    buys: Book<Q::Place>,
    sells: Book<Q::Place>,
    taken: Vec<Taken>,
    /// Rows of the stream applied.
    row: usize,
    answers: Vec<Answer>,
}

impl<L: Levels, Q: QueueModel> Venue<L, Q> {
    pub fn new(levels: L, queue: Q, model: FillModel) -> Self {
        Self {
            depth: Depth::new(levels),
            queue,
            model,
            buys: Book::new(),
            sells: Book::new(),
            taken: Vec::new(),
            row: 0,
            answers: Vec::new(),
        }
    }

    pub fn depth(&self) -> &Depth<L> {
        &self.depth
    }

    /// Rows of the stream applied so far.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Lots ahead of a resting order, by the queue model.
    pub fn ahead(&self, id: u64) -> Option<f64> {
        let order =
            |book: &Book<Q::Place>| book.find(id).and_then(|at| book.orders.get(at).map(|order| order.place));
        order(&self.buys).or_else(|| order(&self.sells)).map(|place| self.queue.ahead(&place))
    }

    /// What the venue said since it was last asked.
    pub fn answers(&mut self) -> &mut Vec<Answer> {
        &mut self.answers
    }

    /// Applies the rows of a stream up to and including a time.
    #[inline]
    pub fn advance(&mut self, stream: Stream<'_>, until: i64) {
        if self.buys.orders.is_empty() && self.sells.orders.is_empty() && self.taken.is_empty() {
            self.row = replay(&mut self.depth, stream, self.row, until);
            return;
        }
        while let Some(&ns) = stream.ns.get(self.row)
            && ns <= until
        {
            self.apply(stream, ns);
        }
    }

    /// Applies the next row of a stream, which is of the time `ns`.
    #[inline]
    pub fn apply(&mut self, stream: Stream<'_>, ns: i64) {
        let Some(step) = stream.get(self.row) else { return };
        self.row += 1;
        let (px, qty) = (step.px, step.qty);
        match step.kind {
            Kind::Bid => {
                let was = self.depth.set_bid(px, qty).was_qty;
                self.named(Side::Buy, px, was, qty);
                if qty > 0 && self.sells.best().is_some_and(|best| best <= px) {
                    self.crossed(Side::Sell, ns);
                }
            }
            Kind::Ask => {
                let was = self.depth.set_ask(px, qty).was_qty;
                self.named(Side::Sell, px, was, qty);
                if qty > 0 && self.buys.best().is_some_and(|best| best >= px) {
                    self.crossed(Side::Buy, ns);
                }
            }
            Kind::BuyTrade => {
                if self.sells.best().is_some_and(|best| best <= px) {
                    self.traded(Side::Sell, px, qty, ns);
                }
            }
            Kind::SellTrade => {
                if self.buys.best().is_some_and(|best| best >= px) {
                    self.traded(Side::Buy, px, qty, ns);
                }
            }
            Kind::ClearBids => self.depth.clear_to(Side::Buy, px),
            Kind::ClearAsks => self.depth.clear_to(Side::Sell, px),
            Kind::Clear => self.depth.clear(),
        }
    }

    /// The row applied last.
    fn last(&self) -> usize {
        self.row.saturating_sub(1)
    }

    fn book(&mut self, side: Side) -> &mut Book<Q::Place> {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }

    /// A level was named: what we took of it is history, and our orders in it move up.
    #[inline]
    fn named(&mut self, side: Side, px: i64, was: i64, now: i64) {
        if !self.taken.is_empty() {
            self.taken.retain(|taken| taken.side != side || taken.px != px);
        }
        let book = match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        };
        if book.may_hold(px) {
            for order in book.orders.iter_mut().filter(|order| order.px == px) {
                self.queue.level(&mut order.place, was, now);
            }
        }
    }

    /// The other side of the book came to our orders of `side`, or past them.
    #[cold]
    fn crossed(&mut self, side: Side, ns: i64) {
        let other = side.opposite();
        let Some(best) = self.depth.best(other) else { return };
        let reach = |px: i64, level: i64| (px - level) * side.sign() >= 0;
        let mut at = 0;
        while let Some(order) = self.book(side).orders.get(at).copied() {
            if !reach(order.px, best) {
                break;
            }
            let mut left = order.left;
            if self.model == FillModel::Consuming {
                let mut level = Some(best);
                while let Some(px) = level
                    && left > 0
                    && reach(order.px, px)
                {
                    let (qty, source) = self.take(other, px, left);
                    if qty > 0 {
                        left -= qty;
                        self.fill(order.id, 0, side, order.px, qty, left, true, ns, source);
                    }
                    level = self.depth.worse(other, px);
                }
            } else {
                left = 0;
                self.fill(order.id, 0, side, order.px, order.left, left, true, ns, Source::Unlimited);
            }
            if let Some(order) = self.book(side).orders.get_mut(at) {
                order.left = left;
            }
            at += 1;
        }
        self.book(side).drop_filled();
    }

    /// A print at `px` of `qty` lots against our side.
    fn traded(&mut self, side: Side, px: i64, qty: i64, ns: i64) {
        let mut budget = qty;
        let mut at = 0;
        let source =
            if self.model == FillModel::Consuming { Source::Print(self.last()) } else { Source::Unlimited };
        while let Some(mut order) = self.book(side).orders.get(at).copied() {
            let past = (order.px - px) * side.sign();
            if past < 0 {
                break;
            }
            let reached = if past > 0 {
                // It traded at a price worse than ours: whoever took would have met us first.
                if self.model == FillModel::Consuming { order.left.min(budget) } else { order.left }
            } else {
                self.queue.trade(&mut order.place, budget);
                let reached = self.queue.reached(&mut order.place);
                match self.model {
                    FillModel::Whole if reached > 0 => order.left,
                    FillModel::Whole => 0,
                    FillModel::Partial => reached.min(order.left),
                    FillModel::Consuming => reached.min(order.left).min(budget),
                }
            };
            order.left -= reached;
            if reached > 0 {
                self.fill(order.id, 0, side, order.px, reached, order.left, true, ns, source);
                if self.model == FillModel::Consuming {
                    budget -= reached;
                }
            }
            if let Some(kept) = self.book(side).orders.get_mut(at) {
                *kept = order;
            }
            at += 1;
        }
        self.book(side).drop_filled();
    }

    /// Takes up to `want` lots of a level that nobody of ours has taken yet.
    fn take(&mut self, side: Side, px: i64, want: i64) -> (i64, Source) {
        let shown = self.depth.qty(side, px);
        let at = self.taken.iter().position(|taken| taken.side == side && taken.px == px);
        let before = at.and_then(|at| self.taken.get(at)).map_or(0, |taken| taken.qty);
        let qty = want.min(shown - before).max(0);
        let row = match at.and_then(|at| self.taken.get_mut(at)) {
            Some(taken) => {
                taken.qty += qty;
                taken.row
            }
            None => {
                let row = self.last();
                if qty > 0 {
                    self.taken.push(Taken { side, px, qty, row });
                }
                row
            }
        };
        (qty, Source::Level { px, row })
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of one fill, named at the only place they are put together"
    )]
    fn fill(
        &mut self,
        id: u64,
        request: u64,
        side: Side,
        px: i64,
        qty: i64,
        left: i64,
        maker: bool,
        ns: i64,
        source: Source,
    ) {
        let fill = Fill { order: id, side, px, qty, left, maker, venue_ns: ns, source };
        self.answers.push(Answer { id, request, what: What::Executed(fill), venue_ns: ns });
    }

    fn say(&mut self, id: u64, request: u64, what: What, ns: i64) {
        self.answers.push(Answer { id, request, what, venue_ns: ns });
    }

    /// A request arrives.
    pub fn receive(&mut self, number: u64, request: Request, ns: i64) {
        match request {
            Request::New(order) => self.enter(number, order, ns),
            Request::Cancel { id } => {
                let what = if self.pull(id).is_some() { What::Cancelled } else { What::Refused };
                self.say(id, number, what, ns);
            }
            Request::Replace { id, px, qty } => self.replace(number, id, px, qty, ns),
        }
    }

    /// Takes an order out of the book.
    fn pull(&mut self, id: u64) -> Option<Side> {
        for side in [Side::Buy, Side::Sell] {
            if let Some(at) = self.book(side).find(id) {
                self.book(side).remove(at);
                return Some(side);
            }
        }
        None
    }

    /// A smaller quantity at the same price keeps its place; anything else comes anew.
    fn replace(&mut self, number: u64, id: u64, px: i64, qty: i64, ns: i64) {
        for side in [Side::Buy, Side::Sell] {
            let book = self.book(side);
            let Some(order) = book.find(id).and_then(|at| book.orders.get_mut(at)) else { continue };
            if order.px == px && qty <= order.left {
                order.left = qty;
                self.say(id, number, What::Live { px, left: qty }, ns);
            } else {
                let tif = order.tif;
                self.pull(id);
                self.enter(number, NewOrder { id, side, px: Some(px), qty, tif }, ns);
            }
            return;
        }
        self.say(id, number, What::Refused, ns);
    }

    fn enter(&mut self, number: u64, order: NewOrder, ns: i64) {
        let other = order.side.opposite();
        let best = self.depth.best(other);
        let reach = |level: i64| order.px.is_none_or(|px| (px - level) * order.side.sign() >= 0);
        let takes = best.filter(|best| reach(*best));
        let Some(best) = takes else {
            match (order.px, order.tif) {
                (Some(px), Tif::Gtc | Tif::PostOnly) => self.rest(number, order, px, order.qty, ns),
                _ => self.say(order.id, number, What::Expired, ns),
            }
            return;
        };
        if order.tif == Tif::PostOnly {
            return self.say(order.id, number, What::Expired, ns);
        }
        if self.model == FillModel::Whole {
            return self.fill(order.id, number, order.side, best, order.qty, 0, false, ns, Source::Unlimited);
        }
        if order.tif == Tif::Fok && !self.fills_whole(order, best) {
            return self.say(order.id, number, What::Expired, ns);
        }
        let left = self.sweep(number, order, best, ns);
        if left == 0 {
            return;
        }
        match (order.px, order.tif, self.model) {
            // The order cannot stand in the recorded book's other side, which does not feel it; so it is filled.
            (Some(px), Tif::Gtc, FillModel::Partial) => {
                self.fill(order.id, number, order.side, px, left, 0, false, ns, Source::Unlimited);
            }
            (Some(px), Tif::Gtc, _) => self.rest(number, order, px, left, ns),
            _ => self.say(order.id, number, What::Expired, ns),
        }
    }

    /// The last price an order that takes may trade at.
    fn bound(&self, order: &NewOrder, best: i64) -> i64 {
        match (order.px, self.model) {
            (Some(px), _) => px,
            (None, FillModel::Partial) => best + (PARTIAL_MARKET_TICKS - 1) * order.side.sign(),
            (None, _) => best.saturating_add(i64::from(i32::MAX) * order.side.sign()),
        }
    }

    fn open(&self, side: Side, px: i64) -> i64 {
        let taken = self.taken.iter().filter(|taken| taken.side == side && taken.px == px);
        self.depth.qty(side, px) - taken.map(|taken| taken.qty).sum::<i64>()
    }

    fn fills_whole(&self, order: NewOrder, best: i64) -> bool {
        let (other, bound) = (order.side.opposite(), self.bound(&order, best));
        let (mut level, mut sum) = (Some(best), 0_i64);
        while let Some(px) = level
            && (bound - px) * order.side.sign() >= 0
            && sum < order.qty
        {
            sum = sum.saturating_add(self.open(other, px));
            level = self.depth.worse(other, px);
        }
        sum >= order.qty
    }

    /// Takes levels up to the order's limit; gives what is left of it.
    fn sweep(&mut self, number: u64, order: NewOrder, best: i64, ns: i64) -> i64 {
        let (other, bound) = (order.side.opposite(), self.bound(&order, best));
        let (mut level, mut left) = (Some(best), order.qty);
        while let Some(px) = level
            && (bound - px) * order.side.sign() >= 0
            && left > 0
        {
            let (qty, source) = if self.model == FillModel::Consuming {
                self.take(other, px, left)
            } else {
                (self.depth.qty(other, px).min(left), Source::Unlimited)
            };
            if qty > 0 {
                left -= qty;
                self.fill(order.id, number, order.side, px, qty, left, false, ns, source);
            }
            level = self.depth.worse(other, px);
        }
        left
    }

    fn rest(&mut self, number: u64, order: NewOrder, px: i64, left: i64, ns: i64) {
        let place = self.queue.join(self.depth.qty(order.side, px));
        self.book(order.side).insert(order.side, Resting { id: order.id, px, left, tif: order.tif, place });
        self.say(order.id, number, What::Live { px, left }, ns);
    }
}

/// Applies the rows of a stream to a book alone, up to and including a time; gives the next row.
#[inline]
pub(crate) fn replay<L: Levels>(depth: &mut Depth<L>, stream: Stream<'_>, from: usize, until: i64) -> usize {
    let rest = stream.ns.get(from..).unwrap_or_default();
    // Few rows lie within a step, so counting them first costs little and leaves a loop without the question.
    let count = rest.iter().position(|ns| *ns > until).unwrap_or(rest.len());
    let to = from + count;
    let (Some(px), Some(qty), Some(kind)) =
        (stream.px.get(from..to), stream.qty.get(from..to), stream.kind.get(from..to))
    else {
        return from;
    };
    for ((&kind, &px), &qty) in kind.iter().zip(px).zip(qty) {
        let px = i64::from(px);
        match kind {
            0 => drop(depth.set_bid(px, qty)),
            1 => drop(depth.set_ask(px, qty)),
            4 => depth.clear_to(Side::Buy, px),
            5 => depth.clear_to(Side::Sell, px),
            6 => depth.clear(),
            _ => {}
        }
    }
    to
}
