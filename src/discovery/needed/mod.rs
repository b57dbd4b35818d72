//! One server for a network, whichever hive runs it: `create: needed`.
//!
//! A hive looks for the network's server. If there is none, it runs one. From then on it keeps watching:
//!
//! - Two that started at once, or two networks that became one, have two servers for a moment. By the rule of
//!   [`Claim`], which all of them apply alike, the younger hands over: it withdraws its announcement, stops its server,
//!   and follows the older one. Its clients lose their connection, look again, and find the older one too.
//! - A server that says goodbye or no longer answers is looked for again, after a random wait, so that not all start
//!   one at once. A hive starts one only if none is announced *and* it has no connection to the one it followed: an
//!   announcement that got lost must not split the network.
//!
//! The watch knows neither mDNS nor servers: it sees the network through [`Network`] (usually a [`Neighbourhood`]) and
//! acts through [`Member`].

mod neighbourhood;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

pub use neighbourhood::Neighbourhood;

use super::{Claim, DiscoveryError, Found, Server, Verdict};

/// What is heard of servers of the name.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// A server is announced, or says something else of itself. It may be our own.
    Seen(Found),
    /// A server said goodbye, or was not heard for long.
    Gone,
}

/// The network, as one server's name is concerned.
pub trait Network: Send {
    /// A standing announcement.
    type Standing: Standing;

    /// Looks for the server for at most `within`, but not for the one with the claim `except`. It must ask the network,
    /// not its memory.
    fn find(&mut self, within: Duration, except: Option<&Claim>) -> impl Future<Output = Option<Found>> + Send;

    /// Announces the server. With `insist`, also if another is announced under the name.
    fn announce(
        &mut self,
        server: &Server,
        insist: bool,
    ) -> impl Future<Output = Result<Self::Standing, DiscoveryError>> + Send;

    /// Waits for the next sighting. May be dropped and called again.
    fn hear(&mut self) -> impl Future<Output = Sighting> + Send;
}

/// A standing announcement.
pub trait Standing: Send {
    /// Says it again.
    fn repeat(&self);
    /// Withdraws it.
    fn withdraw(self) -> impl Future<Output = ()> + Send;
}

/// What a hive does.
pub trait Member: Send {
    /// Why a server cannot be started.
    type Error: Display + Send;

    /// Starts the server, and connects to it. Gives what to announce; the claim is put in by the watch.
    fn serve(&mut self) -> impl Future<Output = Result<Server, Self::Error>> + Send;

    /// Stops the server because `to` serves the network. [`follow`](Self::follow) comes next.
    fn step_down(&mut self, to: &Found) -> impl Future<Output = ()> + Send;

    /// Connects to this server, and to no other any more.
    fn follow(&mut self, server: &Found) -> impl Future<Output = ()> + Send;

    /// Comes back when the server that is followed no longer answers; it should not do so for a mere hiccup. Called
    /// again, it comes back at the next such time. May be dropped and called again.
    fn lost(&mut self) -> impl Future<Output = ()> + Send;

    /// Whether there is a connection to the server that is followed.
    fn reaches(&self) -> bool;
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long is looked for a server at the start.
    pub look: Duration,
    /// How long is looked whether a server is really there, or really gone. mDNS answers at once or, if it did so just
    /// before, after a second.
    pub confirm: Duration,
    /// The longest random wait before a server that is gone is replaced.
    pub spread: Duration,
    /// The wait after a server could not be started or announced.
    pub retry: Duration,
}

impl Default for Timing {
    /// Five seconds at the start, as in the original; a server that is gone is replaced within six.
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { look: secs(5), confirm: secs(3), spread: secs(2), retry: secs(5) }
    }
}

/// Watches for ever over the one server of a network. Drop the future to stop; the announcement, if there is one, is
/// then withdrawn in the background, and the member stops what it started.
///
/// With `may_serve` false it only follows: for a connector with `from_broadcast` in a hive that runs no server.
pub async fn watch<N: Network, M: Member>(network: N, member: M, timing: Timing, may_serve: bool) {
    let mut watch = Watch { network, member, timing };
    let mut server = watch.network.find(timing.look, None).await;
    loop {
        server = match server {
            Some(found) => watch.follow(found).await,
            None if may_serve => watch.serve().await,
            None => watch.network.find(timing.look, None).await,
        };
    }
}

struct Watch<N, M> {
    network: N,
    member: M,
    timing: Timing,
}

impl<N: Network, M: Member> Watch<N, M> {
    /// Follows a server until it is gone. Gives the next one, if there is one.
    async fn follow(&mut self, server: Found) -> Option<Found> {
        tracing::info!(name = server.name, %server, "following the server");
        self.member.follow(&server).await;
        loop {
            let sighting = tokio::select! {
                sighting = self.network.hear() => sighting,
                () = self.member.lost() => Sighting::Gone,
            };
            let next = match sighting {
                Sighting::Seen(other) => self.better(&server, other).await,
                Sighting::Gone => match self.after_a_loss().await {
                    None if self.member.reaches() => continue,
                    None => return None,
                    Some(found) => (!is_same(&found, &server)).then_some(found),
                },
            };
            if next.is_some() {
                return next;
            }
        }
    }

    /// The server to follow now that `other` was seen, if it is another than `server`. A younger one will hand over.
    async fn better(&mut self, server: &Found, other: Found) -> Option<Found> {
        match server.claim.against(&other.claim) {
            Verdict::Stay => None,
            Verdict::Same => (!is_same(server, &other)).then_some(other),
            Verdict::HandOver => self.confirmed(&server.claim).await,
        }
    }

    async fn after_a_loss(&mut self) -> Option<Found> {
        tokio::time::sleep(self.timing.spread.mul_f64(fastrand::f64())).await;
        self.network.find(self.timing.confirm, None).await
    }

    /// A server that outranks the one with this claim and is really there: what was seen may be an old memory.
    async fn confirmed(&mut self, mine: &Claim) -> Option<Found> {
        let found = self.network.find(self.timing.confirm, Some(mine)).await?;
        (mine.against(&found.claim) == Verdict::HandOver).then_some(found)
    }

    /// Serves until another server is there that stays. Gives that.
    async fn serve(&mut self) -> Option<Found> {
        let claim = Claim::now();
        let mut server = match self.member.serve().await {
            Ok(server) => server,
            Err(error) => {
                tracing::error!("the server that is needed cannot be started: {error}");
                // Perhaps another hive can.
                return self.network.find(self.timing.retry, None).await;
            }
        };
        server.claim = Some(claim.clone());
        let (standing, winner) = self.stand(&server, &claim).await;
        if let Some(standing) = standing {
            standing.withdraw().await;
        }
        tracing::info!(name = server.name, to = %winner, "an older server has this name: handing over");
        self.member.step_down(&winner).await;
        Some(winner)
    }

    /// Announces the server and watches until another one outranks it.
    async fn stand(&mut self, server: &Server, claim: &Claim) -> (Option<N::Standing>, Found) {
        let mut standing = None;
        let mut insist = false;
        loop {
            if standing.is_none() {
                standing = match self.network.announce(server, insist).await {
                    Ok(standing) => Some(standing),
                    Err(DiscoveryError::Taken { .. }) => match self.confirmed(claim).await {
                        Some(winner) => return (None, winner),
                        // The other one is younger: seeing this announcement, it hands over.
                        None => {
                            insist = true;
                            continue;
                        }
                    },
                    Err(error) => {
                        tracing::error!(server = server.name, %error, "not announced; trying again");
                        None
                    }
                };
            }
            let sighting = tokio::select! {
                sighting = self.network.hear() => sighting,
                () = tokio::time::sleep(self.timing.retry), if standing.is_none() => continue,
            };
            match (sighting, &standing) {
                (Sighting::Seen(other), _) if claim.against(&other.claim) == Verdict::HandOver => {
                    if let Some(winner) = self.confirmed(claim).await {
                        return (standing, winner);
                    }
                }
                // The goodbye of another server of the name makes others forget this one.
                (Sighting::Gone, Some(standing)) => standing.repeat(),
                _ => {}
            }
        }
    }
}

/// Whether two sightings are of one server in one place.
fn is_same(one: &Found, other: &Found) -> bool {
    one.claim == other.claim && one.txt == other.txt
}
