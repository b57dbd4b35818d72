//! MISSED messages that are due, and what writes to the store beside.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::delivered::not_made;
use super::keeper::every;
use super::retry::{Retry, stopped};
use super::shared::{Shared, Tried};
use crate::outgoing::Report;
use crate::store::{Due, Outcome, Settled};

/// A MISSED is given up before the store gives it to somebody else, which it does after 30 seconds.
const LONGEST: Duration = Duration::from_secs(25);

impl Shared {
    /// Sweeps every so often until it is time to stop; then waits for what is under way.
    pub(super) async fn sweep_on(self: Arc<Self>) {
        let mut stop = self.stopping();
        let mut ticks = every(self.settings.sweep_interval);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                _ = ticks.tick() => self.sweep(&stop).await,
            }
        }
    }

    /// Tells of all that is due.
    async fn sweep(self: &Arc<Self>, stop: &watch::Receiver<bool>) {
        let mut under_way = JoinSet::new();
        while !*stop.borrow() {
            if under_way.len() >= self.settings.sweep_concurrency.max(1) {
                under_way.join_next().await;
            }
            match self.store.due(self.clock.now().epoch_secs()).await {
                Ok(Some(due)) => {
                    let shared = Arc::clone(self);
                    under_way.spawn(async move { shared.tell(due).await });
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "webhooks: it is not known which MISSED are due; the next sweep looks again");
                    break;
                }
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Tries one MISSED. If this ends before it is settled, it is due again when its lock is over.
    async fn tell(&self, due: Due) {
        let settled = match &due.row.recovery {
            Some(recovery) => {
                let report = self.missed(recovery, &due.topic).await;
                let tried = Tried { receive: false, url: recovery, topic: &due.topic, bytes: 0 };
                self.log(&tried, &report);
                self.judge(&due, report.outcome)
            }
            None => Settled::Done,
        };
        if let Err(error) = self.store.settle(due.lock, settled).await {
            tracing::warn!(%error, "webhooks: what became of a MISSED is not written down; it is tried again");
        }
    }

    async fn missed(&self, recovery: &str, topic: &[u8]) -> Report {
        let permit = match self.urls.pass(recovery, self.clock.now()) {
            Ok(permit) => permit,
            Err(refusal) => return refusal.report(),
        };
        let report = tokio::time::timeout(LONGEST, self.outgoing.missed(recovery, topic)).await;
        let report = report.unwrap_or_else(|_| not_made(Outcome::TimedOut, "there was no answer in 25 seconds"));
        match report.outcome {
            Outcome::Crowded | Outcome::OwnFault => drop(permit),
            // Which urls are disabled is decided by the messages that they should get.
            Outcome::Confirmed => self.well(permit, recovery),
            _ => _ = permit.failed(recovery, self.clock.now()),
        }
        report
    }

    fn judge(&self, due: &Due, outcome: Outcome) -> Settled {
        if outcome == Outcome::Confirmed {
            self.counters.missed_told.add(1);
            return Settled::Done;
        }
        let attempts = due.attempts.saturating_add(1);
        match self.settings.missed.retry_at(attempts, self.clock.now().epoch_ms) {
            Some(retry_at) => {
                self.counters.missed_failed.add(1);
                Settled::Later { attempts, retry_at }
            }
            None => {
                self.counters.missed_given_up.add(1);
                let (url, recovery) = (&due.row.url, due.row.recovery.as_deref().unwrap_or_default());
                tracing::warn!(%url, recovery, attempts, "webhooks: a subscriber cannot be told that it missed something");
                Settled::Done
            }
        }
    }

    /// Writes misses down as they come, until it is time to stop; then what has come.
    pub(super) async fn write_misses(&self) {
        let mut stop = self.stopping();
        loop {
            tokio::select! {
                biased;
                () = self.misses.some.notified() => {}
                () = stopped(&mut stop) => break,
            }
            let mut retry = Retry::new("webhooks: a MISSED cannot be written down");
            while let Err(error) = self.misses.write(&*self.store).await {
                if !retry.wait(&error, &mut stop).await {
                    break;
                }
            }
        }
        let _ = self.misses.write(&*self.store).await;
        let lost = self.misses.unwritten();
        if lost > 0 {
            self.counters.missed_dropped.add(lost);
            tracing::warn!(lost, "webhooks: the store is away, and MISSED messages are lost");
        }
    }

    /// Writes the journal until it is time to stop, and trims it.
    pub(super) async fn write_journal(&self) {
        let mut ticks = every(self.settings.journal.trim_interval);
        let trim = async {
            loop {
                ticks.tick().await;
                self.journal.trim(&*self.store, self.clock.now().epoch_secs()).await;
            }
        };
        tokio::select! {
            () = self.journal.run(&*self.store, self.stopping()) => {}
            () = trim => {}
        }
    }
}
