//! The page of refusals is the list in the code.

use std::path::Path;
use tidegate_normalise::Refusal;

fn listed(page: &str) -> Vec<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(name, _)| name)
        .filter(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        .collect()
}

#[test]
fn the_page_names_every_refusal_in_order_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../docs/reference/normaliser.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let known: Vec<&str> = Refusal::ALL.iter().map(|refusal| refusal.name()).collect();
    assert_eq!(listed(&page), known);
    let without = page.replace("| `OVERSIZE` |", "| oversize |");
    assert_ne!(listed(&without), known, "a name that is not there is seen");
}
