//! The part that publishes: one connection, answers in the order of the requests.
//!
//! A door of ours gets one request at a time with all that waits, up to the size of the largest message. To other servers
//! each event is a request, and they are pipelined.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use eventhive_transport::{Delivery, LinkError};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::dial::{Io, ask, dial, more, request};
use super::keeper::{End, Failed, Part, unreachable};
use super::queue::{Item, Settle};
use super::response::Head;
use super::shared::Shared;
use crate::wire::answers::DOOR_HEADER;
use crate::wire::batch::{self, BATCH_TYPE};

/// Requests that may be without an answer: enough that a distant server never waits for us.
const MOST_IN_FLIGHT: usize = 256;

/// Requests that are written at once.
const MOST_AT_ONCE: usize = 64;

/// Of the text of an answer, so much is kept: enough for a batch that is refused event by event.
const MOST_TOLD: usize = MOST_IN_BATCH * 150;

pub(super) struct Publisher;

/// Events in one batch at most: their answers are short texts.
const MOST_IN_BATCH: usize = 1000;

/// A connection that has answered.
pub(super) struct Open {
    io: Box<dyn Io>,
    buffer: BytesMut,
    /// The server is a door of ours.
    ours: bool,
}

/// A request without an answer yet.
struct Pending {
    asked: Asked,
    deadline: Instant,
}

/// What was asked, and who waits for it.
enum Asked {
    /// Whether the server is there.
    Presence,
    Publish(Settle),
    Batch(Vec<Settle>),
}

/// Requests without an answer, in their order.
#[derive(Default)]
struct Flight {
    pending: Mutex<VecDeque<Pending>>,
    landed: Notify,
}

impl Flight {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, asked: Asked, patience: Duration) {
        self.lock().push_back(Pending { asked, deadline: Instant::now() + patience });
    }

    fn pop(&self) -> Option<Pending> {
        let pending = self.lock().pop_front();
        self.landed.notify_one();
        pending
    }

    fn is_late(&self) -> bool {
        self.lock().front().is_some_and(|pending| pending.deadline <= Instant::now())
    }

    /// Waits until fewer than `most` are in flight.
    async fn below(&self, most: usize) {
        loop {
            let landed = self.landed.notified();
            if self.lock().len() < most {
                return;
            }
            landed.await;
        }
    }
}

impl Part for Publisher {
    type Connection = Open;

    fn counts(&self) -> bool {
        true
    }

    async fn connect(&mut self, shared: &Shared) -> Result<Open, Failed> {
        let settings = &shared.settings;
        let mut io = dial(settings).await.map_err(|error| unreachable(shared, &error))?;
        let mut buffer = BytesMut::new();
        let question = request(settings, "HEAD", "/") + "\r\n";
        let head = ask(&mut *io, &question, &mut buffer).await.map_err(|error| unreachable(shared, &error))?;
        if !(200..300).contains(&head.status) {
            let url = settings.url();
            return Err(Failed::ForNow(format!("{url} answered {}: check `port` and `endpoint`", head.status)));
        }
        shared.queue.open();
        Ok(Open { io, buffer, ours: head.field(DOOR_HEADER).is_some() })
    }

    async fn run(&mut self, shared: &Shared, Open { io, buffer, ours }: Open) -> End {
        let (reader, writer) = tokio::io::split(io);
        let flight = Flight::default();
        let ended = tokio::select! {
            ended = write(shared, &flight, writer, ours) => ended,
            ended = read(&flight, reader, buffer) => ended,
            () = watch(shared, &flight) => Ok(End::Lost("the server did not answer in time".to_owned())),
        };
        ended.unwrap_or_else(|error| End::Lost(format!("the connection to {} failed: {error}", shared.settings.url())))
    }

    fn lost(&mut self, shared: &Shared) {
        shared.queue.clear();
    }
}

async fn write(
    shared: &Shared,
    flight: &Flight,
    mut writer: impl AsyncWrite + Unpin,
    batches: bool,
) -> io::Result<End> {
    let settings = &shared.settings;
    let question = request(settings, "HEAD", "/") + "\r\n";
    let (in_flight, at_once) = if batches { (1, MOST_IN_BATCH) } else { (MOST_IN_FLIGHT, MOST_AT_ONCE) };
    let weight = settings.max_message;
    loop {
        flight.below(in_flight).await;
        match timeout(settings.ping_interval, shared.queue.take(at_once, weight)).await {
            Ok(Some(items)) => {
                let taken = items.iter().map(Item::weight).sum();
                let text = if batches { batch(shared, flight, items) } else { pipeline(shared, flight, items) };
                writer.write_all(text.as_bytes()).await?;
                writer.flush().await?;
                shared.queue.written(taken);
            }
            Ok(None) => {
                flight.below(1).await;
                return Ok(End::Done);
            }
            // What is in flight has a deadline of its own.
            Err(_) if !flight.lock().is_empty() => {}
            Err(_) => {
                flight.push(Asked::Presence, settings.ping_timeout);
                writer.write_all(question.as_bytes()).await?;
                writer.flush().await?;
                // A HEAD stands alone: servers that read ahead give the answer before it the form that is due to it.
                flight.below(1).await;
            }
        }
    }
}

/// One request for all.
fn batch(shared: &Shared, flight: &Flight, items: Vec<Item>) -> String {
    let mut body = String::with_capacity(items.iter().map(Item::weight).sum());
    let mut settles = Vec::with_capacity(items.len());
    for item in items {
        batch::push(&mut body, &item.target, &item.body);
        settles.push(item.settle);
    }
    flight.push(Asked::Batch(settles), shared.settings.call_timeout);
    put(shared, "/", BATCH_TYPE, &body)
}

/// A request for each.
fn pipeline(shared: &Shared, flight: &Flight, items: Vec<Item>) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(&put(shared, &item.target, "application/json", &item.body));
        flight.push(Asked::Publish(item.settle), shared.settings.call_timeout);
    }
    text
}

fn put(shared: &Shared, target: &str, content_type: &str, body: &str) -> String {
    let head = request(&shared.settings, "PUT", target);
    format!("{head}Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn read(flight: &Flight, mut reader: impl AsyncRead + Unpin, mut buffer: BytesMut) -> io::Result<End> {
    // The server has said that it will close. It is believed when it does: some say so and go on.
    let mut closes = false;
    loop {
        let Some(head) = Head::take(&mut buffer)? else {
            match more(&mut reader, &mut buffer).await {
                // Servers also close connections that were idle for a while.
                Err(_) if buffer.is_empty() && (closes || flight.lock().is_empty()) => return Ok(End::Renew),
                read => read?,
            }
            continue;
        };
        let Some(pending) = flight.pop() else {
            return Ok(End::Lost("the server answered what was not asked".to_owned()));
        };
        let is_presence = matches!(pending.asked, Asked::Presence);
        let text = text(&head, is_presence, &mut reader, &mut buffer).await?;
        let settled = match (head.status, pending.asked) {
            // Not now: the publisher is told that it does not know, and comes again when the link is up.
            (408 | 429 | 500.., _) => Err(text),
            (200..300, Asked::Presence) => Ok(()),
            (_, Asked::Presence) => Err("to a question whether it is there".to_owned()),
            (status, Asked::Publish(settle)) => {
                answer(settle, status, &text);
                Ok(())
            }
            (200..300, Asked::Batch(settles)) => answer_each(settles, &text),
            (status, Asked::Batch(settles)) => {
                settles.into_iter().for_each(|settle| answer(settle, status, &text));
                Ok(())
            }
        };
        if let Err(text) = settled {
            return Ok(End::Lost(format!("the server answered {}: {text}", head.status)));
        }
        closes |= head.closes();
    }
}

fn answer(settle: Settle, status: u16, text: &str) {
    let outcome = match status {
        200..300 => Ok(Delivery::Accepted),
        _ => Err(LinkError::Rejected(format!("{status}: {text}"))),
    };
    // Nobody may wait for it any more.
    let _ = settle.send(outcome);
}

/// Settles a batch by the lines of its answer. Those that have no line were not looked at.
fn answer_each(settles: Vec<Settle>, text: &str) -> Result<(), String> {
    let mut lines = text.lines();
    for settle in settles {
        let line = lines.next().unwrap_or("503 not all events were taken");
        let (status, text) = line.split_once(' ').unwrap_or((line, ""));
        match status.parse() {
            Ok(status @ 0..500) => answer(settle, status, text),
            _ => return Err(line.to_owned()),
        }
    }
    Ok(())
}

/// Reads the whole body of an answer; gives the beginning of its text.
async fn text(
    head: &Head,
    to_head: bool,
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<String> {
    let mut body = head.body(to_head)?;
    let mut text = Vec::new();
    loop {
        while let Some(bytes) = body.take(buffer)? {
            text.extend(bytes.iter().take(MOST_TOLD - text.len().min(MOST_TOLD)));
        }
        if body.is_over() {
            return Ok(String::from_utf8_lossy(&text).trim_end().to_owned());
        }
        more(reader, buffer).await?;
    }
}

/// Resolves when an answer is late.
async fn watch(shared: &Shared, flight: &Flight) {
    let settings = &shared.settings;
    let look =
        (settings.call_timeout.min(settings.ping_timeout) / 8).clamp(Duration::from_millis(10), Duration::from_secs(1));
    while !flight.is_late() {
        sleep(look).await;
    }
}
