//! `lonely.json`: what the Python packages did when they were run, section by section. One test for each section, and
//! one that sees to it that no section is left out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod auth;
mod etag;
mod globs;
mod simple_tracing;
mod stateful;
mod stateless;
mod support;
mod transcripts;
mod zstd_frames;

use std::collections::BTreeSet;

use serde_json::Value;

/// Declares the test of each section: a function that checks all of its cases and returns how many there were.
macro_rules! sections {
    ($($section:literal: $name:ident = $check:path, $cases:literal;)*) => {
        const SECTIONS: &[&str] = &[$($section),*];
        $(
            #[test]
            fn $name() {
                assert_eq!($check(&support::vectors()[$section]), $cases, "cases that were checked");
            }
        )*
    };
}

sections! {
    "secrets": the_keys_are_what_their_texts_say = auth::keys, 2;
    "hmac": every_kind_signs_the_bytes_and_makes_the_text_that_python_does = auth::signatures, 29;
    "hmac_header_parse": signatures_are_read_as_python_reads_them = auth::headers, 20;
    "token": a_token_is_sent_and_compared_as_a_whole = auth::token, 6;
    "none": without_a_scheme_nothing_is_sent_and_everything_accepted = auth::none, 1;
    "setup_files": secrets_files_have_the_form_that_setup_writes = auth::setup_files, 1;
    "strong_etag": etags_are_those_of_python = etag::etags, 4;
    "strong_etag_errors": lists_out_of_order_have_no_etag = etag::errors, 2;
    "stateless_exchanges": exchanges_over_http_are_read_verified_and_written_byte_for_byte = stateless::exchanges, 31;
    "simple_tracing": the_tracing_of_python_is_read_and_written = simple_tracing::blobs, 6;
    "glob": the_matcher_agrees_with_that_of_pythons_broadcaster = globs::rows, 896;
    "stateful_messages": messages_of_the_websocket_are_read_and_written_in_both_modes = stateful::messages, 35;
    "stateful_parse_cases_s2b": odd_messages_are_taken_or_refused_as_by_python = stateful::odd_ones, 21;
    "minimal_unsigned": numbers_have_as_few_bytes_as_they_need = stateful::numbers, 14;
    "websocket_transcripts": conversations_are_read_verified_and_written_byte_for_byte = transcripts::conversations, 2;
    "websocket_url": counter_urls_are_those_of_python = transcripts::urls, 10;
    "zstd": the_zstd_library_reads_pythons_frames = zstd_frames::frames, 5;
}

/// What explains, and has no cases.
const NOTES: &[&str] = &["about", "hmac_header_parse_note"];

#[test]
fn every_section_has_a_test() {
    let Value::Object(vectors) = support::vectors() else { panic!("not an object") };
    let there: BTreeSet<&str> = vectors.keys().map(String::as_str).collect();
    let taken: BTreeSet<&str> = SECTIONS.iter().chain(NOTES).copied().collect();
    assert_eq!(there, taken);
}
