use super::*;
use crate::lease::StoreOp;
use crate::limits::{LEASE_RENEW_NS, LEASE_STALE_NS};

const MS: u64 = 1_000_000;
const OWN: Identity = Identity { build: 1, schema: 1, config: 1 };

/// A node with its store and router as the test says, stepped every 50 ms.
struct Bench {
    node: Node,
    ms: u64,
    store_answers: Option<bool>,
    beat: Option<Beat>,
    /// The last question, which the router answers.
    asked_ns: u64,
    told: (bool, bool),
    stepped_down: u32,
    released: bool,
    skewed: Option<Skew>,
}

impl Bench {
    fn new() -> Self {
        Self {
            node: Node::new(NodeConfig::new(7, OWN)),
            ms: 0,
            store_answers: Some(true),
            beat: Some(nobody()),
            asked_ns: 0,
            told: (false, false),
            stepped_down: 0,
            released: false,
            skewed: None,
        }
    }

    fn apply(&mut self, input: Input) {
        let (mut out, mut answers) = (Vec::new(), Vec::new());
        self.node.apply(self.ms * MS, 0, input, &mut out);
        for output in out {
            match output {
                Output::Store(request) => {
                    if request.op == StoreOp::Release {
                        self.released = true;
                    } else if let Some(ours) = self.store_answers {
                        answers.push(LeaseReply { token: request.token, ours });
                    }
                }
                Output::Ask(question) => self.asked_ns = question.asked_ns,
                Output::Candidacy(may) => self.told.0 = may,
                Output::NewOrders(may) => self.told.1 = may,
                Output::StepDown => self.stepped_down += 1,
                Output::Skewed(skew) => self.skewed = Some(skew),
            }
        }
        for reply in answers {
            self.apply(Input::Lease(reply));
        }
    }

    fn run(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            self.ms += 50;
            self.apply(Input::Tick);
            if let Some(beat) = self.beat {
                self.apply(Input::Beat(Beat { asked_ns: self.asked_ns, ..beat }));
            }
        }
    }
}

const fn nobody() -> Beat {
    Beat { epoch: 0, holder: 0, leader_alive: false, identity: OWN, asked_ns: 0 }
}

const fn led_by(holder: u64, leader_alive: bool) -> Beat {
    Beat { epoch: 3, holder, leader_alive, identity: OWN, asked_ns: 0 }
}

#[test]
fn a21_a_standby_asks_at_once_when_the_leaders_socket_closes() {
    let mut bench = Bench::new();
    bench.store_answers = Some(false);
    bench.beat = Some(led_by(9, true));
    bench.run(10_000);
    assert_eq!((bench.told.0, bench.node.role()), (false, Role::Standby), "a living leader is left alone");
    bench.beat = Some(led_by(9, false));
    bench.run(50);
    assert_eq!((bench.told.0, bench.node.role()), (true, Role::Candidate));
}

#[test]
fn a21_without_the_routers_word_nobody_asks() {
    let mut bench = Bench::new();
    bench.beat = None;
    bench.run(10_000);
    assert!(!bench.told.0, "the lease alone is no reason");
}

#[test]
fn a21_the_first_leader_is_the_holder_of_the_lease() {
    let mut bench = Bench::new();
    bench.store_answers = Some(false);
    bench.run(5_000);
    assert!(!bench.told.0);
    bench.store_answers = Some(true);
    bench.run(200);
    assert!(bench.told.0);
}

#[test]
fn a21_what_was_decided_before_a_pause_is_told_only_by_lease_or_by_the_routers_word() {
    let mut bench = Bench::new();
    bench.run(500);
    bench.apply(Input::Leads(Some(3)));
    bench.beat = Some(led_by(7, true));
    bench.run(1_000);
    let tells = |bench: &Bench, ms: u64| bench.node.may_tell((bench.ms + ms) * MS);
    assert!(tells(&bench, 0));
    let longest = (LEASE_STALE_NS.max(BEAT_STALE_NS) + LEASE_RENEW_NS) / MS;
    assert!(!tells(&bench, longest + 1), "stopped for so long that another may lead");
    bench.store_answers = None;
    bench.run(longest);
    assert!(tells(&bench, 0), "without the store the router's word is enough");
    bench.beat = Some(led_by(9, true));
    bench.run(50);
    assert!(!tells(&bench, 0));
}

#[test]
fn a21_a_word_that_lay_there_while_the_process_was_stopped_is_no_proof_that_it_leads() {
    let mut bench = Bench::new();
    bench.run(500);
    bench.apply(Input::Leads(Some(3)));
    bench.beat = Some(led_by(7, true));
    bench.run(1_000);
    bench.store_answers = None;
    let tells = |bench: &Bench| bench.node.may_tell(bench.ms * MS);
    // Stopped; it wakes to what the router had said before, and does not know since when that is untrue.
    let before = bench.asked_ns;
    bench.ms += 3_000;
    for _ in 0..3 {
        bench.apply(Input::Beat(Beat { asked_ns: before, ..led_by(7, true) }));
        bench.apply(Input::Tick);
        assert!(!tells(&bench), "an answer to a question of before");
        bench.ms += 20;
    }
    bench.apply(Input::Beat(Beat { asked_ns: 0, ..led_by(7, true) }));
    bench.apply(Input::Beat(Beat { asked_ns: (bench.ms + 1) * MS, ..led_by(7, true) }));
    assert!(!tells(&bench), "an answer to no question, and to one that was not asked yet");
    bench.run(50);
    assert!(tells(&bench), "what it asked since is answered");
}

#[test]
fn a21_a_word_that_a_link_sent_again_late_is_as_old_as_the_question_it_answers() {
    let mut bench = Bench::new();
    bench.run(500);
    bench.apply(Input::Leads(Some(3)));
    bench.beat = Some(led_by(7, true));
    bench.run(1_000);
    (bench.store_answers, bench.beat) = (None, None);
    let before = bench.asked_ns;
    bench.run(BEAT_STALE_NS / MS - 100);
    bench.apply(Input::Beat(Beat { asked_ns: before, ..led_by(7, true) }));
    assert!(bench.node.may_tell(before + BEAT_STALE_NS));
    assert!(!bench.node.may_tell(before + BEAT_STALE_NS + 1));
}

#[test]
fn a21_a_leader_stops_new_orders_when_neither_store_nor_router_speaks() {
    let mut bench = Bench::new();
    bench.run(500);
    bench.apply(Input::Leads(Some(3)));
    bench.beat = Some(led_by(7, true));
    bench.run(1_000);
    assert_eq!(bench.told, (true, true));
    bench.store_answers = None;
    bench.beat = None;
    bench.run((LEASE_STALE_NS + LEASE_RENEW_NS + BEAT_STALE_NS) / MS);
    assert!(!bench.told.1);
}

#[test]
fn a21_without_the_store_a_leader_goes_on_for_five_seconds_while_the_router_confirms() {
    let mut bench = Bench::new();
    bench.run(500);
    bench.apply(Input::Leads(Some(3)));
    bench.beat = Some(led_by(7, true));
    bench.run(1_000);
    bench.store_answers = None;
    bench.run(5_000);
    assert!(bench.told.1);
    bench.run(1_000);
    assert_eq!(bench.told, (false, false));
    bench.store_answers = Some(true);
    bench.run(200);
    assert_eq!(bench.told, (true, true), "the store is back");
}

#[test]
fn a21_a_standby_that_holds_the_lease_of_a_leader_cut_off_from_the_store_takes_over_in_the_end() {
    let mut bench = Bench::new();
    bench.beat = Some(led_by(9, true));
    bench.run((WITHOUT_STORE_NS + TAKEOVER_WAIT_NS) / MS - 100);
    assert!(!bench.told.0);
    bench.run(300);
    assert!(bench.told.0);
}

#[test]
fn a21_another_build_may_neither_ask_nor_lead() {
    let mut bench = Bench::new();
    bench.beat = Some(Beat { identity: Identity { build: 2, ..OWN }, ..nobody() });
    bench.run(5_000);
    assert_eq!((bench.told.0, bench.skewed), (false, Some(Skew::Build)));
    bench.beat = Some(nobody());
    bench.run(1_000);
    assert!(bench.told.0, "the same build again");
}

#[test]
fn a21_a_handover_releases_the_lease_and_the_standby_asks_without_it() {
    let mut leader = Bench::new();
    leader.run(500);
    leader.apply(Input::Leads(Some(3)));
    leader.apply(Input::HandOver);
    leader.apply(Input::Leads(None));
    assert_eq!((leader.stepped_down, leader.released), (1, true));
    leader.beat = Some(led_by(7, true));
    leader.run(HANDOVER_NS / MS - 100);
    assert!(!leader.told.0, "it does not take back what it gave");
    leader.beat = Some(led_by(7, false));
    leader.run(1_000);
    assert!(leader.told.0, "nobody took it");
    let mut standby = Bench::new();
    standby.store_answers = None;
    standby.beat = Some(led_by(9, true));
    standby.run(500);
    standby.apply(Input::TakeOver);
    assert!(standby.told.0);
}

#[test]
fn a21_the_wall_clock_decides_nothing() {
    let mut node = Node::new(NodeConfig::new(7, OWN));
    let mut out = Vec::new();
    node.apply(0, 0, Input::Tick, &mut out);
    let request = out.iter().find_map(|output| match output {
        Output::Store(request) => Some(*request),
        _ => None,
    });
    let request = request.unwrap();
    node.apply(1, i64::MAX, Input::Lease(LeaseReply { token: request.token, ours: true }), &mut out);
    node.apply(2, i64::MIN, Input::Tick, &mut out);
    assert!(node.lease_held(2));
}

#[test]
fn a_beat_reads_back_and_other_bytes_are_refused() {
    let identity = Identity { build: 1, schema: 2, config: 3 };
    for leader_alive in [true, false] {
        let beat = Beat { epoch: 7, holder: u64::MAX, leader_alive, identity, asked_ns: u64::MAX - 1 };
        let mut bytes = beat.encode();
        assert_eq!(Beat::decode(&bytes), Some(beat));
        assert_eq!(Beat::decode(&bytes[1..]), None);
        bytes[13] = 2;
        assert_eq!(Beat::decode(&bytes), None);
    }
    let question = Question { asked_ns: u64::MAX - 1 };
    let bytes = question.encode();
    assert_eq!(Question::decode(&bytes), Some(question));
    for other in [&bytes[1..], &bytes[..8], &[], &[b'B'; 9], &[b'Q'; 10]] {
        assert_eq!(Question::decode(other), None);
    }
}

#[test]
fn a21_a_leader_steps_down_when_the_router_names_a_later_one_and_not_for_an_old_word() {
    let mut bench = Bench::new();
    bench.run(500);
    bench.apply(Input::Leads(Some(3)));
    bench.apply(Input::Beat(Beat { epoch: 2, ..led_by(9, true) }));
    assert_eq!((bench.stepped_down, bench.node.role()), (0, Role::Leader), "from before its own grant");
    bench.apply(Input::Beat(Beat { epoch: 4, ..led_by(9, true) }));
    assert_eq!((bench.stepped_down, bench.node.role()), (1, Role::Standby));
}
