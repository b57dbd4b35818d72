//! One connection to a server. It does one thing at a time.
//!
//! A future of it that is dropped before its end leaves an answer on the way: such a connection is of no further use.

use std::io;

use bytes::BytesMut;
use eventhive_tls::Io;
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::config::{Security, Server};
use super::error::Broken;
use super::wire::{self, Answer, Kind, Message, Search};

pub(super) struct Connection {
    io: Box<dyn Io>,
    buffer: BytesMut,
    last_id: u32,
}

/// How a server ended an operation: code and text.
pub(super) type Outcome = (u32, String);

/// Read at a time. Most answers are much smaller.
const READ_BYTES: usize = 4 << 10;

impl Connection {
    /// Connects, and turns TLS on where it is wanted. The certificate has to be for the server's name.
    pub(super) async fn open(server: &Server) -> Result<Self, Broken> {
        let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
        stream.set_nodelay(true)?;
        match &server.security {
            Security::Nothing => Ok(Self::over(stream)),
            Security::Tls(tls, name) => Ok(Self::over(tls.connect(name.clone(), stream).await?)),
            Security::StartTls(tls, name) => {
                let mut plain = Self::over(stream);
                plain.start_tls().await?;
                Ok(Self::over(tls.connect(name.clone(), plain.io).await?))
            }
        }
    }

    fn over(io: impl Io + 'static) -> Self {
        Self { io: Box::new(io), buffer: BytesMut::new(), last_id: 0 }
    }

    /// Asks for TLS. What came right behind the answer was said by who knows whom: it must not count as said under TLS.
    async fn start_tls(&mut self) -> Result<(), Broken> {
        let id = self.next_id();
        self.send(&wire::start_tls(id)).await?;
        match self.answer(id).await? {
            Kind::Done { code: 0, .. } if self.buffer.is_empty() => Ok(()),
            Kind::Done { code: 0, .. } => Err(Broken::Malformed("it says more before it is encrypted")),
            Kind::Done { code, text } => Err(Broken::Unable(code, text)),
            _ => Err(Broken::Malformed("no answer to StartTLS")),
        }
    }

    /// Logs in. Whoever was logged in before on this connection is not any more, also if it fails.
    pub(super) async fn bind(&mut self, name: &str, password: &str) -> Result<Outcome, Broken> {
        let id = self.next_id();
        self.send(&wire::bind(id, name, password)).await?;
        match self.answer(id).await? {
            Kind::Done { code, text } => Ok((code, text)),
            _ => Err(Broken::Malformed("no answer to a login")),
        }
    }

    /// Searches; `found` is given the name of each entry.
    pub(super) async fn search(
        &mut self,
        search: &Search<'_>,
        mut found: impl FnMut(String),
    ) -> Result<Outcome, Broken> {
        let id = self.next_id();
        self.send(&search.message(id)).await?;
        let mut room = search.most_entries;
        loop {
            match self.answer(id).await? {
                Kind::Done { code, text } => return Ok((code, text)),
                Kind::Entry(name) => {
                    room = room.checked_sub(1).ok_or(Broken::Malformed("more entries than were asked for"))?;
                    found(name);
                }
                Kind::Other => {}
            }
        }
    }

    /// Whether it can be used again. A server has nothing to say while it is not asked, but that it hangs up.
    pub(super) fn is_alive(&mut self) -> bool {
        self.buffer.is_empty() && self.io.read_buf(&mut self.buffer).now_or_never().is_none()
    }

    /// Takes its leave, if that takes no time.
    pub(super) fn close(mut self) {
        let id = self.next_id();
        let _ = self.send(&wire::unbind(id)).now_or_never();
    }

    async fn send(&mut self, message: &Message) -> Result<(), Broken> {
        self.io.write_all(message).await?;
        Ok(self.io.flush().await?)
    }

    async fn answer(&mut self, id: u32) -> Result<Kind, Broken> {
        loop {
            if let Some(size) = wire::size(&self.buffer)?.filter(|size| *size <= self.buffer.len()) {
                return match wire::read(&self.buffer.split_to(size))? {
                    Answer { id: found, kind } if found == id => Ok(kind),
                    // What nobody asked for is that the server hangs up (RFC 4511, section 4.4.1), and why.
                    Answer { id: 0, kind: Kind::Done { code, text } } => Err(Broken::Unable(code, text)),
                    _ => Err(Broken::Malformed("an answer to something else")),
                };
            }
            self.buffer.reserve(READ_BYTES);
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection").into());
            }
        }
    }

    const fn next_id(&mut self) -> u32 {
        // It is a positive number of 31 bits.
        self.last_id = if self.last_id >= i32::MAX as u32 { 1 } else { self.last_id + 1 };
        self.last_id
    }
}
