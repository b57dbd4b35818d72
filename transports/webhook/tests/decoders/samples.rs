//! What Python sent: every text of hex in the vectors, and every other text, as bytes.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;

static ALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut samples = Vec::new();
    let mut vectors: Value = serde_json::from_str(include_str!("../vectors/lonely.json")).unwrap();
    // Rows of patterns are many, and samples of nothing.
    vectors.as_object_mut().unwrap().remove("glob");
    collect(&vectors, &mut samples);
    samples.sort();
    samples.dedup();
    samples
});

/// All of them, none empty, and none longer than 2,000 characters.
pub(crate) fn all() -> impl Iterator<Item = Vec<u8>> {
    ALL.iter().cloned()
}

/// One of them.
pub(crate) fn any() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(ALL.as_slice())
}

fn collect(value: &Value, samples: &mut Vec<Vec<u8>>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, samples)),
        Value::Object(values) => values.values().for_each(|value| collect(value, samples)),
        Value::String(text) if (1..2_000).contains(&text.len()) => {
            samples.push(hex(text).unwrap_or_else(|| text.clone().into_bytes()));
        }
        _ => {}
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.is_ascii() && text.len().is_multiple_of(2);
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    digits.then(|| pairs.collect()).flatten()
}
