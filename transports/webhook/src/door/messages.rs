//! Messages that are published, and those that other broadcasters bring.

use std::sync::Arc;

use actix_web::HttpResponse;

use super::Request;
use super::answer::{Refusal, signed};
use super::body::Incoming;
use super::receiving::Receiving;
use crate::broadcaster::Tracer;
use crate::budget::Charge;
use crate::message::Message;
use crate::spool::Spool;
use crate::wire::bodies::{Collector, Missed, NotifyHead, ReceiveHead};
use crate::wire::digest::read_repr_digest;
use crate::wire::endpoint::REPR_DIGEST;
use crate::wire::responses::Response;

/// Two fields of the most bytes that a field can have.
const MOST_OF_MISSED: usize = 2 * (2 + 65_535);

pub(super) async fn notify(request: &Request<'_>, mut body: Incoming) -> Result<HttpResponse, Refusal> {
    let broadcaster = request.broadcaster;
    let mut tracer = Tracer::new(broadcaster.authority().now());
    let (collector, first): (Collector<NotifyHead<'_>>, _) = body.head().await?;
    let head = collector.head()?;
    request.admit(&head.claim(), head.tracing).await?;
    tracer.add("auth_accepted", "{}", broadcaster.authority().now());
    let receiving = receive(request, head.length)?;
    let (body, charge) = receiving.all(first, &mut body, head.sha512).await?;
    let message = Message { topic: head.topic.into(), body, sha512: *head.sha512 };
    let (count, tracer) = deliver(request, message, tracer, charge).await?;
    let tracing = tracer.blob(broadcaster.authority().now())?;
    let identifier = head.identifier;
    signed(broadcaster, &head.answer_claim(count), &tracing, |proof, out| {
        Response::Notify { proof, count, identifier }.write(out)
    })
}

/// In a task of its own: a message that has arrived goes to all who want it, also if whoever sent it has gone.
async fn deliver(
    request: &Request<'_>,
    message: Message,
    mut tracer: Tracer,
    charge: Charge,
) -> Result<(u32, Tracer), Refusal> {
    let (broadcaster, under_way) = (Arc::clone(request.broadcaster), request.counters.begin());
    let delivering = tokio::spawn(async move {
        let count = broadcaster.notify(message, &mut tracer).await;
        drop((under_way, charge));
        count.map(|count| (count, tracer))
    });
    Ok(delivering.await.map_err(|_| Refusal::FAILED)??)
}

fn receive(request: &Request<'_>, length: u64) -> Result<Receiving, Refusal> {
    let config = request.config;
    if length > config.max_message {
        return Err(Refusal::TOO_LARGE);
    }
    let spool = Spool::within(config.spool_size, config.spool_folder.clone(), Some(config.memory.clone()));
    Ok(Receiving::new(length, spool))
}

/// A message for this broadcaster's websockets. The order of the checks is Python's.
pub(super) async fn receive_for_websockets(request: &Request<'_>, mut body: Incoming) -> Result<HttpResponse, Refusal> {
    let broadcaster = request.broadcaster;
    let unsubscribe = || Refusal::MALFORMED.unsubscribing();
    let sha512 = request.header(REPR_DIGEST).and_then(read_repr_digest).ok_or_else(unsubscribe)?;
    let advertised = broadcaster.advertised().ok_or_else(unsubscribe)?;
    let url = &*advertised.receiver;
    if request.url() != url {
        return Err(unsubscribe());
    }
    let (collector, first): (Collector<ReceiveHead<'_>>, _) = body.head().await?;
    let head = collector.head()?;
    if !broadcaster.is_wanted_by_peers(head.topic) {
        return Err(unsubscribe());
    }
    request.admit(&head.claim(url, &sha512), head.tracing).await.map_err(Refusal::unsubscribing)?;
    let (body, _charge) = receive(request, head.length)?.all(first, &mut body, &sha512).await?;
    let count = broadcaster.receive(&Message { topic: head.topic.into(), body, sha512 }).await;
    let identifier = head.identifier;
    let answer = head.answer_claim(url, count);
    signed(broadcaster, &answer, b"", |proof, out| {
        Response::ConfirmReceive { proof, identifier, num_subscribers: count }.write(out)
    })
}

/// This broadcaster's websockets may have missed something.
pub(super) async fn missed_for_websockets(request: &Request<'_>, body: Incoming) -> Result<HttpResponse, Refusal> {
    let broadcaster = request.broadcaster;
    let advertised = broadcaster.advertised().ok_or(Refusal::WrongMissedUrl)?;
    let url = &*advertised.recovery;
    if request.url() != url {
        return Err(Refusal::WrongMissedUrl);
    }
    let body = body.fields(MOST_OF_MISSED).await?;
    let missed = Missed::read(&body)?;
    request.admit(&missed.claim(url), missed.tracing).await?;
    broadcaster.missed(&missed.topic.into());
    signed(broadcaster, &missed.answer_claim(url), b"", |proof, out| Response::ConfirmMissed { proof }.write(out))
}
