//! Just enough of HTTP/1.1 for both other ends: a head, and how long the body behind it is.

use std::io::{self, Error};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What stands before a body.
pub(super) struct Head {
    /// Of an answer.
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    /// Of a request that delivers a message.
    pub(super) digest: Option<String>,
    /// Its own length.
    size: usize,
}

/// What has arrived on a connection, read in order.
pub(super) struct Input<S> {
    stream: S,
    bytes: Vec<u8>,
}

/// How much is read at a time.
const PIECE: usize = 64 * 1024;

impl<S: AsyncRead + Unpin> Input<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, bytes: Vec::with_capacity(PIECE) }
    }

    /// The next head; `None` if the other end closed the connection before it.
    pub(super) async fn head(&mut self, read: fn(&[u8]) -> io::Result<Option<Head>>) -> io::Result<Option<Head>> {
        loop {
            if let Some(head) = read(&self.bytes)? {
                self.bytes.drain(..head.size);
                return Ok(Some(head));
            }
            if self.more().await? == 0 {
                return if self.bytes.is_empty() { Ok(None) } else { Err(Error::other("closed within a head")) };
            }
        }
    }

    /// The next bytes of a body, which is handed over in one piece.
    pub(super) async fn whole<T>(&mut self, length: usize, take: impl FnOnce(&[u8]) -> io::Result<T>) -> io::Result<T> {
        while self.bytes.len() < length {
            self.some().await?;
        }
        let taken = take(&self.bytes[..length]);
        self.bytes.drain(..length);
        taken
    }

    /// The next bytes of a body, in pieces as they come.
    pub(super) async fn pieces(&mut self, length: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.bytes.is_empty() {
                self.some().await?;
            }
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(self.bytes.len());
            take(&self.bytes[..now]);
            self.bytes.drain(..now);
            left -= now as u64;
        }
        Ok(())
    }

    async fn some(&mut self) -> io::Result<()> {
        if self.more().await? == 0 { Err(Error::other("closed within a body")) } else { Ok(()) }
    }

    async fn more(&mut self) -> io::Result<usize> {
        self.bytes.reserve(PIECE);
        self.stream.read_buf(&mut self.bytes).await
    }
}

pub(super) fn request(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(size) = request.parse(bytes).map_err(Error::other)? else { return Ok(None) };
    of(0, request.headers, size).map(Some)
}

pub(super) fn answer(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(size) = answer.parse(bytes).map_err(Error::other)? else { return Ok(None) };
    of(answer.code.unwrap_or_default(), answer.headers, size).map(Some)
}

fn of(status: u16, headers: &[httparse::Header<'_>], size: usize) -> io::Result<Head> {
    let value = |name: &str| {
        let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    let length = value("content-length").ok_or_else(|| Error::other("a body without its length"))?;
    let body_bytes = length.parse().map_err(Error::other)?;
    Ok(Head { status, body_bytes, digest: value("repr-digest"), size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn heads_and_bodies_are_read_in_order_however_they_arrive() {
        let stream = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nde";
        for cut in 0..stream.len() {
            let (first, second) = stream.split_at(cut);
            let mut input = Input::new(first.chain(second));
            let head = input.head(answer).await.unwrap().unwrap();
            assert_eq!((head.status, head.body_bytes), (200, 3));
            assert_eq!(input.whole(3, |body| Ok(body.to_vec())).await.unwrap(), b"abc");
            assert_eq!(input.head(answer).await.unwrap().unwrap().status, 503);
            let mut body = Vec::new();
            input.pieces(2, |piece| body.extend_from_slice(piece)).await.unwrap();
            assert_eq!(body, b"de");
            assert!(input.head(answer).await.unwrap().is_none());
        }
    }
}
