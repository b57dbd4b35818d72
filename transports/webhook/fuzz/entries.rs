//! What is fuzzed: a function for each decoder. It takes any bytes, and panics if the decoder does not keep its word.
//!
//! The fuzz targets call these, and so does `tests/decoders`, with bytes of its own, in every run of the tests.
//! `cargo +nightly fuzz run s2b`, in the folder of the crate, runs one for as long as it is let.
//!
//! What decoders promise: no input makes them panic; what was read can be written, and gives the same when it is read
//! again; an error is at a place that the input has.

use std::fmt::Debug;
use std::time::Duration;

use eventhive_webhook::wire::auth::{HmacHeader, Secrets};
use eventhive_webhook::wire::bodies::{
    CheckSubscriptions, Collector, Entry, Head, Lists, ListsStep, Missed, NotifyHead, ReceiveHead, SetHead, Subscribe,
    Unsubscribe, write_lists,
};
use eventhive_webhook::wire::etag::EtagBuilder;
use eventhive_webhook::wire::glob::{Glob, Subject};
use eventhive_webhook::wire::responses::Response;
use eventhive_webhook::wire::stateful::stream::Stream;
use eventhive_webhook::wire::stateful::{B2s, Mode, S2b};
use eventhive_webhook::wire::tracing::{self, Trace, Traces};
use eventhive_webhook::wire::{Interest, InterestKind, WireError, digest};

/// Runs one decoder.
pub(crate) type Decode = fn(&[u8]);

/// All of them, by the names of their fuzz targets.
pub(crate) const ALL: [(&str, Decode); 12] = [
    ("bodies", bodies),
    ("heads", heads),
    ("lists", lists),
    ("responses", responses),
    ("authorization", authorization),
    ("digest", digest),
    ("tracing", tracing),
    ("secrets", secrets),
    ("glob", glob),
    ("s2b", s2b),
    ("b2s", b2s),
    ("stream", stream),
];

/// Requests that are read as a whole.
pub(crate) fn bodies(data: &[u8]) {
    for kind in [InterestKind::Exact, InterestKind::Glob] {
        again(
            data,
            |data| Subscribe::read(kind, data),
            Subscribe::write,
            |read, data| Subscribe::read(kind, data) == Ok(*read),
        );
        again(
            data,
            |data| Unsubscribe::read(kind, data),
            Unsubscribe::write,
            |read, data| Unsubscribe::read(kind, data) == Ok(*read),
        );
    }
    again(data, CheckSubscriptions::read, CheckSubscriptions::write, |read, data| {
        CheckSubscriptions::read(data) == Ok(*read)
    });
    again(data, Missed::read, Missed::write, |read, data| Missed::read(data) == Ok(*read));
}

/// What stands before messages and lists: read as a whole, and collected in chunks whose size is the first byte.
pub(crate) fn heads(data: &[u8]) {
    let Some((chunk, data)) = data.split_first() else { return };
    let chunk = usize::from(*chunk).max(1);
    head::<NotifyHead<'_>>(data, chunk);
    head::<ReceiveHead<'_>>(data, chunk);
    head::<SetHead<'_>>(data, chunk);
    again(data, whole::<NotifyHead<'_>>, NotifyHead::write, |read, data| whole::<NotifyHead<'_>>(data) == Ok(*read));
    again(data, whole::<ReceiveHead<'_>>, ReceiveHead::write, |read, data| whole::<ReceiveHead<'_>>(data) == Ok(*read));
    again(data, whole::<SetHead<'_>>, SetHead::write, |read, data| whole::<SetHead<'_>>(data) == Ok(*read));
}

fn whole<H: Head>(data: &[u8]) -> Result<H::Of<'_>, WireError> {
    H::read(data).map(|(head, _)| head)
}

fn head<H: Head>(data: &[u8], chunk: usize) {
    let mut collector = Collector::<H>::new();
    let mut behind = Vec::new();
    for chunk in data.chunks(chunk) {
        match collector.push(chunk) {
            Ok(rest) => behind.extend_from_slice(rest),
            Err(error) => return in_bounds(error, data),
        }
        assert!(collector.len() <= H::MAX_BYTES);
    }
    match H::read(data) {
        Ok((_, bytes)) => {
            assert!(collector.is_complete() && collector.head().is_ok());
            assert_eq!((collector.len(), &*behind), (bytes, &data[bytes..]));
        }
        Err(error) => {
            assert!(!collector.is_complete());
            assert_eq!(collector.head().err(), Some(error));
        }
    }
}

/// The lists of a set: read as a whole, and from a buffer that is filled as far as is needed.
pub(crate) fn lists(data: &[u8]) {
    let mut rest = data;
    let mut state = Lists::new(0);
    let mut entries = Vec::new();
    let whole = loop {
        match state.next(&mut rest) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(stepwise(data, entries.len()), whole);
    match whole {
        Err(error) => in_bounds(error, data),
        Ok(()) => {
            let globs = entries.partition_point(|entry| matches!(entry.interest, Interest::Exact(_)));
            let mut written = Vec::new();
            write_lists(&entries[..globs], &entries[globs..], &mut written).unwrap();
            assert_eq!(written, data[..data.len() - rest.len()]);
        }
    }
    let mut etag = EtagBuilder::new("").unwrap();
    let sorted = entries.iter().all(|Entry { interest, recovery }| etag.push(*interest, *recovery).is_ok());
    assert!(!sorted || etag.finish().0 != [0; 64]);
}

/// Reads lists with no more bytes at hand than the steps ask for; they are as many entries, and end alike.
fn stepwise(data: &[u8], mut entries: usize) -> Result<(), WireError> {
    let mut state = Lists::new(0);
    let (mut start, mut end) = (0, 0);
    loop {
        let (step, used) = state.step(&data[start..end])?;
        start += used;
        match step {
            ListsStep::Entry(_) => entries -= 1,
            ListsStep::Done => {
                assert_eq!(entries, 0);
                return Ok(());
            }
            ListsStep::More { needed, missing } => {
                let wanted = start + needed;
                assert!(wanted > end, "no progress");
                if end == data.len() {
                    return Err(missing);
                }
                end = wanted.min(data.len());
            }
        }
    }
}

/// Answers.
pub(crate) fn responses(data: &[u8]) {
    again(data, Response::read, Response::write, |read, data| Response::read(data) == Ok(*read));
}

/// Signatures.
pub(crate) fn authorization(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(header) = HmacHeader::read(Some(text), Duration::from_secs(1_700_000_000)) {
        assert!(header.stamp.timestamp.abs_diff(1_700_000_000) <= 120);
        assert!(!header.stamp.nonce.contains(':'));
    }
}

/// `Repr-Digest`.
pub(crate) fn digest(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Some(hash) = digest::read_repr_digest(text) {
        assert_eq!(digest::read_repr_digest(&digest::repr_digest(&hash)), Some(hash));
    }
}

/// Tracing.
pub(crate) fn tracing(data: &[u8]) {
    let traces = match Traces::read(data) {
        Ok(traces) => traces,
        Err(error) => return in_bounds(error, data),
    };
    let list: Vec<Trace<'_>> = traces.iter().collect();
    let mut written = Vec::new();
    tracing::write(&list, traces.received_ns, traces.sent_ns, &mut written).unwrap();
    assert!(written.len() <= tracing::MAX_BYTES);
    let count = Traces::read(&written).unwrap().iter().count();
    assert!(count == list.len() || data.len() > tracing::MAX_BYTES);
}

/// Secrets files.
pub(crate) fn secrets(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(secrets) = Secrets::read(text) {
        let written = secrets.write();
        assert_eq!(*Secrets::read(&written).unwrap().write(), *written);
        assert_eq!(secrets.schemes().is_ok(), Secrets::read(&written).unwrap().schemes().is_ok());
    }
}

/// A pattern, a line feed, and a topic.
pub(crate) fn glob(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (Some(pattern), Some(topic)) = (parts.next(), parts.next()) else { return };
    let Some(glob) = str::from_utf8(pattern).ok().and_then(|pattern| Glob::new(pattern).ok()) else { return };
    let subject = Subject::new(topic);
    if glob.matches(&subject) {
        assert!(subject.as_str().starts_with(glob.prefix()));
        assert!(glob.literals().all(|literal| subject.as_str().contains(literal)));
    }
    if let Some(literal) = glob.literal() {
        assert_eq!(glob.matches(&subject), literal == subject.as_str());
    }
}

/// What subscribers say on a websocket.
pub(crate) fn s2b(data: &[u8]) {
    for mode in [Mode::Minimal, Mode::Expanded] {
        again(data, S2b::read, |read, out| read.write(mode, out), |read, data| S2b::read(data) == Ok(*read));
    }
}

/// What broadcasters say on a websocket.
pub(crate) fn b2s(data: &[u8]) {
    for mode in [Mode::Minimal, Mode::Expanded] {
        again(data, B2s::read, |read, out| read.write(mode, out), |read, data| B2s::read(data) == Ok(*read));
    }
}

/// Parts, each with its length in two bytes before it.
pub(crate) fn stream(mut data: &[u8]) {
    let mut stream = Stream::new();
    while let Some((length, rest)) = data.split_first_chunk() {
        let Some((frame, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else { return };
        data = rest;
        let Ok(B2s::ReceiveStream(part)) = B2s::read(frame) else { return };
        match stream.push(&part) {
            Err(_) => return,
            Ok(Some(complete)) => assert!(stream.arriving().is_none() && complete.part_id == part.id()),
            Ok(None) => assert!(stream.arriving().is_some_and(|arriving| arriving.part_id == part.id())),
        }
    }
}

/// Reads, writes, and reads again.
fn again<'a, T: Debug>(
    data: &'a [u8],
    read: impl FnOnce(&'a [u8]) -> Result<T, WireError>,
    write: impl FnOnce(&T, &mut Vec<u8>) -> Result<(), WireError>,
    same: impl FnOnce(&T, &[u8]) -> bool,
) {
    match read(data) {
        Err(error) => in_bounds(error, data),
        Ok(value) => {
            let mut written = Vec::new();
            write(&value, &mut written).unwrap();
            assert!(same(&value, &written), "{value:?} became {written:?}");
        }
    }
}

fn in_bounds(error: WireError, data: &[u8]) {
    assert!(error.at <= data.len(), "{error}, of {} bytes", data.len());
}
