//! The published vectors of the first 17 features: two levels a side, the second 1e-2 behind with 20 and 30, 100 ms apart.

use super::Found;
use tidegate_features::View;
use tidegate_features::shared::{Shared, V3};
use tidegate_units::EpochNs;

type Row = ((i64, i64), (i64, i64), [i64; 17]);

const ROWS: [Row; 6] = [
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

/// `plant` changes one digit of one vector.
pub fn compare(plant: bool) -> Found {
    let mut found = Found::default();
    let mut kernel = Shared::new(3);
    for (n, (bid, ask, want)) in ROWS.into_iter().enumerate() {
        let view = View::from_levels(
            &[bid, (bid.0 - 100, 20)],
            &[ask, (ask.0 + 100, 30)],
            EpochNs(n as i64 * 100_000_000),
        );
        let row = *kernel.on_view(&view);
        for ((got, want), spec) in row.values().iter().zip(want).zip(&V3) {
            let want = want + i64::from(plant && n == 3 && spec.name == "ofi_l1_cum");
            found.note(*got == want, || format!("vector {n}, {}: {got}, want {want}", spec.name));
        }
    }
    found
}
