use super::*;
use crate::flags;
use crate::limits::PX_TICKS_MAX;
use tidegate_units::{EpochNs, Side};

const TOXICITY_BIT: u32 = 1 << 21;

/// Two levels a side, 100 ms apart, in 1e-4 of the currency; values 0 to 16 as published.
const VECTORS: [(Level, Level, [i64; 17]); 6] = [
    (
        (1_000_000, 10),
        (1_001_000, 12),
        [
            1_000_000, 1_001_000, 2_001_000, 1_000, 30, 42, -166_667, 2_000_909, 10, 12, -90_909, 0, 0, 0,
            1_000, -90_909, 0,
        ],
    ),
    (
        (1_000_000, 14),
        (1_001_000, 9),
        [
            1_000_000, 1_001_000, 2_001_000, 1_000, 34, 39, -68_493, 2_001_217, 14, 9, 217_391, 7, 7, 2,
            1_000, -22_398, 141_414,
        ],
    ),
    (
        (1_000_100, 5),
        (1_001_000, 9),
        [
            1_000_100, 1_001_000, 2_001_100, 900, 25, 39, -218_750, 2_000_843, 5, 9, -285_714, 5, 12, 2, 978,
            -80_913, 331_570,
        ],
    ),
    (
        (1_000_100, 5),
        (1_000_900, 20),
        [
            1_000_100, 1_000_900, 2_001_000, 800, 25, 50, -333_333, 2_000_520, 5, 20, -600_000, -20, -8, -3,
            938, -196_265, -219_936,
        ],
    ),
    (
        (999_900, 8),
        (1_000_900, 18),
        [
            999_900, 1_000_900, 2_000_800, 1_000, 28, 48, -263_158, 2_000_415, 8, 18, -384_615, -3, -11, -3,
            952, -238_121, -209_185,
        ],
    ),
    (
        (999_900, 8),
        (1_000_700, 3),
        [
            999_900, 1_000_700, 2_000_600, 800, 28, 33, -81_967, 2_000_964, 8, 3, 454_545, -3, -14, -3, 918,
            -84_195, -556_352,
        ],
    ),
];

fn view(bid: Level, ask: Level, ms: i64) -> View {
    View::from_levels(&[bid, (bid.0 - 100, 20)], &[ask, (ask.0 + 100, 30)], EpochNs(ms * 1_000_000))
}

#[test]
fn a09_the_published_vectors() {
    let mut kernel = Shared::new(3);
    for (n, (bid, ask, want)) in VECTORS.into_iter().enumerate() {
        let row = kernel.on_view(&view(bid, ask, 100 * n as i64));
        assert_eq!(row.values().get(..17), Some(&want[..]), "row {n}");
    }
}

#[test]
fn a09_the_older_sets_are_prefixes() {
    let mut kernels = [Shared::new(1), Shared::new(2), Shared::new(3)];
    for (n, (bid, ask, _)) in VECTORS.into_iter().enumerate() {
        let rows = kernels.each_mut().map(|kernel| *kernel.on_view(&view(bid, ask, 100 * n as i64)));
        assert_eq!(rows.map(|row| row.values().len()), [16, 22, 27]);
        for row in &rows[..2] {
            assert_eq!(rows[2].values().get(..row.values().len()), Some(row.values()));
            assert_eq!((row.changed, row.warm), (rows[2].changed & row.mask(), rows[2].warm & row.mask()));
        }
    }
}

#[test]
fn a09_masks_say_what_changed_and_what_is_warm() {
    let mut kernel = Shared::new(3);
    let at = |n| view((1_000_000, 10), (1_001_000, 12), n);
    let first = *kernel.on_view(&at(0));
    // What needs one update is warm after one; bits 0 to 10.
    assert_eq!((first.warm, first.flags), (0x7ff, flags::STATE_RESET | flags::WARMING_UP));
    assert_eq!(kernel.on_view(&at(0)).changed, 0);
    assert_eq!(kernel.on_view(&at(7)).changed, 1 << 18, "only the survival has changed");
    for n in 3..=2_400 {
        let row = *kernel.on_view(&at(7));
        for (bit, spec) in V3.iter().enumerate().filter(|(bit, _)| *bit != 21) {
            assert_eq!(row.warm >> bit & 1 == 1, n + 1 >= u64::from(spec.warm), "{} after {n}", spec.name);
        }
    }
    for n in 0..50 {
        assert_eq!(kernel.on_view(&at(7)).warm & TOXICITY_BIT, 0);
        kernel.on_trade(&Print::certain(1, 1, Side::Buy, EpochNs(n)));
    }
    let warm = *kernel.on_view(&at(7));
    assert_eq!((warm.warm, warm.flags, warm.values()[21]), ((1 << 27) - 1, 0, 1_000));
}

#[test]
fn a09_a_crossed_or_empty_book_repeats_the_values_and_changes_nothing() {
    let mut kernel = Shared::new(3);
    for (n, (bid, ask, _)) in VECTORS.into_iter().take(3).enumerate() {
        kernel.on_view(&view(bid, ask, 100 * n as i64));
    }
    let before = kernel.clone();
    for broken in [
        view((1_001_000, 1), (1_001_000, 1), 250),
        view((1_002_000, 1), (1_001_000, 1), 250),
        View::from_levels(&[(1_000_000, 1)], &[], EpochNs(250_000_000)),
        View::from_levels(&[], &[], EpochNs(250_000_000)),
        view((1_000, 1), (PX_TICKS_MAX + 1, 1), 250),
    ] {
        let row = *kernel.on_view(&broken);
        assert_eq!((row.values(), row.changed), (before.gate.row().values(), 0));
        assert_ne!(row.flags & flags::PARTIAL, 0);
    }
    let (bid, ask, want) = VECTORS[3];
    assert_eq!(kernel.on_view(&view(bid, ask, 300)).values().get(..17), Some(&want[..]));
}

#[test]
fn a09_an_old_update_is_dropped_before_it_changes_anything() {
    let mut kernel = Shared::new(3);
    let sequenced = |n: usize, seq| View { seq, ..view(VECTORS[n].0, VECTORS[n].1, 100 * n as i64) };
    kernel.on_view(&sequenced(0, 10));
    kernel.on_view(&sequenced(1, 12));
    let late = *kernel.on_view(&sequenced(5, 11));
    assert_eq!((late.changed, late.flags), (0, flags::OUT_OF_ORDER));
    // The sequence decides where there is one: an earlier time with a later number is taken.
    assert_eq!(kernel.on_view(&View { ts: EpochNs(1), ..sequenced(2, 13) }).flags & flags::OUT_OF_ORDER, 0);
    // Without one, time decides.
    let mut kernel = Shared::new(3);
    kernel.on_view(&sequenced(1, 0));
    assert_eq!(kernel.on_view(&sequenced(0, 0)).flags, flags::OUT_OF_ORDER);
    let (bid, ask, want) = VECTORS[1];
    assert_ne!(kernel.on_view(&view(bid, ask, 100)).values()[12], want[12], "a restart has other sums");
}

#[test]
fn a09_a_gap_forgets_and_is_flagged_until_a_sound_output() {
    let mut kernel = Shared::new(3);
    kernel.on_view(&view(VECTORS[0].0, VECTORS[0].1, 0));
    kernel.on_trade(&Print::certain(1, 5, Side::Sell, EpochNs(5)));
    kernel.on_gap();
    let broken = *kernel.on_view(&View::default());
    assert_eq!(broken.flags, flags::GAP | flags::STATE_RESET | flags::PARTIAL);
    assert!(broken.values().iter().all(|value| *value == 0));
    let (bid, ask, want) = VECTORS[0];
    let row = *kernel.on_view(&View { quality: flags::STALE_INPUT, ..view(bid, ask, 100) });
    assert_eq!(row.values().get(..17), Some(&want[..]));
    assert_eq!(row.flags, flags::GAP | flags::STATE_RESET | flags::STALE_INPUT | flags::WARMING_UP);
    assert_eq!(kernel.on_view(&view(bid, ask, 101)).flags, flags::WARMING_UP);
}

#[test]
fn a09_toxicity_weighs_by_confidence_and_drops_old_trades() {
    let mut kernel = Shared::new(3);
    let at = |ms| view(VECTORS[0].0, VECTORS[0].1, ms);
    kernel.on_trade(&Print::certain(1, 4, Side::Buy, EpochNs(10)));
    kernel.on_trade(&Print { confidence: 500, ..Print::certain(1, 8, Side::Sell, EpochNs(11)) });
    kernel.on_trade(&Print::certain(1, 1_000, Side::Sell, EpochNs(9)));
    // (4×24 − 0.5×8) / (4×24 + 8) = 92 / 104.
    let row = *kernel.on_view(&at(0));
    assert_eq!((row.values()[21], row.flags & flags::OUT_OF_ORDER), (885, flags::OUT_OF_ORDER));
}

#[test]
fn a09_deep_momentum_is_zero_where_the_touch_moves() {
    let mut kernel = Shared::new(3);
    let deep = |px: i64, qty: i64| {
        View::from_levels(&[(px, 1), (px - 1, qty)], &[(px + 2, 1), (px + 3, 10)], EpochNs(0))
    };
    kernel.on_view(&deep(100, 10));
    // (1/8 − 1/64) × 90 / 16 = 0.6152…
    assert_eq!(kernel.on_view(&deep(100, 100)).values()[20], 615);
    assert_eq!(kernel.on_view(&deep(101, 5_000)).values()[20], 0);
    assert_eq!(kernel.on_view(&deep(101, 1_000_000)).values()[20], 2_000);
}

proptest::proptest! {
    #[test]
    fn no_input_breaks_it(
        rows in proptest::collection::vec((proptest::prelude::any::<[i64; 8]>(), proptest::prelude::any::<u64>(), 0_u8..4), 1..60)
    ) {
        let mut kernel = Shared::new(3);
        for (n, seq, how) in rows {
            let scale = |value: i64| match how { 0 => value, 1 => value >> 12, 2 => value & 0xff, _ => value.abs() >> 40 };
            let [bid, bq, ask, aq, b2, q2, ts, qty] = n.map(scale);
            kernel.on_trade(&Print::certain(bid, qty, if seq & 1 == 0 { Side::Buy } else { Side::Sell }, EpochNs(ts)));
            let row = *kernel.on_view(&View { seq: seq >> 60, ..View::from_levels(&[(bid, bq), (b2, q2)], &[(ask, aq)], EpochNs(ts)) });
            proptest::prop_assert!(row.values().iter().all(|value| value.abs() <= SAFE_INTEGER || *value == row.values()[18]));
        }
    }
}
