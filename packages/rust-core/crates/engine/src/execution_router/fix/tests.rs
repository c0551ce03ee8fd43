use super::*;
use tidegate_fix::frame::checksum;
use tidegate_wire::pb::orders::v1::Report;

const ID: &str = "0123456789abcdefghijklmno";
const VENUE: VenueId = VenueId(7);
const TS: i64 = 1_709_251_199_123_000_000;
const TABLE: &str = r#"{"version":1,"instruments":[{"id":3,"venue_id":7,"venue":"FIX","symbol":"BTC/USD","kind":"spot",
    "base":"BTC","quote":"USD","px_scale":2,"px_unit":1,"qty_scale":5,"qty_unit":1,"e8_per_tick_lot":10,"min_qty_lots":1,
    "max_qty_lots":1000000,"min_notional_e8":0}]}"#;

fn table() -> Table {
    Table::from_json(TABLE.as_bytes()).unwrap()
}

fn id() -> ClientId {
    ClientId::parse(ID).unwrap()
}

struct Rig {
    desk: Desk,
    table: Table,
    body: Body,
}

impl Rig {
    fn new() -> Self {
        Self { desk: Desk::new(VENUE, TS - 1), table: table(), body: Body::new() }
    }

    /// Writes a request under a token that is its number too; gives its type and body.
    fn write(&mut self, token: u64, what: &What) -> (Written, String) {
        let row = self.table.get(InstrumentId(3));
        let written = self.desk.write(&mut self.body, token, what, row, (TS, 1));
        self.desk.sent(token, token);
        let bytes = self.body.bytes().unwrap().to_vec();
        (written, String::from_utf8(bytes).unwrap().replace('\u{1}', "|"))
    }

    fn hear(&mut self, fields: &str) -> Vec<Word> {
        let body = format!("35={fields}|52=20240229-23:59:59.500|").replace("||", "|").replace('|', "\u{1}");
        let mut raw = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len()).into_bytes();
        let sum = checksum(&raw);
        raw.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
        let (mut room, mut out) = (Vec::new(), Vec::new());
        self.desk.heard(&self.table, &Message::parse(&raw, &mut room).unwrap(), &mut out);
        out
    }

    fn place(&mut self, token: u64, tif: Tif) -> (Written, String) {
        self.write(token, &What::Place { command: Box::new(new(tif)), ts_ns: TS })
    }
}

fn new(tif: Tif) -> Command {
    Command {
        kind: CommandKind::New.into(),
        client_order_id: ID.into(),
        venue_id: VENUE.0,
        side: PbSide::Sell.into(),
        order_type: OrderType::Limit.into(),
        tif: tif.into(),
        px_ticks: 6_180_020,
        qty_lots: 4_627,
        ..Command::default()
    }
}

fn cancel() -> What {
    let (side, venue_order_id) = (PbSide::Sell.into(), "9".into());
    What::Cancel { instrument: InstrumentId(3), id: id(), side, venue_order_id }
}

fn status() -> What {
    let (side, venue_order_id) = (PbSide::Sell.into(), String::new());
    What::Status { instrument: InstrumentId(3), id: id(), side, venue_order_id }
}

fn amend() -> What {
    let terms = Terms { px_ticks: 6_180_000, qty_lots: 5_000 };
    let (side, venue_order_id) = (PbSide::Sell.into(), "9".into());
    What::Amend {
        instrument: InstrumentId(3),
        id: id(),
        side,
        venue_order_id,
        terms,
        booked_lots: 0,
        ts_ns: 255,
    }
}

/// A report of the order: its ExecType, OrdStatus and what else it has.
fn report(exec: &str, status: &str, more: &str) -> String {
    format!("8|37=9|11={ID}|17=x1|150={exec}|39={status}|55=BTC/USD|54=2|151=0.04627|14=0|6=0|{more}")
}

const FILL: &str = "32=0.01|31=61800.2|136=1|137=0.618|138=USD|139=4|851=1";

#[test]
fn b024_each_request_is_written_with_the_names_the_venue_knows_the_order_by() {
    let mut rig = Rig::new();
    let (written, text) = rig.place(1, Tif::PostOnly);
    assert_eq!(written, Written::Message(b"D"));
    let terms = "55=BTC/USD|18=6|54=2|60=20240229-23:59:59.123|38=0.04627|40=2|44=61800.2|59=1|";
    assert_eq!(text, format!("11={ID}|{terms}"));
    let (_, text) = rig.write(2, &status());
    assert_eq!(text, format!("11={ID}|55=BTC/USD|54=2|790=2|"));
    let (_, text) = rig.write(3, &amend());
    assert!(text.starts_with(&format!("11={ID}-ff|41={ID}|55=BTC/USD|18=6|54=2|")), "{text}");
    assert!(text.ends_with("38=0.05|40=2|44=61800|59=1|37=9|"), "{text}");
    rig.hear(&report("5", "0", "44=61800|38=0.05").replace(ID, &format!("{ID}-ff")));
    let (_, text) = rig.write(4, &cancel());
    let names = format!("11={ID}-c{TS:x}|41={ID}-ff|55=BTC/USD|54=2|");
    assert_eq!(text, format!("{names}60=20240229-23:59:59.123|37=9|"));
    let bare = What::Place { command: Box::new(Command { side: 0, ..new(Tif::Gtc) }), ts_ns: TS };
    assert_eq!(rig.desk.write(&mut rig.body, 5, &bare, None, (TS, 1)), Written::Never);
}

#[test]
fn b016_a_fill_is_read_with_its_key_its_fee_and_its_side() {
    let mut rig = Rig::new();
    rig.place(1, Tif::Gtc);
    let words = rig.hear(&report("F", "1", FILL).replace("14=0|", "14=0.01|"));
    let [Word::Exec(InstrumentId(3), exec), Word::Answer { token: 1, answer: Answer::Placed { .. } }] =
        &words[..]
    else {
        panic!("{words:?}")
    };
    let ExecKind::Trade(fill) = &exec.kind else { panic!() };
    assert_eq!((fill.exec_id.as_str(), fill.px_ticks, fill.qty_lots), ("x1", 6_180_020, 1_000));
    assert_eq!((fill.fee_e8, fill.fee_asset.as_str(), fill.maker), (61_800_000, "USD", true));
    assert_eq!((exec.id, exec.side, exec.cum_lots), (Some(id()), Some(Side::Sell), Some(1_000)));
    for (from, to) in [("31=61800.2", "31=61800.205"), ("138=USD", "138="), ("BTC/USD", "NOPE")] {
        let words = rig.hear(&report("F", "1", FILL).replace(from, to));
        assert!(matches!(words[..], [Word::Garbled(_)]), "{to}: {words:?}");
    }
}

#[test]
fn a_bust_and_a_correction_take_back_the_fill_they_name() {
    let mut rig = Rig::new();
    rig.hear(&report("F", "1", FILL));
    let undo = |exec: &str, of: &str, more: &str| {
        report(exec, "0", &format!("19={of}|{more}")).replace("17=x1", "17=x2")
    };
    let words = rig.hear(&undo("H", "x1", ""));
    let [Word::Exec(_, Exec { kind: ExecKind::Bust(fill), .. })] = &words[..] else { panic!("{words:?}") };
    assert_eq!((fill.exec_id.as_str(), fill.px_ticks, fill.qty_lots), ("x1/x2", 6_180_020, 1_000));
    let words = rig.hear(&undo("G", "x1", &FILL.replace("61800.2", "61800.21")));
    let [Word::Exec(_, Exec { kind: ExecKind::Corrected { undone, fill }, .. })] = &words[..] else {
        panic!("{words:?}")
    };
    assert_eq!((undone.exec_id.as_str(), undone.px_ticks), ("x1/x2", 6_180_020));
    assert_eq!((fill.exec_id.as_str(), fill.px_ticks), ("x2", 6_180_021));
    // Of a fill from before what is kept: a bust says what it takes back, a correction does not.
    let words = rig.hear(&undo("H", "x0", FILL));
    assert!(matches!(words[..], [Word::Exec(..)]), "{words:?}");
    for lost in [undo("H", "x0", ""), undo("G", "x0", FILL)] {
        assert!(matches!(rig.hear(&lost)[..], [Word::Garbled(_)]), "{lost}");
    }
}

#[test]
fn what_a_refusal_says_of_an_order() {
    let answer = |rig: &mut Rig, said: &str| match &rig.hear(said)[..] {
        [Word::Answer { token: 1, answer }] => answer.clone(),
        other => panic!("{other:?}"),
    };
    let refused = |text: &str| Answer::Refused { text: text.into() };
    for (said, want) in [
        (report("8", "8", "103=3|58=too much"), refused("8 3 too much")),
        (report("8", "8", "103=6|58=again"), Answer::Unclear { text: "8 6 again".into() }),
        ("j|45=1|372=D|380=6|58=no".into(), refused("j 6 no")),
        ("j|45=1|372=D|380=4|58=later".into(), Answer::Busy { text: "j 4 later".into() }),
    ] {
        let mut rig = Rig::new();
        rig.place(1, Tif::Gtc);
        assert_eq!(answer(&mut rig, &said), want, "{said}");
        // Whatever comes after it finds nothing that is awaited.
        assert!(!rig.hear(&said).iter().any(|word| matches!(word, Word::Answer { .. })), "{said}");
    }
    let mut rig = Rig::new();
    rig.place(1, Tif::Gtc);
    let mut out = Vec::new();
    rig.desk.rejected(2, "5 54 no", &mut out);
    assert_eq!(out, [], "another number");
    rig.desk.rejected(1, "5 54 no", &mut out);
    assert_eq!(out, [Word::Answer { token: 1, answer: refused("3 5 54 no") }]);
}

#[test]
fn b023_a_question_is_answered_with_the_state_or_with_not_found() {
    let mut rig = Rig::new();
    rig.write(1, &status());
    let words = rig.hear(&report("I", "8", "103=5|790=1").replace("37=9", "37=NONE"));
    assert_eq!(words, [Word::Answer { token: 1, answer: Answer::NotFound }]);
    for (code, state) in [
        ("0", VenueState::Live),
        ("1", VenueState::Live),
        ("6", VenueState::Live),
        ("2", VenueState::Filled),
        ("4", VenueState::Cancelled),
        ("8", VenueState::Rejected),
        ("C", VenueState::Expired),
    ] {
        rig.write(2, &status());
        let words = rig.hear(&report("I", code, "790=2|44=61800.2|38=0.04627"));
        let [Word::Answer { token: 2, answer: Answer::Status(told) }] = &words[..] else {
            panic!("{words:?}")
        };
        let terms = Some(Terms { px_ticks: 6_180_020, qty_lots: 4_627 });
        assert_eq!((told.state, told.terms, told.id), (state, terms, Some(id())), "{code}");
    }
    // Without the id of the question the order's own name finds it.
    rig.write(3, &status());
    assert!(matches!(rig.hear(&report("I", "0", ""))[..], [Word::Answer { token: 3, .. }]));
}

#[test]
fn the_list_of_what_is_open_is_whole_or_none() {
    let mut rig = Rig::new();
    let open = What::Open { instrument: InstrumentId(3) };
    assert_eq!(rig.write(1, &open).1, "584=1|585=7|");
    let row = |more: &str| report("I", "0", &format!("584=1|911=2|{more}"));
    assert_eq!(rig.hear(&row("")), []);
    let words = rig.hear(&row("").replace(ID, "somebody-elses"));
    assert_eq!(words, [Word::Answer { token: 1, answer: Answer::Open(vec![id()]) }]);
    assert!(rig.desk.logon_status(&mut rig.body, |_| Some(2), 1));
    let none = report("I", "8", "584=0|911=0|912=Y").replace(ID, "NONE").replace("BTC/USD", "NA");
    assert_eq!(rig.hear(&none), [Word::Ready]);
    // A venue that has no such question is asked order by order.
    assert!(rig.desk.logon_status(&mut rig.body, |_| Some(3), 1));
    assert_eq!(rig.hear("j|45=3|372=AF|380=3"), [Word::Ready]);
    rig.write(4, &What::Time);
    let words = rig.hear(&none.replace("584=0", "584=4"));
    let epoch_ns = TS - TS % 1_000_000_000 + 500_000_000;
    assert_eq!(words, [Word::Answer { token: 4, answer: Answer::Time { epoch_ns } }]);
}

#[test]
fn b049_a_kill_lists_and_cancels_what_is_nobodys_too_and_its_answers_are_nobodys() {
    let mut rig = Rig::new();
    Desk::sweep_cancel_all(&mut rig.body, 255, TS);
    assert_eq!(rig.body.bytes().unwrap(), b"11=kill-ff\x01530=7\x0160=20240229-23:59:59.123\x01");
    rig.desk.sweep_status(&mut rig.body, 1);
    let asked = String::from_utf8(rig.body.bytes().unwrap().to_vec()).unwrap();
    let token = asked.strip_prefix("584=").and_then(|text| text.split('\u{1}').next()).unwrap();
    let row = |id: &str| report("I", "0", &format!("584={token}|911=2")).replace(ID, id);
    assert_eq!(rig.hear(&row(ID)), []);
    let [Word::Listed(rows)] = &rig.hear(&row("by-hand"))[..] else { panic!() };
    assert_eq!(rows.iter().map(|row| row.cl_ord_id.as_str()).collect::<Vec<_>>(), [ID, "by-hand"]);
    assert!(Desk::sweep_cancel(&mut rig.body, &rows[1], TS));
    let cancel = String::from_utf8(rig.body.bytes().unwrap().to_vec()).unwrap().replace('\u{1}', "|");
    let id = format!("kill-{TS:x}-9");
    assert_eq!(cancel, format!("11={id}|41=by-hand|55=BTC/USD|54=2|60=20240229-23:59:59.123|37=9|"));
    assert_eq!(rig.hear(&format!("9|37=9|11={id}|41=by-hand|39=2|434=1|102=0")), []);
    // Of an order of ours the original names it.
    let words = rig.hear(&report("4", "4", &format!("41={ID}")).replacen(ID, &id, 1));
    let [Word::Exec(_, exec)] = &words[..] else { panic!("{words:?}") };
    assert_eq!((exec.id, &exec.kind), (Some(super::tests::id()), &ExecKind::Cancelled));
}

fn trades(venue_order_id: Option<&str>, since_ns: i64) -> What {
    let venue_order_id = venue_order_id.map(str::to_string);
    What::Trades { instrument: InstrumentId(3), venue_order_id, from_id: 1, since_ns }
}

#[test]
fn a_session_that_lost_messages_proves_nothing_of_trades_before() {
    let mut rig = Rig::new();
    let none = Written::Known(Answer::Trades(Vec::new()));
    assert_eq!(rig.write(1, &trades(None, TS)).0, none, "all there are have been told");
    // Of an order that is known to lack some the venue is asked.
    let (written, text) = rig.write(2, &trades(Some("9"), TS));
    assert_eq!((written, text.as_str()), (Written::Message(b"AD"), "568=2|569=1|263=0|37=9|55=BTC/USD|"));
    rig.desk.lost_before(TS + 5);
    for (since, whole) in [(TS, false), (TS + 5, false), (TS + 6, true)] {
        let (written, _) = rig.write(3, &trades(None, since));
        assert_eq!(written == none, whole, "{since}");
    }
    let words = rig.hear("j|45=3|372=AD|380=3|58=no");
    assert!(matches!(words[..], [Word::Answer { token: 3, answer: Answer::Failed { .. } }]), "{words:?}");
    assert!(matches!(rig.write(4, &trades(None, TS)).0, Written::Known(Answer::Failed { .. })));
    assert_eq!(rig.write(5, &trades(Some("9"), TS + 6)).0, none, "it will come");
}

#[test]
fn b016_a_list_of_trades_is_read_whole_or_not_at_all() {
    let row = |token: u64, more: &str| {
        let terms = "571=t1|570=N|17=x7|55=BTC/USD|32=0.01|31=61800.2|75=20240229|60=20240229-23:59:59.123";
        format!("AE|568={token}|748=2|{terms}|851=1|552=1|54=2|37=9|11={ID}|136=1|137=0.618|138=USD|{more}")
    };
    let mut rig = Rig::new();
    rig.write(1, &trades(Some("9"), TS));
    assert_eq!(rig.hear(&row(1, "")), []);
    let words = rig.hear(&row(1, "").replace("17=x7", "17=x8"));
    let [Word::Answer { token: 1, answer: Answer::Trades(rows) }] = &words[..] else { panic!("{words:?}") };
    let TradeRow { venue_order_id, side, fill } = &rows[0];
    assert_eq!((venue_order_id.as_str(), *side, fill.exec_id.as_str()), ("9", Side::Sell, "x7"));
    assert_eq!((fill.px_ticks, fill.qty_lots, fill.fee_e8), (6_180_020, 1_000, 61_800_000));
    assert_eq!((fill.maker, fill.ts_venue_ns, rows.len()), (true, TS, 2));
    rig.write(2, &trades(Some("9"), TS));
    let none = rig.hear("AQ|568=2|569=1|748=0|749=0|750=0|55=NA");
    assert_eq!(none, [Word::Answer { token: 2, answer: Answer::Trades(Vec::new()) }]);
    for (broken, with) in [("31=61800.2", "31=61800.205"), ("37=9|", ""), ("BTC/USD", "NOPE")] {
        rig.write(3, &trades(Some("9"), TS));
        let words = rig.hear(&row(3, "").replace(broken, with));
        assert!(matches!(words[..], [Word::Answer { answer: Answer::Failed { .. }, .. }]), "{words:?}");
        assert!(!rig.hear(&row(3, "")).iter().any(|word| matches!(word, Word::Answer { .. })));
    }
    rig.write(4, &trades(Some("9"), TS));
    assert_eq!(rig.hear("AQ|568=4|569=1|749=0|750=0|55=NA"), [], "it comes");
    let refused = rig.hear("AQ|568=4|569=1|749=99|750=2|55=NA");
    assert!(matches!(refused[..], [Word::Answer { token: 4, answer: Answer::Failed { .. } }]));
}

#[test]
fn the_journal_brings_back_versions_and_fills() {
    let mut rig = Rig::new();
    let told = |kind: ReportKind| {
        Entry::Report(Report {
            kind: kind.into(),
            venue_id: VENUE.0,
            client_order_id: ID.into(),
            exec_id: "x1".into(),
            last_px_ticks: 6_180_020,
            last_qty_lots: 1_000,
            ..Report::default()
        })
    };
    let of = |kind: CommandKind, ts_ns| Entry::Command {
        command: Command { kind: kind.into(), ..new(Tif::PostOnly) },
        ts_ns,
    };
    for entry in [of(CommandKind::New, TS), of(CommandKind::Amend, 255), told(ReportKind::Fill)] {
        rig.desk.fold(&entry);
    }
    assert_eq!(rig.desk.version(id()), ID, "the amend is not answered");
    rig.desk.fold(&told(ReportKind::Replaced));
    assert_eq!(rig.desk.version(id()), format!("{ID}-ff"));
    let (_, text) = rig.write(1, &amend());
    assert!(text.contains("18=6"), "post-only stays: {text}");
    let words = rig.hear(&report("H", "0", "19=x1"));
    assert!(matches!(words[..], [Word::Exec(..)]), "{words:?}");
    rig.desk.fold(&told(ReportKind::Cancelled));
    assert_eq!(rig.desk.version(id()), ID, "an order that has ended is forgotten");
}
