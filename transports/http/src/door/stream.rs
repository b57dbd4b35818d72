//! From a request to a stream: GET.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use eventhive_hub::{Access, BacklogError, PublicCursor, SessionSettings, Start};
use eventhive_listener::Connection;
use eventhive_transport::Filter;

use super::coding::Coding;
use super::form::{Form, Wish};
use super::live::Live;
use super::output::{Compressed, Output};
use super::reply::Reply;
use super::request::{claim, text};
use super::shard::Shard;
use crate::wire::answers::{BAD_REQUEST, BUSY, LAST_EVENT_ID, X_FETCH_SINCE, X_FETCH_SINCE_CURSOR, X_PUBSUB_REPLAY};
use crate::wire::topics;

/// Every cursor of the protocol has this length; what has another is no cursor.
const CURSOR_CHARS: usize = 36;

pub(super) async fn open(shard: &Rc<Shard>, reply: &Reply, request: HttpRequest, path: &str) -> HttpResponse {
    let filter = topics::subscription(path);
    if shard.hub().check(&filter).is_err() {
        return reply.text(StatusCode::BAD_REQUEST, BAD_REQUEST);
    }
    let headers = request.headers();
    let wish = Wish::of(headers, &shard.config().oldschoolers);
    let client = shard.config().proxies.client(&request);
    let Ok(identity) = shard.config().access.identify(claim(headers), client).await else {
        shard.counters().put_off.add_one();
        return reply.later(BUSY);
    };
    let access = identity.viewer();
    let beginning = match Beginning::find(shard, headers, wish.form, access.as_deref()).await {
        Ok(beginning) => beginning,
        Err(error) => {
            tracing::error!(%error, "a stream could not be opened in the past");
            return reply.later("The backlog cannot be read, please come again.\n");
        }
    };
    let config = shard.config();
    let draining = shard.common().draining.borrow().is_some();
    let Some(place) = shard.common().addresses.take(client) else {
        shard.counters().put_off.add_one();
        return reply.later("There are as many streams of your address as there may be, please come again.\n");
    };
    if draining || shard.hub().is_closing() || !shard.counters().enter(config.max_sessions) {
        shard.counters().put_off.add_one();
        return reply.later("There are as many streams as there may be, please come again.\n");
    }
    let settings = SessionSettings {
        queue_bytes: config.queue_bytes,
        overflow: config.overflow,
        max_subscriptions: 1,
        access,
        ..SessionSettings::default()
    };
    let coding = Coding::of(headers).filter(|_| wish.by_name);
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    // The request's parts go back to their pool now instead of living as long as the stream.
    drop(request);
    let (session, outgoing) = shard.worker().open(settings);
    let live = Rc::new(Live::new(Rc::clone(shard), session, connection, place, wish.form));
    let compressed = coding.and_then(|coding| Compressed::open(shard, coding));
    let output = Output::new(outgoing, Rc::clone(&live), compressed);
    if let Some(opening) = wish.form.opening(beginning.is_unknown) {
        live.send(opening);
    }
    if begin(&live, filter, beginning.start).is_err() {
        return reply.text(StatusCode::BAD_REQUEST, BAD_REQUEST);
    }
    respond(reply, wish.form, &beginning, output)
}

fn respond(reply: &Reply, form: Form, beginning: &Beginning, output: Output) -> HttpResponse {
    let mut response = reply.builder(StatusCode::OK, form.content_type());
    if let Some(coding) = output.coding() {
        response.insert_header((header::CONTENT_ENCODING, coding.name()));
    }
    if matches!(form, Form::Events | Form::NdJson) {
        // Neither stored nor collected by what stands between.
        response.insert_header((header::CACHE_CONTROL, "no-store")).insert_header(("x-accel-buffering", "no"));
    }
    if beginning.was_asked_for {
        response.insert_header((X_PUBSUB_REPLAY, if beginning.is_unknown { "unknown" } else { "found" }));
    }
    let chunks = output.has_chunks();
    let mut response = response.streaming(output);
    if chunks {
        response.head_mut().no_chunking(true);
        response.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    response
}

/// Subscribes, and pings as soon as what lies in the past has been queued.
fn begin(live: &Rc<Live>, filter: Filter, start: Start) -> Result<(), eventhive_hub::SubscribeError> {
    if start == Start::Now {
        live.session.subscribe(filter)?;
        live.ping();
        return Ok(());
    }
    let live = Rc::clone(live);
    actix_web::rt::spawn(async move {
        match live.session.subscribe_from(filter, start).await {
            Ok(_) => live.ping(),
            Err(error) => live.replay_failed(&error),
        }
    });
    Ok(())
}

/// Where a stream begins.
struct Beginning {
    start: Start,
    was_asked_for: bool,
    /// The place that was asked for cannot be found.
    is_unknown: bool,
}

impl Beginning {
    /// A cursor goes before a time: it is exact.
    async fn find(
        shard: &Shard,
        headers: &HeaderMap,
        form: Form,
        access: Option<&dyn Access>,
    ) -> Result<Self, BacklogError> {
        let wanted = if form == Form::Events { text(headers, LAST_EVENT_ID) } else { None };
        let wanted = wanted.or_else(|| text(headers, X_FETCH_SINCE_CURSOR));
        if let Some(wanted) = wanted.filter(|cursor| cursor.len() == CURSOR_CHARS) {
            let start = located(shard, wanted, access).await?;
            // Events may have been missed. Who gives a time as well gets at least what followed that.
            let (is_unknown, start) = (start.is_none(), start.unwrap_or_else(|| since(headers)));
            return Ok(Self { start, was_asked_for: true, is_unknown });
        }
        let start = since(headers);
        Ok(Self { start, was_asked_for: start != Start::Now, is_unknown: false })
    }
}

async fn located(shard: &Shard, cursor: &str, access: Option<&dyn Access>) -> Result<Option<Start>, BacklogError> {
    let Ok(cursor) = cursor.parse::<PublicCursor>() else { return Ok(None) };
    match shard.hub().find(cursor, access).await {
        Ok(place) => Ok(Some(Start::After(place))),
        Err(BacklogError::Cursor(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn since(headers: &HeaderMap) -> Start {
    let since = text(headers, X_FETCH_SINCE).map(str::trim).filter(|since| !since.is_empty());
    since.map_or(Start::Now, since_epoch)
}

/// What is no number, or lies before the epoch, is its beginning, as in the original. What no clock shows is to come.
fn since_epoch(since: &str) -> Start {
    let Some(since) = since.parse::<f64>().ok().filter(|since| *since >= 0.0) else { return Start::Oldest };
    match first_of(since).and_then(|time| UNIX_EPOCH.checked_add(time)) {
        Some(time) if time <= SystemTime::now() => Start::Since(time),
        _ => Start::Now,
    }
}

/// The first nanosecond whose timestamp in a line, a double, is not less. The nearest one may lie behind the event that
/// shows this very number.
fn first_of(timestamp: f64) -> Option<Duration> {
    // More than the distance of two doubles for the next 270 years.
    let slack = Duration::from_micros(1);
    let near = Duration::try_from_secs_f64(timestamp).ok()?;
    let (mut first, mut last) = (near.saturating_sub(slack), near.saturating_add(slack));
    while first < last {
        let middle = first + (last - first) / 2;
        if middle.as_secs_f64() < timestamp { first = middle + Duration::from_nanos(1) } else { last = middle }
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_of_a_line_finds_the_event_that_shows_it() {
        for nanos in (0..10_000).map(|step| step * 7) {
            let time = Duration::new(1_795_249_308, 230_328_000 + nanos);
            let shown = time.as_secs_f64();
            let first = first_of(shown).unwrap();
            assert!(first <= time && first.as_secs_f64() == shown, "{time:?} {first:?}");
            assert!((first - Duration::from_nanos(1)).as_secs_f64() < shown, "{first:?}");
        }
        assert_eq!(first_of(0.0), Some(Duration::ZERO));
        assert_eq!(first_of(1e20), None);
    }

    #[test]
    fn a_time_that_no_clock_shows_is_to_come_and_what_is_no_number_is_the_epoch() {
        for future in ["1e20", "1e300", "inf", "infinity", "9999999999"] {
            assert_eq!(since_epoch(future), Start::Now, "{future}");
        }
        for past in ["abc", "NaN", "-NaN", "-1", "-inf", "-1e300", "1e"] {
            assert_eq!(since_epoch(past), Start::Oldest, "{past}");
        }
        assert_eq!(since_epoch("0"), Start::Since(UNIX_EPOCH));
    }
}
