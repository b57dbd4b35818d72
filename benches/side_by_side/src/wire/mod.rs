//! Just enough of each protocol to publish and to subscribe, as cheaply as it can be done: the load must not be what is
//! measured.

mod json_rpc;
mod nats;
mod redis;

use std::io;

use tokio::net::TcpStream;

use crate::system::System;

/// What a piece of the incoming stream held.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes of complete messages; the rest waits for more.
    pub(crate) consumed: usize,
    /// Answers to what this side sent.
    pub(crate) answers: usize,
}

/// The client's side of a protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wire {
    Nats,
    Redis,
    JsonRpc,
}

impl Wire {
    pub(crate) const fn of(system: System) -> Self {
        match system {
            System::Nats => Self::Nats,
            System::Redis => Self::Redis,
            System::Eventhive | System::Python => Self::JsonRpc,
        }
    }

    /// Connects, up to where requests can be sent.
    pub(crate) async fn open(self, port: u16) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        match self {
            Self::Nats => nats::open(&mut stream).await?,
            Self::Redis => {}
            Self::JsonRpc => json_rpc::open(&mut stream).await?,
        }
        Ok(stream)
    }

    /// A request that subscribes to the topic, and that gets one answer.
    pub(crate) fn subscribe(self, out: &mut Vec<u8>) {
        match self {
            Self::Nats => nats::subscribe(out),
            Self::Redis => redis::subscribe(out),
            Self::JsonRpc => json_rpc::subscribe(out),
        }
    }

    /// A request that publishes `payload`, which is ASCII that needs no escape in JSON.
    pub(crate) fn publish(self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Nats => nats::publish(payload, out),
            Self::Redis => redis::publish(payload, out),
            Self::JsonRpc => json_rpc::publish(payload, out),
        }
    }

    /// Reads all complete messages of `input`. Each payload goes to `deliver`; what the protocol demands in return goes
    /// to `out`.
    pub(crate) fn read(self, input: &[u8], out: &mut Vec<u8>, deliver: &mut impl FnMut(&[u8])) -> io::Result<Progress> {
        match self {
            Self::Nats => nats::read(input, out, deliver),
            Self::Redis => redis::read(input, deliver),
            Self::JsonRpc => json_rpc::read(input, out, deliver),
        }
    }
}

/// The line that starts at `from`, without its end, and where the next begins.
fn line(input: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let end = from + memchr::memchr(b'\n', input.get(from..)?)?;
    let text = &input[from..end];
    Some((text.strip_suffix(b"\r").unwrap_or(text), end + 1))
}

/// A whole number in digits.
fn number(digits: &[u8]) -> io::Result<usize> {
    let text = std::str::from_utf8(digits).map_err(io::Error::other)?;
    text.parse().map_err(|_| io::Error::other(format!("not a number: {text}")))
}
