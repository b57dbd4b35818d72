//! One connection to a host, and a request on it.
//!
//! Whoever makes a request drives the connection itself, in its own task: nothing is spawned, and no other task is woken on the
//! way. A connection without a request is driven by nobody; [`Connection::is_alive`] looks whether it still stands.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{future, io};

use bytes::{Bytes, BytesMut};
use eventhive_tls::Io;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::body::RequestBody;

/// The longest head of an answer; hyper reads and writes in buffers of at most this.
const BUFFER: usize = 64 << 10;

/// How many bytes of a request are worth a second more.
const A_SECOND: u64 = 1 << 20;

type Driver = http1::Connection<TokioIo<Watched>, RequestBody>;

/// A connection. Dropping it closes it.
pub(super) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    /// `None` once it has ended.
    driver: Option<Driver>,
    traffic: Arc<Traffic>,
}

/// An answer, all of it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended. `heard` is whether anything of an answer had come.
    Lost { heard: bool, error: hyper::Error },
    /// It stood still for too long, or the whole took too long.
    Slow,
    /// The answer is longer than it may be.
    TooLong(StatusCode),
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the end of the answer; longer by what is [`granted`] for what was written.
    pub(super) until: Instant,
    /// For anything to move.
    pub(super) still: Duration,
}

/// How much longer a request may take of which so many bytes are written: it has to go on with a mebibyte a second, on the
/// whole. What counts is what was written and not what is to be: a large message gives nobody time who does not take it.
pub(super) fn granted(bytes: u64) -> Duration {
    Duration::from_secs(bytes / A_SECOND)
}

impl Connection {
    /// In a box, because it has kilobytes, and is kept by those who wait for its answer.
    pub(super) async fn new(io: Box<dyn Io>) -> Result<Box<Self>, hyper::Error> {
        let traffic = Arc::new(Traffic::new());
        let watched = Watched { io, traffic: Arc::clone(&traffic) };
        let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(watched));
        let (sender, driver) = handshake.await?;
        Ok(Box::new(Self { sender, driver: Some(driver), traffic }))
    }

    /// Makes a request. Cancelling it closes the connection.
    pub(super) async fn ask(
        &mut self,
        request: Request<RequestBody>,
        most: usize,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        self.traffic.begin();
        let traffic = Arc::clone(&self.traffic);
        let answer = read(self.sender.send_request(request), &traffic, most);
        let mut answer = pin!(drive(&mut self.driver, answer));
        let mut timer = pin!(tokio::time::sleep_until(traffic.due(patience)));
        future::poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            while timer.as_mut().poll(context).is_ready() {
                let due = traffic.due(patience);
                if due <= Instant::now() {
                    return Poll::Ready(Err(Broken::Slow));
                }
                timer.as_mut().reset(due);
            }
            Poll::Pending
        })
        .await
    }

    /// How many bytes of the last request were written.
    pub(super) fn written(&self) -> u64 {
        self.traffic.written.load(Relaxed)
    }

    /// Whether it stands and may be asked, as far as is known. Nobody is woken by what moves on it later.
    pub(super) fn is_alive(&mut self) -> bool {
        let mut unwoken = Context::from_waker(Waker::noop());
        let ended = self.driver.as_mut().is_none_or(|driver| Pin::new(driver).poll(&mut unwoken).is_ready());
        if ended {
            self.driver = None;
        }
        !ended && self.sender.is_ready()
    }
}

async fn read(
    response: impl Future<Output = hyper::Result<hyper::Response<Incoming>>>,
    traffic: &Traffic,
    most: usize,
) -> Result<Answer, Broken> {
    let lost = |error| Broken::Lost { heard: traffic.heard.load(Relaxed), error };
    let (head, mut body) = response.await.map_err(lost)?.into_parts();
    if body.size_hint().lower() > most as u64 {
        return Err(Broken::TooLong(head.status));
    }
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let Ok(data) = frame.map_err(lost)?.into_data() else { continue };
        if first.len() + more.len() + data.len() > most {
            return Err(Broken::TooLong(head.status));
        }
        match (first.is_empty(), more.is_empty()) {
            (true, _) => first = data,
            (false, true) => more.extend([first.as_ref(), data.as_ref()].into_iter().flatten()),
            (false, false) => more.extend_from_slice(&data),
        }
    }
    let body = if more.is_empty() { first } else { more.freeze() };
    Ok(Answer { status: head.status, headers: head.headers, body })
}

/// Runs `work`, which waits for what the connection does and for nothing else, and the connection.
///
/// `work` is polled whenever the connection was, and so need not be woken by it: each waking would be of this very task, for
/// one more turn that finds nothing. Tokio's budget would wake it too, and must leave it alone.
async fn drive<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(unconstrained(work));
    future::poll_fn(|context| {
        let mut unwoken = Context::from_waker(Waker::noop());
        if let Poll::Ready(done) = work.as_mut().poll(&mut unwoken) {
            return Poll::Ready(done);
        }
        // What ends a connection goes to `work` as an error, at the latest when the driver is dropped.
        if driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(context).is_ready()) {
            *driver = None;
        }
        work.as_mut().poll(&mut unwoken)
    })
    .await
}

/// What moves on a connection.
struct Traffic {
    since: Instant,
    /// When something moved last; nanoseconds after `since`.
    moved: AtomicU64,
    /// Bytes since the request began.
    written: AtomicU64,
    /// Whether anything was read since the request began.
    heard: AtomicBool,
}

impl Traffic {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            moved: AtomicU64::new(0),
            written: AtomicU64::new(0),
            heard: AtomicBool::new(false),
        }
    }

    fn begin(&self) {
        self.heard.store(false, Relaxed);
        self.written.store(0, Relaxed);
        self.moves();
    }

    fn moves(&self) {
        let nanos = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.moved.store(nanos, Relaxed);
    }

    /// When patience ends, if nothing moves until then.
    fn due(&self, patience: Patience) -> Instant {
        let until = patience.until + granted(self.written.load(Relaxed));
        let moved = Duration::from_nanos(self.moved.load(Relaxed));
        let still = self.since.checked_add(moved.saturating_add(patience.still));
        still.map_or(until, |still| still.min(until))
    }
}

/// A stream that tells when something moves.
struct Watched {
    io: Box<dyn Io>,
    traffic: Arc<Traffic>,
}

impl Watched {
    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes @ 1..)) = written {
            self.traffic.written.fetch_add(bytes as u64, Relaxed);
            self.traffic.moves();
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.traffic.heard.store(true, Relaxed);
            self.traffic.moves();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::task::JoinHandle;

    use super::super::body::Parts;
    use super::*;
    use crate::message::Body;

    const PATIENCE: Duration = Duration::from_secs(30);
    const STILL: Duration = Duration::from_secs(5);

    /// A message of so many MiB to somebody who does this; what became of it, and in how many seconds. Time is paused.
    async fn ask<F: Future<Output = ()> + Send + 'static>(
        mebibytes: usize,
        there: impl FnOnce(DuplexStream) -> F,
    ) -> (Result<Answer, Broken>, u64, JoinHandle<()>) {
        let (near, far) = tokio::io::duplex(64 << 10);
        let there = tokio::spawn(there(far));
        let mut connection = Connection::new(Box::new(near)).await.unwrap();
        let begun = Instant::now();
        let body = Parts::new(Vec::new(), &Body::Memory(vec![0; mebibytes << 20].into())).body();
        let patience = Patience { until: begun + PATIENCE, still: STILL };
        let answer = connection.ask(Request::new(body), 1000, patience).await;
        (answer, begun.elapsed().as_secs(), there)
    }

    /// Reads so much, at most, every so often, to the end; then answers.
    async fn read_slowly(mut stream: DuplexStream, mebibytes: usize, at_once: usize, every: Duration) {
        let (mut left, mut buffer) = (mebibytes << 20, vec![0; at_once]);
        while left > 0 {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => left = left.saturating_sub(read),
            }
            tokio::time::sleep(every).await;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_large_message_a_byte_a_second_has_no_more_time_than_for_a_small_one() {
        let slow = |stream| read_slowly(stream, 64, 1, Duration::from_secs(1));
        let (answer, seconds, _) = ask(64, slow).await;
        assert!(matches!(answer, Err(Broken::Slow)), "{answer:?}");
        assert_eq!(seconds, PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_has_as_long_as_a_connection_may_stand_still() {
        let (answer, seconds, stalled) = ask(64, |stream| async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await;
        assert!(matches!(answer, Err(Broken::Slow)), "{answer:?}");
        assert_eq!(seconds, STILL.as_secs());
        stalled.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_message_that_goes_well_is_not_cut() {
        // 32 KiB every 31 ms are a little more than a MiB a second.
        let well = |stream| read_slowly(stream, 64, 32 << 10, Duration::from_millis(31));
        let (answer, seconds, there) = ask(64, well).await;
        assert_eq!(answer.unwrap().status, StatusCode::OK);
        assert!(seconds > PATIENCE.as_secs(), "{seconds}");
        there.await.unwrap();
    }
}
