//! Events in: PUT and POST.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use eventhive_hub::{Cursor, Draft, Hub, PublishError, PublishRefused};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::idempotency::{MAX_KEY, Once};
use super::origin;
use super::reply::Reply;
use super::request::{credentials, peer, text};
use super::shard::Shard;
use crate::wire::answers::{
    BAD_PAYLOAD, BAD_REQUEST, IDEMPOTENCY_KEY, LINK_HEADER, NOT_ALLOWED, RECEIVED, TEXT_TYPE, TOO_LARGE,
    X_PUBSUB_CURSOR,
};
use crate::wire::json::JsonError;
use crate::wire::{charset, event};

/// A body's first allocation at most; the rest comes with what arrives.
const FIRST_BYTES: usize = 16 << 10;

/// A refusal: its status and text.
type Refusal = (StatusCode, &'static str);

const DIFFERS: Refusal = (
    StatusCode::UNPROCESSABLE_ENTITY,
    "This Idempotency-Key came before with another payload: use a new key for each event.\n",
);

pub(super) async fn publish(
    shard: &Shard,
    reply: &Reply,
    request: &HttpRequest,
    path: &str,
    body: web::Payload,
) -> HttpResponse {
    match try_publish(shard, request, path, body).await {
        Ok(cursor) => reply
            .builder(StatusCode::ACCEPTED, TEXT_TYPE)
            .insert_header((X_PUBSUB_CURSOR, cursor.to_string()))
            .body(RECEIVED),
        Err((StatusCode::SERVICE_UNAVAILABLE, text)) => reply.later(text),
        Err((status, text)) => reply.text(status, text),
    }
}

async fn try_publish(shard: &Shard, request: &HttpRequest, path: &str, body: web::Payload) -> Result<Cursor, Refusal> {
    let (config, headers) = (shard.config(), request.headers());
    let foreign = origin::is_foreign(headers, &config.origins, &config.host);
    if foreign || !config.access.may_publish(peer(request), path, credentials(headers).as_ref()) {
        shard.counters().refused.add_one();
        return Err((StatusCode::FORBIDDEN, NOT_ALLOWED));
    }
    let body = read(request, body, config.max_payload, config.send_timeout).await?;
    let content_type = text(headers, header::CONTENT_TYPE.as_str());
    let bad = (StatusCode::BAD_REQUEST, BAD_REQUEST);
    let payload = charset::decode(&body, content_type).ok_or(bad)?;
    let draft = event::draft(path, &payload, headers.contains_key(LINK_HEADER)).map_err(|error| match error {
        JsonError::NoObject => (StatusCode::BAD_REQUEST, BAD_PAYLOAD),
        JsonError::Syntax(_) => bad,
    })?;
    match headers.get(IDEMPOTENCY_KEY).filter(|_| config.idempotency_keys > 0) {
        None => hand_in(shard.hub(), draft).await,
        Some(key) => {
            let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_KEY).ok_or(bad)?;
            hand_in_once(shard, draft, key, path, &body).await
        }
    }
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
    let mut read = BytesMut::with_capacity(announced.map_or(0, |size| size.min(FIRST_BYTES as u64) as usize));
    loop {
        match timeout(patience, body.next()).await {
            Ok(None) => return Ok(read.freeze()),
            Ok(Some(Ok(chunk))) if read.len() + chunk.len() > most => {
                drop(chunk);
                return Err(too_large);
            }
            Ok(Some(Ok(chunk))) if read.is_empty() && announced == Some(chunk.len() as u64) => return Ok(chunk),
            Ok(Some(Ok(chunk))) => read.extend_from_slice(&chunk),
            Ok(Some(Err(_))) => return Err((StatusCode::BAD_REQUEST, BAD_REQUEST)),
            Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, BAD_REQUEST)),
        }
    }
}

/// Publishes when the hub has room. That wait is what holds a publisher back.
async fn hand_in(hub: &Hub, mut draft: Draft) -> Result<Cursor, Refusal> {
    loop {
        hub.ready().await;
        match hub.publish(draft) {
            Ok(published) => return Ok(published.cursor),
            Err(PublishError { draft: back, reason: PublishRefused::Busy }) => draft = *back,
            Err(PublishError { reason, .. }) => return Err(refusal(&reason)),
        }
    }
}

async fn hand_in_once(shard: &Shard, draft: Draft, key: &str, path: &str, body: &[u8]) -> Result<Cursor, Refusal> {
    let hub = shard.hub();
    loop {
        hub.ready().await;
        let publish = || hub.publish(draft.clone()).map(|published| published.cursor);
        match shard.common().keys.once(key, path, body, publish) {
            Once::Published(cursor) => return Ok(cursor),
            Once::Repeated(cursor) => {
                shard.counters().repeated.add_one();
                return Ok(cursor);
            }
            Once::Differs => return Err(DIFFERS),
            Once::Failed(PublishError { reason: PublishRefused::Busy, .. }) => {}
            Once::Failed(PublishError { reason, .. }) => return Err(refusal(&reason)),
        }
    }
}

fn refusal(reason: &PublishRefused) -> Refusal {
    match reason {
        PublishRefused::Closed => (StatusCode::SERVICE_UNAVAILABLE, "The server is going down, please come again.\n"),
        PublishRefused::TopicTooLong { .. } => (StatusCode::BAD_REQUEST, BAD_REQUEST),
        other => {
            tracing::error!(reason = %other, "an event was not taken");
            (StatusCode::SERVICE_UNAVAILABLE, "The event could not be stored, please come again.\n")
        }
    }
}
