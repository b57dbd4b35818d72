//! HTTP streams as PyPubSub has them: GET receives an endless answer with one chunk for each event, PUT publishes.
//!
//! Chunks are searched, not parsed.

use std::io::{self, Error};
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{Progress, line, number};
use crate::TOPIC;

/// Where the payload begins in the line of an event, as [`publish`] writes it and servers give it back.
const EVENT: &[u8] = br#"{"data": ""#;
/// What a publish has beside its payload, about.
pub(super) const PUBLISH_HEAD: usize = 100;
const PING: &[u8] = br#"{"stillalive""#;

pub(super) fn subscribe(out: &mut Vec<u8>) {
    out.extend_from_slice(format!("GET /{TOPIC} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes());
}

/// `below` is a topic of the message's own, below the one that all use.
pub(super) fn publish(below: Option<u64>, payload: &[u8], out: &mut Vec<u8>) {
    let size = payload.len() + br#"{"data":""}"#.len();
    let below = below.map(|number| format!("/{number}")).unwrap_or_default();
    let head = format!("PUT /{TOPIC}{below} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(br#"{"data":""#);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\"}");
}

pub(super) fn read(input: &[u8], deliver: &mut impl FnMut(&[u8])) -> io::Result<Progress> {
    let mut progress = Progress::default();
    while let Some(rest) = input.get(progress.consumed..) {
        let size = if rest.starts_with(b"HTTP/") {
            let size = answer(rest)?;
            progress.answers += usize::from(size.is_some());
            size
        } else {
            chunk(rest, deliver)?
        };
        match size {
            Some(size) => progress.consumed += size,
            None => break,
        }
    }
    Ok(progress)
}

/// The size of the answer at the start of `input`, if all of it is there; of a stream's answer only the head is one.
fn answer(input: &[u8]) -> io::Result<Option<usize>> {
    static END: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
    static LENGTH: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"ontent-length: "));
    static LENGTH_IN_CAPITALS: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"ontent-Length: "));
    let Some(end) = END.find(input) else { return Ok(None) };
    let head = &input[..end + 4];
    if head.starts_with(b"HTTP/1.1 200 ") {
        return Ok(Some(head.len()));
    }
    let length = LENGTH.find(head).or_else(|| LENGTH_IN_CAPITALS.find(head));
    let length = length.and_then(|at| line(head, at + b"ontent-length: ".len()));
    let (true, Some((length, _))) = (head.starts_with(b"HTTP/1.1 202 "), length) else {
        return Err(Error::other(format!("the server said {}", String::from_utf8_lossy(head))));
    };
    let size = head.len() + number(length)?;
    Ok((input.len() >= size).then_some(size))
}

/// The size of the chunk at the start of `input`, if all of it is there. What is in it is delivered.
fn chunk(input: &[u8], deliver: &mut impl FnMut(&[u8])) -> io::Result<Option<usize>> {
    let Some((digits, start)) = line(input, 0) else { return Ok(None) };
    let broken = || Error::other(format!("not a chunk: {}", String::from_utf8_lossy(&input[..input.len().min(200)])));
    let size = std::str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let end = start + size.filter(|size| *size > 0).ok_or_else(broken)?;
    let Some(content) = input.get(start..end).filter(|_| input.len() >= end + 2) else { return Ok(None) };
    match content.strip_prefix(EVENT) {
        Some(content) => deliver(&content[..memchr::memchr(b'"', content).ok_or_else(broken)?]),
        None if content.starts_with(PING) => {}
        None => return Err(broken()),
    }
    Ok(Some(end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_chunks_in_pieces_are_read_when_they_are_complete() {
        let stream = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{\"stillalive\": 1.5}\n\r\n\
            1F\r\n{\"data\": \"abc\", \"pubsub\": 1.5}\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nok\n";
        for cut in 0..=stream.len() {
            let mut payloads = Vec::new();
            let mut deliver = |payload: &[u8]| payloads.push(payload.to_vec());
            let first = read(&stream[..cut], &mut deliver).unwrap();
            let second = read(&stream[first.consumed..], &mut deliver).unwrap();
            assert_eq!(first.consumed + second.consumed, stream.len());
            assert_eq!((payloads, first.answers + second.answers), (vec![b"abc".to_vec()], 2));
        }
    }

    #[test]
    fn what_is_no_answer_to_a_publish_and_no_event_is_an_error() {
        let mut deliver = |_: &[u8]| {};
        for bad in [&b"HTTP/1.1 403 Forbidden\r\n\r\n"[..], b"0\r\n\r\n", b"zz\r\n", b"3\r\n{}\n\r\n"] {
            assert!(read(bad, &mut deliver).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
