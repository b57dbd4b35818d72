//! One server for a network, whichever hive runs it: `create: needed`.
//!
//! A hive looks for the network's server. If there is none, it runs one. From then on it keeps watching:
//!
//! - Two that started at once, or two networks that became one, have two servers for a moment. By the rule of
//!   [`Claim`], which all of them apply alike, the younger hands over: it withdraws its announcement, stops its server,
//!   and follows the older one. Its clients lose their connection, look again, and find the older one too. Since packets
//!   get lost, a server also looks by itself now and then.
//! - A server that says goodbye or no longer answers is looked for again, after a random wait, so that not all start
//!   one at once. A hive starts one only if none is announced *and* it has no connection to the one it followed: an
//!   announcement that got lost must not split the network.
//!
//! A member of the network that runs no server only follows ([`follow`]): so does each connector with `from_broadcast`.
//!
//! The watch knows neither mDNS nor servers: it sees the network through [`Network`] (usually a [`Neighbourhood`]) and
//! acts through [`Follower`] and [`Member`].

mod neighbourhood;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod watching;

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

pub use neighbourhood::Neighbourhood;
pub use watching::{follow, watch};

use super::{Claim, DiscoveryError, Found, Server};

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

    /// What kept the last look from being one, if something did.
    fn problem(&self) -> Option<&str> {
        None
    }

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

/// What who follows the server does.
pub trait Follower: Send {
    /// Connects to this server, and to no other any more. Called again for the same server when it says something else
    /// of itself, and when it was gone for a while.
    fn follow(&mut self, server: &Found) -> impl Future<Output = ()> + Send;

    /// Told that no server was found, and perhaps why, and that it is looked for again.
    fn nothing_found(&mut self, problem: Option<&str>) {
        let _ = problem;
    }

    /// Comes back when the server that is followed no longer answers; it should not do so for a mere hiccup. Called
    /// again, it comes back at the next such time. May be dropped and called again.
    fn lost(&mut self) -> impl Future<Output = ()> + Send;

    /// Whether there is a connection to the server that is followed.
    fn reaches(&self) -> bool;
}

/// What a hive does that may run the server.
pub trait Member: Follower {
    /// Why a server cannot be started.
    type Error: Display + Send;

    /// Starts the server. Gives what to announce; the claim is put in by the watch.
    fn serve(&mut self) -> impl Future<Output = Result<Server, Self::Error>> + Send;

    /// Stops the server because `to` serves the network. [`follow`](Follower::follow) comes next.
    fn step_down(&mut self, to: &Found) -> impl Future<Output = ()> + Send;
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long is looked for a server at the start.
    pub look: Duration,
    /// How long is looked for a server when there was none before.
    pub again: Duration,
    /// How long is looked whether a server is really there, or really gone. mDNS answers at once or, if it did so just
    /// before, after a second.
    pub confirm: Duration,
    /// The longest random wait before a server that is gone is replaced.
    pub spread: Duration,
    /// The wait after a server could not be started or announced, or another one could not be made out.
    pub retry: Duration,
    /// How often a server looks whether there is another that it has not been told of: packets get lost.
    pub check: Duration,
}

impl Default for Timing {
    /// Five seconds at the start, as in the original; a server that is gone is replaced within six.
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { look: secs(5), again: secs(5), confirm: secs(3), spread: secs(2), retry: secs(5), check: secs(60) }
    }
}
