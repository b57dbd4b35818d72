//! The table and the tests say the same.

use std::collections::BTreeSet;

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");
const TESTS: [&str; 3] = [include_str!("altered.rs"), include_str!("forged.rs"), include_str!("replayed.rs")];

#[test]
fn every_row_names_a_test_and_every_test_stands_in_a_row() {
    let section = ARCHITECTURE.split("## Sealed networks").nth(1).unwrap().split("\n## ").next().unwrap();
    let named: BTreeSet<&str> =
        section.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit('`').next()).collect();
    let written: BTreeSet<&str> = TESTS
        .iter()
        .flat_map(|text| text.split("#[test]\nfn ").skip(1))
        .filter_map(|test| test.split("()").next())
        .collect();
    assert_eq!(named, written);
}
