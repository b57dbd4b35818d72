//! The endpoints at which broadcasters deliver: `/v1/receive` and `/v1/recover`.
//!
//! A broadcaster is answered as soon as its message has arrived and is known to be right; nobody waits for consumers,
//! whose buffers are bounded. What a broadcaster cannot vouch for now, because of a clock or a secret, is answered
//! without a body: Python's takes that as a failure, and keeps the subscription. It is told to delete a subscription
//! only if nobody here has it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Scope};
use bytes::Bytes;
use eventhive_listener::Door;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;

use super::Http;
use super::urls::Urls;
use crate::message::Message;
use crate::spool::Spool;
use crate::subscriber::filling::push;
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::bodies::{Collector, Missed, ReceiveHead};
use crate::wire::digest::{Hash, Hasher, read_repr_digest};
use crate::wire::endpoint::{CONTENT_TYPE, Endpoint, REPR_DIGEST};
use crate::wire::responses::Response;

/// How long a body may make no progress.
const STALL: Duration = Duration::from_secs(10);

/// What all paths of the protocol begin with.
pub(crate) const VERSION: &str = "/v1";

/// A MISSED has two fields.
const MISSED_BYTES: usize = 2 + 65_535 + 2 + 65_535;

/// What broadcasters deliver to. Clones are the same; each worker of a server has one.
///
/// A [`Subscriber`](crate::subscriber::Subscriber) with a listener of its own has it mounted there. In an application
/// of one's own:
///
/// ```no_run
/// # async fn example(subscriber: eventhive_webhook::subscriber::Subscriber) -> std::io::Result<()> {
/// use actix_web::{App, HttpServer};
///
/// let receiver = subscriber.receiver().expect("it was built with a url");
/// HttpServer::new(move || App::new().service(receiver.scope())).bind("0.0.0.0:3002")?.run().await
/// # }
/// ```
#[derive(Clone)]
pub struct Receiver(pub(crate) Arc<Http>);

impl Receiver {
    /// The endpoints, at the path that the subscriber's url has.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let path = self.0.urls.get().map_or("", |urls| urls.path.as_str());
        let below = |endpoint: Endpoint| endpoint.path().strip_prefix(VERSION).unwrap_or_default();
        web::scope(&format!("{path}{VERSION}"))
            .app_data(Data::new(self.clone()))
            .route(below(Endpoint::Receive), web::post().to(receive))
            .route(below(Endpoint::Recover), web::post().to(recover))
    }
}

impl Door for Receiver {
    fn mount(&self, config: &mut ServiceConfig) {
        config.service(self.scope());
    }

    fn drain(&self, _within: Duration) -> BoxFuture<'static, ()> {
        self.0.closing.store(true, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }

    fn sessions(&self) -> usize {
        0
    }
}

/// An answer without a body.
type Refusal = StatusCode;

fn bare(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status).finish()
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn receive(request: HttpRequest, payload: web::Payload, receiver: Data<Receiver>) -> HttpResponse {
    match receiver.take(&request, payload).await {
        Ok(answer) => answer,
        Err(refusal) => {
            tracing::debug!(status = %refusal, "a message was refused");
            bare(refusal)
        }
    }
}

async fn recover(request: HttpRequest, payload: web::Payload, receiver: Data<Receiver>) -> HttpResponse {
    receiver.missed(&request, payload).await.unwrap_or_else(bare)
}

impl Receiver {
    fn active(&self) -> Result<&Urls, Refusal> {
        let urls = self.0.urls.get().filter(|_| !self.0.closing.load(Ordering::Relaxed));
        urls.ok_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    async fn take(&self, request: &HttpRequest, mut payload: web::Payload) -> Result<HttpResponse, Refusal> {
        let urls = self.active()?;
        let arrival = Urls::arrival(request.query_string()).ok_or(StatusCode::NOT_FOUND)?;
        let url = urls.receive(arrival);
        let sha512 = header(request, REPR_DIGEST).and_then(read_repr_digest).ok_or(StatusCode::BAD_REQUEST)?;
        let mut head = Collector::<ReceiveHead<'_>>::new();
        let mut rest = Bytes::new();
        while !head.is_complete() {
            let chunk = next(&mut payload).await?.ok_or(StatusCode::BAD_REQUEST)?;
            let left = head.push(&chunk).map_err(|_| StatusCode::BAD_REQUEST)?;
            rest = chunk.slice_ref(left);
        }
        let head = head.head().map_err(|_| StatusCode::BAD_REQUEST)?;
        self.verify(request, &head.claim(&url, &sha512), head.tracing)?;
        if !self.0.table.wants(arrival, head.topic) {
            return Ok(unsubscribe());
        }
        let body = self.body(rest, &mut payload, head.length, &sha512).await?;
        let message = Message { topic: head.topic.into(), body, sha512 };
        let Some(count) = self.0.table.deliver(arrival, &message) else { return Ok(unsubscribe()) };
        let count = u32::from(count > 0);
        let authorization = self.sign(&head.answer_claim(&url, count))?;
        let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
        done(&Response::ConfirmReceive { proof, identifier: head.identifier, num_subscribers: count })
    }

    /// Collects the bytes of a message, of which there have to be as many, with this hash.
    async fn body(
        &self,
        first: Bytes,
        payload: &mut web::Payload,
        length: u64,
        sha512: &Hash,
    ) -> Result<crate::message::Body, Refusal> {
        if length > self.0.settings.max_message_bytes {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let failed = |error: std::io::Error| {
            tracing::error!(%error, "a message cannot be kept");
            StatusCode::SERVICE_UNAVAILABLE
        };
        let (mut hasher, mut spool) = (Hasher::new(length), Spool::new(self.0.settings.spool_bytes));
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            hasher.push(&bytes).map_err(|_| StatusCode::BAD_REQUEST)?;
            spool = push(spool, bytes).await.map_err(failed)?;
            piece = next(payload).await?;
        }
        hasher.verify(sha512).map_err(|_| StatusCode::BAD_REQUEST)?;
        spool.finish().map_err(failed)
    }

    async fn missed(&self, request: &HttpRequest, mut payload: web::Payload) -> Result<HttpResponse, Refusal> {
        let urls = self.active()?;
        let arrival = Urls::arrival(request.query_string()).ok_or(StatusCode::NOT_FOUND)?;
        let url = urls.recover(arrival);
        let mut body = Vec::new();
        while let Some(chunk) = next(&mut payload).await? {
            if body.len() + chunk.len() > MISSED_BYTES {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            body.extend_from_slice(&chunk);
        }
        let missed = Missed::read(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
        self.verify(request, &missed.claim(&url), missed.tracing)?;
        if self.0.table.wants(arrival, missed.topic) {
            self.0.missed.note(arrival, missed.topic);
        }
        let authorization = self.sign(&missed.answer_claim(&url))?;
        done(&Response::ConfirmMissed { proof: Proof { authorization: authorization.as_deref(), tracing: b"" } })
    }

    fn verify(&self, request: &HttpRequest, claim: &Claim<'_>, tracing: &[u8]) -> Result<(), Refusal> {
        let text = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap_or("not text"));
        self.0.credentials.verify(text, claim, tracing).map_err(|why| {
            tracing::warn!(%why, "a broadcaster cannot vouch for what it sent");
            status(why.status())
        })
    }

    fn sign(&self, claim: &Claim<'_>) -> Result<Option<String>, Refusal> {
        self.0.credentials.sign(claim).map_err(|error| {
            tracing::error!(%error, "an answer cannot be signed");
            StatusCode::SERVICE_UNAVAILABLE
        })
    }
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

/// The next chunk of a body, which has to come in time.
async fn next(payload: &mut web::Payload) -> Result<Option<Bytes>, Refusal> {
    let chunk = tokio::time::timeout(STALL, payload.next()).await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
    chunk.transpose().map_err(|_| StatusCode::BAD_REQUEST)
}

/// Nobody here has this subscription.
fn unsubscribe() -> HttpResponse {
    let mut body = Vec::new();
    // It has no field that could be too long.
    let _ = Response::UnsubscribeImmediate.write(&mut body);
    HttpResponse::BadRequest().content_type(CONTENT_TYPE).body(body)
}

fn done(response: &Response<'_>) -> Result<HttpResponse, Refusal> {
    let mut body = Vec::new();
    response.write(&mut body).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(body))
}
