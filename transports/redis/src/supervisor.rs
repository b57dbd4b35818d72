//! The link's task: connect, serve, wait, and again, until the link is closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventhive_transport::{Backoff, LinkError, LinkState};
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;
use crate::link::{Control, Made, Shared};
use crate::session::{End, Session};
use crate::streams::Positions;

/// A connection that lasted this long has proven itself: the next loss begins with the shortest wait again.
const PROVEN: Duration = Duration::from_secs(5);

pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    memory: Memory,
}

/// What outlives a session.
pub(crate) struct Memory {
    pub(crate) controls: mpsc::Receiver<Control>,
    pub(crate) closing: watch::Receiver<bool>,
    /// Subscriptions that were asked for and do not stand yet.
    pub(crate) waiting: HashMap<u64, Made>,
    pub(crate) positions: Positions,
    /// When the link went down, if it was ever up.
    pub(crate) down_since: Option<Instant>,
    /// The failure that was logged last, since the link was up.
    pub(crate) told: Option<Failure>,
}

impl Supervisor {
    pub(crate) fn new(shared: Arc<Shared>, controls: mpsc::Receiver<Control>) -> Self {
        let closing = shared.closing.subscribe();
        let (waiting, positions) = (HashMap::new(), Positions::default());
        Self { shared, memory: Memory { controls, closing, waiting, positions, down_since: None, told: None } }
    }

    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let (min, max) = shared.config.backoff;
        let mut backoff = Backoff::new(min, max);
        loop {
            shared.state.send_replace(LinkState::Connecting);
            let Some(opened) = self.attend(Session::open(&shared)).await else { return };
            let failure = match opened {
                Ok(session) => {
                    let began = Instant::now();
                    let end = session.run(&shared, &mut self.memory).await;
                    if began.elapsed() >= PROVEN {
                        backoff.reset();
                    }
                    match end {
                        End::Closed => return,
                        End::Lost(reason) => Failure::passing(reason),
                    }
                }
                Err(failure) => failure,
            };
            self.go_down(&failure);
            if failure.for_good {
                self.give_up(&failure.reason).await;
                return;
            }
            let wait = backoff.next_wait();
            tracing::debug!(?wait, "waiting before the next attempt");
            if self.attend(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    fn go_down(&mut self, failure: &Failure) {
        // The queue first: whoever sees the link down must find publishing refused.
        self.shared.queue.shut();
        let Failure { reason, for_good } = failure;
        // A server that stays away is news once.
        let known = self.memory.told.as_ref() == Some(failure);
        match (for_good, known) {
            (true, _) => tracing::error!("the link to Redis is down, and not tried again: {reason}"),
            (false, false) => tracing::warn!("the link to Redis is down: {reason}"),
            (false, true) => tracing::debug!("the link to Redis is still down: {reason}"),
        }
        self.memory.told = Some(failure.clone());
        self.shared.state.send_replace(LinkState::Down { reason: reason.as_str().into(), gave_up: *for_good });
    }

    /// Works while there is no session: subscriptions are remembered. `None` when the link is to be closed.
    async fn attend<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = told(&mut self.memory.closing) => return None,
                Some(control) = self.memory.controls.recv() => self.remember(control),
            }
        }
    }

    fn remember(&mut self, control: Control) {
        match control {
            Control::Add { entry, made } => {
                self.memory.waiting.insert(entry.id, made);
                self.shared.table.add(entry);
            }
            Control::Remove { id, gone } => {
                self.memory.waiting.remove(&id);
                if let Some(key) = self.shared.table.remove(id) {
                    self.memory.positions.forget(&self.shared.config.mode, key.topic());
                }
                let _ = gone.send(());
            }
        }
    }

    /// Nothing will come any more: says so to all who wait, until the link is closed.
    async fn give_up(&mut self, reason: &str) {
        let refuse = |made: Made| drop(made.send(Err(LinkError::Rejected(reason.to_owned()))));
        loop {
            for (id, made) in std::mem::take(&mut self.memory.waiting) {
                self.shared.table.remove(id);
                refuse(made);
            }
            tokio::select! {
                () = told(&mut self.memory.closing) => return,
                Some(control) = self.memory.controls.recv() => self.remember(control),
            }
        }
    }
}

/// Resolves when the link is to be closed.
async fn told(closing: &mut watch::Receiver<bool>) {
    // An error means that nobody can tell any more.
    let _ = closing.wait_for(|closing| *closing).await;
}

impl Drop for Supervisor {
    /// However the task ends, by its return or with its runtime, nobody is left waiting.
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.queue.shut();
        self.shared.table.clear();
        self.shared.state.send_replace(LinkState::Closed);
    }
}
