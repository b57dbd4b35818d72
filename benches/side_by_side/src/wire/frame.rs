//! Websockets: the upgrade, and frames. They are masked with zeros, so that the client costs little; the server has the same work
//! with any mask.

use std::io::{self, Error};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

pub(super) async fn open(stream: &mut TcpStream, path: &str) -> io::Result<()> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // Byte by byte, so that nothing behind the head is taken.
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if head.starts_with(b"HTTP/1.1 101") {
        return Ok(());
    }
    Err(Error::other(format!("no websocket: {}", String::from_utf8_lossy(&head))))
}

/// One masked frame (RFC 6455, section 5.2), with a mask of zeros.
pub(super) fn write(opcode: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    out.push(0x80 | opcode);
    match (u8::try_from(size), u16::try_from(size)) {
        (Ok(small @ 0..=125), _) => out.push(0x80 | small),
        (_, Ok(middle)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Kind and place of the unmasked frame at the start of `input`, if all of it is there.
pub(super) fn next(input: &[u8]) -> Option<(u8, std::ops::Range<usize>)> {
    let [first, second, ..] = *input else { return None };
    let (size, start) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(input.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(input.get(2..10)?.try_into().ok()?), 10),
        small => (u64::from(small), 2),
    };
    let end = start + usize::try_from(size).ok()?;
    (input.len() >= end).then_some((first & 0x0f, start..end))
}
