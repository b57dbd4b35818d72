//! One connection to a broadcaster, on which requests wait for each other.

use std::io::{self, Error};
use std::time::Duration;

use eventhive_webhook::wire::bodies::{Entry, NotifyHead, SetHead, Subscribe, write_lists};
use eventhive_webhook::wire::digest::Hash;
use eventhive_webhook::wire::etag::EtagBuilder;
use eventhive_webhook::wire::responses::Response;
use eventhive_webhook::wire::{Interest, digest};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::http::{self, Input};

pub(super) struct Notifier {
    input: Input<OwnedReadHalf>,
    stream: OwnedWriteHalf,
    request: Vec<u8>,
}

impl Notifier {
    pub(super) async fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (reading, stream) = stream.into_split();
        Ok(Self { input: Input::new(reading), stream, request: Vec::new() })
    }

    /// Subscribes a url to one topic.
    pub(super) async fn subscribe(&mut self, url: &str, topic: &[u8]) -> io::Result<()> {
        let mut body = Vec::new();
        let request = Subscribe { url, interest: Interest::Exact(topic), recovery: None, tracing: b"" };
        request.write(&mut body).map_err(Error::other)?;
        self.post("subscribe/exact", &body).await?;
        self.answer(|_| Ok(())).await
    }

    /// Replaces all subscriptions of a url. Both lists are sorted.
    pub(super) async fn set(&mut self, url: &str, topics: &[String], globs: &[String]) -> io::Result<()> {
        let topics = topics.iter().map(|topic| Interest::Exact(topic.as_bytes()));
        let globs = globs.iter().map(|glob| Interest::Glob(glob));
        let mut etag = EtagBuilder::new(url).map_err(Error::other)?;
        topics.clone().chain(globs.clone()).try_for_each(|interest| etag.push(interest, None)).map_err(Error::other)?;
        let mut body = Vec::new();
        let entry = |interest| Entry { interest, recovery: None };
        let (topics, globs): (Vec<_>, Vec<_>) = (topics.map(entry).collect(), globs.map(entry).collect());
        let head = SetHead { tracing: b"", url, etag: etag.finish() };
        head.write(&mut body).and_then(|()| write_lists(&topics, &globs, &mut body)).map_err(Error::other)?;
        self.post("set_subscriptions", &body).await?;
        self.answer(|_| Ok(())).await
    }

    /// Notifies, and gives how many subscribers have confirmed the message.
    pub(super) async fn notify(&mut self, topic: &[u8], message: &[u8]) -> io::Result<u32> {
        let sha512 = digest::hash(message);
        let mut body = head(topic, &sha512, message.len() as u64)?;
        body.extend_from_slice(message);
        self.post("notify", &body).await?;
        self.answer(count).await
    }

    /// As [`notify`](Self::notify), of a message that is so many times the same piece.
    pub(super) async fn notify_large(
        &mut self,
        topic: &[u8],
        sha512: &Hash,
        piece: &[u8],
        times: u64,
    ) -> io::Result<u32> {
        let length = piece.len() as u64 * times;
        let body = head(topic, sha512, length)?;
        self.begin("notify", body.len() as u64 + length);
        self.request.extend_from_slice(&body);
        self.stream.write_all(&self.request).await?;
        for _ in 0..times {
            self.stream.write_all(piece).await?;
        }
        self.answer(count).await
    }

    async fn post(&mut self, endpoint: &str, body: &[u8]) -> io::Result<()> {
        self.begin(endpoint, body.len() as u64);
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await
    }

    fn begin(&mut self, endpoint: &str, length: u64) {
        let head = format!("POST /v1/{endpoint} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n");
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
    }

    async fn answer<T>(&mut self, read: impl FnOnce(&Response<'_>) -> io::Result<T>) -> io::Result<T> {
        let closed = || Error::other("the broadcaster closed the connection");
        let head = tokio::time::timeout(PATIENCE, self.input.head(http::answer)).await??.ok_or_else(closed)?;
        if head.status != 200 {
            return Err(Error::other(format!("the broadcaster answered with {}", head.status)));
        }
        let length = usize::try_from(head.body_bytes).map_err(Error::other)?;
        self.input
            .whole(length, |body| Response::read(body).map_err(Error::other).and_then(|answer| read(&answer)))
            .await
    }
}

/// For the largest message, which every url has to have.
const PATIENCE: Duration = Duration::from_secs(1_800);

fn head(topic: &[u8], sha512: &Hash, length: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let head = NotifyHead { topic, sha512, tracing: b"", identifier: b"bench", length };
    head.write(&mut out).map_err(Error::other)?;
    Ok(out)
}

fn count(answer: &Response<'_>) -> io::Result<u32> {
    match answer {
        Response::Notify { count, .. } => Ok(*count),
        other => Err(Error::other(format!("no answer to a notify: {other:?}"))),
    }
}
