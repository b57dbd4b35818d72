//! Patterns against topics: column A of the rows, by which Python's broadcaster chooses receivers.

use eventhive_webhook::wire::glob::{Glob, Subject};
use serde_json::Value;

use crate::support::{bytes, list, number, text};

pub(crate) fn rows(section: &Value) -> usize {
    let rows = list(&section["rows"]);
    for row in rows {
        let [pattern, topic, by_sqlite, ..] = list(row) else { panic!("{row}") };
        let matches = Glob::new(text(pattern)).unwrap().matches(&Subject::new(&bytes(topic)));
        assert_eq!(matches, number(by_sqlite) == 1, "{row}");
    }
    rows.len()
}
