//! The protocol of `fastapi_websocket_pubsub`: JSON-RPC in websocket text frames.
//!
//! A subscriber answers every `notify`, as the protocol demands. Frames are searched, not parsed.

use std::io::{self, Error};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use tokio::net::TcpStream;

use super::{Progress, frame};
use crate::TOPIC;

pub(super) async fn open(stream: &mut TcpStream) -> io::Result<()> {
    frame::open(stream, "/pubsub").await
}

pub(super) fn subscribe(out: &mut Vec<u8>) {
    let request = format!(
        r#"{{"request":{{"method":"subscribe","arguments":{{"topics":["{TOPIC}"]}},"call_id":"s"}},"response":null}}"#
    );
    frame::write(frame::TEXT, &[request.as_bytes()], out);
}

pub(super) fn publish(payload: &[u8], out: &mut Vec<u8>) {
    let head = format!(r#"{{"request":{{"method":"publish","arguments":{{"topics":["{TOPIC}"],"data":""#);
    let tail = br#"","sync":false,"notifier_id":null},"call_id":"0123456789abcdef0123456789abcdef"},"response":null}"#;
    frame::write(frame::TEXT, &[head.as_bytes(), payload, tail], out);
}

fn answer(call_id: &[u8], out: &mut Vec<u8>) {
    let head = br#"{"request":null,"response":{"result":"None","result_type":"str","call_id":""#;
    frame::write(frame::TEXT, &[head, call_id, br#""}}"#], out);
}

pub(super) fn read(input: &[u8], out: &mut Vec<u8>, deliver: &mut impl FnMut(&[u8])) -> io::Result<Progress> {
    let mut progress = Progress::default();
    while let Some((opcode, body)) = frame::next(&input[progress.consumed..]) {
        let content = &input[progress.consumed + body.start..progress.consumed + body.end];
        progress.consumed += body.end;
        match opcode {
            frame::TEXT => progress.answers += text(content, out, deliver)?,
            frame::PING => frame::write(frame::PONG, &[content], out),
            frame::PONG => {}
            other => return Err(Error::other(format!("the hub sent a frame of kind {other}: {content:?}"))),
        }
    }
    Ok(progress)
}

/// A notify is delivered and answered. Everything else is an answer: gives how many.
fn text(content: &[u8], out: &mut Vec<u8>, deliver: &mut impl FnMut(&[u8])) -> io::Result<usize> {
    static NOTIFY: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"notify\""));
    static DATA: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"data\":"));
    // Both hubs write the method first.
    if NOTIFY.find(&content[..content.len().min(64)]).is_none() {
        return Ok(1);
    }
    let broken = || Error::other(format!("not a notify: {}", String::from_utf8_lossy(content)));
    let data = DATA.find(content).and_then(|at| quoted(&content[at + 7..])).ok_or_else(broken)?;
    // Behind the payload, so the search is short.
    let at = memchr::memmem::rfind(content, b"\"call_id\":").ok_or_else(broken)?;
    let call_id = quoted(&content[at + 10..]).ok_or_else(broken)?;
    deliver(data);
    answer(call_id, out);
    Ok(0)
}

/// What stands between the next two quotes.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let start = memchr::memchr(b'"', text)? + 1;
    let size = memchr::memchr(b'"', &text[start..])?;
    Some(&text[start..start + size])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(content: &[u8]) -> Vec<u8> {
        let mut out = vec![0x81];
        match content.len() {
            small @ 0..126 => out.push(small as u8),
            middle => {
                out.push(126);
                out.extend_from_slice(&(middle as u16).to_be_bytes());
            }
        }
        out.extend_from_slice(content);
        out
    }

    #[test]
    fn messages_in_pieces_are_read_when_they_are_complete_and_notifies_are_answered() {
        let notify = br#"{"request": {"method": "notify", "arguments": {"subscription": {"id": "1", "subscriber_id": "2", "topic": "t", "notifier_id": null}, "data": "abc"}, "call_id": "77"}, "response": null}"#;
        let stream = [unmasked(notify), unmasked(br#"{"request":null,"response":{"result":true}}"#)].concat();
        for cut in 0..=stream.len() {
            let (mut out, mut payloads) = (Vec::new(), Vec::new());
            let mut deliver = |payload: &[u8]| payloads.push(payload.to_vec());
            let first = read(&stream[..cut], &mut out, &mut deliver).unwrap();
            let second = read(&stream[first.consumed..], &mut out, &mut deliver).unwrap();
            assert_eq!(first.consumed + second.consumed, stream.len());
            assert_eq!((payloads, first.answers + second.answers), (vec![b"abc".to_vec()], 1));
            assert!(out.ends_with(br#""call_id":"77"}}"#));
        }
    }

    #[test]
    fn frames_of_every_size_have_the_length_that_the_standard_says() {
        for (size, head) in [(125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let mut out = Vec::new();
            frame::write(frame::TEXT, &[&vec![b'x'; size]], &mut out);
            assert_eq!(out.len(), size + head);
        }
    }
}
