//! The command line prints a table's hash; it computes it on its own. Both read these files, so neither can move alone.

#![allow(clippy::unwrap_used)]

use tidegate_instruments::Table;

#[test]
fn a03_the_hash_of_a_table_with_every_kind_is_the_one_the_command_line_prints() {
    let table = Table::from_json(include_bytes!("fixtures/every-kind.json")).unwrap();
    assert_eq!(table.hash_hex(), include_str!("fixtures/every-kind.blake3").trim());
}
