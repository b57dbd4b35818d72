//! The hubs that a hive runs: `servers:`.
//!
//! Each server is a hub with its doors. Doors that want the same address share one listener; servers that share none
//! start and fail apart from each other. A server that is `needed` has its listeners to itself, because it starts and
//! stops while the others run; the configuration's check refuses one that shares a port.
//!
//! # Layout
//! - `plan`: what is to be opened, and who shares a listener. `open`: what is open.
//! - `needed`: the watch over a server with `create: needed`; `pulse`: whether another hive's answers.
//! - `announced`: what is announced of a server. `outcome`: where servers stand.

#[cfg(feature = "discovery")]
mod announced;
#[cfg(feature = "discovery")]
mod needed;
mod open;
mod outcome;
mod plan;
#[cfg(feature = "discovery")]
mod pulse;

use std::sync::Arc;
use std::time::Duration;

use eventhive_listener::{DoorTransport, Reload};
use futures_util::future::join_all;

use crate::config::{Config, Create, ServerConfig};
#[cfg(feature = "discovery")]
use crate::discovery::{Announcement, Mdns};
use open::Open;
use plan::{Planned, by_listener, plan};

pub(crate) use outcome::Board;
pub use outcome::{ServerOutcome, ServerStarted};
pub use plan::Findings;
pub(crate) use plan::check;

/// The servers that run, and the watches over those that may.
#[derive(Default)]
pub(crate) struct Servers {
    board: Board,
    open: Vec<Open>,
    #[cfg(feature = "discovery")]
    announcements: Vec<Announcement>,
    #[cfg(feature = "discovery")]
    watched: Vec<needed::Supervised>,
}

impl Servers {
    /// Starts what the configuration wants. No server's failure keeps another from starting, unless they share a
    /// listener. The board tells of each as soon as it is known; this returns when all are.
    pub(crate) async fn start(config: &Config, kinds: &[Arc<dyn DoorTransport>], board: &Board) -> Self {
        board.put_up(config.servers.iter().map(|server| server.name.as_str()));
        let mut servers = Self { board: board.clone(), ..Self::default() };
        let mut planned = Vec::new();
        for (place, server) in config.servers.iter().enumerate() {
            match server.create {
                Create::Never => board.set(place, ServerOutcome::NotWanted),
                Create::Needed if servers.watch(place, config, server, kinds, board) => {}
                Create::Needed | Create::Always => planned.push(async move { (place, plan(server, kinds).await) }),
            }
        }
        // Together: a long backlog takes its time.
        let planned = join_all(planned).await.into_iter().filter_map(|(place, planned)| match planned {
            Ok(planned) => Some((place, planned)),
            Err(reason) => {
                board.set(place, ServerOutcome::Failed(reason));
                None
            }
        });
        let groups = by_listener(planned.collect());
        join_all(groups.into_iter().map(|group| open(group, board))).await.into_iter().for_each(|opened| {
            servers.open.extend(opened);
        });
        servers.settle(config, board).await;
        servers
    }

    /// Watches over a server that is needed. Returns whether that is possible.
    #[cfg(feature = "discovery")]
    fn watch(
        &mut self,
        place: usize,
        config: &Config,
        server: &ServerConfig,
        kinds: &[Arc<dyn DoorTransport>],
        board: &Board,
    ) -> bool {
        let discovery = &config.hive.discovery;
        let watched = needed::Supervised::start(place, server.clone(), discovery, kinds.to_vec(), board.clone());
        self.watched.push(watched);
        true
    }

    #[cfg(not(feature = "discovery"))]
    fn watch(&self, _: usize, _: &Config, server: &ServerConfig, _: &[Arc<dyn DoorTransport>], _: &Board) -> bool {
        tracing::warn!(
            server = server.name,
            "started without a look for another one: this build is without the feature `discovery`"
        );
        false
    }

    /// Announces the servers that are open, and waits until it is known of those that are needed who runs them.
    #[cfg(feature = "discovery")]
    async fn settle(&mut self, config: &Config, board: &Board) {
        let settled = join_all(self.watched.iter().map(|watched| watched.settled(board)));
        let (announcements, _) = tokio::join!(announce(config, board), settled);
        self.announcements = announcements;
    }

    #[cfg(not(feature = "discovery"))]
    async fn settle(&mut self, _: &Config, _: &Board) {}

    /// What reads files again: certificates, access lists.
    pub(crate) fn reload(&self) -> Reload {
        let all = self.open.iter().map(Open::reload);
        #[cfg(feature = "discovery")]
        let all = all.chain(self.watched.iter().map(needed::Supervised::reload));
        all.fold(Reload::default(), Reload::and)
    }

    /// Withdraws the announcements, drains the doors, then ends the hubs.
    pub(crate) async fn stop(self, within: Duration) {
        #[cfg(feature = "discovery")]
        let watched = join_all(self.watched.into_iter().map(|watched| watched.close(within)));
        #[cfg(not(feature = "discovery"))]
        let watched = std::future::ready(());
        let others = async {
            #[cfg(feature = "discovery")]
            join_all(self.announcements.into_iter().map(Announcement::withdraw)).await;
            join_all(self.open.into_iter().map(|open| open.close(within))).await;
        };
        tokio::join!(watched, others);
        self.board.stopped();
    }
}

/// Opens the doors of servers that share listeners: all of them, or none.
async fn open(group: Vec<(usize, Planned)>, board: &Board) -> Option<Open> {
    let (places, planned): (Vec<usize>, Vec<Planned>) = group.into_iter().unzip();
    match Open::start(planned).await {
        Ok(open) => {
            let bound = open.bound();
            places.iter().zip(bound).for_each(|(place, bound)| board.set(*place, ServerOutcome::Listening(bound)));
            Some(open)
        }
        Err(reason) => {
            places.iter().for_each(|place| board.set(*place, ServerOutcome::Failed(reason.clone())));
            None
        }
    }
}

/// Announces the servers that ask for it. One that cannot be announced still serves those who know its address.
#[cfg(feature = "discovery")]
async fn announce(config: &Config, board: &Board) -> Vec<Announcement> {
    let one = |(server, started): (&ServerConfig, ServerStarted)| {
        let ServerOutcome::Listening(bound) = started.outcome else { return None };
        let wanted = server.broadcast && server.create == Create::Always;
        let described = wanted.then(|| announced::described(server, &bound)).flatten()?;
        let mdns = Mdns::configured(&config.hive.discovery, server.secret.as_ref())?;
        Some(async move {
            let announced = mdns.announce(&described).await;
            announced.inspect_err(|error| tracing::error!(server = described.name, "not announced: {error}")).ok()
        })
    };
    let announcing = config.servers.iter().zip(board.read()).filter_map(one);
    join_all(announcing).await.into_iter().flatten().collect()
}
