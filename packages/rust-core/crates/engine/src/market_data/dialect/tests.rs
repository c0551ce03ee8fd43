//! Each venue's words against the texts of its documentation.

use super::*;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|n| (*n).to_string()).collect()
}

#[test]
fn binance_asks_by_number_and_takes_the_answer_for_exactly_those_streams() {
    let mut talk = Talk::new(Dialect::Binance);
    let asked = talk.ask(true, &names(&["btcusdt@depth@100ms"])).unwrap();
    assert_eq!(asked, r#"{"id":1,"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"]}"#);
    talk.ask(true, &names(&["x@trade"])).unwrap();
    talk.ask(false, &names(&["y@trade"])).unwrap();
    let said = |talk: &mut Talk, text: &str| talk.control(text.as_bytes());
    assert_eq!(
        said(&mut talk, r#"{"result":null,"id":1}"#),
        Some(vec![Control::Held(names(&["btcusdt@depth@100ms"]))])
    );
    assert_eq!(said(&mut talk, r#"{"result":null,"id":1}"#), Some(vec![Control::Nothing]), "not twice");
    assert_eq!(
        said(&mut talk, r#"{"error":{"code":2,"msg":"Invalid request"},"id":2}"#),
        Some(vec![Control::StreamRefused(names(&["x@trade"]))])
    );
    assert_eq!(
        said(&mut talk, r#"{"id":3,"result":null}"#),
        Some(vec![Control::Dropped(names(&["y@trade"]))])
    );
    let shutdown = r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}"#;
    assert_eq!(said(&mut talk, shutdown), Some(vec![Control::ShutdownNotice]));
    for data in [
        r#"{"e":"trade","E":1,"s":"BTCUSDT","t":5}"#,
        r#"{"stream":"a@trade","data":{"id":1}}"#,
        r#"{"u":1,"s":"A"}"#,
    ] {
        assert_eq!(said(&mut talk, data), None, "{data}");
    }
    for n in 0..2 * REQUESTS_MAX {
        talk.ask(true, &names(&[&format!("s{n}")]));
    }
    assert_eq!(talk.requests.len(), REQUESTS_MAX, "requests on their way are bounded");
}

#[test]
fn b008_alpaca_logs_in_subscribes_and_names_its_refusals() {
    let key = Key { key: "K".into(), secret: "S".into() };
    assert!(
        !format!("{key:?}").contains('S') && !format!("{key:?}").contains('K')
            || format!("{key:?}") == "Key(…)"
    );
    let mut talk = Talk::new(Dialect::Alpaca);
    assert_eq!(talk.login(Some(&key)).unwrap(), r#"{"action":"auth","key":"K","secret":"S"}"#);
    assert_eq!(
        talk.ask(true, &names(&["trades:AAPL", "quotes:AMD", "trades:MSFT", "bars:*"])).unwrap(),
        r#"{"action":"subscribe","bars":["*"],"quotes":["AMD"],"trades":["AAPL","MSFT"]}"#
    );
    let mut said = |text: &str| talk.control(text.as_bytes());
    assert_eq!(said(r#"[{"T":"success","msg":"connected"}]"#), Some(vec![Control::Greeted]));
    assert_eq!(said(r#"[{"msg":"authenticated","T":"success"}]"#), Some(vec![Control::Granted]));
    assert_eq!(
        said(r#"[{"T":"error","code":406,"msg":"connection limit exceeded"}]"#),
        Some(vec![Control::Refused { code: 406, text: "connection limit exceeded".into() }])
    );
    assert_eq!(
        said(r#"[{"T":"subscription","trades":["AAPL"],"quotes":["AMD"],"bars":["*"]}]"#),
        Some(vec![Control::HeldExactly(names(&["bars:*", "quotes:AMD", "trades:AAPL"]))])
    );
    assert_eq!(said(r#"[{"T":"t","i":1,"S":"AAPL","p":126.55}]"#), None);
    assert_eq!(
        said(r#"[{"T":"s","S":"AAPL","rm":"error"}]"#),
        None,
        "the word alone makes no control message"
    );
    assert_eq!(said("garbage \"error\""), None);
}

#[test]
fn a04_shioaji_branches_on_success_and_never_asks_for_a_continuous_future_without_its_target() {
    let body = shioaji_body("BidAsk|FUT|TAIFEX|TXFR1|TXFF6").unwrap();
    let want = r#"{"code":"TXFR1","exchange":"TAIFEX","intraday_odd":false,"quote_type":"BidAsk","security_type":"FUT","target_code":"TXFF6"}"#;
    assert_eq!(String::from_utf8(body).unwrap(), want);
    assert!(
        String::from_utf8(shioaji_body("Tick|STK|TSE|2330|").unwrap())
            .unwrap()
            .contains(r#""target_code":null"#)
    );
    assert!(shioaji_body("Tick|FUT|TAIFEX|TXFR1|").unwrap_err().contains("target code"));
    assert!(shioaji_body("Tick:2330").is_err());
    let answer = |status, body: &str| shioaji_answer(true, "n", status, body.as_bytes());
    assert_eq!(answer(200, r#"{"success":true}"#), Control::Held(names(&["n"])));
    assert_eq!(answer(200, r#"{"success":false,"message":"no"}"#), Control::StreamRefused(names(&["n"])));
    assert_eq!(answer(200, "garbage"), Control::StreamRefused(names(&["n"])));
    assert_eq!(answer(422, "{}"), Control::StreamRefused(names(&["n"])));
    assert!(matches!(answer(503, "{}"), Control::Refused { code: 503, .. }));
    assert!(matches!(answer(401, "{}"), Control::Refused { code: 401, .. }));
    assert_eq!(shioaji_answer(false, "n", 200, br#"{"success":true}"#), Control::Dropped(names(&["n"])));
}

#[test]
fn a_key_comes_from_a_file_and_is_in_no_message() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    std::fs::write(&path, r#"{"key":"AK","secret":"SK"}"#).unwrap();
    assert_eq!(Key::read(&path).unwrap().secret, "SK");
    for bad in [
        "",
        "{}",
        r#"{"key":"TOPSECRET","secret":""}"#,
        r#"{"key":"TOPSECRET","secret":"a\"b"}"#,
        "TOPSECRET",
    ] {
        std::fs::write(&path, bad).unwrap();
        let fault = Key::read(&path).unwrap_err().0;
        assert!(fault.contains("want") && !fault.contains("TOPSECRET"), "{fault}");
    }
    assert!(Key::read(&dir.path().join("none")).unwrap_err().0.contains("none"));
}
