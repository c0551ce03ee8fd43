use super::*;

const ID: &str = "0000000000000000000000abc";
const OTHER: &str = "0000000000000000000000abd";

fn table() -> Table {
    let row = |id: u32, symbol: &str, qty_unit: i64| {
        json!({
            "id": id, "venue_id": 6, "venue": "SHIOAJI", "symbol": symbol, "kind": "equity", "base": symbol, "quote": "TWD",
            "px_scale": 2, "px_unit": 1, "qty_scale": 0, "qty_unit": qty_unit, "e8_per_tick_lot": 1_000_000 * qty_unit,
            "min_qty_lots": 1, "max_qty_lots": 499, "min_notional_e8": 0,
        })
    };
    let rows = [row(9, "2890", 1_000), row(10, "5483", 1_000), row(11, "2330", 1)];
    Table::from_json(json!({ "version": 1, "instruments": rows }).to_string().as_bytes()).unwrap()
}

fn command(id: &str, instrument_id: u32) -> Command {
    Command {
        kind: CommandKind::New.into(),
        client_order_id: id.into(),
        instrument_id,
        venue_id: 6,
        side: PbSide::Buy.into(),
        order_type: OrderType::Limit.into(),
        tif: Tif::Gtc.into(),
        px_ticks: 2_685,
        qty_lots: 3,
        ..Command::default()
    }
}

fn desk(orders: &[&str]) -> Desk {
    let settings =
        ShioajiSettings { broker_id: "9A95".into(), account_id: "1".into(), otc_codes: vec!["5483".into()] };
    let mut desk = Desk::new(VenueId(6), settings, "key", "secret");
    for id in orders {
        desk.observe(&Entry::Command { command: command(id, 9), ts_ns: 1 });
    }
    desk
}

fn id() -> ClientId {
    ClientId::parse(ID).unwrap()
}

fn now() -> Now {
    Now { mono_ns: 1, epoch_ns: 1_779_333_920_000_000_000 }
}

fn got(status: u16, body: Value) -> Reply {
    Reply::Got { status, body, retry_after_s: None }
}

fn trade(desk: &Desk, status: &str, deals: &Value) -> Value {
    json!({
        "contract": { "code": "2890" },
        "order": { "id": "892f730b", "action": "Buy", "price": 26.85, "quantity": 3, "custom_field": desk.ours[&id()].field },
        "status": { "status": status, "deal_quantity": deals.as_array().unwrap().len(), "cancel_quantity": 0,
            "modified_price": 0.0, "msg": "", "deals": deals },
    })
}

fn answers(desk: &mut Desk, token: u64, reply: Reply) -> Vec<Answer> {
    let mut out = Out::default();
    desk.replied(token, reply, &table(), now(), &mut out);
    let answer = |word| if let Word::Answer { answer, .. } = word { Some(answer) } else { None };
    out.words.into_iter().filter_map(answer).collect()
}

fn ask(desk: &mut Desk, token: u64, what: &What, instrument: u32) -> Begun {
    desk.begin(token, what, table().get(InstrumentId(instrument)), now())
}

fn place(id: &str, instrument: u32) -> What {
    What::Place { command: Box::new(command(id, instrument)), ts_ns: 1 }
}

#[test]
fn a_field_follows_from_the_journal_and_two_that_meet_are_told_apart() {
    let one = desk(&[ID, OTHER]);
    let again = desk(&[ID, OTHER]);
    let field = |desk: &Desk, id: &str| desk.ours[&ClientId::parse(id).unwrap()].field.clone();
    assert_eq!(field(&one, ID), field(&again, ID));
    assert_ne!(field(&one, ID), field(&one, OTHER));
    assert_eq!(field_text(0), "000000");
    assert_eq!(field_text(FIELDS - 1), "zzzzzz");
    // Another order has the field already: the next free one.
    let mut meets = desk(&[]);
    let first = field_text(first_field(ID));
    meets.fields.insert(first.clone(), ClientId::parse(OTHER).unwrap());
    meets.observe(&Entry::Command { command: command(ID, 9), ts_ns: 1 });
    assert_eq!(field(&meets, ID), field_text((first_field(ID) + 1) % FIELDS));
}

#[test]
fn b024_an_order_is_written_with_its_field_its_market_and_its_price_by_digits() {
    let mut one = desk(&[ID]);
    let Begun::Ask(asked) = ask(&mut one, 1, &place(ID, 9), 9) else { panic!() };
    let text = asked.body.unwrap();
    assert!(text.contains("\"price\":26.85") && text.contains("\"exchange\":\"TSE\""), "{text}");
    assert!(text.contains("\"order_type\":\"ROD\"") && text.contains(&one.ours[&id()].field), "{text}");
    let mut otc = desk(&[ID]);
    let Begun::Ask(asked) = ask(&mut otc, 1, &place(ID, 10), 10) else { panic!() };
    assert!(asked.body.unwrap().contains("\"exchange\":\"OTC\""));
    assert_eq!(ask(&mut desk(&[ID]), 1, &place(ID, 11), 11), Begun::Never, "it is not counted in board lots");
}

#[test]
fn new_orders_go_one_after_the_other_and_more_than_may_wait_are_refused() {
    let mut one = desk(&[ID]);
    assert!(matches!(ask(&mut one, 1, &place(ID, 9), 9), Begun::Ask(_)));
    for token in 0..PLACES_WAITING_MAX as u64 {
        assert_eq!(ask(&mut one, 2 + token, &place(ID, 9), 9), Begun::Waits);
    }
    assert_eq!(ask(&mut one, 999, &place(ID, 9), 9), Begun::Full);
    let mut out = Out::default();
    let taken = trade(&one, "PendingSubmit", &json!([]));
    one.replied(1, got(200, taken), &table(), now(), &mut out);
    assert_eq!(out.first.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [2]);
    assert_eq!(one.recall().len(), PLACES_WAITING_MAX - 1, "a kill takes back what waits");
}

#[test]
fn b022_what_an_answer_to_a_new_order_proves() {
    let mut failed = trade(&desk(&[ID]), "Failed", &json!([]));
    failed["status"]["msg"] = "Insufficient funds".into();
    let said = json!({ "message": "no" });
    let taken = trade(&desk(&[ID]), "PendingSubmit", &json!([]));
    for (reply, want) in [
        (got(200, taken), "Placed"),
        (got(200, failed), "Refused"),
        (got(200, json!({})), "Unclear"),
        (got(404, said.clone()), "Refused"),
        (got(503, said.clone()), "Busy"),
        (got(500, said), "Unclear"),
        (Reply::Lost("cut".into()), "Unclear"),
    ] {
        let mut desk = desk(&[ID]);
        ask(&mut desk, 1, &place(ID, 9), 9);
        let answer = answers(&mut desk, 1, reply.clone());
        assert!(format!("{:?}", answer[0]).starts_with(want), "{reply:?}: {answer:?}");
    }
}

#[test]
fn an_order_is_found_by_its_field_and_two_that_fit_are_a_persons() {
    let what = What::Status { instrument: InstrumentId(9), id: id(), side: 1, venue_order_id: String::new() };
    let mut desk = desk(&[ID]);
    let one = trade(&desk, "Submitted", &json!([]));
    let mut other = one.clone();
    other["order"]["id"] = "other".into();
    ask(&mut desk, 1, &what, 9);
    assert_eq!(answers(&mut desk, 1, got(200, json!([]))), [Answer::NotFound]);
    ask(&mut desk, 2, &what, 9);
    assert!(matches!(answers(&mut desk, 2, got(200, json!([one, other])))[..], [Answer::Failed { .. }]));
    ask(&mut desk, 3, &what, 9);
    let answer = answers(&mut desk, 3, got(200, json!([one])));
    assert!(
        matches!(&answer[..], [Answer::Status(status)] if status.venue_order_id == "892f730b"),
        "{answer:?}"
    );
    // By then the daemon's own id tells them apart.
    ask(&mut desk, 4, &what, 9);
    assert!(matches!(answers(&mut desk, 4, got(200, json!([one, other])))[..], [Answer::Status(_)]));
}

#[test]
fn b016_a_deal_of_the_stream_and_of_the_list_have_one_key_and_two_alike_are_two() {
    let mut desk = desk(&[ID]);
    let field = desk.ours[&id()].field.clone();
    let deal = |seq: &str| {
        json!({ "state": "StockDeal", "data": { "StockDeal": { "trade_id": "892f730b", "exchange_seq": seq, "action": "Buy",
            "code": "2890", "price": 27.1, "quantity": 1, "custom_field": field, "ts": 1_779_333_920.5 } } })
        .to_string()
        .into_bytes()
    };
    let mut out = Out::default();
    for seq in ["1", "1", "2"] {
        desk.heard(&deal(seq), &table(), now(), &mut out);
    }
    let key = |word: &Word| match word {
        Word::Exec(_, Exec { kind: ExecKind::Trade(fill), .. }) => fill.exec_id.clone(),
        other => panic!("{other:?}"),
    };
    let told: Vec<String> = out.words.iter().map(key).collect();
    assert_eq!(told.len(), 2, "the second one was the first again");
    let rows = json!([{ "price": 27.1, "quantity": 1, "ts": 1_779_333_920.5 }, { "price": 27.1, "quantity": 1, "ts": 1_779_333_920.5 }]);
    let what = What::Trades { instrument: InstrumentId(9), venue_order_id: None, from_id: 0, since_ns: 1 };
    ask(&mut desk, 1, &what, 9);
    let listed = trade(&desk, "PartFilled", &rows);
    let answer = answers(&mut desk, 1, got(200, json!([listed])));
    let [Answer::Trades(rows)] = &answer[..] else { panic!("{answer:?}") };
    assert_eq!(rows.iter().map(|row| row.fill.exec_id.clone()).collect::<Vec<_>>(), told);
    // One like those that were booked before a restart may be one of them: the list is asked.
    let mut later = self::desk(&[ID]);
    let report = Report {
        kind: ReportKind::Fill.into(),
        venue_id: 6,
        client_order_id: ID.into(),
        exec_id: told[1].clone(),
        last_px_ticks: 2_710,
        last_qty_lots: 1,
        ts_venue_ns: 1_779_333_920_500_000_000,
        ..Report::default()
    };
    later.observe(&Entry::Report(report));
    let mut out = Out::default();
    later.heard(&deal("3"), &table(), now(), &mut out);
    assert!(matches!(out.words[..], [Word::Garbled(_)]), "{:?}", out.words);
}

#[test]
fn b023_an_amend_is_one_change_and_what_adds_is_refused_before_a_byte_is_sent() {
    let amend = |px_ticks, qty_lots| What::Amend {
        instrument: InstrumentId(9),
        id: id(),
        side: 1,
        venue_order_id: "892f730b".into(),
        terms: Terms { px_ticks, qty_lots },
        booked_lots: 0,
        ts_ns: 1,
    };
    let mut desk = desk(&[ID]);
    for terms in [amend(2_685, 4), amend(2_600, 2)] {
        assert!(matches!(ask(&mut desk, 1, &terms, 9), Begun::Known(Answer::Refused { .. })));
    }
    let Begun::Ask(asked) = ask(&mut desk, 1, &amend(2_685, 1), 9) else { panic!() };
    assert!(asked.target.ends_with("update_qty") && asked.body.unwrap().contains("\"quantity\":2"));
    assert!(answers(&mut desk, 1, got(200, json!({}))).is_empty(), "the answer is the order as it was");
    let event = json!({ "state": "StockOrder", "data": { "StockOrder": {
        "operation": { "op_type": "UpdateQty", "op_code": "00", "op_msg": "" },
        "order": { "id": "892f730b", "action": "Buy", "price": 26.85, "quantity": 3, "custom_field": desk.ours[&id()].field },
        "status": { "exchange_ts": 1_779_333_919.92, "modified_price": 0.0, "cancel_quantity": 2 }, "contract": { "code": "2890" } } } });
    let mut out = Out::default();
    desk.heard(event.to_string().as_bytes(), &table(), now(), &mut out);
    let want = Terms { px_ticks: 2_685, qty_lots: 1 };
    assert!(
        matches!(&out.words[..], [Word::Answer { token: 1, answer: Answer::Replaced { terms, .. } }] if *terms == want),
        "{:?}",
        out.words
    );
}

#[test]
fn numbers_are_read_by_their_digits_and_milliseconds_are_no_seconds() {
    assert_eq!(seconds_of(&json!(1_779_333_919.92)), Some(1_779_333_919_920_000_000));
    assert_eq!(seconds_of(&json!(1_779_333_919)), Some(1_779_333_919_000_000_000));
    assert_eq!(seconds_of(&json!(1_779_333_919_920_i64)), None);
    assert_eq!(lots_of(&json!(3.0)), Some(3));
    assert_eq!(lots_of(&json!(3.5)), None);
    assert_eq!(lots_of(&json!("3")), None);
}
