//! Events in: PUT and POST.
//!
//! On a hub whose backlog is durable the answer waits until the event is on the disk. Publishers wait together: the more of
//! them there are, the less each costs. An event that the backlog could not take is answered with 503 and `Retry-After`,
//! never with 202. Subscribers may have got it all the same, so that one who tries again may send them a second one.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use eventhive_hub::{Draft, Hub, PublishError, PublishRefused, Published};
use eventhive_listener::origin;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::idempotency::{MAX_KEY, Once};
use super::reply::Reply;
use super::request::{claim, text};
use super::shard::Shard;
use crate::access::Identity;
use crate::wire::answers::{
    BAD_PAYLOAD, BAD_REQUEST, BUSY, IDEMPOTENCY_KEY, LINK_HEADER, MAX_TARGET, NOT_ALLOWED, RECEIVED, TEXT_TYPE,
    TOO_LARGE, X_PUBSUB_CURSOR,
};
use crate::wire::batch::{self, BATCH_TYPE};
use crate::wire::json::JsonError;
use crate::wire::{charset, event, target};

/// What the body of a batch may have beside its payloads: the head of one event that is as large as one may be.
const BATCH_ROOM: usize = MAX_TARGET + 32;

/// Bytes a second that a body must come with on the whole, once the time without a byte has passed. Any link that anyone
/// still has is faster; one who would hold many bodies open must send as much for each.
const SLOWEST: u64 = 1024;

/// A refusal: its status and text.
type Refusal = (StatusCode, &'static str);

const DIFFERS: Refusal = (
    StatusCode::UNPROCESSABLE_ENTITY,
    "This Idempotency-Key came before with another payload: use a new key for each event.\n",
);

const NOT_STORED: Refusal = (StatusCode::SERVICE_UNAVAILABLE, "The event could not be stored, please come again.\n");

pub(super) async fn publish(
    shard: &Shard,
    reply: &Reply,
    request: &HttpRequest,
    path: &str,
    body: web::Payload,
) -> HttpResponse {
    let is_batch = text(request.headers(), header::CONTENT_TYPE.as_str()) == Some(BATCH_TYPE);
    let answer = if is_batch && is_link(request) {
        batch(shard, reply, request, body).await
    } else {
        one(shard, request, path, body).await.map(|published| {
            let cursor = shard.hub().public(published.cursor, published.private);
            reply
                .builder(StatusCode::ACCEPTED, TEXT_TYPE)
                .insert_header((X_PUBSUB_CURSOR, cursor.to_string()))
                .body(RECEIVED)
        })
    };
    match answer {
        Ok(response) => response,
        Err((StatusCode::SERVICE_UNAVAILABLE, text)) => reply.later(text),
        Err((status, text)) => reply.text(status, text),
    }
}

fn is_link(request: &HttpRequest) -> bool {
    request.headers().contains_key(LINK_HEADER)
}

async fn one(shard: &Shard, request: &HttpRequest, path: &str, body: web::Payload) -> Result<Published, Refusal> {
    let (config, headers) = (shard.config(), request.headers());
    Publisher::new(shard, request).admit(path).await?;
    let body = read(request, body, config.max_payload, config.send_timeout).await?;
    let content_type = text(headers, header::CONTENT_TYPE.as_str());
    let bad = (StatusCode::BAD_REQUEST, BAD_REQUEST);
    let payload = charset::decode(&body, content_type).ok_or(bad)?;
    let draft = draft(path, &payload, is_link(request))?;
    match headers.get(IDEMPOTENCY_KEY).filter(|_| config.idempotency_keys > 0) {
        None => {
            let published = hand_in(shard.hub(), draft).await?;
            stored(shard.hub(), published).await
        }
        Some(key) => {
            let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_KEY).ok_or(bad)?;
            hand_in_once(shard, draft, key, path, &body).await
        }
    }
}

/// Many events of a link; each is answered for itself. All are handed in before one is waited for.
async fn batch(
    shard: &Shard,
    reply: &Reply,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Refusal> {
    let config = shard.config();
    let mut publisher = Publisher::new(shard, request);
    publisher.admit_any().await?;
    let body = read(request, body, config.max_payload + BATCH_ROOM, config.send_timeout).await?;
    let bad = (StatusCode::BAD_REQUEST, BAD_REQUEST);
    let body = std::str::from_utf8(&body).map_err(|_| bad)?;
    let mut outcomes = Vec::new();
    for event in batch::events(body) {
        let outcome = match event {
            Some((target, payload)) => batched(&mut publisher, target, payload).await,
            None => Err(bad),
        };
        outcomes.push(outcome);
        if outcome.is_err_and(is_for_now) {
            break;
        }
    }
    let answers = answers(shard.hub(), outcomes).await;
    Ok(reply.builder(StatusCode::ACCEPTED, TEXT_TYPE).body(answers))
}

/// A line for each event of a batch, up to the first that could not be taken for now.
async fn answers(hub: &Hub, outcomes: Vec<Result<Published, Refusal>>) -> String {
    let mut answers = String::with_capacity(outcomes.len() * 4);
    for outcome in outcomes {
        let outcome = match outcome {
            Ok(published) => stored(hub, published).await,
            refused => refused,
        };
        match outcome {
            Ok(_) => answers.push_str("202\n"),
            Err((status, text)) => {
                // Writing to a string does not fail.
                let _ = write!(answers, "{} {text}", status.as_u16());
            }
        }
        if outcome.is_err_and(is_for_now) {
            break;
        }
    }
    answers
}

fn is_for_now((status, _): Refusal) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE
}

async fn batched(publisher: &mut Publisher<'_>, target: &str, payload: &str) -> Result<Published, Refusal> {
    let shard = publisher.shard;
    if payload.len() > shard.config().max_payload {
        return Err((StatusCode::BAD_REQUEST, TOO_LARGE));
    }
    let path = target::path_of(target);
    publisher.admit(&path).await?;
    hand_in(shard.hub(), draft(&path, payload, true)?).await
}

/// Who publishes. Found out at most once for a request, and only if something depends on it.
struct Publisher<'a> {
    shard: &'a Shard,
    request: &'a HttpRequest,
    identity: Option<Identity>,
}

impl<'a> Publisher<'a> {
    const fn new(shard: &'a Shard, request: &'a HttpRequest) -> Self {
        Self { shard, request, identity: None }
    }

    /// Whether the request may publish on this path.
    async fn admit(&mut self, path: &str) -> Result<(), Refusal> {
        let access = &self.shard.config().access;
        if access.is_secured(path) {
            self.identify().await?;
        }
        let identity = self.identity.as_ref().unwrap_or(const { &Identity::nobody() });
        let allowed = !self.is_foreign() && access.may_publish(self.client(), path, identity);
        self.judge(allowed)
    }

    /// Whether there is any path that the request may publish on, for when the paths are not known yet.
    async fn admit_any(&mut self) -> Result<(), Refusal> {
        let access = &self.shard.config().access;
        let foreign = self.is_foreign();
        if foreign || access.is_payloader(self.client()) || access.secure_topics.is_empty() {
            return self.judge(!foreign && access.is_payloader(self.client()));
        }
        let identity = self.identify().await?;
        let allowed = access.secure_topics.iter().any(|topic| identity.may_publish([topic.as_str()].into_iter()));
        self.judge(allowed)
    }

    async fn identify(&mut self) -> Result<&Identity, Refusal> {
        let identity = match self.identity.take() {
            Some(identity) => identity,
            None => {
                let identified =
                    self.shard.config().access.identify(claim(self.request.headers()), self.client()).await;
                identified.map_err(|_| {
                    self.shard.counters().put_off.add_one();
                    (StatusCode::SERVICE_UNAVAILABLE, BUSY)
                })?
            }
        };
        Ok(self.identity.insert(identity))
    }

    fn client(&self) -> Option<IpAddr> {
        self.shard.config().proxies.client(self.request)
    }

    fn is_foreign(&self) -> bool {
        let config = self.shard.config();
        origin::is_foreign(self.request.headers(), &config.origins, &config.host)
    }

    fn judge(&self, allowed: bool) -> Result<(), Refusal> {
        if allowed {
            return Ok(());
        }
        self.shard.counters().refused.add_one();
        Err((StatusCode::FORBIDDEN, NOT_ALLOWED))
    }
}

fn draft(path: &str, payload: &str, exact: bool) -> Result<Draft, Refusal> {
    event::draft(path, payload, exact).map_err(|error| match error {
        JsonError::NoObject => (StatusCode::BAD_REQUEST, BAD_PAYLOAD),
        JsonError::Syntax(_) => (StatusCode::BAD_REQUEST, BAD_REQUEST),
    })
}

/// The body, up to its limit. What is announced to be larger is not read at all.
async fn read(
    request: &HttpRequest,
    mut body: web::Payload,
    most: usize,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    let too_large = (StatusCode::BAD_REQUEST, TOO_LARGE);
    let announced = text(request.headers(), header::CONTENT_LENGTH.as_str()).and_then(|size| size.parse::<u64>().ok());
    if announced.is_some_and(|size| size > most as u64) {
        return Err(too_large);
    }
    // Most bodies come in one piece, which is not copied. The end is waited for in any case: a body that is left before
    // its end costs the connection.
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    let begun = Instant::now();
    loop {
        let whole = begun + allowed(first.len().max(joined.len()), patience);
        match timeout_at(whole.min(Instant::now() + patience), body.next()).await {
            Ok(None) if joined.is_empty() => return Ok(first),
            Ok(None) => return Ok(joined.freeze()),
            Ok(Some(Ok(chunk))) if first.len().max(joined.len()) + chunk.len() > most => return Err(too_large),
            Ok(Some(Ok(chunk))) if first.is_empty() => first = chunk,
            Ok(Some(Ok(chunk))) => {
                if joined.is_empty() {
                    joined.extend_from_slice(&first);
                }
                joined.extend_from_slice(&chunk);
            }
            Ok(Some(Err(_))) => return Err((StatusCode::BAD_REQUEST, BAD_REQUEST)),
            Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, BAD_REQUEST)),
        }
    }
}

/// How long a body may have taken of which this much has come.
fn allowed(received: usize, patience: Duration) -> Duration {
    patience + Duration::from_millis(received as u64 * 1000 / SLOWEST)
}

/// Publishes when the hub has room. That wait is what holds a publisher back.
async fn hand_in(hub: &Hub, mut draft: Draft) -> Result<Published, Refusal> {
    loop {
        hub.ready().await;
        match hub.publish(draft) {
            Ok(published) => return Ok(published),
            Err(PublishError { draft: back, reason: PublishRefused::Busy }) => draft = *back,
            Err(PublishError { reason, .. }) => return Err(refusal(&reason)),
        }
    }
}

async fn hand_in_once(shard: &Shard, draft: Draft, key: &str, path: &str, body: &[u8]) -> Result<Published, Refusal> {
    let hub = shard.hub();
    loop {
        hub.ready().await;
        let publish = || hub.publish(draft.clone());
        let keys = &shard.common().keys;
        match keys.once(key, path, body, publish) {
            once @ (Once::Published(published) | Once::Repeated(published)) => {
                if matches!(once, Once::Repeated(_)) {
                    shard.counters().repeated.add_one();
                }
                let stored = stored(hub, published).await;
                // What is lost must not be taken for done when it comes again.
                return stored.inspect_err(|_| keys.forget(key, path, published.cursor));
            }
            Once::Differs => return Err(DIFFERS),
            Once::Failed(PublishError { reason: PublishRefused::Busy, .. }) => {}
            Once::Failed(PublishError { reason, .. }) => return Err(refusal(&reason)),
        }
    }
}

/// Resolves when the backlog has the event, at once where it is not durable.
async fn stored(hub: &Hub, published: Published) -> Result<Published, Refusal> {
    if hub.is_durable()
        && let Err(error) = hub.stored(published.cursor).await
    {
        // The backlog has said so, once for all events that it lost together.
        tracing::debug!(%error, "an event was not stored");
        return Err(NOT_STORED);
    }
    Ok(published)
}

fn refusal(reason: &PublishRefused) -> Refusal {
    match reason {
        PublishRefused::Closed => (StatusCode::SERVICE_UNAVAILABLE, "The server is going down, please come again.\n"),
        PublishRefused::TopicTooLong { .. } => (StatusCode::BAD_REQUEST, BAD_REQUEST),
        other => {
            tracing::error!(reason = %other, "an event was not taken");
            NOT_STORED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_link_has_time_for_a_large_body_and_one_who_trickles_has_not() {
        let patience = Duration::from_secs(30);
        assert_eq!(allowed(0, patience), patience);
        // The largest body of the standard, by a modem.
        assert!(allowed(102_400, patience) > Duration::from_secs(102_400 / 1200));
        // A byte each 29 seconds.
        assert!(allowed(2, patience) < Duration::from_secs(31));
    }
}
