//! MISSED messages that are due, and what writes to the store beside.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::breaker::Passage;
use super::delivered::not_made;
use super::keeper::every;
use super::retry::{Retry, stopped};
use super::shared::{Shared, Tried, is_untried};
use crate::outgoing::{Report, origin};
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
                Ok(None) => {
                    self.counters.sweeps.add(1);
                    break;
                }
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
                let (report, held_for) = self.missed(recovery, &due).await;
                let tried = Tried { receive: false, url: recovery, topic: &due.topic, bytes: 0 };
                if let Some(report) = self.worth_writing(recovery, &report) {
                    self.log(&tried, &report);
                }
                self.judge(&due, report.outcome, held_for)
            }
            None => Settled::Done,
        };
        if let Err(error) = self.store.settle(due.lock, settled).await {
            tracing::warn!(%error, "webhooks: what became of a MISSED is not written down; it is tried again");
        }
    }

    /// Tries it, unless its host or its url is left alone; then it also says for how long that is.
    async fn missed(&self, recovery: &str, due: &Due) -> (Report, Duration) {
        let host = origin(recovery);
        let passage = match host.as_ref().map(|host| self.origins.pass(host, self.clock.now().elapsed)) {
            Some(Err(held_for)) => return (not_made(Outcome::Held, "its host does not answer"), held_for),
            Some(Ok(passage)) => passage,
            None => Passage::Free,
        };
        let tried = self.missed_at(recovery, due).await;
        if let Some(host) = &host {
            self.origins.settle(host, passage, tried.0.outcome, self.clock.now().elapsed);
        }
        tried
    }

    async fn missed_at(&self, recovery: &str, due: &Due) -> (Report, Duration) {
        let now = self.clock.now();
        let permit = match self.urls.pass(recovery, now) {
            Ok(permit) => permit,
            Err(refusal) => {
                let held_for = self.urls.find(recovery).map(|known| known.vitals().held_for(now));
                return (refusal.report(), held_for.unwrap_or_default());
            }
        };
        let asked = async {
            match self.be_sure_to_tell(&permit, due, recovery).await {
                Ok(()) => self.outgoing.missed(recovery, &due.topic, LONGEST).await,
                Err(report) => report,
            }
        };
        let report = tokio::time::timeout(LONGEST, asked).await;
        let report = report.unwrap_or_else(|_| not_made(Outcome::TimedOut, "there was no answer in 25 seconds"));
        match report.outcome {
            outcome if is_untried(outcome) => drop(permit),
            // Which urls are disabled is decided by the messages that they should get.
            Outcome::Confirmed => self.well(permit, recovery),
            _ => _ = permit.failed(recovery, self.clock.now()),
        }
        (report, Duration::ZERO)
    }

    fn judge(&self, due: &Due, outcome: Outcome, held_for: Duration) -> Settled {
        if outcome == Outcome::Confirmed {
            self.counters.missed_told.add(1);
            return Settled::Done;
        }
        let now_ms = self.clock.now().epoch_ms;
        if is_untried(outcome) {
            // Nobody was asked, so that it is no try.
            let held_until =
                now_ms.saturating_add(u64::try_from(held_for.as_millis()).unwrap_or(u64::MAX)).div_ceil(1000);
            let retry_at = self.settings.missed.retry_at(due.attempts, now_ms).unwrap_or_default();
            return Settled::Later {
                attempts: due.attempts,
                retry_at: retry_at.max(held_until).max(now_ms / 1000 + 1),
            };
        }
        let attempts = due.attempts.saturating_add(1);
        match self.settings.missed.retry_at(attempts, now_ms) {
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
            while let Err(error) = self.misses.write(&*self.store, &self.counters.missed_written).await {
                if !retry.wait(&error, &mut stop).await {
                    break;
                }
            }
        }
        let _ = self.misses.write(&*self.store, &self.counters.missed_written).await;
        let lost = self.misses.unwritten();
        if lost > 0 {
            self.counters.missed_dropped.add(lost as u64);
            tracing::warn!(lost, "webhooks: the store is away, and MISSED messages are lost");
        }
    }

    /// Writes the journal until it is time to stop, and trims it.
    pub(super) async fn write_journal(&self) {
        let mut ticks = every(self.settings.journal.trim_interval);
        let trim = async {
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = self.journal.full.notified() => {}
                }
                self.journal.trim(&*self.store, self.clock.now().epoch_secs()).await;
            }
        };
        tokio::select! {
            () = self.journal.run(&*self.store, self.stopping()) => {}
            () = trim => {}
        }
    }
}
