//! The task behind a link: connect, run, wait, again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventhive_transport::{Backoff, LinkError, LinkState};
use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::caller::Caller;
use super::connect::{self, Failed};
use super::connection::{Connection, End};
use super::registry::Registry;
use super::settings::LinkSettings;

/// What the link's methods and its task share.
pub(super) struct Shared {
    pub(super) settings: LinkSettings,
    pub(super) caller: Caller,
    pub(super) registry: Registry,
    state: watch::Sender<LinkState>,
    /// Set once, when the owner closes the link.
    closing: watch::Sender<bool>,
}

/// A connection that was up this long has proven to last: the next loss starts with the shortest wait.
const LASTING: Duration = Duration::from_secs(10);

impl Shared {
    pub(super) fn new(settings: LinkSettings) -> Self {
        Self {
            caller: Caller::new(settings.send_queue),
            settings,
            registry: Registry::default(),
            state: watch::Sender::new(LinkState::Connecting),
            closing: watch::Sender::new(false),
        }
    }

    pub(super) fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    pub(super) fn enter(&self, state: LinkState) {
        let url = self.settings.shown_url();
        match &state {
            LinkState::Connecting => tracing::debug!(%url, "connecting"),
            LinkState::Up => tracing::info!(%url, "the link is up"),
            LinkState::Down { reason, gave_up: false } => tracing::warn!(%url, %reason, "the link is down"),
            LinkState::Down { reason, gave_up: true } => tracing::error!(%url, %reason, "the link has given up"),
            LinkState::Closed => tracing::debug!(%url, "the link is closed"),
        }
        self.state.send_replace(state);
    }

    /// Tells the task to flush and end. Returns whether this was the first time.
    pub(super) fn shut(&self) -> bool {
        let first = self.caller.queue.shut();
        self.closing.send_replace(true);
        first
    }

    async fn until_closing(&self) {
        // An error would mean that the sender is gone, which is in `self`.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// What is left of a connection that ended: nothing may wait for its answers.
    fn forget_connection(&self) {
        // First no more calls, then none left: a `subscribe` queued between the two would reach the next connection,
        // which asks for it anyway, and a Python server would notify twice.
        self.registry.lost();
        self.caller.queue.clear();
    }

    /// Nothing will be connected any more, though the owner has not closed the link.
    fn give_up(&self, reason: &str) {
        self.registry.end(&connect::given_up(reason));
        self.caller.queue.clear();
        self.enter(LinkState::Down { reason: reason.into(), gave_up: true });
    }
}

/// Keeps the link connected until its owner closes it.
pub(super) async fn supervise(shared: Arc<Shared>) {
    // Sinks are other people's code and run in here.
    if AssertUnwindSafe(keep_connected(&shared)).catch_unwind().await.is_err() {
        shared.give_up("its task panicked, most likely in a subscriber");
        shared.until_closing().await;
    }
    shared.registry.end(&LinkError::Closed);
    shared.enter(LinkState::Closed);
}

async fn keep_connected(shared: &Shared) {
    let mut attempts = Attempts::new(&shared.settings);
    while let Some(wait) = attempt(shared, &mut attempts).await {
        tokio::select! {
            () = shared.until_closing() => break,
            () = wait.over() => {}
        }
    }
}

/// What to wait for before the next attempt.
enum Wait {
    For(Duration),
    /// There will be none.
    Ever,
}

impl Wait {
    async fn over(&self) {
        match self {
            Self::For(time) => tokio::time::sleep(*time).await,
            Self::Ever => std::future::pending().await,
        }
    }
}

/// One connection from the first packet to the last; `None` when the owner closed the link.
async fn attempt(shared: &Shared, attempts: &mut Attempts) -> Option<Wait> {
    shared.enter(LinkState::Connecting);
    let until = Instant::now() + shared.settings.connect_timeout;
    let connecting = tokio::time::timeout_at(until.into(), connect::connect(&shared.settings, attempts.token));
    let connected = tokio::select! {
        () = shared.until_closing() => return None,
        connected = connecting => connected,
    };
    let late =
        |_| Err(Failed { reason: format!("{} did not answer in time", shared.settings.shown_url()), refused: false });
    let end = match connected.unwrap_or_else(late) {
        Err(failed) => return Some(attempts.failed(shared, failed)),
        Ok(connected) => {
            let began = Instant::now();
            let end = Connection::new(shared, connected, until).run().await;
            attempts.ended(began.elapsed());
            end
        }
    };
    shared.forget_connection();
    match end {
        End::Closed => None,
        End::Renew => Some(Wait::For(Duration::ZERO)),
        End::Lost(reason) => {
            shared.enter(LinkState::Down { reason: reason.into(), gave_up: false });
            Some(Wait::For(attempts.backoff.next_wait()))
        }
    }
}

/// How it went so far.
struct Attempts {
    backoff: Backoff,
    /// The number of the token to use.
    token: usize,
    /// Refusals in a row.
    refusals: usize,
}

impl Attempts {
    fn new(settings: &LinkSettings) -> Self {
        Self { backoff: Backoff::new(settings.reconnect_min, settings.reconnect_max), token: 0, refusals: 0 }
    }

    /// A connection was made and is over.
    fn ended(&mut self, lasted: Duration) {
        self.refusals = 0;
        if lasted >= LASTING {
            self.backoff.reset();
        }
    }

    fn failed(&mut self, shared: &Shared, failed: Failed) -> Wait {
        let Failed { reason, refused } = failed;
        self.refusals = if refused { self.refusals + 1 } else { 0 };
        if refused {
            self.token = (self.token + 1) % shared.settings.tokens.len().max(1);
        }
        if self.refusals >= shared.settings.tokens.len().max(1) {
            shared.give_up(&reason);
            return Wait::Ever;
        }
        shared.enter(LinkState::Down { reason: reason.into(), gave_up: false });
        Wait::For(self.backoff.next_wait())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::Future as _;
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use bytes::Bytes;
    use eventhive_transport::settings::{Entry, Node, Position, Value};
    use eventhive_transport::{Filter, Incoming, Receipt, Settings};

    use super::super::connect::Server;
    use super::super::settings::KEYS;
    use super::super::wish::Wish;
    use super::*;

    fn shared() -> Shared {
        let at = Position::default();
        let host = Node { value: Value::Text("localhost".into()), at };
        let port = Node { value: Value::Integer(1), at };
        let entry = |(key, node): (&str, Node)| Entry { key: key.into(), key_at: at, node };
        let given = Node { value: Value::Map([("host", host), ("port", port)].map(entry).into()), at };
        let settings = Settings::check("connectors.test.init", &given, KEYS).unwrap();
        Shared::new(LinkSettings::from_settings(&settings).unwrap())
    }

    /// Subscribes as soon as a receipt resolves, which is in the middle of forgetting a connection.
    struct Subscriber {
        shared: Arc<Shared>,
        woken: AtomicBool,
    }

    impl Wake for Subscriber {
        fn wake(self: Arc<Self>) {
            let wish = Wish::try_from(Filter::exact("late")).unwrap();
            let sink = Arc::new(|_: Incoming| {});
            assert!(self.shared.registry.add(&wish, sink, &self.shared.caller).is_ok());
            self.woken.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_subscribe_while_a_connection_is_forgotten_leaves_no_call_for_the_next() {
        let shared = Arc::new(shared());
        shared.registry.connected(Server { ours: false, unsubscribes: false }, &shared.caller);
        shared.caller.queue.open();
        let (sender, receipt) = Receipt::pending();
        assert!(shared.caller.publish("topic", &Bytes::new(), 1024, sender).is_ok());
        let subscriber = Arc::new(Subscriber { shared: Arc::clone(&shared), woken: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&subscriber));
        let mut receipt = pin!(receipt);
        assert!(matches!(receipt.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending));
        shared.forget_connection();
        assert!(subscriber.woken.load(Ordering::Relaxed));
        let mut left = VecDeque::new();
        shared.caller.queue.take(&mut left);
        assert!(left.is_empty(), "{left:?}");
    }
}
