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
    /// For the end of the answer.
    pub(super) until: Instant,
    /// For anything to move.
    pub(super) still: Duration,
}

impl Connection {
    pub(super) async fn new(io: Box<dyn Io>) -> Result<Self, hyper::Error> {
        let traffic = Arc::new(Traffic::new());
        let watched = Watched { io, traffic: Arc::clone(&traffic) };
        let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(watched));
        let (sender, driver) = handshake.await?;
        Ok(Self { sender, driver: Some(driver), traffic })
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

    /// Whether it stands and may be asked, as far as is known.
    pub(super) fn is_alive(&mut self, context: &mut Context<'_>) -> bool {
        let ended = self.driver.as_mut().is_none_or(|driver| Pin::new(driver).poll(context).is_ready());
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
    /// Whether anything was read since the request began.
    heard: AtomicBool,
}

impl Traffic {
    fn new() -> Self {
        Self { since: Instant::now(), moved: AtomicU64::new(0), heard: AtomicBool::new(false) }
    }

    fn begin(&self) {
        self.heard.store(false, Relaxed);
        self.moves();
    }

    fn moves(&self) {
        let nanos = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.moved.store(nanos, Relaxed);
    }

    /// When patience ends, if nothing moves until then.
    fn due(&self, patience: Patience) -> Instant {
        let moved = Duration::from_nanos(self.moved.load(Relaxed));
        let still = self.since.checked_add(moved.saturating_add(patience.still));
        still.map_or(patience.until, |still| still.min(patience.until))
    }
}

/// A stream that tells when something moves.
struct Watched {
    io: Box<dyn Io>,
    traffic: Arc<Traffic>,
}

impl Watched {
    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
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
