//! Redis's protocol, version 2: the part that PUBLISH and SUBSCRIBE use.

use std::io::{self, Error};

use super::{Progress, line, number};
use crate::TOPIC;

pub(super) fn subscribe(out: &mut Vec<u8>) {
    command(&[b"SUBSCRIBE", TOPIC.as_bytes()], out);
}

pub(super) fn publish(payload: &[u8], out: &mut Vec<u8>) {
    command(&[b"PUBLISH", TOPIC.as_bytes(), payload], out);
}

fn command(words: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

pub(super) fn read(input: &[u8], deliver: &mut impl FnMut(&[u8])) -> io::Result<Progress> {
    let mut progress = Progress::default();
    while let Some((head, next)) = line(input, progress.consumed) {
        match head {
            // How many received what was published.
            [b':', ..] => (progress.answers, progress.consumed) = (progress.answers + 1, next),
            [b'*', b'3'] => match push(input, next)? {
                Some((Some(payload), end)) => {
                    deliver(payload);
                    progress.consumed = end;
                }
                Some((None, end)) => (progress.answers, progress.consumed) = (progress.answers + 1, end),
                None => break,
            },
            other => return Err(Error::other(format!("Redis said {}", String::from_utf8_lossy(other)))),
        }
    }
    Ok(progress)
}

/// Three items: `message`, topic, payload; or `subscribe`, topic, `:count`, which has no payload.
#[expect(clippy::type_complexity, reason = "complete or not, payload or not, and the end")]
fn push(input: &[u8], from: usize) -> io::Result<Option<(Option<&[u8]>, usize)>> {
    let Some((_kind, at)) = bulk(input, from)? else { return Ok(None) };
    let Some((_topic, at)) = bulk(input, at)? else { return Ok(None) };
    if input.get(at) == Some(&b':') {
        return Ok(line(input, at).map(|(_, end)| (None, end)));
    }
    Ok(bulk(input, at)?.map(|(payload, end)| (Some(payload), end)))
}

fn bulk(input: &[u8], from: usize) -> io::Result<Option<(&[u8], usize)>> {
    let Some((head, body)) = line(input, from) else { return Ok(None) };
    let size = number(head.strip_prefix(b"$").unwrap_or(head))?;
    let end = body + size + 2;
    Ok((input.len() >= end).then(|| (&input[body..body + size], end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_in_pieces_are_read_when_they_are_complete() {
        let stream = b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3\r\nabc\r\n:7\r\n";
        for cut in 0..=stream.len() {
            let mut payloads = Vec::new();
            let mut deliver = |payload: &[u8]| payloads.push(payload.to_vec());
            let first = read(&stream[..cut], &mut deliver).unwrap();
            let second = read(&stream[first.consumed..], &mut deliver).unwrap();
            assert_eq!(first.consumed + second.consumed, stream.len());
            assert_eq!((payloads, first.answers + second.answers), (vec![b"abc".to_vec()], 2));
        }
    }
}
