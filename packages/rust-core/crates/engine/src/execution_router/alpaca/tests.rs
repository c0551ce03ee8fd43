use super::*;
use tidegate_wire::pb::orders::v1::CommandKind;

const ID: &str = "0000000000000000000000abc";
const OLD: &str = "61e69015-8549-4bfd-b9c3-01e75843f47d";
const NEW: &str = "71e69015-8549-4bfd-b9c3-01e75843f47d";

fn table() -> Table {
    let row = json!({
        "id": 9, "venue_id": 4, "venue": "ALPACA", "symbol": "AAPL", "kind": "equity", "base": "AAPL", "quote": "USD",
        "px_scale": 2, "px_unit": 1, "qty_scale": 0, "qty_unit": 1, "e8_per_tick_lot": 1_000_000, "min_qty_lots": 1,
        "max_qty_lots": 1_000, "min_notional_e8": 0,
    });
    Table::from_json(json!({ "version": 1, "instruments": [row] }).to_string().as_bytes()).unwrap()
}

fn desk() -> Desk {
    Desk::new(VenueId(4), "key".into(), "secret".into())
}

fn id() -> ClientId {
    ClientId::parse(ID).unwrap()
}

fn at(mono_ns: u64) -> Now {
    Now { mono_ns, epoch_ns: 1_723_161_256_123_000_000 }
}

fn order(change: &Value) -> Value {
    let mut body = json!({
        "id": OLD, "client_order_id": ID, "symbol": "AAPL", "side": "buy", "status": "new", "qty": "5", "filled_qty": "0",
        "limit_price": "150.25", "replaces": null, "replaced_by": null, "updated_at": "2024-08-08T23:54:16.123Z",
    });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn got(status: u16, body: Value) -> Reply {
    Reply::Got { status, body, retry_after_s: None }
}

fn event(name: &str, change: &Value, more: &Value) -> Vec<u8> {
    let mut data = json!({ "event": name, "timestamp": "2024-08-08T23:54:16.5Z", "execution_id": "e-1", "order": order(change) });
    for (name, value) in more.as_object().unwrap() {
        data[name] = value.clone();
    }
    json!({ "stream": "trade_updates", "data": data }).to_string().into_bytes()
}

/// Begins a request and gives what it asks for.
fn ask(desk: &mut Desk, token: u64, what: &What) -> Ask {
    match desk.begin(token, what, table().get(InstrumentId(9)), at(1)) {
        Begun::Ask(ask) => ask,
        other => panic!("{other:?}"),
    }
}

fn answers(desk: &mut Desk, token: u64, reply: Reply) -> Vec<Answer> {
    let mut out = Out::default();
    desk.replied(token, reply, &table(), at(2), &mut out);
    let answer = |word| if let Word::Answer { answer, .. } = word { Some(answer) } else { None };
    out.words.into_iter().filter_map(answer).collect()
}

fn hear(desk: &mut Desk, bytes: &[u8]) -> Vec<Word> {
    let mut out = Out::default();
    desk.heard(bytes, &table(), at(3), &mut out);
    out.words
}

fn new_order(tif: Tif) -> What {
    let command = Command {
        kind: CommandKind::New.into(),
        client_order_id: ID.into(),
        instrument_id: 9,
        venue_id: 4,
        side: PbSide::Buy.into(),
        order_type: OrderType::Limit.into(),
        tif: tif.into(),
        px_ticks: 15_025,
        qty_lots: 5,
        ..Command::default()
    };
    What::Place { command: Box::new(command), ts_ns: 255 }
}

fn amend(booked_lots: u64) -> What {
    What::Amend {
        instrument: InstrumentId(9),
        id: id(),
        side: PbSide::Buy.into(),
        venue_order_id: OLD.into(),
        terms: Terms { px_ticks: 14_000, qty_lots: 7 },
        booked_lots,
        ts_ns: 255,
    }
}

#[test]
fn b024_an_order_is_written_with_our_id_and_decimal_texts_and_post_only_not_at_all() {
    let asked = ask(&mut desk(), 1, &new_order(Tif::Gtc));
    let body: Value = serde_json::from_str(asked.body.as_deref().unwrap()).unwrap();
    assert_eq!((asked.method, asked.target.as_str()), ("POST", "/v2/orders"));
    let want = json!({ "symbol": "AAPL", "qty": "5", "side": "buy", "type": "limit", "time_in_force": "gtc",
        "client_order_id": ID, "limit_price": "150.25" });
    assert_eq!(body, want);
    let row = table();
    assert_eq!(desk().begin(1, &new_order(Tif::PostOnly), row.get(InstrumentId(9)), at(1)), Begun::Never);
}

#[test]
fn b022_what_an_answer_to_a_new_order_proves() {
    let error =
        |status: u16, code: i64, message: &str| got(status, json!({ "code": code, "message": message }));
    let unclear = |answer: &Answer| matches!(answer, Answer::Unclear { .. });
    let refused = |answer: &Answer| matches!(answer, Answer::Refused { .. });
    let busy = |answer: &Answer| matches!(answer, Answer::Busy { .. });
    let placed =
        |answer: &Answer| matches!(answer, Answer::Placed { venue_order_id, .. } if venue_order_id == OLD);
    type Wanted<'a> = &'a dyn Fn(&Answer) -> bool;
    let cases: [(Reply, Wanted<'_>); 11] = [
        (got(200, order(&json!({ "status": "pending_new" }))), &placed),
        (got(200, order(&json!({ "filled_qty": 1 }))), &unclear),
        (got(200, order(&json!({ "status": "unheard_of" }))), &unclear),
        (error(422, 40_010_001, "client_order_id must be unique"), &unclear),
        (error(422, 42_210_000, "sub-penny"), &refused),
        (error(403, 40_310_000, "insufficient buying power"), &refused),
        (error(429, 42_910_000, "rate limit exceeded"), &busy),
        (error(408, 0, ""), &unclear),
        (error(504, 50_410_000, "gateway timeout"), &unclear),
        (error(302, 0, ""), &unclear),
        (Reply::Lost("cut".into()), &unclear),
    ];
    for (reply, want) in cases {
        let mut desk = desk();
        ask(&mut desk, 1, &new_order(Tif::Gtc));
        let answer = answers(&mut desk, 1, reply.clone());
        assert!(answer.len() == 1 && want(&answer[0]), "{reply:?}: {answer:?}");
    }
    let mut desk = desk();
    ask(&mut desk, 1, &new_order(Tif::Gtc));
    let mut out = Out::default();
    desk.replied(1, Reply::Unsent("refused".into()), &table(), at(2), &mut out);
    assert_eq!(out.words, [Word::Unsent { token: 1 }]);
}

#[test]
fn b016_a_fill_of_the_stream_and_of_the_list_have_one_key() {
    let mut desk = desk();
    let more = json!({ "price": "150.25", "qty": "2", "position_qty": "2" });
    let words = hear(&mut desk, &event("partial_fill", &json!({ "filled_qty": "2" }), &more));
    let [Word::Exec(InstrumentId(9), exec)] = &words[..] else { panic!("{words:?}") };
    let ExecKind::Trade(told) = &exec.kind else { panic!("{exec:?}") };
    assert_eq!((exec.id, exec.cum_lots, told.px_ticks, told.qty_lots), (Some(id()), Some(2), 15_025, 2));
    let what = What::Trades {
        instrument: InstrumentId(9),
        venue_order_id: None,
        from_id: 0,
        since_ns: 1_723_161_256_123_000_000,
    };
    let asked = ask(&mut desk, 2, &what);
    assert!(asked.target.contains("after=2024-08-08T23:54:06.123Z"), "{}", asked.target);
    let row = json!({ "id": "20240808::e-1", "order_id": OLD, "symbol": "AAPL", "side": "buy", "price": "150.25", "qty": "2",
        "transaction_time": "2024-08-08T23:54:16.5Z" });
    let answer = answers(&mut desk, 2, got(200, json!([row])));
    let [Answer::Trades(rows)] = &answer[..] else { panic!("{answer:?}") };
    assert_eq!(rows[0].fill, *told);
    let bust =
        json!({ "price": "150.25", "qty": "2", "previous_execution_id": "e-1", "execution_id": "e-2" });
    let words = hear(&mut desk, &event("trade_bust", &json!({}), &bust));
    let [Word::Exec(_, Exec { kind: ExecKind::Bust(fill), cum_lots: None, .. })] = &words[..] else {
        panic!("{words:?}")
    };
    assert_eq!(fill.exec_id, "e-1/bust");
}

#[test]
fn b023_an_amend_asks_for_what_is_left_and_says_what_the_total_came_to() {
    let mut desk = desk();
    let asked = ask(&mut desk, 1, &amend(2));
    let body: Value = serde_json::from_str(asked.body.as_deref().unwrap()).unwrap();
    assert_eq!((asked.method, body["qty"].as_str()), ("PATCH", Some("5")));
    let next = format!("{ID}-ff");
    assert_eq!(body["client_order_id"].as_str(), Some(next.as_str()));
    let fresh = json!({ "id": NEW, "client_order_id": next, "qty": "5", "limit_price": "140.00", "replaces": OLD, "status": "accepted" });
    assert!(answers(&mut desk, 1, got(200, order(&fresh))).is_empty(), "taken, and not final");
    // A third one has filled meanwhile: it comes on top.
    let done = json!({ "status": "replaced", "filled_qty": "3", "replaced_by": NEW });
    let words = hear(&mut desk, &event("replaced", &done, &json!({})));
    let [Word::Answer { token: 1, answer: Answer::Replaced { venue_order_id, terms, cum_lots, .. } }] =
        &words[..]
    else {
        panic!("{words:?}")
    };
    assert_eq!(
        (venue_order_id.as_str(), *terms, *cum_lots),
        (NEW, Terms { px_ticks: 14_000, qty_lots: 8 }, 3)
    );
    // What the new version fills counts with what the old one had.
    let more = json!({ "price": "140.00", "qty": "5", "position_qty": "8" });
    let whole =
        json!({ "id": NEW, "client_order_id": next, "replaces": OLD, "filled_qty": "5", "status": "filled" });
    let words = hear(&mut desk, &event("fill", &whole, &more));
    let [Word::Exec(_, exec)] = &words[..] else { panic!("{words:?}") };
    assert_eq!((exec.id, exec.cum_lots), (Some(id()), Some(8)));
}

#[test]
fn b023_the_state_of_an_order_is_the_sum_over_its_versions_and_an_unknown_chain_ends_nothing() {
    let mut desk = desk();
    let what = What::Status { instrument: InstrumentId(9), id: id(), side: 1, venue_order_id: String::new() };
    ask(&mut desk, 1, &what);
    let mut out = Out::default();
    let old = json!({ "status": "replaced", "filled_qty": "3", "replaced_by": NEW });
    desk.replied(1, got(200, order(&old)), &table(), at(2), &mut out);
    assert_eq!(out.asks, [(1, Ask::get(format!("/v2/orders/{NEW}")))]);
    let new = json!({ "id": NEW, "replaces": OLD, "filled_qty": "1", "qty": "4", "limit_price": "140.00" });
    let answer = answers(&mut desk, 1, got(200, order(&new)));
    let [Answer::Status(status)] = &answer[..] else { panic!("{answer:?}") };
    assert_eq!((status.cum_lots, status.terms), (4, Some(Terms { px_ticks: 14_000, qty_lots: 7 })));
    let none = json!({ "code": NOT_FOUND, "message": "order not found" });
    ask(&mut desk, 2, &what);
    assert_eq!(answers(&mut desk, 2, got(404, none)), [Answer::NotFound]);
    ask(&mut desk, 3, &what);
    assert!(
        matches!(answers(&mut desk, 3, got(404, json!({})))[..], [Answer::Failed { .. }]),
        "of something else"
    );
    // A desk that was started anew does not know what the versions before had filled.
    let mut fresh = self::desk();
    let ended = json!({ "id": NEW, "replaces": OLD, "status": "canceled" });
    assert!(matches!(hear(&mut fresh, &event("canceled", &ended, &json!({})))[..], [Word::Garbled(_)]));
}

#[test]
fn b049_a_cancel_is_done_when_the_stream_says_so_and_asked_for_when_it_does_not() {
    let cancel = What::Cancel { instrument: InstrumentId(9), id: id(), side: 1, venue_order_id: OLD.into() };
    let mut desk = desk();
    assert_eq!(ask(&mut desk, 1, &cancel), delete(OLD));
    assert!(answers(&mut desk, 1, got(204, Value::Null)).is_empty());
    let words = hear(&mut desk, &event("canceled", &json!({ "status": "canceled" }), &json!({})));
    assert!(
        matches!(words[..], [Word::Exec(..), Word::Answer { token: 1, answer: Answer::Status(_) }]),
        "{words:?}"
    );
    ask(&mut desk, 2, &cancel);
    assert!(answers(&mut desk, 2, got(204, Value::Null)).is_empty());
    let mut out = Out::default();
    desk.tick(&table(), at(2 + REST_TOLD_NS - 1), &mut out);
    assert!(out.asks.is_empty());
    desk.tick(&table(), at(2 + REST_TOLD_NS), &mut out);
    assert_eq!(out.asks, [(2, by_client_id(id()))]);
    // Another version has taken its place: the cancel goes after it.
    ask(&mut desk, 3, &cancel);
    assert!(
        answers(&mut desk, 3, got(422, json!({ "code": 42_210_000, "message": "order is replaced" })))
            .is_empty()
    );
    let mut out = Out::default();
    desk.replied(
        3,
        got(200, order(&json!({ "status": "replaced", "replaced_by": NEW }))),
        &table(),
        at(3),
        &mut out,
    );
    assert_eq!(out.asks, [(3, delete(NEW))]);
}

#[test]
fn a_list_that_may_be_cut_short_proves_nothing() {
    let mut desk = desk();
    ask(&mut desk, 1, &What::Open { instrument: InstrumentId(9) });
    let full = Value::Array(vec![order(&json!({})); ORDERS_LISTED_MAX]);
    assert!(matches!(answers(&mut desk, 1, got(200, full))[..], [Answer::Failed { .. }]));
    ask(&mut desk, 2, &What::Open { instrument: InstrumentId(9) });
    assert_eq!(answers(&mut desk, 2, got(200, json!([order(&json!({}))]))), [Answer::Open(vec![id()])]);
}

#[test]
fn the_stream_is_logged_into_and_listened_to_before_the_venue_is_up() {
    let mut desk = desk();
    let mut out = Out::default();
    desk.opened(at(1), &mut out);
    let said: Value = serde_json::from_str(&out.say[0]).unwrap();
    assert_eq!(
        said,
        json!({ "action": "authenticate", "data": { "key_id": "key", "secret_key": "secret" } })
    );
    let mut out = Out::default();
    desk.heard(br#"{"stream":"authorization","data":{"status":"authorized"}}"#, &table(), at(1), &mut out);
    assert_eq!((out.say.len(), out.words.len()), (1, 0));
    assert_eq!(
        hear(&mut desk, br#"{"stream":"listening","data":{"streams":["trade_updates"]}}"#),
        [Word::Ready]
    );
    let mut out = Out::default();
    desk.heard(br#"{"stream":"authorization","data":{"status":"unauthorized"}}"#, &table(), at(1), &mut out);
    assert!(out.end.is_some());
    let bad = event("fill", &json!({}), &json!({ "price": 150.25, "qty": "1" }));
    assert!(
        matches!(hear(&mut desk, &bad)[..], [Word::Garbled(_)]),
        "a number where the venue writes a text"
    );
}
