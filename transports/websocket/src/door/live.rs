//! What the parts of one session share, all on one thread.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use eventhive_hub::{Ended, Monitor, SendError, Session};
use eventhive_listener::Connection;
use eventhive_listener::addresses::Place;
use eventhive_listener::websocket::{Guarded, Input};
use tokio::sync::Notify;

use super::closing::Close;
use super::pending::Pending;
use super::shard::{Millis, Shard};
use crate::wire::encode;
use crate::wire::frame::{self, Control};

/// A session while it lives.
pub(super) struct Live {
    pub(super) shard: Rc<Shard>,
    pub(super) session: Session,
    pub(super) pending: Pending,
    /// Synchronous publishes of this session that wait, and the word that one of them ended.
    pub(super) waiting: Cell<usize>,
    pub(super) waited: Notify,
    monitor: Monitor,
    connection: Option<Arc<Connection>>,
    /// Its share of what its address may have.
    _place: Place,
    /// Whether the peer is not read from just now, and so cannot be heard.
    unread: Cell<bool>,
    heard_at: Cell<Millis>,
    pinged_at: Cell<Option<Millis>>,
    closing_since: Cell<Option<Millis>>,
    /// When a closing session was last seen to take something.
    grace_from: Cell<Millis>,
    /// Since when the hub has ended the session without the stream having noticed.
    doomed_since: Cell<Option<Millis>>,
    input: Input,
    cut: Cell<bool>,
}

impl Live {
    pub(super) fn new(shard: Rc<Shard>, session: Session, connection: Option<Arc<Connection>>, place: Place) -> Self {
        Self {
            pending: Pending::default(),
            waiting: Cell::new(0),
            waited: Notify::new(),
            monitor: session.monitor(),
            connection,
            _place: place,
            unread: Cell::new(false),
            heard_at: Cell::new(shard.now()),
            pinged_at: Cell::new(None),
            closing_since: Cell::new(None),
            grace_from: Cell::new(0),
            doomed_since: Cell::new(None),
            input: Input::default(),
            cut: Cell::new(false),
            shard,
            session,
        }
    }

    /// The peer is read from no further for now, or again. Its silence meanwhile means nothing.
    pub(super) fn stop_reading(&self, stop: bool) {
        self.unread.set(stop);
        self.heard();
    }

    /// Whether the end has begun: requests are not served any more.
    pub(super) fn is_closing(&self) -> bool {
        self.closing_since.get().is_some()
    }

    /// Queues the answer to a request, in order with the events.
    pub(super) fn answer(&self, write: impl FnOnce(&mut String)) {
        self.queue(frame::text_frame(128, write));
    }

    /// Queues the `true` or `false` of a method.
    pub(super) fn answer_bool(&self, result: bool, call_id: Option<&str>) {
        self.answer(|out| encode::bool_result(out, result, call_id));
    }

    /// Queues the answer to a publish: to a link of ours the number of receivers.
    pub(super) fn answer_publish(&self, receivers: Option<u64>, counts: bool, call_id: Option<&str>) {
        match receivers.filter(|_| counts) {
            Some(receivers) => self.answer(|out| encode::count_result(out, receivers, call_id)),
            None => self.answer_bool(receivers.is_some(), call_id),
        }
    }

    /// A synchronous publish of this session waits no longer.
    pub(super) fn publish_is_answered(&self) {
        self.waiting.set(self.waiting.get() - 1);
        self.waited.notify_one();
    }

    /// Queues the answer to the peer's ping.
    pub(super) fn pong(&self, payload: &[u8]) {
        self.queue(frame::control(Control::Pong, payload));
    }

    fn queue(&self, frame: Bytes) {
        if let Err(SendError::Full(_)) = self.session.send(frame) {
            self.shard.counters().faulty.add_one();
            self.close(&Close::UNREAD_ANSWERS);
        }
    }

    /// Ends the session: what waits is sent, then the close frame; then the peer has a while to answer it.
    pub(super) fn close(&self, close: &Close) {
        if self.is_closing() {
            return;
        }
        tracing::debug!(session = %self.session.id(), code = close.code, reason = ?close.reason, "closing");
        self.closing_since.set(Some(self.shard.now()));
        // With a full queue the socket is not being read from, and the watchdog will cut it.
        _ = self.session.send(close.frame());
        self.session.close();
    }

    /// The peer closes: its frame is answered with the same code, and that is all.
    pub(super) fn peer_closes(&self, code: Option<u16>) {
        self.input.ends();
        if !self.is_closing() {
            self.closing_since.set(Some(self.shard.now()));
            let echo = code.map_or_else(|| frame::control(Control::Close, &[]), |code| frame::close(code, ""));
            _ = self.session.send(echo);
            self.session.close();
        }
    }

    /// The queue is at its end. If nobody has said goodbye yet, this is what to say.
    pub(super) fn last_words(&self, ended: Option<Ended>) -> Option<Bytes> {
        if self.is_closing() {
            return None;
        }
        self.closing_since.set(Some(self.shard.now()));
        let close = match ended {
            Some(Ended::SlowConsumer) => {
                if self.doomed_since.get().is_none() {
                    self.shard.counters().slow.add_one();
                }
                Close::SLOW
            }
            _ => Close::RESTART,
        };
        Some(close.frame())
    }

    /// The connection has done its work. Reading on would make the client wait for its end; but where the peer has not
    /// said goodbye, the server reads on for a moment, or what it still sends would reset the connection before our
    /// close frame has arrived.
    pub(super) fn hang_up(&self) {
        if let (Some(connection), true) = (&self.connection, self.input.is_over()) {
            connection.stop_reading();
        }
    }

    /// The watchdog's look.
    pub(super) fn look(&self, now: Millis) {
        let config = self.shard.config();
        if let Some(since) = self.closing_since.get() {
            return self.look_at_closing(since, now);
        }
        match (self.monitor.ended(), self.pinged_at.get()) {
            (Some(ended), _) => {
                // The stream says the last words itself if the socket takes anything at all.
                self.doomed(ended, now);
            }
            (None, _) if self.unread.get() => self.heard(),
            (None, Some(pinged)) if now - pinged >= millis(config.ping_timeout) => {
                self.shard.counters().silent.add_one();
                self.close(&Close::PING_TIMEOUT);
            }
            (None, None) if now - self.heard_at.get() >= millis(config.ping_interval) => {
                self.pinged_at.set(Some(now));
                self.queue(frame::control(Control::Ping, &fastrand::u32(..).to_be_bytes()));
            }
            _ => {}
        }
    }

    /// A peer that still takes what waits for it has not been told of the end yet.
    fn look_at_closing(&self, since: Millis, now: Millis) {
        if self.monitor.queued_bytes() > 0 && self.monitor.stalled_for().is_zero() && now - since <= LONGEST_CLOSE {
            self.grace_from.set(now);
        } else if now.saturating_sub(self.grace_from.get().max(since)) > CLOSE_GRACE {
            self.cut();
        }
    }

    /// The hub has ended the session. The stream learns of it when the socket takes something; until then the time runs.
    fn doomed(&self, ended: Ended, now: Millis) {
        match self.doomed_since.get() {
            None => {
                self.doomed_since.set(Some(now));
                if ended == Ended::SlowConsumer {
                    self.shard.counters().slow.add_one();
                }
            }
            Some(since) if now - since > CLOSE_GRACE => self.cut(),
            Some(_) => {}
        }
    }

    /// Cuts the connection. Its task then drops all that belongs to the session.
    fn cut(&self) {
        if self.cut.replace(true) {
            return;
        }
        self.shard.counters().cut.add_one();
        match &self.connection {
            Some(connection) => connection.kill(),
            None => tracing::debug!("a session cannot be cut: its server was built without `on_connect`"),
        }
    }
}

impl Guarded for Live {
    fn input(&self) -> &Input {
        &self.input
    }

    fn heard(&self) {
        self.heard_at.set(self.shard.now());
        self.pinged_at.set(None);
    }
}

/// How long a peer may take to answer a close frame, or to take anything before it, in milliseconds.
const CLOSE_GRACE: Millis = 2000;

/// How long it may go on taking what waits before the close frame.
const LONGEST_CLOSE: Millis = 10_000;

fn millis(time: std::time::Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}
