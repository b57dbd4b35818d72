//! The watch itself.

use std::future::Future;
use std::time::Duration;

use super::{Follower, Member, Network, Sighting, Standing, Timing};
use crate::discovery::{Claim, DiscoveryError, Found, Server, Verdict};

/// Watches over the one server of a network until `stop` resolves; then the announcement, if there is one, is withdrawn,
/// and the member is given back for its owner to stop what it started.
///
/// Dropping the future ends it at once; the announcement is then withdrawn in the background.
pub async fn watch<N: Network, M: Member>(
    network: N,
    member: M,
    timing: Timing,
    stop: impl Future<Output = ()> + Send,
) -> M {
    let mut watch = Watch { network, member, timing, standing: None };
    tokio::select! {
        () = watch.run() => {}
        () = stop => {}
    }
    watch.withdraw().await;
    watch.member
}

/// Follows the one server of a network, whichever it is, for ever. Drop the future to stop.
pub async fn follow<N: Network, F: Follower>(network: N, follower: F, timing: Timing) {
    let mut watch = Watch { network, member: follower, timing, standing: None };
    let mut server = watch.network.find(timing.look, None).await;
    loop {
        server = match server {
            Some(found) => watch.follow(found).await,
            None => Some(watch.wait_for_one().await),
        };
    }
}

/// The waits between looks for a server that is not there: asking all the time would cost the network more than it
/// brings, because a server that comes announces itself.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

struct Watch<N: Network, M> {
    network: N,
    member: M,
    timing: Timing,
    /// The announcement of the server that this member runs.
    standing: Option<N::Standing>,
}

impl<N: Network, M: Follower> Watch<N, M> {
    /// Waits until there is a server.
    async fn wait_for_one(&mut self) -> Found {
        let mut pause = FIRST_PAUSE;
        loop {
            self.member.nothing_found(self.network.problem());
            tokio::select! {
                found = announced(&mut self.network) => return found,
                () = tokio::time::sleep(pause) => {}
            }
            if let Some(found) = self.network.find(self.timing.again, None).await {
                return found;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

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
}

impl<N: Network, M: Member> Watch<N, M> {
    async fn run(&mut self) {
        let mut server = self.network.find(self.timing.look, None).await;
        loop {
            server = match server {
                Some(found) => self.follow(found).await,
                None => self.serve().await,
            };
        }
    }

    async fn withdraw(&mut self) {
        if let Some(standing) = self.standing.take() {
            standing.withdraw().await;
        }
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
        let winner = self.stand(&server, &claim).await;
        self.withdraw().await;
        tracing::info!(name = server.name, to = %winner, "an older server has this name: handing over");
        self.member.step_down(&winner).await;
        Some(winner)
    }

    /// Announces the server and watches until another one outranks it.
    async fn stand(&mut self, server: &Server, claim: &Claim) -> Found {
        let mut insist = false;
        loop {
            if self.standing.is_none() {
                match self.network.announce(server, insist).await {
                    Ok(standing) => self.standing = Some(standing),
                    Err(DiscoveryError::Taken { .. }) => match self.confirmed(claim).await {
                        Some(winner) => return winner,
                        // The other one is younger: seeing this announcement, it hands over.
                        None => {
                            insist = true;
                            continue;
                        }
                    },
                    Err(error) => {
                        tracing::error!(server = server.name, %error, "not announced; trying again");
                        tokio::time::sleep(self.timing.retry).await;
                        continue;
                    }
                }
            }
            if let Some(winner) = self.challenged(claim).await {
                return winner;
            }
        }
    }

    /// Watches, with a standing announcement, until another server seems to outrank this one. Gives it if it is there.
    async fn challenged(&mut self, claim: &Claim) -> Option<Found> {
        let mut quiet = self.timing.check;
        loop {
            // A random part, so that servers that started at once do not look at once.
            let pause = quiet.mul_f64(0.75 + fastrand::f64() / 2.0);
            let sighting = tokio::select! {
                sighting = self.network.hear() => Some(sighting),
                () = tokio::time::sleep(pause) => None,
            };
            match sighting {
                Some(Sighting::Seen(other)) if claim.against(&other.claim) != Verdict::HandOver => continue,
                // The goodbye of another server of the name makes others forget this one.
                Some(Sighting::Gone) => {
                    self.standing.iter().for_each(Standing::repeat);
                    continue;
                }
                Some(Sighting::Seen(_)) | None => {}
            }
            let winner = self.confirmed(claim).await;
            if winner.is_some() {
                return winner;
            }
            // A server is told of once. If it is there and was merely slow to answer, nothing else would tell of it.
            quiet = if sighting.is_some() { self.timing.retry } else { self.timing.check };
        }
    }
}

/// The next server that announces itself.
async fn announced(network: &mut impl Network) -> Found {
    loop {
        if let Sighting::Seen(found) = network.hear().await {
            return found;
        }
    }
}

/// Whether two sightings are of one server in one place.
fn is_same(one: &Found, other: &Found) -> bool {
    one.claim == other.claim && one.txt == other.txt
}
