//! One connection's life, in one task that reads and writes.
//!
//! Reading goes on while writing has to wait, or a server that waits for us to read would wait for ever; the other way
//! round, a server that does not read is not read from once too many of its calls wait for their answers. Everything that
//! was read is worked off before one flush sends all it caused, and whatever publishers queued meanwhile.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventhive_transport::{Delivery, LinkError, LinkState};
use futures_util::{Sink as _, Stream as _};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::calls::{Call, Calls};
use super::connect::{Connected, Server, Socket};
use super::queue::{Gate, Outgoing};
use super::supervise::Shared;
use crate::wire::mend::Mended;
use crate::wire::{self, FrameError, answer, encode};

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The owner closed the link.
    Closed,
    /// It is lost; for people, why.
    Lost(String),
    /// It has to be made anew for its subscriptions, and could be at once.
    Renew,
}

/// A server that does not read its answers is not read from when this many wait.
const MOST_ANSWERS: usize = 10_000;

pub(super) struct Connection<'a> {
    shared: &'a Shared,
    socket: Socket,
    server: Server,
    /// Taken from the queue, not yet written.
    batch: VecDeque<Outgoing>,
    /// Our answers to the server's calls; they go first.
    answers: VecDeque<String>,
    calls: Calls,
    /// Something was written since the last flush.
    unflushed: bool,
    phase: Phase,
    /// The ping that is not answered yet.
    ping: Option<u64>,
    pinged: Instant,
    last_answer: Instant,
    tick: Interval,
    now: Instant,
    channel_id: String,
}

/// What the server says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    /// A door of ours to a publish: it was handed to so many sessions.
    Counted(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first ping and subscriptions are on their way; the connection must be up by then.
    Starting {
        until: Instant,
    },
    Up,
    /// The owner closed the link: what waits is sent and answered first.
    Draining {
        until: Instant,
    },
    /// Our close frame is on its way, or there.
    Closing {
        until: Instant,
    },
}

impl<'a> Connection<'a> {
    /// A connection that has just been upgraded and has to be up by `until`.
    pub(super) fn new(shared: &'a Shared, connected: Connected, until: Instant) -> Self {
        let Connected { socket, server } = connected;
        let settings = &shared.settings;
        let shortest = settings.ping_interval.min(settings.ping_timeout).min(settings.call_timeout);
        // A quarter late is no harm; a second is enough for the usual times, and costs an idle link nothing to speak of.
        let mut tick = tokio::time::interval((shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = Instant::now();
        let mut channel_id = String::with_capacity(32);
        encode::hex(&mut channel_id, encode::CallId::random().0);
        Self {
            shared,
            socket,
            server,
            batch: VecDeque::new(),
            answers: VecDeque::new(),
            calls: Calls::new(settings.call_timeout),
            unflushed: false,
            phase: Phase::Starting { until },
            ping: None,
            pinged: now,
            last_answer: now,
            tick,
            now,
            channel_id,
        }
    }

    /// Runs until the connection ends. The link is up when the ping and all subscriptions are answered.
    pub(super) async fn run(mut self) -> End {
        self.ping = Some(self.shared.caller.ping());
        self.shared.registry.connected(self.server, &self.shared.caller);
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.shared.caller.queue.register(context.waker());
        loop {
            self.now = Instant::now();
            while self.tick.poll_tick(context).is_ready() {
                if let Err(end) = self.look_at_the_clock() {
                    return Poll::Ready(end);
                }
            }
            if let Err(end) = self.heed_the_owner() {
                return Poll::Ready(end);
            }
            let progress = self.read(context).and_then(|read| Ok(self.write(context)? || read));
            match progress {
                Err(end) => return Poll::Ready(end),
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
            }
        }
    }

    fn look_at_the_clock(&mut self) -> Result<(), End> {
        let (settings, now) = (&self.shared.settings, self.now);
        let lost = |reason: &str| Err(End::Lost(reason.to_owned()));
        match self.phase {
            Phase::Starting { until } if until <= now => {
                return lost("the server did not answer ping and subscribe in time");
            }
            Phase::Draining { until } | Phase::Closing { until } if until <= now => return Err(End::Closed),
            _ => {}
        }
        while let Some(call) = self.calls.overdue(now) {
            match call {
                Call::Publish(receipt) => _ = receipt.send(Err(LinkError::TimedOut)),
                Call::Subscribe(_) => return lost("the server did not answer a subscribe in time"),
                // A ping has its own time; nobody depends on the answer to an unsubscribe.
                Call::Ping | Call::Unsubscribe { .. } => {}
            }
        }
        // A ping may wait behind a large queue; a server that answers what is before it is not deaf.
        let silent = now.duration_since(self.last_answer.max(self.pinged));
        if self.ping.is_some() {
            if silent >= settings.ping_timeout {
                return lost("the server did not answer a ping in time");
            }
        } else if silent >= settings.ping_interval {
            self.pinged = now;
            self.ping = Some(self.shared.caller.ping());
        }
        Ok(())
    }

    /// The owner may have closed the link, or subscribed what this connection cannot have.
    fn heed_the_owner(&mut self) -> Result<(), End> {
        if self.shared.registry.wants_renewal() && matches!(self.phase, Phase::Up | Phase::Starting { .. }) {
            return Err(End::Renew);
        }
        if self.shared.caller.queue.gate() == Gate::Closed && matches!(self.phase, Phase::Up | Phase::Starting { .. }) {
            self.phase = Phase::Draining { until: self.now + self.shared.settings.close_timeout };
        }
        if matches!(self.phase, Phase::Draining { .. }) && self.drained() {
            let Phase::Draining { until } = self.phase else { return Ok(()) };
            self.phase = Phase::Closing { until };
            let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            Pin::new(&mut self.socket).start_send(Message::Close(Some(frame))).map_err(|_| End::Closed)?;
            self.unflushed = true;
        }
        Ok(())
    }

    /// Whether everything that was accepted is sent and answered, so that the server has it.
    fn drained(&mut self) -> bool {
        if self.batch.is_empty() {
            self.shared.caller.queue.take(&mut self.batch);
        }
        self.batch.is_empty() && self.calls.is_empty()
    }

    /// Reads all that is there. Whether anything was.
    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        let mut any = false;
        while self.answers.len() < MOST_ANSWERS {
            match Pin::new(&mut self.socket).poll_next(context) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(message))) => self.take(message)?,
                Poll::Ready(Some(Err(error))) => return Err(self.broken(&error)),
                Poll::Ready(None) => return Err(self.ended("the server closed the connection")),
            }
            any = true;
        }
        Ok(any)
    }

    /// Writes all that waits, and flushes it. Whether anything was written.
    fn write(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        let mut any = false;
        if self.batch.is_empty() && !matches!(self.phase, Phase::Closing { .. }) {
            self.shared.caller.queue.take(&mut self.batch);
        }
        while !(self.answers.is_empty() && self.batch.is_empty()) {
            let Poll::Ready(room) = Pin::new(&mut self.socket).poll_ready(context) else { return Ok(any) };
            room.map_err(|error| self.broken(&error))?;
            let text = match (self.answers.pop_front(), &self.phase) {
                (Some(_), Phase::Closing { .. }) => continue,
                (Some(answer), _) => answer,
                (None, _) => match self.batch.pop_front() {
                    Some(Outgoing { text, id, call }) => {
                        self.calls.sent(id, call, self.now);
                        self.shared.caller.queue.written(text.len());
                        text
                    }
                    None => break,
                },
            };
            let sent = Pin::new(&mut self.socket).start_send(Message::Text(text.into()));
            sent.map_err(|error| self.broken(&error))?;
            (self.unflushed, any) = (true, true);
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(context)
        {
            flushed.map_err(|error| self.broken(&error))?;
            self.unflushed = false;
        }
        Ok(any)
    }

    fn take(&mut self, message: Message) -> Result<(), End> {
        match message {
            Message::Text(text) => self.take_text(&text),
            Message::Binary(_) => {
                Err(End::Lost("the server sent a binary message, which the protocol does not have".into()))
            }
            Message::Close(frame) => {
                let said =
                    frame.map(|frame| format!(" ({} {})", u16::from(frame.code), frame.reason)).unwrap_or_default();
                Err(self.ended(&format!("the server closed the connection{}", said.replace(" )", ")"))))
            }
            // Pings are answered by the socket.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn take_text(&mut self, text: &Utf8Bytes) -> Result<(), End> {
        if let Some(id) = answer::answered(text) {
            return self.take_answer(id, self.said_in(text));
        }
        let mut mended = Mended::new();
        let frame = match wire::read(text, &mut mended) {
            Ok(frame) => frame,
            Err(FrameError::Syntax(error)) => {
                return Err(End::Lost(format!("the server sent what is not JSON: {error}")));
            }
            Err(error) => {
                tracing::debug!(%error, "ignored a message of the server");
                return Ok(());
            }
        };
        if let Some(request) = frame.request {
            self.take_call(&request, text.as_ref());
        }
        if let Some(response) = frame.response
            && let Some(id) = response.call_id.as_deref().and_then(answer::hex_id)
        {
            return self.take_answer(id, if response.is_true() { Said::Yes } else { Said::No });
        }
        Ok(())
    }

    /// A call of the server's. Names that nobody knows are not answered, as the Python client does not.
    fn take_call(&mut self, request: &wire::Request<'_>, whole: &Bytes) {
        let result = match &*request.method {
            "notify" => {
                self.take_event(request, whole);
                "None"
            }
            "_ping_" => "pong",
            "_get_channel_id_" => &self.channel_id,
            other => {
                tracing::debug!(method = other, "the server called what a client does not have");
                return;
            }
        };
        let mut text = String::with_capacity(result.len() + 112);
        encode::text_result(&mut text, result, request.call_id.as_deref());
        self.answers.push_back(text);
    }

    fn take_event(&mut self, request: &wire::Request<'_>, whole: &Bytes) {
        /// Below this, a copy costs less than keeping the read buffer alive for a few bytes of it.
        const SHARED: usize = 4096;
        let arguments = &request.arguments;
        let Some(topic) = arguments.subscription.as_ref().and_then(|subscription| subscription.topic.as_deref()) else {
            tracing::debug!("ignored a notification without a topic");
            return;
        };
        let raw = arguments.data.map_or("null", |data| data.get());
        let whole = (whole.len() >= SHARED).then_some(whole);
        self.shared.registry.deliver(topic, || wire::payload_of(raw, whole));
    }

    /// What an answer, known to be one, says.
    fn said_in(&self, answer: &str) -> Said {
        match answer::counted(answer).filter(|_| self.server.ours) {
            Some(receivers) => Said::Counted(receivers),
            None if is_yes(answer) => Said::Yes,
            None => Said::No,
        }
    }

    fn take_answer(&mut self, id: u128, said: Said) -> Result<(), End> {
        let shared = self.shared;
        let Some(id) = shared.caller.ours(id) else { return Ok(()) };
        self.last_answer = self.now;
        // It may have outlived the deadline of calls.
        self.ping.take_if(|ping| *ping == id);
        match self.calls.answered(id) {
            // Who dropped the receipt does not want to know.
            Some(Call::Publish(receipt)) => {
                let refused = || LinkError::Rejected("the server did not take the event".into());
                _ = receipt.send(match said {
                    Said::Counted(receivers) => Ok(Delivery::Counted(receivers)),
                    Said::Yes => Ok(Delivery::Accepted),
                    Said::No => Err(refused()),
                });
            }
            Some(Call::Subscribe(topics)) => {
                shared.registry.answered(id, topics, said == Said::Yes, &shared.caller).map_err(End::Lost)?;
            }
            Some(Call::Ping | Call::Unsubscribe { .. }) | None => {}
        }
        if matches!(self.phase, Phase::Starting { .. }) && self.ping.is_none() && shared.registry.all_stand() {
            self.phase = Phase::Up;
            shared.caller.queue.open();
            shared.enter(LinkState::Up);
        }
        Ok(())
    }

    fn broken(&self, error: &Error) -> End {
        self.ended(&match error {
            Error::ConnectionClosed | Error::AlreadyClosed => "the server closed the connection".to_owned(),
            Error::Io(error) => format!("the connection broke: {error}"),
            Error::Capacity(error) => format!("the server sent too large a message: {error}"),
            other => format!("the connection broke: {other}"),
        })
    }

    fn ended(&self, reason: &str) -> End {
        if matches!(self.phase, Phase::Closing { .. }) { End::Closed } else { End::Lost(reason.to_owned()) }
    }
}

/// Whether an answer, known to be one, says `true`. Both Python families write the result first.
fn is_yes(answer: &str) -> bool {
    let start = answer.get(..answer.len().min(64)).unwrap_or_default();
    start.contains("\"result\": true") || start.contains("\"result\":true")
}
