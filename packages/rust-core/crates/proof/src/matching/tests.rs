//! The sets, the large ones over a part, and every planted fault found in each set it touches.

use super::*;
use crate::books::tally::Tally;
use std::path::PathBuf;

fn data() -> PathBuf {
    std::env::var_os("TIDEGATE_DATA").map(PathBuf::from).expect("TIDEGATE_DATA names the reference data")
}

fn clean(tally: Tally) -> Tally {
    assert!(tally.checked > 0 && tally.unexplained() == 0, "{tally:?}");
    tally
}

fn found(tally: &Tally) {
    assert!(tally.unexplained() > 0, "the planted fault is not found: {tally:?}");
}

#[test]
fn the_core_does_what_the_plain_model_does_whatever_is_asked() {
    let tally = clean(random::compare(1, 150, 300, Plant::None));
    assert_eq!(tally.checked, 150 * 300);
    for name in random::REACHED {
        assert!(tally.count(name) > 0, "no command has led to {name}: {:?}", tally.notes);
    }
    found(&random::compare(1, 10, 300, Plant::DropCommand));
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn exchange_cores_features_and_cpptraders_scenarios_hold_step_by_step() {
    assert!(clean(exchange_core::compare(&data(), Plant::None).unwrap()).checked > 50);
    assert!(clean(cpptrader::compare(&data(), Plant::None).unwrap()).checked > 90);
    found(&exchange_core::compare(&data(), Plant::ShiftPrice).unwrap());
    found(&cpptrader::compare(&data(), Plant::ShiftPrice).unwrap());
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn a46_places_in_recorded_queues_are_those_of_the_plain_model() {
    let recorded = amzn(&data()).unwrap();
    let flow = flow_of(&recorded.ops);
    clean(flow::sums(&flow, Plant::None));
    found(&flow::sums(&flow, Plant::DropCommand));
    assert!(clean(flow::queues(&flow, Plant::None, 12_000)).count("fills_of_ours") > 50);
    found(&flow::queues(&flow, Plant::DropCommand, 12_000));
    assert!(clean(queue::lobster(&recorded, Plant::None, 20_000).unwrap()).count("fills_compared") > 20);
    found(&queue::lobster(&recorded, Plant::LoseTrade, 20_000).unwrap());
    assert!(clean(queue::binance(&data(), Plant::None, 20_000).unwrap()).count("fills_compared") > 20);
    found(&queue::binance(&data(), Plant::LoseTrade, 20_000).unwrap());
}

#[test]
fn a_fault_that_is_none_is_refused() {
    assert!(Plant::read(Some("nothing")).is_err());
    assert_eq!(Plant::read(Some("lose-trade")), Ok(Plant::LoseTrade));
}
