//! Subscribing and unsubscribing urls, one by one and all at once.

use actix_web::HttpResponse;
use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;

use super::Request;
use super::answer::{Refusal, signed};
use super::body::Incoming;
use crate::store::Wanted;
use crate::wire::auth::Claim;
use crate::wire::bodies::{CheckSubscriptions, Collector, Lists, SetHead, Subscribe, Unsubscribe};
use crate::wire::etag::{Etag, EtagBuilder};
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
    let (before, lists) = (collector.len(), lists.freeze());
    let most = most_entries(request.config.max_set_bytes);
    let count = if lists.len() <= AT_ONCE {
        check_lists(head.url, &head.etag, before, &lists, most)?
    } else {
        let (url, etag, lists) = (head.url.to_owned(), head.etag, lists.clone());
        let checking = spawn_blocking(move || check_lists(&url, &etag, before, &lists, most));
        checking.await.map_err(|_| Refusal::FAILED)??
    };
    let wanted = read_lists(before, &lists, count)?;
    request.broadcaster.replace(head.url, &wanted).await?;
    signed(request.broadcaster, &head.answer_claim(), b"", |proof, out| Response::Generic { proof }.write(out))
}

/// Up to this length lists are looked at at once; longer ones, which may have many patterns, by a thread that may block.
const AT_ONCE: usize = 256 * 1024;

/// Subscriptions that lists may have: of topics of 28 bytes as many as have room. What they take in memory besides their bytes
/// is then hardly more than that.
const fn most_entries(max_bytes: usize) -> usize {
    max_bytes / 32
}

/// How many subscriptions there are, all of which can be, and have this etag together.
fn check_lists(url: &str, expected: &Etag, before: usize, bytes: &[u8], most: usize) -> Result<usize, Refusal> {
    let (mut lists, mut rest) = (Lists::new(before), bytes);
    let mut etag = EtagBuilder::new(url)?;
    let mut count = 0;
    while let Some(entry) = lists.next(&mut rest)? {
        count += 1;
        if count > most {
            return Err(Refusal::TOO_LARGE);
        }
        check(entry.interest)?;
        etag.push(entry.interest, entry.recovery)?;
    }
    if etag.finish() == *expected {
        Ok(count)
    } else {
        let problem = crate::wire::Problem::Differs("that of the lists");
        Err(WireError { field: "etag", at: 0, problem }.into())
    }
}

fn read_lists(before: usize, bytes: &[u8], count: usize) -> Result<Vec<Wanted<'_>>, Refusal> {
    let (mut lists, mut rest) = (Lists::new(before), bytes);
    let mut wanted = Vec::with_capacity(count);
    while let Some(entry) = lists.next(&mut rest)? {
        wanted.push(Wanted { interest: entry.interest, recovery: entry.recovery });
    }
    Ok(wanted)
}

/// A pattern that cannot be one is malformed, as a text that is not UTF-8 is.
fn check(interest: Interest<'_>) -> Result<(), Refusal> {
    let Interest::Glob(text) = interest else { return Ok(()) };
    Glob::new(text).map(drop).map_err(|error| {
        tracing::debug!(%error, "a subscription was refused");
        Refusal::MALFORMED
    })
}
