//! Whether a session lives: what came and when, how it ends, and the watchdog that looks at that from outside, because an
//! actor stands still with its socket.

use std::cell::Cell;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use eventhive_listener::addresses::Place;
use eventhive_listener::websocket::{Control, Guarded, Input, control};
use eventhive_listener::{Connection, websocket};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Sessions;
use super::closing::Close;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::queue::Queue;
use super::speech::Speech;
use super::window::Window;

/// What the parts of one session share, all on one thread but for the [`Queue`].
pub(super) struct Live {
    pub(super) sessions: Arc<Sessions>,
    /// What the broadcaster has for the subscriber.
    pub(super) queue: Arc<Queue>,
    /// What the subscriber said: acknowledgements, and all else.
    pub(super) receipts: Inbox,
    pub(super) requests: Inbox,
    pub(super) outbox: Outbox,
    pub(super) window: Window,
    pub(super) speech: Speech,
    connection: Option<Arc<Connection>>,
    /// Its share of what its address may have.
    _place: Place,
    opened_at: Instant,
    is_configured: Cell<bool>,
    /// Whether the peer is not read from just now, and so cannot be heard.
    is_unread: Cell<bool>,
    heard_at: Cell<Instant>,
    pinged_at: Cell<Option<Instant>>,
    /// When the socket last took something.
    wrote_at: Cell<Instant>,
    /// When the peer last acknowledged something.
    took_at: Cell<Instant>,
    closing_since: Cell<Option<Instant>>,
    input: Input,
    is_cut: Cell<bool>,
    is_over: Cell<bool>,
    /// The watchdog is to look.
    stir: Notify,
}

/// The largest message before CONFIGURE has been answered. CONFIGURE itself has two headers of up to 64 KiB.
const UNCONFIGURED_BYTES: usize = 256 * 1024;

/// How long a peer may take to answer a close frame, or to take anything before it.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How long it may go on taking what waits before the close frame.
const LONGEST_CLOSE: Duration = Duration::from_secs(10);

/// Between looks at a session that ends.
const CLOSING_TICK: Duration = Duration::from_millis(100);

impl Live {
    pub(super) fn new(
        sessions: Arc<Sessions>,
        connection: Option<Arc<Connection>>,
        address: Option<IpAddr>,
        place: Place,
    ) -> Self {
        let now = Instant::now();
        Self {
            queue: Arc::new(Queue::new(Arc::clone(&sessions))),
            receipts: Inbox::default(),
            requests: Inbox::default(),
            outbox: Outbox::default(),
            window: Window::default(),
            speech: Speech::new(Arc::clone(&sessions), address),
            connection,
            _place: place,
            opened_at: now,
            is_configured: Cell::new(false),
            is_unread: Cell::new(false),
            heard_at: Cell::new(now),
            pinged_at: Cell::new(None),
            wrote_at: Cell::new(now),
            took_at: Cell::new(now),
            closing_since: Cell::new(None),
            input: Input::default(),
            is_cut: Cell::new(false),
            is_over: Cell::new(false),
            stir: Notify::new(),
            sessions,
        }
    }

    pub(super) fn is_configured(&self) -> bool {
        self.is_configured.get()
    }

    /// The subscriber has said who it is; messages may be sent.
    pub(super) fn configured(&self) {
        self.is_configured.set(true);
        self.queue.wake();
    }

    /// The largest websocket message that is taken now: of somebody who has not said who it is, little.
    fn most_incoming(&self) -> usize {
        let most = self.sessions.settings.max_incoming_bytes;
        if self.is_configured() { most } else { most.min(UNCONFIGURED_BYTES) }
    }

    pub(super) fn check_size(&self, bytes: usize) -> Result<(), Close> {
        let most = self.most_incoming();
        if bytes <= most {
            return Ok(());
        }
        Err(Close::too_large(format_args!("websocket messages may have {most} bytes; send it in parts")))
    }

    /// The peer is read from no further for now, or again. Its silence meanwhile means nothing.
    pub(super) fn stop_reading(&self, stop: bool) {
        self.is_unread.set(stop);
        self.queue.is_unread(stop);
        self.heard();
    }

    /// The socket took something.
    pub(super) fn wrote(&self) {
        self.wrote_at.set(Instant::now());
    }

    /// Whether the end has begun.
    pub(super) fn is_closing(&self) -> bool {
        self.closing_since.get().is_some()
    }

    /// Ends the session: answers are sent, and the frame that was begun, then the close frame; then the peer has a while to
    /// answer it. What is being handled is still handled.
    pub(super) fn close(&self, close: &Close) {
        if self.is_closing() {
            return;
        }
        tracing::debug!(?close, "closing a websocket");
        if let Some(counter) = close.counter(&self.sessions.counters) {
            counter.add_one();
        }
        self.begin_to_close();
        self.outbox.close(close.frame());
    }

    /// The peer closes: its frame is answered with the same code, and that is all.
    pub(super) fn peer_closes(&self, code: Option<u16>) {
        self.input.ends();
        if !self.is_closing() {
            self.begin_to_close();
            let echo = code.map_or_else(|| control(Control::Close, &[]), |code| websocket::close(code, ""));
            self.outbox.close(echo);
        }
    }

    /// Resolves when all messages that are queued now have been sent, or the session ends.
    ///
    /// # Errors
    /// The subscriber takes nothing for longer than publishers wait for it.
    pub(super) async fn flushed(&self) -> Result<(), Close> {
        let patience = self.sessions.settings.patience;
        let (mut flushed, begun) = (pin!(self.queue.flushed()), Instant::now());
        loop {
            let until = self.took_at.get().max(self.wrote_at.get()).max(begun) + patience;
            if timeout_at(until, &mut flushed).await.is_ok() {
                return Ok(());
            }
            if self.took_at.get().max(self.wrote_at.get()) + patience <= until {
                return Err(Close::SLOW);
            }
        }
    }

    /// The subscriber has acknowledged something.
    pub(super) fn acknowledged(&self) {
        self.took_at.set(Instant::now());
        self.window.acknowledged();
    }

    fn begin_to_close(&self) {
        self.closing_since.set(Some(Instant::now()));
        self.end_handling();
        self.stir.notify_one();
    }

    fn end_handling(&self) {
        self.queue.end();
        self.receipts.end();
        self.requests.end();
    }

    /// The session gets no more messages, and ends when what is being handled has been.
    fn leave(&self) {
        self.queue.end();
        self.requests.end();
    }

    /// The connection is gone.
    pub(super) fn over(&self) {
        self.is_over.set(true);
        self.closing_since.set(Some(Instant::now()));
        self.end_handling();
        self.stir.notify_one();
    }

    /// The connection has done its work. Reading on would make the client wait for its end; but where the peer has not
    /// said goodbye, the server reads on for a moment, or what it still sends would reset the connection before our
    /// close frame has arrived.
    pub(super) fn hang_up(&self) {
        if let (Some(connection), true) = (&self.connection, self.input.is_over()) {
            connection.stop_reading();
        }
    }

    /// The watchdog's look. Says when to look again; not at all when the session is over.
    fn look(&self, now: Instant) -> Option<Instant> {
        if self.is_over.get() {
            return None;
        }
        if let Some(since) = self.closing_since.get() {
            self.look_at_closing(since, now);
            return Some(now + CLOSING_TICK);
        }
        let settings = &self.sessions.settings;
        if self.queue.ran_over() {
            self.close(&Close::SLOW);
        } else if !self.is_configured() && now >= self.opened_at + settings.configure_timeout {
            self.close(&Close::UNCONFIGURED);
        } else if self.is_unread.get() {
            self.heard();
        } else if let Some(pinged) = self.pinged_at.get() {
            if now >= pinged + settings.ping_timeout {
                self.close(&Close::PING_TIMEOUT);
            }
        } else if now >= self.heard_at.get() + settings.ping_interval {
            self.pinged_at.set(Some(now));
            self.outbox.ping(control(Control::Ping, &fastrand::u32(..).to_be_bytes()));
        }
        Some(self.next_look(now))
    }

    fn next_look(&self, now: Instant) -> Instant {
        let settings = &self.sessions.settings;
        if self.is_closing() {
            return now + CLOSING_TICK;
        }
        let silent = match self.pinged_at.get() {
            Some(pinged) => pinged + settings.ping_timeout,
            None => self.heard_at.get() + settings.ping_interval,
        };
        if self.is_configured() { silent } else { silent.min(self.opened_at + settings.configure_timeout) }
    }

    /// A peer that still takes what waits for it has not been told of the end yet.
    fn look_at_closing(&self, since: Instant, now: Instant) {
        let is_told_soon = self.outbox.is_waiting() && now < since + LONGEST_CLOSE;
        let from = if is_told_soon { self.wrote_at.get().max(since) } else { since };
        if now > from + CLOSE_GRACE {
            self.cut();
        }
    }

    /// Cuts the connection. Its task then drops all that belongs to the session.
    pub(super) fn cut(&self) {
        if self.is_cut.replace(true) {
            return;
        }
        self.sessions.counters.cut.add_one();
        match &self.connection {
            Some(connection) => connection.kill(),
            None => tracing::debug!("a websocket cannot be cut: its server was built without `on_connect`"),
        }
    }
}

impl Guarded for Live {
    fn input(&self) -> &Input {
        &self.input
    }

    fn largest_frame(&self) -> Option<usize> {
        Some(self.most_incoming())
    }

    fn heard(&self) {
        self.heard_at.set(Instant::now());
        self.pinged_at.set(None);
    }
}

/// Looks at a session until it is over.
pub(super) async fn watch_over(live: Rc<Live>) {
    let mut drain = live.sessions.drain.subscribe();
    let mut leave_at = None;
    loop {
        let now = Instant::now();
        let Some(mut next) = live.look(now) else { return };
        if leave_at.is_none() {
            // Spread, so that whoever takes the subscribers over is not met by all of them in one instant.
            leave_at = drain.borrow_and_update().map(|over| now + over.mul_f64(fastrand::f64()));
        }
        match leave_at.filter(|_| !live.is_closing()) {
            Some(at) if now >= at => live.leave(),
            Some(at) => next = next.min(at),
            None => {}
        }
        tokio::select! {
            () = sleep_until(next) => {}
            () = live.stir.notified() => {}
            () = live.queue.alarm.notified() => {}
            changed = drain.changed(), if leave_at.is_none() => if changed.is_err() { return },
        }
    }
}
