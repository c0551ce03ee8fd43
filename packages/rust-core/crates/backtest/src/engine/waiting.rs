//! How time passes until something is to be told.
//!
//! Between two things that the receiver hears or sends the venue is on its own: it goes through its data in one piece then, as far as
//! nothing else is due and nothing it says could be back. The answers are those of going row by row; a test holds both equal.

use super::{Asset, Engine, Wake, Woken};
use crate::depth::{Depth, Levels};
use crate::event::Kind;
use crate::queue::QueueModel;
use crate::tape::Stream;
use tidegate_units::Side;

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    LocalData,
    LocalAnswer,
    VenueData,
    VenueRequest,
}

impl<L: Levels + Clone, Q: QueueModel> Asset<'_, L, Q> {
    /// When each is due, in the order of one and the same time.
    fn due(&self) -> [(Option<i64>, Due); 4] {
        [
            (self.next_local_data(), Due::LocalData),
            (self.to_desk.front().map(|(at, _)| *at), Due::LocalAnswer),
            (self.next_venue_data(), Due::VenueData),
            (self.to_venue.front().map(|(at, ..)| *at), Due::VenueRequest),
        ]
    }

    /// Reads a row of the received stream; with `whole` all levels that were received with it.
    fn read(&mut self, at: i64, whole: bool) {
        let local = self.config.local;
        let levels = |row: usize| {
            local
                .get(row)
                .is_some_and(|step| step.ns == at && !matches!(step.kind, Kind::BuyTrade | Kind::SellTrade))
        };
        let more = whole && levels(self.row);
        self.row = apply(&mut self.depth, local, self.row);
        while more && levels(self.row) {
            self.row = apply(&mut self.depth, local, self.row);
        }
    }
}

impl<L: Levels + Clone, Q: QueueModel> Engine<'_, L, Q> {
    /// Lets time pass until the first event that `wake` names or for `ns`.
    pub fn wait(&mut self, ns: i64, wake: Wake) -> Woken {
        self.pass(ns, wake, false, false)
    }

    /// As [`Self::wait`], but levels received at one time wake once, with the last of them. With `hold` it ends before an answer
    /// instead of taking it, at the time of what came last.
    pub fn wait_for_messages(&mut self, ns: i64, wake: Wake, hold: bool) -> Woken {
        self.pass(ns, wake, hold, true)
    }

    fn pass(&mut self, ns: i64, wake: Wake, hold: bool, whole: bool) -> Woken {
        if !self.start() {
            return Woken::End;
        }
        let until = self.now.saturating_add(ns.max(0));
        loop {
            let Some((at, index, due)) = self.due() else { return Woken::End };
            if at > until {
                self.now = until;
                return Woken::Time;
            }
            let besides = if due == Due::VenueData { self.besides(index) } else { at };
            let Some(asset) = self.assets.get_mut(index) else { return Woken::End };
            match due {
                Due::LocalData => {
                    asset.read(at, whole);
                    if wake.feed {
                        self.now = at;
                        return Woken::Feed(index);
                    }
                }
                Due::LocalAnswer if hold => return Woken::Held(index),
                Due::LocalAnswer => {
                    asset.take_answer();
                    if wake.answer {
                        self.now = at;
                        return Woken::Answer(index);
                    }
                }
                Due::VenueData if asset.alone_ns > 0 => {
                    // What is said at `at` is back at `at + alone_ns` at the earliest, and comes before the venue's data of then.
                    let alone = at.saturating_add(asset.alone_ns - 1).min(until);
                    asset.venue.advance(asset.config.venue, alone.min(besides.saturating_sub(1)).max(at));
                    asset.collect();
                }
                Due::VenueData => {
                    asset.venue.apply(asset.config.venue, at);
                    asset.collect();
                }
                Due::VenueRequest => asset.take_requests(at),
            }
        }
    }

    /// When the first thing is due that is not the venue's data of this instrument; the end of time where nothing is.
    fn besides(&self, index: usize) -> i64 {
        let mut next = i64::MAX;
        for (other, asset) in self.assets.iter().enumerate() {
            for (at, due) in asset.due() {
                if other != index || due != Due::VenueData {
                    next = next.min(at.unwrap_or(i64::MAX));
                }
            }
        }
        next
    }

    fn due(&self) -> Option<(i64, usize, Due)> {
        let mut next: Option<(i64, usize, Due)> = None;
        for (index, asset) in self.assets.iter().enumerate() {
            for (at, due) in asset.due() {
                if let Some(at) = at
                    && next.is_none_or(|(other, ..)| at < other)
                {
                    next = Some((at, index, due));
                }
            }
        }
        next
    }
}

fn apply<L: Levels>(depth: &mut Depth<L>, stream: Stream<'_>, row: usize) -> usize {
    if let Some(step) = stream.get(row) {
        match step.kind {
            Kind::Bid => drop(depth.set_bid(step.px, step.qty)),
            Kind::Ask => drop(depth.set_ask(step.px, step.qty)),
            Kind::BuyTrade | Kind::SellTrade => {}
            Kind::ClearBids => depth.clear_to(Side::Buy, step.px),
            Kind::ClearAsks => depth.clear_to(Side::Sell, step.px),
            Kind::Clear => depth.clear(),
        }
    }
    row + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Fees;
    use crate::engine::{Accounting, AssetConfig};
    use crate::event::Row;
    use crate::latency::{Latency, Recorded};
    use crate::order::{NewOrder, Tif};
    use crate::queue::{Behind, Probable};
    use crate::tape::Tape;
    use crate::tests_support::usdm;
    use crate::venue::FillModel;
    use proptest::prelude::*;
    use tidegate_book::BoundedL2Book;

    type Run<'a> = Engine<'a, BoundedL2Book, Probable>;

    /// One step of a strategy: what it sends at a wake, and how it waits then.
    #[derive(Debug, Clone, Copy)]
    struct Step {
        asset: usize,
        side: bool,
        px: i64,
        qty: i64,
        tif: u8,
        cancels: bool,
        wait_ns: i64,
        wake: Wake,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (
            (0..2_usize, any::<bool>(), 96..105_i64, 0..9_i64, 0..4_u8),
            (any::<bool>(), 0..60_i64, any::<bool>(), any::<bool>()),
        );
        let step = step.prop_map(|((asset, side, px, qty, tif), (cancels, wait_ns, feed, answer))| Step {
            ..Step { asset, side, px, qty, tif, cancels, wait_ns, wake: Wake { feed, answer } }
        });
        prop::collection::vec(step, 1..80)
    }

    /// Rows that often share a time, some received before others that happened first.
    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let row = (0..5_i64, 0..24_i64, 0..14_u8, 97..104_i32, 0..12_i64);
        prop::collection::vec(row, 1..120).prop_map(|list| {
            let mut ns = 1_000;
            let row = |(step, late, kind, px, qty)| {
                ns += if step == 4 { 25 } else { step / 2 };
                let kind = match kind {
                    0..=4 => Kind::Bid,
                    5..=9 => Kind::Ask,
                    10..=11 => Kind::BuyTrade,
                    12 => Kind::SellTrade,
                    _ => Kind::ClearBids,
                };
                Row { kind, exch_ns: ns, local_ns: ns + late / 4 * 3, px, qty }
            };
            list.into_iter().map(row).collect()
        })
    }

    fn latency() -> impl Strategy<Value = Latency> {
        prop_oneof![
            (0..20_i64, 0..20_i64).prop_map(|(entry, answer)| Latency::constant(entry, answer).unwrap()),
            (prop::collection::vec(0..20_i64, 1..4), prop::collection::vec(1..20_i64, 1..4))
                .prop_map(|(entry, answer)| Latency::drawn(entry, answer, 7).unwrap()),
            prop::collection::vec((1..90_i64, 0..9_i64, 0..9_i64, 0..5_u8), 1..6).prop_map(|list| {
                let mut sent_ns = 1_000;
                let row = |(gap, entry, answer, turned)| {
                    sent_ns += gap + 9;
                    let back_ns = sent_ns + entry + answer;
                    Recorded { sent_ns, venue_ns: if turned == 0 { 0 } else { sent_ns + entry }, back_ns }
                };
                Latency::interpolated(list.into_iter().map(row).collect()).unwrap()
            }),
        ]
    }

    fn engine<'a>(tapes: &'a [Tape; 2], latency: &Latency, fill: FillModel) -> Run<'a> {
        let config = |tape: &'a Tape| AssetConfig {
            instrument: usdm(),
            venue: tape.venue(),
            local: tape.local(),
            levels: BoundedL2Book::new(0, 200).unwrap(),
            queue: Probable(Behind::Power(2.0)),
            fill,
            latency: latency.clone(),
            fees: Fees::of_value(-5_000, 70_000),
            accounting: Accounting::EveryFill,
        };
        Engine::new(tapes.iter().map(config).collect()).unwrap()
    }

    /// All that can be told of a run.
    fn told(engine: &Run<'_>) -> String {
        let assets: Vec<_> = (0..2)
            .map(|at| {
                let depth = engine.depth(at).unwrap();
                let touch = [depth.best(Side::Buy), depth.best(Side::Sell)];
                let accounts = (engine.account(at), engine.venue_account(at));
                (
                    touch,
                    engine.received(at),
                    engine.orders(at),
                    engine.venue_fills(at),
                    accounts,
                    engine.last_answer(at),
                )
            })
            .collect();
        format!("{} {assets:?} {}", engine.now(), engine.run_hash())
    }

    /// Plays the steps; `wait` lets time pass.
    fn play(
        engine: &mut Run<'_>,
        steps: &[Step],
        wait: impl Fn(&mut Run<'_>, i64, Wake) -> Woken,
    ) -> Vec<String> {
        let mut trace = Vec::new();
        engine.start();
        for (id, step) in (1..).zip(steps) {
            let side = if step.side { Side::Buy } else { Side::Sell };
            let tif = [Tif::Gtc, Tif::PostOnly, Tif::Ioc, Tif::Fok][usize::from(step.tif)];
            let order = NewOrder { id, side, px: Some(step.px), qty: step.qty, tif };
            let sent = engine.submit(step.asset, order);
            let oldest =
                engine.orders(step.asset).iter().find(|order| order.may_change()).map(|order| order.id);
            let cancelled = oldest.filter(|_| step.cancels).map(|id| engine.cancel(step.asset, id));
            let woken = wait(engine, step.wait_ns, step.wake);
            trace.push(format!("{sent:?} {cancelled:?} {woken:?} {}", told(engine)));
            engine.clear_ended(step.asset);
        }
        let never = Wake { feed: false, answer: false };
        trace.push(format!("{:?} {}", wait(engine, 10_000, never), told(engine)));
        trace
    }

    /// One row at a time: no venue goes on alone.
    fn row_by_row(engine: &mut Run<'_>) {
        engine.assets.iter_mut().for_each(|asset| asset.alone_ns = 0);
    }

    fn fills() -> impl Strategy<Value = FillModel> {
        prop_oneof![Just(FillModel::Consuming), Just(FillModel::Partial), Just(FillModel::Whole)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn b099_a_venue_that_goes_on_alone_is_the_venue_row_by_row(
            (a, b) in (rows(), rows()), latency in latency(), fill in fills(), steps in steps(),
        ) {
            let tapes = [Tape::of(&a).unwrap(), Tape::of(&b).unwrap()];
            let mut slow = engine(&tapes, &latency, fill);
            row_by_row(&mut slow);
            let want = play(&mut slow, &steps, |engine, ns, wake| engine.wait(ns, wake));
            let gave = play(&mut engine(&tapes, &latency, fill), &steps, |engine, ns, wake| engine.wait(ns, wake));
            prop_assert_eq!(want, gave);
        }

        #[test]
        fn b099_a_wake_a_message_is_the_last_of_the_wakes_of_its_rows(
            (a, b) in (rows(), rows()), latency in latency(), fill in fills(), steps in steps(),
        ) {
            let tapes = [Tape::of(&a).unwrap(), Tape::of(&b).unwrap()];
            let level = |tape: &Tape, row: usize| {
                let step = tape.local().get(row)?;
                (!matches!(step.kind, Kind::BuyTrade | Kind::SellTrade)).then_some(step.ns)
            };
            let mut slow = engine(&tapes, &latency, fill);
            row_by_row(&mut slow);
            let want = play(&mut slow, &steps, |engine, ns, wake| {
                let until = engine.now() + ns;
                loop {
                    let woken = engine.wait(until - engine.now(), wake);
                    let Woken::Feed(at) = woken else { return woken };
                    let next = engine.received(at);
                    let last = level(&tapes[at], next - 1);
                    // The levels of one time go on in its next row.
                    if last.is_none() || level(&tapes[at], next) != last {
                        return woken;
                    }
                }
            });
            let gave = play(&mut engine(&tapes, &latency, fill), &steps, |engine, ns, wake| {
                engine.wait_for_messages(ns, wake, false)
            });
            prop_assert_eq!(want, gave);
        }
    }

    #[test]
    fn b099_a_venue_alone_for_longer_than_an_answer_takes_is_another_run() {
        // Our bid at 100 is reached at 1,020 and the answer is back 10 later; a second order leaves when it is known.
        let bid = |ns, px, qty| Row { kind: Kind::Bid, exch_ns: ns, local_ns: ns + 500, px, qty };
        let print = |ns| Row { kind: Kind::SellTrade, exch_ns: ns, local_ns: ns + 500, px: 99, qty: 5 };
        let rows = [bid(1_000, 100, 1), print(1_020), print(1_022), print(1_060)];
        let tapes = [Tape::of(&rows).unwrap(), Tape::default()];
        let run = |alone_ns: i64| {
            let mut engine = engine(&tapes, &Latency::constant(5, 10).unwrap(), FillModel::Consuming);
            engine.assets.iter_mut().for_each(|asset| asset.alone_ns = alone_ns);
            engine.start();
            let order = |id| NewOrder { id, side: Side::Buy, px: Some(100), qty: 5, tif: Tif::Gtc };
            engine.submit(0, order(1)).unwrap();
            while engine.fills(0).is_empty() {
                engine.wait(100, Wake { feed: false, answer: true });
            }
            let told_at = engine.now();
            engine.submit(0, order(2)).unwrap();
            engine.wait(100, Wake { feed: false, answer: false });
            let fills: Vec<_> =
                engine.venue_fills(0).iter().map(|fill| (fill.order, fill.venue_ns)).collect();
            (told_at, fills)
        };
        assert_eq!(run(0), (1_030, vec![(1, 1_020), (2, 1_060)]));
        assert_eq!(run(10), run(0));
        // The negative control: the print at 1,060 is gone through before the second order is there.
        assert_ne!(run(1_000), run(0));
    }
}
