//! What the parts of one stream share, all on one thread.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use eventhive_hub::{Ended, Monitor, ReplayError, Session};
use eventhive_listener::Connection;
use eventhive_listener::addresses::Place;

use super::form::Form;
use super::shard::{Millis, Pings, Shard};
use crate::wire::chunk::Chunk;

/// A stream while it lives.
pub(super) struct Live {
    pub(super) shard: Rc<Shard>,
    pub(super) session: Session,
    pub(super) form: Form,
    monitor: Monitor,
    connection: Option<Arc<Connection>>,
    /// Its place among the streams of its client's address.
    _place: Place,
    next_ping: Cell<Ping>,
    /// When the socket last took something, or the stream was made.
    taken: Cell<Millis>,
    /// Since when the session has ended without its socket having taken the end.
    ended_since: Cell<Option<Millis>>,
    cut: Cell<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// The past comes first. Its events say that the stream is alive, as long as they come.
    NotYet,
    At(Millis),
    /// One waits for the socket.
    Queued,
}

/// How long the end of a stream may wait for its socket, in milliseconds.
const GRACE: Millis = 2000;

impl Live {
    pub(super) fn new(
        shard: Rc<Shard>,
        session: Session,
        connection: Option<Arc<Connection>>,
        place: Place,
        form: Form,
    ) -> Self {
        let (monitor, next_ping) = (session.monitor(), Cell::new(Ping::NotYet));
        let taken = Cell::new(shard.now());
        Self {
            shard,
            session,
            form,
            monitor,
            connection,
            _place: place,
            next_ping,
            taken,
            ended_since: Cell::new(None),
            cut: Cell::new(false),
        }
    }

    /// Queues a chunk of the door's own. There is room: there is never more than one or two.
    pub(super) fn send(&self, chunk: Chunk) {
        if let Err(error) = self.session.send(chunk.into_bytes()) {
            tracing::debug!(%error, "a stream took no ping");
        }
    }

    /// Pings now, and from now on.
    pub(super) fn ping(&self) {
        self.next_ping.set(Ping::Queued);
        self.send(self.form.ping());
    }

    /// The socket takes something.
    pub(super) fn is_taking(&self) {
        self.taken.set(self.shard.now());
    }

    /// The socket has taken a chunk of the door's own.
    pub(super) fn ping_is_taken(&self) {
        if self.next_ping.get() == Ping::Queued {
            self.next_ping.set(Ping::At(self.shard.now() + self.shard.ping_interval()));
        }
    }

    /// The stream must not look complete: what it was to replay is not all there.
    pub(super) fn replay_failed(&self, error: &ReplayError) {
        if self.monitor.ended().is_none() {
            tracing::info!(session = %self.session.id(), %error, "a stream's replay failed");
            self.monitor.disconnect(Ended::SlowConsumer);
        }
    }

    /// What the watchdog does at each look.
    pub(super) fn look(&self, now: Millis, pings: &mut Pings) {
        if let Some(ended) = self.monitor.ended() {
            return self.look_at_end(ended, now);
        }
        match self.next_ping.get() {
            Ping::At(time) if time <= now => {
                self.next_ping.set(Ping::Queued);
                self.send(pings.of(self.form));
            }
            Ping::NotYet if self.is_silent(now) => self.send(self.form.replaying()),
            _ => {}
        }
        if self.monitor.stalled_for() > self.shard.config().send_timeout {
            self.monitor.disconnect(Ended::SlowConsumer);
            self.cut();
        }
    }

    /// Whether there has been nothing to send for as long as pings are apart: a replay that finds little, or a slow disk.
    fn is_silent(&self, now: Millis) -> bool {
        now.saturating_sub(self.taken.get()) >= self.shard.ping_interval() && self.monitor.queued_bytes() == 0
    }

    /// The stream says the end itself if its socket takes anything at all; until then the time runs.
    fn look_at_end(&self, ended: Ended, now: Millis) {
        match self.ended_since.get() {
            None => {
                self.ended_since.set(Some(now));
                if ended == Ended::SlowConsumer {
                    self.shard.counters().slow.add_one();
                }
            }
            // It still takes what waits.
            Some(_) if self.monitor.queued_bytes() > 0 && self.monitor.stalled_for().is_zero() => {
                self.ended_since.set(Some(now));
            }
            Some(since) if now - since > GRACE => self.cut(),
            Some(_) => {}
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.monitor.ended().is_none()
    }

    /// Cuts the connection. Its task then drops all that belongs to the stream.
    fn cut(&self) {
        if self.cut.replace(true) {
            return;
        }
        self.shard.counters().cut.add_one();
        match &self.connection {
            Some(connection) => connection.kill(),
            None => tracing::debug!("a stream cannot be cut: its server was built without `on_connect`"),
        }
    }

    /// The stream has come to its end in good order, and so does its connection.
    pub(super) fn hang_up(&self) {
        if let Some(connection) = &self.connection {
            connection.stop_reading();
        }
    }
}
