//! What a running hive tells of its networks.

use std::time::Duration;

use eventhive_transport::LinkState;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::stage::Stage;
use crate::Hive;
use crate::connector::{Connector, ConnectorStats};
use crate::server::ServerStarted;

impl Hive {
    /// Where each server stands now, in the order of the configuration. A server with `create: needed` changes: it may
    /// be handed over to another hive, or be started when the hive that ran it is gone.
    #[must_use]
    pub fn server_states(&self) -> Vec<ServerStarted> {
        self.networks().board.read()
    }

    /// A watch on where the servers stand. It is there before the start, while the list is empty, and tells of each
    /// server during the start.
    #[must_use]
    pub fn watch_servers(&self) -> watch::Receiver<Vec<ServerStarted>> {
        self.networks().board.watch()
    }

    /// Where the link of each connector stands now.
    #[must_use]
    pub fn link_states(&self) -> Vec<(String, LinkState)> {
        self.each_connector(|connector| (connector.name().to_owned(), connector.state().borrow().clone()))
    }

    /// A watch on the state of a network's link; `None` if there is no such connector, or the hive is not started.
    #[must_use]
    pub fn link_state(&self, network: &str) -> Option<watch::Receiver<LinkState>> {
        let states = self.each_connector(|connector| (connector.name() == network).then(|| connector.state()));
        states.into_iter().flatten().next()
    }

    /// Waits until the brokers have answered for every event that was called so far, at most `within`. Returns whether
    /// they have: taken and refused both count, [`connector_stats`](Self::connector_stats) tells them apart.
    pub async fn flush(&self, within: Duration) -> bool {
        let all = join_all(self.each_connector(Connector::flushed));
        // A timer needs a tokio runtime, which the caller may not have.
        self.runtime().spawn(async move { tokio::time::timeout(within, all).await.is_ok() }).await.unwrap_or(false)
    }

    /// Waits until every event that was called so far would survive a loss of power, at most `within`: those of networks
    /// whose outbox is on disk and durable. Without this wait they survive the end of the process, and a loss of power once
    /// the disk is done, which mostly takes milliseconds. Of other networks there is nothing to wait for. Returns false if
    /// the time ran out or a disk failed.
    pub async fn stored(&self, within: Duration) -> bool {
        let all = join_all(self.each_connector(Connector::stored));
        let waited = self.runtime().spawn(async move { tokio::time::timeout(within, all).await });
        matches!(waited.await, Ok(Ok(stored)) if stored.iter().all(|stored| *stored))
    }

    /// What each connector has counted since it was started.
    #[must_use]
    pub fn connector_stats(&self) -> Vec<(String, ConnectorStats)> {
        self.each_connector(|connector| (connector.name().to_owned(), connector.stats()))
    }

    /// Reads the files of all servers again, as on SIGHUP and SIGUSR2: certificates, and the access lists of HTTP doors.
    /// Returns what is wrong with new ones; the old ones stay in use then. Done when new access lists hold for all who are
    /// connected.
    pub async fn reload(&self) -> Vec<String> {
        let reload = match &self.networks().stage {
            Stage::Running(running) => running.servers.reload(),
            _ => return Vec::new(),
        };
        // It fails only if the runtime is being shut down.
        self.runtime().spawn_blocking(|| reload.run()).await.unwrap_or_default()
    }

    fn each_connector<T>(&self, read: impl Fn(&Connector) -> T) -> Vec<T> {
        match &self.networks().stage {
            Stage::Running(running) => running.connectors.iter().map(read).collect(),
            _ => Vec::new(),
        }
    }
}
