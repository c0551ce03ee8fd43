//! A run: instruments, their two clocks, and orders between them.
//!
//! The strategy lives on the receiver's side. What it sends reaches the venue after the entry latency and is answered from there;
//! what happens at the venue reaches it with the recorded receive time. Nothing in here reads a clock or a random number of the
//! machine: the same tapes, models and requests give the same run, told by its hash.
//!
//! At one and the same nanosecond the order is: received data, received answers, the venue's data, the venue's requests.

mod waiting;

use crate::account::{Account, Fees, Fill};
use crate::assumptions::assumptions;
use crate::depth::{Depth, Levels};
use crate::latency::{Arrival, Latency};
use crate::limits::{ASSETS_MAX, IN_FLIGHT_MAX, ORDERS_MAX};
use crate::order::{
    Answer, NewOrder, Order, OrderFault, Pending, Request, State, What, answer_bytes, request_bytes,
};
use crate::queue::QueueModel;
use crate::tape::Stream;
use crate::venue::{FillModel, Venue, replay};
use std::collections::VecDeque;
use tidegate_instruments::Instrument;

/// Which executions the strategy's own account counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accounting {
    /// Every one. The default.
    EveryFill,
    /// Only the one that completes an order, as hftbacktest 0.9 does: an order filled in parts is counted by its last part. For
    /// comparison with it and nothing else.
    LastFillOnly,
}

/// One instrument of a run.
#[derive(Debug, Clone)]
pub struct AssetConfig<'a, L, Q> {
    pub instrument: Instrument,
    /// What the venue went through, and what was received of it.
    pub venue: Stream<'a>,
    pub local: Stream<'a>,
    /// An empty book, of the kind the prices need.
    pub levels: L,
    pub queue: Q,
    pub fill: FillModel,
    pub latency: Latency,
    pub fees: Fees,
    pub accounting: Accounting,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The time has passed.
    Time,
    /// Market data of this instrument was received.
    Feed(usize),
    /// An answer of this instrument was received.
    Answer(usize),
    /// Nothing is left: no data and no message in flight.
    End,
    /// An answer of this instrument is received next, and was left where it is.
    Held(usize),
}

/// What was received of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It stands in the venue's book with this much left.
    Live {
        px: i64,
        left: i64,
    },
    Executed(Fill),
    Cancelled,
    /// Ended by its time in force.
    Expired,
    /// A cancel or a replace came too late; the order itself is told by other answers.
    Refused,
    /// It never reached the matching engine.
    TurnedAway,
}

impl Received {
    pub(crate) const fn of(what: What) -> Self {
        match what {
            What::Live { px, left } => Received::Live { px, left },
            What::Executed(fill) => Received::Executed(fill),
            What::Cancelled => Received::Cancelled,
            What::Expired => Received::Expired,
            What::Refused => Received::Refused,
            What::TurnedAway => Received::TurnedAway,
        }
    }
}

/// What ends a wait before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    pub feed: bool,
    pub answer: bool,
}

#[derive(Debug)]
struct Asset<'a, L, Q: QueueModel> {
    config: Fixed<'a>,
    latency: Latency,
    venue: Venue<L, Q>,
    depth: Depth<L>,
    row: usize,
    orders: Vec<Order>,
    to_venue: VecDeque<(i64, u64, Request)>,
    to_desk: VecDeque<(i64, Answer)>,
    /// Every execution, in the venue's order.
    fills: Vec<Fill>,
    /// How many of them have been received.
    seen: usize,
    /// What was received last, and of which order.
    last: Option<(u64, Received)>,
    /// By the venue, by every execution.
    truth: Account,
    /// By the strategy's side, by those received.
    account: Account,
    /// What an answer takes back at least, ns: so long is what the venue says not heard of.
    alone_ns: i64,
    overflow: bool,
    sent: u64,
    cancels: u64,
    /// Of the assumptions and what was sent, and of what the venue said. Apart: which of the two comes first at the venue and at the
    /// desk is a matter of how the run is cut into waits, and each has its time.
    sent_hash: blake3::Hasher,
    said_hash: blake3::Hasher,
    /// Of messages received, the last to leave first is not possible: the times never go back.
    last_to_venue: i64,
    last_to_desk: i64,
}

#[derive(Debug, Clone)]
struct Fixed<'a> {
    instrument: Instrument,
    venue: Stream<'a>,
    local: Stream<'a>,
    fees: Fees,
    accounting: Accounting,
    assumptions: Vec<(String, String)>,
}

/// A run of one or more instruments.
#[derive(Debug)]
pub struct Engine<'a, L, Q: QueueModel> {
    assets: Vec<Asset<'a, L, Q>>,
    now: i64,
    started: bool,
    requests: u64,
}

impl<L: Levels + Clone, Q: QueueModel> Asset<'_, L, Q> {
    fn next_venue_data(&self) -> Option<i64> {
        self.config.venue.ns.get(self.venue.row()).copied()
    }

    fn next_local_data(&self) -> Option<i64> {
        self.config.local.ns.get(self.row).copied()
    }

    fn remains(&self) -> bool {
        self.next_local_data().is_some()
            || self.next_venue_data().is_some()
            || !self.to_venue.is_empty()
            || !self.to_desk.is_empty()
    }

    /// Everything up to and including a time. Within it the strategy does nothing, so the two sides need not take turns: the venue
    /// goes first, and its answers are there when the receiver's turn comes.
    fn advance(&mut self, until: i64) {
        loop {
            let request = self.to_venue.front().map_or(i64::MAX, |(at, ..)| *at);
            self.venue.advance(self.config.venue, until.min(request));
            self.collect();
            if request > until || request == i64::MAX {
                break;
            }
            self.take_requests(request);
        }
        self.row = replay(&mut self.depth, self.config.local, self.row, until);
        while self.to_desk.front().is_some_and(|(at, _)| *at <= until) {
            self.take_answer();
        }
    }

    /// Requests that arrive at one time.
    fn take_requests(&mut self, at: i64) {
        while let Some(&(due, number, request)) = self.to_venue.front()
            && due == at
        {
            self.to_venue.pop_front();
            self.venue.receive(number, request, at);
        }
        self.collect();
    }

    /// Sends what the venue said on its way.
    fn collect(&mut self) {
        if self.venue.answers().is_empty() {
            return;
        }
        let mut answers = std::mem::take(self.venue.answers());
        for answer in answers.drain(..) {
            self.said_hash.update(&answer_bytes(&answer));
            if let What::Executed(fill) = answer.what {
                self.overflow |= !self.truth.book(&self.config.instrument, &self.config.fees, &fill);
                self.fills.push(fill);
            }
            // One connection: what was said later does not arrive earlier.
            let back = self.latency.answer(answer.venue_ns).max(self.last_to_desk);
            self.last_to_desk = back;
            self.to_desk.push_back((back, answer));
        }
        *self.venue.answers() = answers;
    }

    fn find(&mut self, id: u64) -> Option<&mut Order> {
        let at = self.orders.binary_search_by_key(&id, |order| order.id).ok()?;
        self.orders.get_mut(at)
    }

    /// The next answer is received.
    fn take_answer(&mut self) {
        let Some((_, answer)) = self.to_desk.pop_front() else { return };
        self.last = Some((answer.id, Received::of(answer.what)));
        if let What::Executed(fill) = answer.what {
            self.seen += 1;
            if self.config.accounting == Accounting::EveryFill || fill.left == 0 {
                self.overflow |= !self.account.book(&self.config.instrument, &self.config.fees, &fill);
            }
        }
        let Some(order) = self.find(answer.id) else { return };
        // What answers an earlier life of the id says nothing about this one.
        let mine = answer.request == order.request;
        match answer.what {
            What::Live { px, left } if mine => {
                order.px = Some(px);
                order.left = left;
                order.state = if left < order.qty && order.pending == Some(Pending::New) {
                    State::PartlyFilled
                } else {
                    State::Live
                };
                order.pending = None;
            }
            What::Executed(fill) => {
                order.left = fill.left;
                order.state = if fill.left == 0 { State::Filled } else { State::PartlyFilled };
                if fill.left == 0 {
                    order.pending = None;
                }
            }
            What::Cancelled if mine => (order.state, order.pending) = (State::Cancelled, None),
            What::Expired | What::TurnedAway if mine && order.pending == Some(Pending::New) => {
                (order.state, order.pending) = (State::Expired, None);
            }
            What::Expired if mine => (order.state, order.pending) = (State::Expired, None),
            What::Refused | What::TurnedAway if mine => order.pending = None,
            _ => {}
        }
    }

    /// Sends a request.
    fn send(&mut self, now: i64, number: u64, id: u64, request: Request) {
        self.sent_hash.update(&request_bytes(now, number, &request));
        match self.latency.entry(now) {
            Arrival::Venue(at) => {
                let at = at.max(self.last_to_venue);
                self.last_to_venue = at;
                self.to_venue.push_back((at, number, request));
            }
            Arrival::TurnedAway(at) => {
                let at = at.max(self.last_to_desk);
                self.last_to_desk = at;
                let answer = Answer { id, request: number, what: What::TurnedAway, venue_ns: at };
                // Settled as it is sent.
                self.sent_hash.update(&answer_bytes(&answer));
                self.to_desk.push_back((at, answer));
            }
        }
    }

    fn full(&self) -> bool {
        self.to_venue.len() >= IN_FLIGHT_MAX || self.to_desk.len() >= IN_FLIGHT_MAX
    }
}

impl<'a, L: Levels + Clone, Q: QueueModel> Engine<'a, L, Q> {
    /// A run that has not begun.
    ///
    /// # Errors
    /// No instrument, or more than [`ASSETS_MAX`].
    pub fn new(configs: Vec<AssetConfig<'a, L, Q>>) -> Result<Self, String> {
        if configs.is_empty() || configs.len() > ASSETS_MAX {
            return Err(format!("{} instruments: want between 1 and {ASSETS_MAX}", configs.len()));
        }
        let assets = configs
            .into_iter()
            .map(|config| {
                let assumptions = assumptions(&config);
                let mut hash = blake3::Hasher::new();
                for (name, value) in &assumptions {
                    hash.update(name.as_bytes()).update(b"=").update(value.as_bytes()).update(b"\n");
                }
                Asset {
                    alone_ns: config.latency.answer_least_ns(),
                    latency: config.latency,
                    depth: Depth::new(config.levels.clone()),
                    venue: Venue::new(config.levels, config.queue, config.fill),
                    config: Fixed {
                        instrument: config.instrument,
                        venue: config.venue,
                        local: config.local,
                        fees: config.fees,
                        accounting: config.accounting,
                        assumptions,
                    },
                    row: 0,
                    orders: Vec::new(),
                    to_venue: VecDeque::new(),
                    to_desk: VecDeque::new(),
                    fills: Vec::new(),
                    seen: 0,
                    last: None,
                    truth: Account::default(),
                    account: Account::default(),
                    overflow: false,
                    sent: 0,
                    cancels: 0,
                    sent_hash: hash,
                    said_hash: blake3::Hasher::new(),
                    last_to_venue: 0,
                    last_to_desk: 0,
                }
            })
            .collect();
        Ok(Self { assets, now: 0, started: false, requests: 0 })
    }

    /// Begins at the first time of any tape. False where there is none.
    pub fn start(&mut self) -> bool {
        if self.started {
            return true;
        }
        let first = self
            .assets
            .iter()
            .flat_map(|asset| [asset.next_local_data(), asset.next_venue_data()])
            .flatten()
            .min();
        if let Some(first) = first {
            (self.now, self.started) = (first, true);
        }
        self.started
    }

    /// Lets time pass. False once nothing is left: no data and no message in flight.
    pub fn elapse(&mut self, ns: i64) -> bool {
        if !self.start() {
            return false;
        }
        let until = self.now.saturating_add(ns.max(0));
        for asset in &mut self.assets {
            asset.advance(until);
        }
        self.now = until;
        self.assets.iter().any(Asset::remains)
    }

    /// Sends a new order.
    ///
    /// # Errors
    /// See [`OrderFault`]; nothing was sent then.
    pub fn submit(&mut self, asset: usize, order: NewOrder) -> Result<(), OrderFault> {
        self.submit_at(asset, order, self.now)
    }

    /// Sends a new order as of a time that has passed. It must be one from which nothing that was sent could have arrived yet: the
    /// caller let at most the least entry latency pass since.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_at(&mut self, asset: usize, order: NewOrder, at_ns: i64) -> Result<(), OrderFault> {
        let (now, number) = self.stamp(at_ns)?;
        let asset = self.assets.get_mut(asset).ok_or(OrderFault::NoSuchAsset)?;
        if order.qty <= 0 || order.px.is_some_and(|px| i32::try_from(px).is_err()) {
            return Err(OrderFault::BadOrder);
        }
        let Err(at) = asset.orders.binary_search_by_key(&order.id, |other| other.id) else {
            return Err(OrderFault::IdInUse);
        };
        if asset.orders.len() >= ORDERS_MAX || asset.full() {
            return Err(OrderFault::TooMany);
        }
        let NewOrder { id, side, px, qty, tif } = order;
        let (state, pending) = (State::Sent, Some(Pending::New));
        asset.orders.insert(at, Order { id, side, px, qty, left: qty, tif, state, pending, request: number });
        asset.sent += 1;
        asset.send(now, number, id, Request::New(order));
        self.requests = number;
        Ok(())
    }

    /// Asks for an order to be cancelled.
    ///
    /// # Errors
    /// See [`OrderFault`]; nothing was sent then.
    pub fn cancel(&mut self, asset: usize, id: u64) -> Result<(), OrderFault> {
        self.cancel_at(asset, id, self.now)
    }

    /// As [`Self::cancel`], as of a time that has passed: see [`Self::submit_at`].
    ///
    /// # Errors
    /// See [`OrderFault`]; nothing was sent then.
    pub fn cancel_at(&mut self, asset: usize, id: u64, at_ns: i64) -> Result<(), OrderFault> {
        self.change(asset, id, Pending::Cancel, Request::Cancel { id }, at_ns)?;
        if let Some(asset) = self.assets.get_mut(asset) {
            asset.cancels += 1;
        }
        Ok(())
    }

    /// Asks for another price and open quantity of an order.
    ///
    /// # Errors
    /// See [`OrderFault`]; nothing was sent then.
    pub fn replace(&mut self, asset: usize, id: u64, px: i64, qty: i64) -> Result<(), OrderFault> {
        if qty <= 0 || i32::try_from(px).is_err() {
            return Err(OrderFault::BadOrder);
        }
        self.change(asset, id, Pending::Replace, Request::Replace { id, px, qty }, self.now)
    }

    fn change(
        &mut self,
        asset: usize,
        id: u64,
        pending: Pending,
        request: Request,
        at_ns: i64,
    ) -> Result<(), OrderFault> {
        let (now, number) = self.stamp(at_ns)?;
        let asset = self.assets.get_mut(asset).ok_or(OrderFault::NoSuchAsset)?;
        if asset.full() {
            return Err(OrderFault::TooMany);
        }
        let order = asset.find(id).ok_or(OrderFault::NoSuchOrder)?;
        if !order.may_change() {
            return Err(OrderFault::NotChangeable);
        }
        (order.pending, order.request) = (Some(pending), number);
        asset.send(now, number, id, request);
        self.requests = number;
        Ok(())
    }

    fn stamp(&self, at_ns: i64) -> Result<(i64, u64), OrderFault> {
        if self.started { Ok((at_ns.min(self.now), self.requests + 1)) } else { Err(OrderFault::NotStarted) }
    }

    /// Forgets the orders that have ended, so that their ids may be used again.
    pub fn clear_ended(&mut self, asset: usize) {
        if let Some(asset) = self.assets.get_mut(asset) {
            asset.orders.retain(|order| !order.state.ended());
        }
    }

    /// The time, in ns since the epoch; 0 before the run begins.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The book as received.
    pub fn depth(&self, asset: usize) -> Option<&Depth<L>> {
        self.assets.get(asset).map(|asset| &asset.depth)
    }

    /// The book at the venue now, which no strategy may look at.
    pub fn venue_depth(&self, asset: usize) -> Option<&Depth<L>> {
        self.assets.get(asset).map(|asset| asset.venue.depth())
    }

    /// Lots ahead of a resting order by the queue model, which no strategy knows.
    pub fn ahead(&self, asset: usize, id: u64) -> Option<f64> {
        self.assets.get(asset)?.venue.ahead(id)
    }

    /// Orders not cleared, by id.
    pub fn orders(&self, asset: usize) -> &[Order] {
        self.assets.get(asset).map_or(&[], |asset| &asset.orders)
    }

    /// One order that is not cleared.
    pub fn order(&self, asset: usize, id: u64) -> Option<&Order> {
        let orders = self.orders(asset);
        orders.binary_search_by_key(&id, |order| order.id).ok().and_then(|at| orders.get(at))
    }

    /// Executions received so far, in the venue's order.
    pub fn fills(&self, asset: usize) -> &[Fill] {
        self.assets.get(asset).and_then(|asset| asset.fills.get(..asset.seen)).unwrap_or_default()
    }

    /// Every execution at the venue, received or not.
    pub fn venue_fills(&self, asset: usize) -> &[Fill] {
        self.assets.get(asset).map_or(&[], |asset| &asset.fills)
    }

    /// What was received last of an instrument's orders, and of which.
    pub fn last_answer(&self, asset: usize) -> Option<(u64, Received)> {
        self.assets.get(asset)?.last
    }

    /// Rows of the received stream that have been read: trades since an earlier value are between the two.
    pub fn received(&self, asset: usize) -> usize {
        self.assets.get(asset).map_or(0, |asset| asset.row)
    }

    /// The account by what was received.
    pub fn account(&self, asset: usize) -> Option<&Account> {
        self.assets.get(asset).map(|asset| &asset.account)
    }

    /// The account by what happened.
    pub fn venue_account(&self, asset: usize) -> Option<&Account> {
        self.assets.get(asset).map(|asset| &asset.truth)
    }

    /// New orders and cancels sent.
    pub fn sent(&self, asset: usize) -> (u64, u64) {
        self.assets.get(asset).map_or((0, 0), |asset| (asset.sent, asset.cancels))
    }

    /// What the run assumes of an instrument, by name.
    pub fn assumptions(&self, asset: usize) -> &[(String, String)] {
        self.assets.get(asset).map_or(&[], |asset| &asset.config.assumptions)
    }

    /// Whether a sum of an account did not fit, so that its figures are not to be used.
    pub fn overflowed(&self) -> bool {
        self.assets.iter().any(|asset| asset.overflow)
    }

    /// The hash of all assumptions, requests and answers so far.
    pub fn run_hash(&self) -> blake3::Hash {
        let mut hash = blake3::Hasher::new();
        for asset in &self.assets {
            for part in [&asset.sent_hash, &asset.said_hash] {
                hash.update(part.finalize().as_bytes());
            }
        }
        hash.finalize()
    }
}
