//! Requests to one broadcaster, over connections that are kept for a while.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::broadcasters::Broadcaster;
use super::dial::dial;
use crate::message::Body;
use crate::wire::endpoint::{self, Endpoint};
use crate::wire::responses::MAX_BYTES;

/// Idle connections are used again for as long: uvicorn, behind which Python's broadcaster stands, closes them after 5 s.
const IDLE: Duration = Duration::from_secs(4);

/// Idle connections that are kept for each broadcaster.
const MOST_IDLE: usize = 32;

/// For each MiB of a message, what a request may take beyond its usual time: 1 MiB/s is slow.
const PER_MEBIBYTE: Duration = Duration::from_secs(1);

type Sent = UnsyncBoxBody<Bytes, io::Error>;
type Sender = SendRequest<Sent>;

/// What is sent: a head of fields, and behind it perhaps a message.
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    pub(crate) authorization: Option<String>,
    pub(crate) head: Vec<u8>,
    pub(crate) message: Option<Body>,
}

/// What came of one attempt.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was surely not sent.
    Unreached(String),
    /// The broadcaster cannot for now: 502, 503, 504.
    Busy(String),
    /// The broadcaster said no.
    Refused(String),
    /// It was sent, and nobody knows what came of it.
    Ambiguous(String),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) request: Duration,
}

/// One broadcaster.
pub(crate) struct Exchange {
    pub(crate) broadcaster: Broadcaster,
    authority: HeaderValue,
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
    idle: Mutex<Vec<(Sender, Instant)>>,
}

/// A connection of one's own, whose end can be waited for.
pub(crate) struct Line {
    sender: Sender,
    /// Ends with the connection.
    pub(crate) closed: oneshot::Receiver<()>,
}

impl Exchange {
    pub(crate) fn new(broadcaster: Broadcaster, tls: Arc<ClientConfig>, timeouts: Timeouts) -> Self {
        let authority = HeaderValue::from_str(&broadcaster.authority());
        let authority = authority.unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Self { broadcaster, authority, tls, timeouts, idle: Mutex::default() }
    }

    /// A new connection.
    pub(crate) async fn line(&self) -> Result<Line, Failure> {
        let at = &self.broadcaster;
        let late = || Failure::Unreached(format!("{at} took too long to connect"));
        let unreached = |error: &dyn std::fmt::Display| Failure::Unreached(format!("{at} cannot be reached: {error}"));
        let opening = async {
            let io = dial(at, &self.tls).await.map_err(|error| unreached(&error))?;
            http1::handshake(TokioIo::new(io)).await.map_err(|error| unreached(&error))
        };
        let (sender, connection) = timeout(self.timeouts.connect, opening).await.map_err(|_| late())??;
        let (open, closed) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let _open = open;
            // How it ended is told to whoever has a request on it.
            let _ = connection.await;
        });
        Ok(Line { sender, closed })
    }

    /// Sends on a connection that is idle, or on a new one.
    pub(crate) async fn send(&self, call: Call) -> Result<Bytes, Failure> {
        let length = call.message.as_ref().map_or(0, Body::len);
        let patience = self.patience(length);
        let mut request = self.request(call)?;
        while let Some(mut sender) = self.take_idle() {
            if sender.ready().await.is_err() {
                continue;
            }
            match timeout(patience, sender.try_send_request(request)).await {
                Err(_) => return Err(self.late()),
                Ok(Ok(response)) => return self.answer(response, patience, Some(sender)).await,
                Ok(Err(mut error)) => match error.take_message() {
                    // It was closed in the meantime, and has sent nothing.
                    Some(unsent) => request = unsent,
                    None => return Err(self.ambiguous(error.error())),
                },
            }
        }
        let mut line = self.line().await?;
        let response = self.send_on(&mut line, request, patience).await?;
        self.answer(response, patience, Some(line.sender)).await
    }

    /// Sends on this connection.
    pub(crate) async fn send_line(&self, line: &mut Line, call: Call) -> Result<Bytes, Failure> {
        let patience = self.patience(0);
        let request = self.request(call)?;
        let response = self.send_on(line, request, patience).await?;
        self.answer(response, patience, None).await
    }

    async fn send_on(
        &self,
        line: &mut Line,
        request: Request<Sent>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let sending = async {
            // What is wrong with the connection is told by sending.
            let _ = line.sender.ready().await;
            line.sender.try_send_request(request).await
        };
        match timeout(patience, sending).await {
            Err(_) => Err(self.late()),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.message().is_some() => {
                Err(Failure::Unreached(format!("{}: {}", self.broadcaster, error.error())))
            }
            Ok(Err(error)) => Err(self.ambiguous(error.error())),
        }
    }

    /// Reads the whole answer. The connection can then be used again.
    async fn answer(
        &self,
        response: Response<Incoming>,
        patience: Duration,
        sender: Option<Sender>,
    ) -> Result<Bytes, Failure> {
        let status = response.status();
        let body = timeout(patience, Limited::new(response.into_body(), MAX_BYTES).collect()).await;
        let said = || format!("{} answered {status}", self.broadcaster);
        match status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                return Err(Failure::Busy(said()));
            }
            _ if !status.is_success() && status != StatusCode::CONFLICT => return Err(Failure::Refused(said())),
            _ => {}
        }
        let body =
            body.map_err(|_| self.late())?.map_err(|error| Failure::Ambiguous(format!("{}: {error}", said())))?;
        if let Some(sender) = sender {
            self.keep(sender);
        }
        Ok(if status == StatusCode::CONFLICT { Bytes::new() } else { body.to_bytes() })
    }

    fn request(&self, call: Call) -> Result<Request<Sent>, Failure> {
        let length = call.head.len() as u64 + call.message.as_ref().map_or(0, Body::len);
        let mut request = Request::post(self.broadcaster.path(call.endpoint))
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, endpoint::CONTENT_TYPE)
            .header(CONTENT_LENGTH, length);
        if let Some(authorization) = call.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let unsendable = |error| Failure::Refused(format!("a request to {} cannot be: {error}", self.broadcaster));
        request.body(body(call.head.into(), call.message)).map_err(unsendable)
    }

    fn patience(&self, length: u64) -> Duration {
        let mebibytes = u32::try_from(length >> 20).unwrap_or(u32::MAX);
        self.timeouts.request.saturating_add(PER_MEBIBYTE.saturating_mul(mebibytes))
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(sender, since)| since.elapsed() < IDLE && !sender.is_closed());
        // The one that was used last; the others may grow old.
        idle.pop().map(|(sender, _)| sender)
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push((sender, Instant::now()));
        }
    }

    fn late(&self) -> Failure {
        Failure::Ambiguous(format!("{} did not answer in time", self.broadcaster))
    }

    fn ambiguous(&self, error: &hyper::Error) -> Failure {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::Ambiguous(format!("the connection to {} was lost: {error}{cause}", self.broadcaster))
    }
}

/// Fields, and behind them the message piece by piece.
fn body(head: Bytes, message: Option<Body>) -> Sent {
    match message {
        None => Full::new(head).map_err(|never| match never {}).boxed_unsync(),
        Some(message) => {
            let pieces = stream::iter([Ok(head)]).chain(message.pieces());
            StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync()
        }
    }
}
