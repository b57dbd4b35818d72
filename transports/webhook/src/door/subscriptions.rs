//! Subscribing and unsubscribing urls, one by one and all at once.

use actix_web::HttpResponse;
use bytes::{Bytes, BytesMut};

use super::Request;
use super::answer::{Refusal, signed};
use super::body::Incoming;
use crate::store::Wanted;
use crate::wire::auth::Claim;
use crate::wire::bodies::{CheckSubscriptions, Collector, Lists, SetHead, Subscribe, Unsubscribe};
use crate::wire::etag::EtagBuilder;
use crate::wire::glob::Glob;
use crate::wire::responses::Response;
use crate::wire::{Interest, InterestKind, WireError};

/// Four fields of the most bytes that a field can have.
const MOST: usize = 4 * (2 + 65_535);

/// What the number of topics takes, with which the lists begin.
const LISTS_BEGIN: usize = 4;

pub(super) async fn subscribe(
    request: &Request<'_>,
    kind: InterestKind,
    body: Incoming,
) -> Result<HttpResponse, Refusal> {
    let body = body.fields(MOST).await?;
    let subscribe = Subscribe::read(kind, &body)?;
    check(subscribe.interest)?;
    let broadcaster = request.broadcaster;
    request.admit(&subscribe.claim(), subscribe.tracing).await?;
    if !broadcaster.subscribe(subscribe.url, subscribe.interest, subscribe.recovery).await? {
        return Err(Refusal::CONFLICT);
    }
    signed(broadcaster, &subscribe.answer_claim(), b"", |proof, out| Response::Generic { proof }.write(out))
}

pub(super) async fn unsubscribe(
    request: &Request<'_>,
    kind: InterestKind,
    body: Incoming,
) -> Result<HttpResponse, Refusal> {
    let body = body.fields(MOST).await?;
    let unsubscribe = Unsubscribe::read(kind, &body)?;
    let broadcaster = request.broadcaster;
    request.admit(&unsubscribe.claim(), unsubscribe.tracing).await?;
    if !broadcaster.unsubscribe(unsubscribe.url, unsubscribe.interest).await? {
        return Err(Refusal::CONFLICT);
    }
    signed(broadcaster, &unsubscribe.answer_claim(), b"", |proof, out| Response::Generic { proof }.write(out))
}

pub(super) async fn check_all(request: &Request<'_>, body: Incoming) -> Result<HttpResponse, Refusal> {
    let body = body.fields(MOST).await?;
    let check = CheckSubscriptions::read(&body)?;
    request.admit(&check.claim(), check.tracing).await?;
    let etag = request.broadcaster.etag(check.url).await?;
    request.broadcaster.heard_from(check.url);
    let claim = Claim::CheckSubscriptionsResponse { etag: &etag };
    signed(request.broadcaster, &claim, b"", |proof, out| Response::CheckSubscriptions { proof, etag }.write(out))
}

/// The authorization covers the etag, so that it is looked at before the lists, which may be long.
pub(super) async fn set_all(request: &Request<'_>, mut body: Incoming) -> Result<HttpResponse, Refusal> {
    let (collector, first): (Collector<SetHead<'_>>, Bytes) = body.head().await?;
    let head = collector.head()?;
    let mut lists = BytesMut::from(&first[..]);
    while lists.len() < LISTS_BEGIN
        && let Some(bytes) = body.next().await?
    {
        lists.extend_from_slice(&bytes);
    }
    if lists.len() < LISTS_BEGIN {
        return Err(Refusal::MALFORMED);
    }
    request.admit(&head.claim(), head.tracing).await?;
    while lists.len() <= request.config.max_set_bytes
        && let Some(bytes) = body.next().await?
    {
        lists.extend_from_slice(&bytes);
    }
    if lists.len() > request.config.max_set_bytes {
        return Err(Refusal::TOO_LARGE);
    }
    let wanted = read_lists(&head, collector.len(), &lists)?;
    request.broadcaster.replace(head.url, &wanted).await?;
    signed(request.broadcaster, &head.answer_claim(), b"", |proof, out| Response::Generic { proof }.write(out))
}

fn read_lists<'a>(head: &SetHead<'_>, before: usize, bytes: &'a [u8]) -> Result<Vec<Wanted<'a>>, Refusal> {
    let (mut lists, mut rest) = (Lists::new(before), bytes);
    let mut etag = EtagBuilder::new(head.url)?;
    let mut wanted = Vec::new();
    while let Some(entry) = lists.next(&mut rest)? {
        check(entry.interest)?;
        etag.push(entry.interest, entry.recovery)?;
        wanted.push(Wanted { interest: entry.interest, recovery: entry.recovery });
    }
    if etag.finish() == head.etag {
        Ok(wanted)
    } else {
        let problem = crate::wire::Problem::Differs("that of the lists");
        Err(WireError { field: "etag", at: 0, problem }.into())
    }
}

/// A pattern that cannot be one is malformed, as a text that is not UTF-8 is.
fn check(interest: Interest<'_>) -> Result<(), Refusal> {
    let Interest::Glob(text) = interest else { return Ok(()) };
    Glob::new(text).map(drop).map_err(|error| {
        tracing::debug!(%error, "a subscription was refused");
        Refusal::MALFORMED
    })
}
