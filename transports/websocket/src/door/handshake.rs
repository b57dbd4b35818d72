//! From a request to a session.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_http::ws::Codec;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{self, WebsocketContext};
use eventhive_hub::SessionSettings;
use eventhive_listener::Connection;
use eventhive_listener::addresses::Place;
use eventhive_listener::websocket::Guard;
use tokio::time::sleep;

use super::live::Live;
use super::output::Output;
use super::peer::Peer;
use super::shard::Shard;
use super::tokens::{self, Refusal};
use crate::wire::{DOOR_HEADER, LINK_HEADER};

/// When a client that was put off may come again, in seconds.
const RETRY_AFTER: &str = "5";

/// Refusals held back at a time in the process, about 10 KiB each; beyond that clients are told at once.
const MOST_HELD_BACK: usize = 1000;

/// Refusals held back at a time for one remote address; beyond that it is put off before its token is looked at. So nobody
/// takes the pause from others, and guesses go no faster than this many in the time of one.
pub(super) const HELD_BACK_EACH: usize = 100;

static HELD_BACK: AtomicUsize = AtomicUsize::new(0);

pub(super) async fn handshake(
    shard: Rc<Shard>,
    request: HttpRequest,
    input: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let common = shard.common();
    let client = shard.config().proxies.client(&request);
    if common.refusals.is_full(client) {
        return Ok(put_off(&shard));
    }
    if let Err(refusal) = tokens::admit(&request, shard.config()) {
        return Ok(refuse(&shard, refusal, client).await);
    }
    let mut response = ws::handshake(&request)?;
    let Some(place) = common.sessions.take(client) else { return Ok(put_off(&shard)) };
    let is_ending = common.drain.is_on() || shard.hub().is_closing();
    if is_ending || !shard.counters().enter(shard.config().max_sessions) {
        return Ok(put_off(&shard));
    }
    response.insert_header((DOOR_HEADER, env!("CARGO_PKG_VERSION")));
    let is_ours = request.headers().contains_key(LINK_HEADER);
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    if connection.is_none() && !common.warned.swap(true, Ordering::Relaxed) {
        tracing::warn!("this server was built without `on_connect`: sessions whose peer stops reading cannot be cut");
    }
    // The request's parts go back to their pool now instead of living as long as the session.
    drop(request);
    Ok(response.streaming(open(&shard, connection, place, is_ours, input)))
}

/// Puts the parts of a session together.
fn open(
    shard: &Rc<Shard>,
    connection: Option<Arc<Connection>>,
    place: Place,
    is_ours: bool,
    input: web::Payload,
) -> Output<impl futures_util::Stream<Item = Result<bytes::Bytes, actix_web::Error>> + use<>> {
    let config = shard.config();
    let settings = SessionSettings {
        queue_bytes: config.queue_bytes,
        overflow: config.overflow,
        max_subscriptions: config.max_subscriptions,
        max_patterns: config.max_patterns,
        // Two subscriptions to one topic are two `notify` in this protocol; a link of ours asked for one.
        deduplicate: is_ours,
        ..SessionSettings::default()
    };
    let (session, outgoing) = shard.worker().open(settings);
    let live = Rc::new(Live::new(Rc::clone(shard), session, connection, place));
    let guard = Guard::new(input, config.max_frame, Rc::clone(&live));
    let codec = Codec::new().max_size(config.max_frame);
    let actor = WebsocketContext::with_codec(Peer::new(Rc::clone(&live), is_ours), guard, codec);
    Output::new(actor, outgoing, live)
}

/// Tells a client to come later. Not by 403, which ends some clients and sets others into a loop: 503 makes all of them wait.
fn put_off(shard: &Shard) -> HttpResponse {
    shard.counters().put_off.add_one();
    HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, RETRY_AFTER)).finish()
}

/// Turns a client away, not at once: some try again without a pause, hundreds of times a second.
async fn refuse(shard: &Shard, refusal: Refusal, client: Option<IpAddr>) -> HttpResponse {
    shard.counters().refused.add_one();
    let _place = shard.common().refusals.take(client);
    if HELD_BACK.fetch_add(1, Ordering::Relaxed) < MOST_HELD_BACK {
        let _back = HeldBack;
        sleep(shard.config().refusal_delay).await;
    } else {
        drop(HeldBack);
    }
    match refusal {
        Refusal::Token => HttpResponse::Unauthorized().insert_header((header::WWW_AUTHENTICATE, "Bearer")).finish(),
        Refusal::Origin => HttpResponse::Forbidden().finish(),
    }
}

/// One of [`HELD_BACK`]; the client may hang up in the meantime.
struct HeldBack;

impl Drop for HeldBack {
    fn drop(&mut self) {
        HELD_BACK.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::time::Duration;

    use actix_web::test::TestRequest;
    use actix_web::{FromRequest, dev, rt};
    use bytes::Bytes;
    use eventhive_hub::{Hub, HubSettings};
    use futures_util::{StreamExt as _, stream};
    use tokio::time::timeout;

    use super::*;
    use crate::Config;
    use crate::door::WebSocketDoor;

    /// Chunks of this size cut frames anywhere.
    const CHUNK: usize = 4099;

    #[test]
    fn frames_that_come_faster_than_they_are_handled_are_left_in_the_socket_and_all_handled_in_time() {
        rt::System::new().block_on(async {
            let hub = Hub::new(HubSettings::default());
            let shard = Rc::new(Shard::new(WebSocketDoor::new(hub, Config::default()).common));
            // A million empty pongs: nothing answers them, so nothing else holds the peer back.
            let pongs = Bytes::from([0x8A, 0x80, 0, 0, 0, 0].repeat(1_000_000));
            let taken = Rc::new(Cell::new(0));
            let (counter, size) = (Rc::clone(&taken), pongs.len());
            let chunks = stream::iter((0..size).step_by(CHUNK)).map(move |at| {
                let chunk = pongs.slice(at..size.min(at + CHUNK));
                counter.set(counter.get() + chunk.len());
                Ok(chunk)
            });
            let request = TestRequest::default().to_http_request();
            let mut payload = dev::Payload::Stream { payload: chunks.boxed_local() };
            let input = web::Payload::from_request(&request, &mut payload).await.unwrap();
            let place = shard.common().sessions.take(None).unwrap();
            let mut output = Box::pin(open(&shard, None, place, false, input));
            let first = poll_fn(|context| std::task::Poll::Ready(output.poll_next_unpin(context))).await;
            assert!(first.is_pending());
            assert_eq!(taken.get(), CHUNK);
            let end = timeout(Duration::from_secs(60), output.next()).await;
            assert!(end.expect("the end is reached").is_none());
            assert_eq!(taken.get(), size);
        });
    }
}
