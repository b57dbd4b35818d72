//! NATS's text protocol.

use std::io::{self, Error};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Progress, line, number};
use crate::TOPIC;

pub(super) async fn open(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n").await?;
    let mut greeting = Vec::new();
    while !greeting.ends_with(b"PONG\r\n") {
        if stream.read_buf(&mut greeting).await? == 0 {
            return Err(Error::other("NATS closed the connection"));
        }
    }
    Ok(())
}

/// NATS does not answer a `SUB`; the `PING` behind it makes it tell.
pub(super) fn subscribe(out: &mut Vec<u8>) {
    out.extend_from_slice(format!("SUB {TOPIC} 1\r\nPING\r\n").as_bytes());
}

pub(super) fn publish(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("PUB {TOPIC} {}\r\n", payload.len()).as_bytes());
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn read(input: &[u8], out: &mut Vec<u8>, deliver: &mut impl FnMut(&[u8])) -> io::Result<Progress> {
    let mut progress = Progress::default();
    while let Some((head, body)) = line(input, progress.consumed) {
        if head.starts_with(b"MSG ") {
            let size = number(head.rsplit(|byte| *byte == b' ').next().unwrap_or_default())?;
            let Some(payload) = input.get(body..body + size) else { break };
            if input.len() < body + size + 2 {
                break;
            }
            deliver(payload);
            progress.consumed = body + size + 2;
            continue;
        }
        match head {
            b"PONG" => progress.answers += 1,
            b"PING" => out.extend_from_slice(b"PONG\r\n"),
            head if head.starts_with(b"INFO ") => {}
            other => return Err(Error::other(format!("NATS said {}", String::from_utf8_lossy(other)))),
        }
        progress.consumed = body;
    }
    Ok(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_in_pieces_are_read_when_they_are_complete() {
        let stream = b"INFO {}\r\nMSG a 1 3\r\nabc\r\nPING\r\nMSG a 1 0\r\n\r\nPONG\r\n";
        for cut in 0..=stream.len() {
            let (mut out, mut payloads, mut answers) = (Vec::new(), Vec::new(), 0);
            let mut deliver = |payload: &[u8]| payloads.push(payload.to_vec());
            let first = read(&stream[..cut], &mut out, &mut deliver).unwrap();
            let second = read(&stream[first.consumed..], &mut out, &mut deliver).unwrap();
            answers += first.answers + second.answers;
            assert_eq!(first.consumed + second.consumed, stream.len());
            assert_eq!((payloads, out.as_slice(), answers), (vec![b"abc".to_vec(), vec![]], &b"PONG\r\n"[..], 1));
        }
    }
}
