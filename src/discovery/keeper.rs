//! Standing by an announcement until it is withdrawn.

use std::time::Duration;

use mdns_sd::{DaemonEvent, ServiceEvent};
use tokio::sync::mpsc;

use super::claiming::Claimed;
use super::daemon::MOST_EVENTS;
use super::records::Records;
use super::sign::Signer;
use super::{Found, Interfaces};

/// The library sends a second goodbye 120 ms after the first, as packets may be lost; it must live that long.
const GOODBYES: Duration = Duration::from_millis(150);

/// Stays with an announcement until it is withdrawn.
pub(super) struct Keeper {
    pub(super) interfaces: Interfaces,
    pub(super) records: Records,
    pub(super) claimed: Claimed,
    pub(super) signer: Option<Signer>,
    /// An order to say it again; closed, to withdraw it.
    pub(super) orders: mpsc::Receiver<()>,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let mut heard = 0;
        let mut told = None;
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(()) => _ = self.records.register(&self.claimed.daemon),
                    None => return self.say_goodbye().await,
                },
                Ok(event) = self.claimed.monitor.recv_async() => self.note_renaming(&event),
                event = self.claimed.events.recv_async(), if heard < MOST_EVENTS => match event {
                    Ok(event) => {
                        heard += 1;
                        self.note_another(&event, &mut told);
                    }
                    Err(_) => heard = MOST_EVENTS,
                },
                () = self.claimed.daemon.overfull() => heard = self.renew(),
            }
        }
    }

    /// An interface that comes later can lead to a network where the name is taken.
    fn note_renaming(&self, event: &DaemonEvent) {
        if let DaemonEvent::NameChange(change) = event {
            tracing::error!(
                server = self.records.name,
                interface = change.intf_name,
                announced_as = change.new_name,
                "another server has this name on this interface: hives there will not find this one",
            );
        }
    }

    /// Two networks can become one after each has a server of the name. Said once for each other server.
    fn note_another(&self, event: &ServiceEvent, told: &mut Option<Found>) {
        let ServiceEvent::ServiceResolved(service) = event else { return };
        let found = Found::read(service, self.signer.as_ref()).filter(|found| self.records.is_another(found));
        if let Some(found) = found
            && told.as_ref().is_none_or(|before| !before.says_the_same_as(&found))
        {
            tracing::warn!(server = self.records.name, other = %found, "another server is announced under this name");
            *told = Some(found);
        }
    }

    /// Replaces the library's thread. The name is ours already, so it is not asked for. Gives the events heard since.
    fn renew(&mut self) -> u32 {
        self.records.ask_first(false);
        match Claimed::begin(&self.records, &self.interfaces) {
            Ok(claimed) => std::mem::replace(&mut self.claimed, claimed).daemon.end_in_silence(),
            Err(error) => tracing::error!(server = self.records.name, %error, "the announcement cannot be renewed"),
        }
        0
    }

    async fn say_goodbye(self) {
        for full_name in self.records.full_names() {
            if let Ok(done) = self.claimed.daemon.library().unregister(full_name) {
                let _ = tokio::time::timeout(GOODBYES, done.recv_async()).await;
            }
        }
        tokio::time::sleep(GOODBYES).await;
        tracing::info!(server = self.records.name, "no longer announced");
    }
}
