//! The library's thread, with the bounds that it lacks.
//!
//! `mdns-sd` keeps every record that it hears about its service type for as long as the record says, records of no
//! stated type too, and a timer for each repetition. Anyone on the network could fill the memory so. Its counters are
//! looked at each second; past the limits it is replaced by a fresh one, which has heard nothing.

use std::time::{Duration, Instant};

use mdns_sd::{DaemonEvent, IfKind, Metrics, Receiver, ServiceDaemon, ServiceEvent};
use tokio::time::{Interval, MissedTickBehavior};

use super::{DiscoveryError, Interfaces, SERVICE_TYPE};

/// Records kept, about 500 bytes each with their share of tables, 2 MB: a thousand servers have four each.
const MOST_RECORDS: i64 = 4096;
/// Timers kept, 16 bytes each, 1.6 MB. Two for each record heard, also again, until it would expire.
const MOST_TIMERS: i64 = 100_000;
/// Events of one daemon. It never forgets a name that it resolved, about 60 bytes each, and events bound them: 3 MB.
pub(super) const MOST_EVENTS: u32 = 50_000;
/// How often the counters are looked at. What a fast network can send in that time, some tens of MB, is the peak.
const LOOK: Duration = Duration::from_secs(1);
/// The bound of waiting for the library's thread, which answers at once or is gone.
const ANSWER: Duration = Duration::from_secs(1);

/// A running thread of the library; dropped, it ends and says goodbye for what it announced.
pub(super) struct Daemon {
    library: ServiceDaemon,
    looks: Interval,
    /// Counters that were asked for, and until when they may come.
    asked: Option<(Receiver<Metrics>, tokio::time::Instant)>,
}

impl Daemon {
    /// A daemon that speaks on these interfaces only.
    pub(super) fn start(interfaces: &Interfaces) -> Result<Self, DiscoveryError> {
        let mut looks = tokio::time::interval_at(tokio::time::Instant::now() + LOOK, LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let daemon = Self { library: ServiceDaemon::new().map_err(DiscoveryError::Daemon)?, looks, asked: None };
        daemon.library.disable_interface(IfKind::All).map_err(DiscoveryError::Daemon)?;
        daemon.library.enable_interface(interfaces.kind()).map_err(DiscoveryError::Daemon)?;
        Ok(daemon)
    }

    pub(super) const fn library(&self) -> &ServiceDaemon {
        &self.library
    }

    pub(super) fn browse(&self) -> Result<Receiver<ServiceEvent>, DiscoveryError> {
        self.library.browse(SERVICE_TYPE).map_err(DiscoveryError::Daemon)
    }

    pub(super) fn monitor(&self) -> Result<Receiver<DaemonEvent>, DiscoveryError> {
        self.library.monitor().map_err(DiscoveryError::Daemon)
    }

    /// Ends without saying goodbye for what it announced.
    pub(super) fn end_in_silence(self) {
        // Without interfaces there is none on which to say it.
        let _ = self.library.disable_interface(IfKind::All);
    }

    /// Comes back when the daemon has heard too much, or has ended. May be dropped and called again: a question that
    /// waits for its answer is kept, or a caller that is busy elsewhere would ask for ever and never hear.
    pub(super) async fn overfull(&mut self) {
        loop {
            let (answer, until) = match self.asked.take() {
                Some(asked) => asked,
                None => {
                    self.looks.tick().await;
                    let Ok(answer) = self.library.get_metrics() else { return };
                    (answer, tokio::time::Instant::now() + ANSWER)
                }
            };
            let asked = self.asked.insert((answer, until));
            // The library answers nothing while packets come faster than it reads them.
            let Ok(Ok(counters)) = tokio::time::timeout_at(until, asked.0.recv_async()).await else { return };
            self.asked = None;
            let (records, timers) = (sum(&counters, "cached-"), sum(&counters, "timer"));
            if records > MOST_RECORDS || timers > MOST_TIMERS {
                tracing::warn!(records, timers, "a flood of mDNS records: all are forgotten and asked for again");
                return;
            }
        }
    }

    /// Whether the library, having met another with the name, is about to announce under a changed one.
    pub(super) async fn is_renaming(&self) -> bool {
        let Ok(answer) = self.library.get_metrics() else { return false };
        let counters = tokio::time::timeout(ANSWER, answer.recv_async()).await;
        counters.is_ok_and(|counters| counters.is_ok_and(|counters| sum(&counters, "dns-registry-name-change") > 0))
    }
}

fn sum(counters: &Metrics, beginning: &str) -> i64 {
    counters.iter().filter(|(name, _)| name.starts_with(beginning)).map(|(_, count)| count).sum()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails if it has ended already, or if a hundred commands wait: then it is stuck and nothing can end it.
        let _ = self.library.shutdown();
    }
}

/// A search that never ends and never grows.
pub(super) struct Search {
    interfaces: Interfaces,
    daemon: Daemon,
    events: Receiver<ServiceEvent>,
    heard: u32,
    started: Instant,
}

/// What a search brings.
pub(super) enum Heard {
    /// Something about a server.
    Event(ServiceEvent),
    /// Everything was forgotten and is asked for again.
    Forgotten,
}

impl Search {
    pub(super) fn start(interfaces: &Interfaces) -> Result<Self, DiscoveryError> {
        interfaces.present()?;
        let (daemon, events) = Self::begin(interfaces)?;
        Ok(Self { interfaces: interfaces.clone(), daemon, events, heard: 0, started: Instant::now() })
    }

    fn begin(interfaces: &Interfaces) -> Result<(Daemon, Receiver<ServiceEvent>), DiscoveryError> {
        let daemon = Daemon::start(interfaces)?;
        let events = daemon.browse()?;
        Ok((daemon, events))
    }

    /// The next thing heard. May be dropped and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Heard {
        tokio::select! {
            event = self.events.recv_async() => {
                // Closed when a thousand events wait, or when the daemon has ended.
                if let Ok(event) = event && self.heard < MOST_EVENTS {
                    self.heard += 1;
                    return Heard::Event(event);
                }
            }
            () = self.daemon.overfull() => {}
        }
        self.begin_again().await;
        Heard::Forgotten
    }

    /// Not more often than the counters are looked at, so that a daemon that ends at once costs nothing.
    async fn begin_again(&mut self) {
        loop {
            tokio::time::sleep(LOOK.saturating_sub(self.started.elapsed())).await;
            self.started = Instant::now();
            match Self::begin(&self.interfaces) {
                Ok((daemon, events)) => {
                    (self.daemon, self.events, self.heard) = (daemon, events, 0);
                    return;
                }
                Err(error) => tracing::warn!(%error, "cannot search by mDNS; trying again"),
            }
        }
    }
}
