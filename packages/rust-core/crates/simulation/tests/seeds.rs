//! A few seeds, whole: sound, the same twice, and with the plants that must be noticed.

#![allow(clippy::unwrap_used)]

use tidegate_simulation::{Counts, Fault, Options, Simulator};

#[test]
fn a21_b082_b083_seeds_are_sound_and_give_the_same_trace_twice() {
    let simulator = Simulator::new().unwrap();
    let (mut orders, mut leaders) = (0, 0);
    let mut faults = Counts::default();
    for seed in 1..=24 {
        let first = simulator.run(seed, false);
        assert!(first.sound(), "{first}");
        orders += first.orders;
        leaders += first.grants;
        faults.merge(&first.faults);
        if seed <= 6 {
            let second = simulator.run(seed, true);
            assert_eq!((first.trace, first.events), (second.trace, second.events), "seed {seed}");
        }
    }
    assert!(orders > 100, "{orders} orders are no test");
    assert!(leaders > 48, "{leaders} grants: hardly a failover");
    let missing: Vec<&str> =
        Fault::ALL.iter().filter(|fault| faults.of(**fault) == 0).map(|fault| fault.name()).collect();
    assert!(missing.is_empty(), "never injected: {missing:?}");
}

#[test]
fn other_seeds_give_other_traces() {
    let simulator = Simulator::new().unwrap();
    assert_ne!(simulator.run(1, false).trace, simulator.run(2, false).trace);
}

#[test]
fn a_disk_that_lies_about_its_syncs_is_noticed() {
    let simulator = Simulator::new().unwrap();
    let noticed = (1..=6).any(|seed| {
        let outcome = simulator.run_with(Options { lying_disk: true, ..Options::of(seed) }, false);
        outcome.violation.is_some_and(|violation| violation.invariant == "I4")
    });
    assert!(noticed);
}

/// The defects of systems that came before, each planted and found; `hft sim mutants` does it with all bugs.
#[cfg(feature = "mutants")]
#[test]
fn a17_a18_planted_defects_are_found_on_seeds_that_the_sound_build_passes() {
    use tidegate_mutants::{Bug, plant};
    let simulator = Simulator::new().unwrap();
    for bug in [
        Bug::DedupLostAtRestart,
        Bug::ReleaseAfterTimeout,
        Bug::SendBeforeCommit,
        Bug::LeaseErrorsSwallowed,
        Bug::RetryAfterUnclear,
        Bug::UnknownIsRejected,
    ] {
        let found = (1..=200).find(|seed| {
            plant(Some(bug));
            let broken = !simulator.run(*seed, false).sound();
            plant(None);
            broken
        });
        let seed = found.unwrap_or_else(|| panic!("{} lives", bug.name()));
        assert!(simulator.run(seed, false).sound(), "seed {seed} fails without {}", bug.name());
    }
}
