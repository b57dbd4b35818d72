//! One node, and connections to it.

use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use eventhive_tls::Io;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::address::Origin;

/// The longest answer: more than any question here has, and less than would hurt.
const LONGEST: usize = 256 << 20;
/// Connections without a request that are kept.
const IDLE: usize = 8;

pub(super) struct Node {
    pub(super) origin: Origin,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// What a node has answered.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// Where the leader is, if it says so.
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
}

/// Why a node has not answered.
#[derive(Debug)]
pub(super) enum Silence {
    /// It has got nothing.
    Unsent(io::Error),
    /// It may have done what was asked.
    Unknown(io::Error),
}

/// A request, for any node.
pub(super) struct Question<'a> {
    /// Path and parameters.
    pub(super) target: &'a str,
    pub(super) body: Bytes,
    pub(super) authorization: Option<&'a HeaderValue>,
}

impl Node {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, idle: Mutex::default() }
    }

    /// Asks, with time to connect and time for all of it.
    pub(super) async fn ask(
        &self,
        question: &Question<'_>,
        tls: Option<&TlsConnector>,
        connect_by: Instant,
        answer_by: Instant,
    ) -> Result<Reply, Silence> {
        let late = |what: &str| io::Error::new(io::ErrorKind::TimedOut, format!("{}: {what}", self.origin.authority()));
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => timeout_at(connect_by, self.connect(tls))
                .await
                .unwrap_or_else(|_| Err(late("no connection in time")))
                .map_err(Silence::Unsent)?,
        };
        let request = self.request(question).map_err(Silence::Unsent)?;
        let answered = timeout_at(answer_by, answer(&mut connection, request)).await;
        let reply = answered.unwrap_or_else(|_| Err(Silence::Unknown(late("no answer in time"))))?;
        self.put_idle(connection);
        Ok(reply)
    }

    fn request(&self, question: &Question<'_>) -> io::Result<Request<Full<Bytes>>> {
        let mut request = Request::post(question.target)
            .header(HOST, self.origin.authority())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(question.body.clone()))
            .map_err(io::Error::other)?;
        if let Some(authorization) = question.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    async fn connect(&self, tls: Option<&TlsConnector>) -> io::Result<SendRequest<Full<Bytes>>> {
        let Origin { host, port, .. } = &self.origin;
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.origin.authority()));
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(named)?;
        stream.set_nodelay(true)?;
        let io: Box<dyn Io> = match tls {
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                Box::new(tls.connect(name, stream).await.map_err(named)?)
            }
            None => Box::new(stream),
        };
        let (sender, connection) = handshake(TokioIo::new(io)).await.map_err(io::Error::other)?;
        // It ends with the sender, or with an error that the sender is told.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(SendRequest::is_ready);
        idle.pop()
    }

    fn put_idle(&self, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
    }
}

async fn answer(connection: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Reply, Silence> {
    let response = connection.send_request(request).await.map_err(|error| match error.is_canceled() {
        true => Silence::Unsent(io::Error::other(error)),
        false => Silence::Unknown(io::Error::other(error)),
    })?;
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    let body = body.map_err(|error| Silence::Unknown(io::Error::other(error)))?.to_bytes();
    Ok(Reply { status, location, body })
}
