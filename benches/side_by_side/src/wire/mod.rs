//! Just enough of each protocol to publish and to subscribe, as cheaply as it can be done: the load must not be what is
//! measured.

mod frame;
mod http;
mod json_rpc;
mod lonely;
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
    Http {
        /// Each message is published on a topic of its own, below the one that all use.
        new_topics: bool,
    },
    Lonely,
}

impl Wire {
    pub(crate) const fn of(system: System) -> Self {
        match system {
            System::Nats => Self::Nats,
            System::Redis => Self::Redis,
            System::Eventhive | System::Python => Self::JsonRpc,
            System::Http => Self::Http { new_topics: false },
            System::Webhook | System::Lonelypss => Self::Lonely,
        }
    }

    /// How many publishes may wait for their answers on a connection. HTTP's are written together as far as they fit into
    /// one piece of the way: our server closes a connection where it answers a request while it has a part of the next
    /// one's body.
    pub(crate) fn most_unanswered(self, payload_bytes: usize) -> Option<usize> {
        match self {
            Self::Http { .. } => Some((8192 / (payload_bytes + http::PUBLISH_HEAD)).max(1)),
            Self::Lonely => Some(lonely::MOST_UNANSWERED),
            Self::Nats | Self::Redis | Self::JsonRpc => None,
        }
    }

    /// Connects, up to where requests can be sent.
    pub(crate) async fn open(self, port: u16) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        match self {
            Self::Nats => nats::open(&mut stream).await?,
            Self::Redis | Self::Http { .. } => {}
            Self::JsonRpc => json_rpc::open(&mut stream).await?,
            Self::Lonely => lonely::open(&mut stream).await?,
        }
        Ok(stream)
    }

    /// A request that subscribes to the topic, and that gets one answer.
    pub(crate) fn subscribe(self, out: &mut Vec<u8>) {
        match self {
            Self::Nats => nats::subscribe(out),
            Self::Redis => redis::subscribe(out),
            Self::JsonRpc => json_rpc::subscribe(out),
            Self::Lonely => lonely::subscribe(out),
            Self::Http { .. } => http::subscribe(out),
        }
    }

    /// A request that publishes `payload`, which is ASCII that needs no escape in JSON. `number` is how many have been
    /// published before.
    pub(crate) fn publish(self, number: u64, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Nats => nats::publish(payload, out),
            Self::Redis => redis::publish(payload, out),
            Self::JsonRpc => json_rpc::publish(payload, out),
            Self::Lonely => lonely::publish(payload, out),
            Self::Http { new_topics } => http::publish(new_topics.then_some(number), payload, out),
        }
    }

    /// Reads all complete messages of `input`. Each payload goes to `deliver`; what the protocol demands in return goes
    /// to `out`.
    pub(crate) fn read(self, input: &[u8], out: &mut Vec<u8>, deliver: &mut impl FnMut(&[u8])) -> io::Result<Progress> {
        match self {
            Self::Nats => nats::read(input, out, deliver),
            Self::Redis => redis::read(input, deliver),
            Self::JsonRpc => json_rpc::read(input, out, deliver),
            Self::Lonely => lonely::read(input, out, deliver),
            Self::Http { .. } => http::read(input, deliver),
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
