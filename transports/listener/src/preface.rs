//! What comes before HTTP on a connection: the header of the PROXY protocol, then TLS.
//!
//! The header is that of <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, in its versions 1 and 2. Not a byte
//! behind it is read, so what follows finds the socket as if nothing had been.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::rt::net::TcpStream;
use ppp::{HeaderResult, v1, v2};
use rustls::ServerConfig;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::Networks;

/// Whose connections begin with a header, and how long everything before HTTP may take.
#[derive(Debug, Clone)]
pub(crate) struct Preface {
    pub(crate) trusted: Arc<Networks>,
    pub(crate) patience: Duration,
}

impl Preface {
    /// Of a plain connection: the connection, and the client's address if it is known.
    pub(crate) async fn plain(self, tcp: TcpStream) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        self.within(async { self.client(tcp).await }).await
    }

    /// Of a connection with TLS, which begins behind the header.
    pub(crate) async fn tls(
        self,
        tcp: TcpStream,
        acceptor: TlsAcceptor,
    ) -> io::Result<(TlsStream<TcpStream>, Option<SocketAddr>)> {
        self.within(async {
            let (tcp, client) = self.client(tcp).await?;
            Ok((acceptor.accept(tcp).await?.into(), client))
        })
        .await
    }

    async fn within<T>(&self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        timeout(self.patience, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn client(&self, mut tcp: TcpStream) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        tcp.set_nodelay(true)?;
        let peer = tcp.peer_addr()?;
        if !self.trusted.contain(peer.ip().to_canonical()) {
            return Ok((tcp, Some(peer)));
        }
        let header = read(&mut tcp).await;
        let client = header.and_then(|header| client(&header));
        if let Err(error) = &client {
            tracing::warn!(%peer, %error, "a trusted proxy connected without a header of the PROXY protocol: refused");
        }
        Ok((tcp, client?))
    }
}

/// What rustls needs to know beside a certificate.
pub(crate) fn acceptor(mut config: ServerConfig) -> TlsAcceptor {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// No header of either version is shorter.
const SHORTEST: usize = 12;
/// The first line of version 1, with its end.
const LONGEST_LINE: usize = 107;
/// Version 2 up to and with its length.
const FIXED: usize = 16;
/// What version 2 may add to the addresses is for others; this is far more than proxies send.
const LONGEST_REST: usize = 4096;

async fn read(tcp: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut header = vec![0; SHORTEST];
    tcp.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        let mut fixed = [0; FIXED - SHORTEST];
        tcp.read_exact(&mut fixed).await?;
        header.extend(fixed);
        let [.., high, low] = fixed;
        let rest = usize::from(u16::from_be_bytes([high, low]));
        if rest > LONGEST_REST {
            return Err(wrong(format!("a header of {rest} bytes")));
        }
        read_on(tcp, &mut header, rest).await?;
    } else if header.starts_with(b"PROXY ") {
        read_line(tcp, &mut header).await?;
    } else {
        return Err(wrong("no header"));
    }
    Ok(header)
}

/// Looks before it reads, so that it takes the line and no more.
async fn read_line(tcp: &mut TcpStream, header: &mut Vec<u8>) -> io::Result<()> {
    let mut ahead = [0; LONGEST_LINE];
    while !header.ends_with(b"\n") {
        let room = ahead.get_mut(..LONGEST_LINE.saturating_sub(header.len())).unwrap_or_default();
        if room.is_empty() {
            return Err(wrong("a line that does not end"));
        }
        let seen = tcp.peek(room).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = room.iter().take(seen).position(|byte| *byte == b'\n').map_or(seen, |at| at + 1);
        read_on(tcp, header, end).await?;
    }
    Ok(())
}

async fn read_on(tcp: &mut TcpStream, header: &mut Vec<u8>, more: usize) -> io::Result<()> {
    let from = header.len();
    header.resize(from + more, 0);
    tcp.read_exact(header.get_mut(from..).unwrap_or_default()).await.map(|_| ())
}

/// Whom a header is about; `None` if it does not say: a proxy's own connection, or one that it cannot tell of.
fn client(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(all) => Some(SocketAddr::from((all.source_address, all.source_port))),
            v1::Addresses::Tcp6(all) => Some(SocketAddr::from((all.source_address, all.source_port))),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) => Ok(match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(all)) => {
                Some(SocketAddr::from((all.source_address, all.source_port)))
            }
            (v2::Command::Proxy, v2::Addresses::IPv6(all)) => {
                Some(SocketAddr::from((all.source_address, all.source_port)))
            }
            _ => None,
        }),
        HeaderResult::V1(Err(error)) => Err(wrong(error.to_string())),
        HeaderResult::V2(Err(error)) => Err(wrong(error.to_string())),
    }
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use ppp::v2::{Builder, Command, Protocol, Version};
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// What is read from a connection on which `sent` comes byte by byte, and what is left on it.
    async fn read_of(sent: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut receiver, _) = listener.accept().await.unwrap();
        sender.set_nodelay(true).unwrap();
        let send = async {
            for byte in sent {
                if sender.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            _ = sender.shutdown().await;
        };
        let receive = async {
            let header = read(&mut receiver).await;
            let client = header.and_then(|header| client(&header));
            let mut rest = Vec::new();
            if client.is_ok() {
                receiver.read_to_end(&mut rest).await.unwrap();
            }
            drop(receiver);
            (client, rest)
        };
        tokio::join!(send, receive).1
    }

    fn v2(command: Command, addresses: impl Into<v2::Addresses>) -> Vec<u8> {
        let header = Builder::with_addresses(Version::Two | command, Protocol::Stream, addresses);
        header.write_tlv(v2::Type::NoOp, &[0x0a; 40]).unwrap().build().unwrap()
    }

    fn pair(from: &str, to: &str) -> (SocketAddr, SocketAddr) {
        (from.parse().unwrap(), to.parse().unwrap())
    }

    #[tokio::test]
    async fn a_header_of_either_version_names_the_client_and_what_follows_is_left() {
        let v4 = pair("203.0.113.9:4711", "192.0.2.1:443");
        let v6 = pair("[2001:db8::9]:4711", "[2001:db8::1]:443");
        for (header, client) in [
            (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n".to_vec(), Some(v4.0)),
            (b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n".to_vec(), Some(v6.0)),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN 203.0.113.9 192.0.2.1 4711 443\r\n".to_vec(), None),
            (v2(Command::Proxy, v4), Some(v4.0)),
            (v2(Command::Proxy, v6), Some(v6.0)),
            (v2(Command::Local, v4), None),
            (v2(Command::Proxy, v2::Addresses::Unspecified), None),
            (v2(Command::Proxy, v2::Unix::new([1; 108], [2; 108])), None),
        ] {
            let (found, rest) = read_of(&[&header[..], b"GET / HTTP/1.1\r\n"].concat()).await;
            assert_eq!(found.unwrap(), client, "{header:?}");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let mut huge = v2(Command::Local, v2::Addresses::Unspecified);
        huge[14..16].copy_from_slice(&[0xff, 0xff]);
        let mut other = v2(Command::Local, v2::Addresses::Unspecified);
        other[12] = 0x11;
        for sent in [
            b"".to_vec(),
            b"PROXY".to_vec(),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 192.0.2.1 4711\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.999 192.0.2.1 4711 443\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443".to_vec(),
            [&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat(),
            huge,
            other,
        ] {
            assert!(read_of(&sent).await.0.is_err(), "{sent:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header: Vec<u8>, line in "PROXY [ -~]{0,100}\r\n", rest: Vec<u8>) {
            let binary = [v2::PROTOCOL_PREFIX, &rest].concat();
            for header in [&header, line.as_bytes(), &binary] {
                _ = client(header);
            }
        }
    }
}
