use std::num::NonZeroU64;

use proptest::prelude::*;

use super::counter::{Candidates, ConnectionNonce, Counter, Expected};
use super::split::{MIN_PAYLOAD_BYTES, payload_bytes};
use super::stream::{Stream, StreamError};
use super::*;
use crate::wire::{Interest, Problem, Proof, digest};

/// The messages by which a broadcaster sends `body`, as in the documentation of `split`.
fn in_parts(body: &[u8], limit: usize, mode: Mode) -> Vec<Vec<u8>> {
    let sha512 = digest::hash(body);
    let message = MessageHead { topic: b"a/b", compression: None, length: body.len() as u64, sha512: &sha512 };
    let mut frames = Vec::new();
    let mut rest = body;
    loop {
        let place = NonZeroU64::new(frames.len() as u64).map_or(Place::First(message), Place::Next);
        let part = Part { proof: Proof::default(), identifier: b"id", place, payload: b"" };
        let mut frame = Vec::new();
        B2s::ReceiveStream(part).write(mode, &mut frame).unwrap();
        let (payload, left) = rest.split_at(payload_bytes(limit, frame.len(), rest.len() as u64));
        frame.extend_from_slice(payload);
        frames.push(frame);
        rest = left;
        if rest.is_empty() {
            return frames;
        }
    }
}

fn part(frame: &[u8]) -> Part<'_> {
    let B2s::ReceiveStream(part) = B2s::read(frame).unwrap() else { panic!("another type") };
    part
}

fn push_all(frames: &[Vec<u8>]) -> Result<usize, StreamError> {
    let mut stream = Stream::new();
    let mut complete = 0;
    for frame in frames {
        complete += usize::from(stream.push(&part(frame))?.is_some());
    }
    Ok(complete)
}

#[test]
fn parts_must_come_one_after_the_other_and_of_one_message_at_a_time() {
    let frames = in_parts(&[7; 2_000], 100, Mode::Minimal);
    assert_eq!(frames.len(), 4);
    assert_eq!(push_all(&frames), Ok(1));
    assert_eq!(push_all(&frames[..3]), Ok(0));
    assert_eq!(push_all(&frames[1..]), Err(StreamError::NotBegun(1)));
    let order = |at: [usize; 3]| push_all(&at.map(|at| frames[at].clone()));
    assert_eq!(order([0, 2, 1]), Err(StreamError::OutOfOrder { expected: 1, found: 2 }));
    assert_eq!(order([0, 1, 1]), Err(StreamError::OutOfOrder { expected: 2, found: 1 }));
    assert_eq!(order([0, 1, 0]), Err(StreamError::Interleaved(1)));
}

#[test]
fn a_part_of_another_message_or_with_other_bytes_is_refused() {
    let frames = in_parts(&[7; 1_000], 100, Mode::Minimal);
    let mut stream = Stream::new();
    stream.push(&part(&frames[0])).unwrap();
    let other = Part { identifier: b"other", ..part(&frames[1]) };
    assert_eq!(stream.push(&other), Err(StreamError::OtherMessage(1)));

    let with_payload = |payload: &[u8]| {
        let mut stream = Stream::new();
        stream.push(&part(&frames[0])).unwrap();
        let Err(StreamError::Message(error)) = stream.push(&Part { payload, ..part(&frames[1]) }) else { panic!() };
        error.problem
    };
    assert_eq!(with_payload(&[8; 488]), Problem::Differs("the hash of the message"));
    assert_eq!(with_payload(&[7; 489]), Problem::Length { expected: 1_000, found: 1_001 });
}

#[test]
fn a_compressed_message_cannot_be_empty() {
    let compressor_id = NonZeroU64::new(1).unwrap();
    let compression = Some(Compression { compressor_id, decompressed_length: 0 });
    let message = MessageHead { topic: b"", compression, length: 0, sha512: &digest::hash(b"") };
    let part = Part { proof: Proof::default(), identifier: b"", place: Place::First(message), payload: b"" };
    assert_eq!(Stream::new().push(&part), Err(StreamError::CompressedEmpty));
}

#[test]
fn the_first_part_tells_what_the_authorizations_of_the_others_vouch_for() {
    let frames = in_parts(&[7; 1_000], 100, Mode::Minimal);
    let mut stream = Stream::new();
    assert!(stream.arriving().is_none());
    stream.push(&part(&frames[0])).unwrap();
    let first = B2s::ReceiveStream(part(&frames[0]));
    assert_eq!(stream.arriving().unwrap().receive_claim("u"), first.claim("u").unwrap());
    let first = S2b::NotifyStream(part(&frames[0]));
    assert_eq!(stream.arriving().unwrap().notify_claim(), first.claim("").unwrap());
    assert_eq!(S2b::NotifyStream(part(&frames[1])).claim(""), None);
}

#[test]
fn a_subscriber_learns_how_its_broadcaster_counts() {
    let mut by_message = Expected::new();
    let mut by_part = Expected::new();
    for expected in [&mut by_message, &mut by_part] {
        assert_eq!(expected.take(), Candidates { first: 1, other: None });
        expected.skip_part();
        expected.skip_part();
        assert_eq!(expected.take(), Candidates { first: 2, other: Some(4) });
    }
    by_part.was_other();
    assert_eq!(by_message.take(), Candidates { first: 3, other: Some(5) });
    assert_eq!(by_part.take(), Candidates { first: 5, other: Some(3) });
}

#[test]
fn counters_go_away_from_zero_in_their_own_direction() {
    let (mut s2b, mut b2s) = (Counter::s2b(), Counter::b2s());
    assert_eq!([s2b.take(), s2b.take(), b2s.take(), b2s.take()], [-1, -2, 1, 2]);
    assert!(ConnectionNonce::new(&[0; 32], &[1; 32]).url(i64::MIN).ends_with(":-8000000000000000"));
}

#[test]
fn an_error_names_the_header_and_its_place() {
    let frame = |interest| {
        let mut frame = Vec::new();
        S2b::Subscribe { interest, proof: Proof::default() }.write(Mode::Expanded, &mut frame).unwrap();
        frame
    };
    let mut no_text = frame(Interest::Glob("ab"));
    *no_text.last_mut().unwrap() = 0xff;
    assert_eq!(
        S2b::read(&no_text).unwrap_err().to_string(),
        "`x-glob` at byte 46: UTF-8 expected, which it is for its first 1 bytes only"
    );
    let mut cut = frame(Interest::Exact(b"abc"));
    cut.pop();
    assert_eq!(S2b::read(&cut).unwrap_err().to_string(), "`x-topic` at byte 47: 3 bytes expected, only 2 are left");
    let mut message = Vec::new();
    let long = S2b::ConfirmReceive { identifier: &[0; 65], num_subscribers: 1, proof: Proof::default() };
    assert!(long.write(Mode::Minimal, &mut message).is_err());
    assert!(message.is_empty());
}

proptest! {
    #[test]
    fn a_message_in_parts_comes_out_whole_and_no_part_is_larger_than_the_limit(
        body in prop::collection::vec(any::<u8>(), 0..6_000), limit in 0_usize..2_000, expanded: bool,
    ) {
        let mode = if expanded { Mode::Expanded } else { Mode::Minimal };
        let frames = in_parts(&body, limit, mode);
        let mut stream = Stream::new();
        let mut got = Vec::new();
        for (at, frame) in frames.iter().enumerate() {
            let part = part(frame);
            prop_assert!(frame.len() <= limit || part.payload.len() <= MIN_PAYLOAD_BYTES);
            got.extend_from_slice(part.payload);
            prop_assert_eq!(stream.push(&part).unwrap().is_some(), at + 1 == frames.len());
        }
        prop_assert_eq!(got, body);
        prop_assert!(stream.arriving().is_none());
    }
}
