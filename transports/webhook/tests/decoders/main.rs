//! Decoders against bytes of every kind, and encoders against decoders.
//!
//! The functions that fuzzing calls are run here too, so that no nightly compiler is needed to find what is simply
//! wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../fuzz/entries.rs"]
mod entries;
mod round_trip;
mod samples;

use std::path::Path;

use proptest::prelude::*;

#[test]
fn every_decoder_keeps_its_word_on_what_python_sent() {
    for sample in samples::all() {
        entries::ALL.iter().for_each(|(_, decode)| decode(&sample));
    }
}

#[test]
fn every_decoder_keeps_its_word_on_what_python_sent_cut_at_every_byte() {
    // Of the longer ones, changed bytes will do: every cut of them would take a quarter of a minute.
    for sample in samples::all().filter(|sample| sample.len() < 250) {
        for end in 0..sample.len() {
            entries::ALL.iter().for_each(|(_, decode)| decode(&sample[..end]));
        }
    }
}

#[test]
fn every_decoder_has_a_fuzz_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in entries::ALL {
        let target = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("entries::{name}(data)")), "{name}");
        assert!(manifest.contains(&format!("\"fuzz_targets/{name}.rs\"")), "{name}");
    }
    let targets = std::fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count();
    assert_eq!(targets, entries::ALL.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_decoder_keeps_its_word_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        entries::ALL.iter().for_each(|(_, decode)| decode(&bytes));
    }

    /// Small numbers are lengths and types that lead on.
    #[test]
    fn every_decoder_keeps_its_word_on_small_numbers(bytes in prop::collection::vec(0_u8..12, 0..120)) {
        entries::ALL.iter().for_each(|(_, decode)| decode(&bytes));
    }

    #[test]
    fn every_decoder_keeps_its_word_on_what_python_sent_with_bytes_changed(
        sample in samples::any(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut sample = sample;
        for (at, byte) in changes {
            let at = at.index(sample.len());
            sample[at] = byte;
        }
        entries::ALL.iter().for_each(|(_, decode)| decode(&sample));
    }
}
