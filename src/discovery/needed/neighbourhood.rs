//! The network as discovery sees it.

use std::future::pending;
use std::time::Duration;

use tokio::time::Instant;

use super::{Network, Sighting, Standing};
use crate::discovery::{Announcement, Browser, Change, Claim, DiscoveryError, Found, Server, Sources, name};

/// The network as [`Sources`] show it: announcements by mDNS, and servers that are written down.
pub struct Neighbourhood {
    name: String,
    sources: Sources,
    announces: bool,
    browser: Option<Browser>,
    /// What was said last of why it cannot look; it is not said again and again.
    told: Option<String>,
}

impl Neighbourhood {
    /// The neighbourhood of the server `name`. Everything else happens inside a tokio runtime.
    #[must_use]
    pub const fn new(name: String, sources: Sources) -> Self {
        Self { name, sources, announces: true, browser: None, told: None }
    }

    /// Announces nothing itself.
    #[must_use]
    pub fn silent(self) -> Self {
        Self { announces: false, ..self }
    }

    fn is_ours(&self, found: &Found) -> bool {
        name::same(&found.name, &self.name) && self.sources.mdns.as_ref().is_some_and(|mdns| mdns.heeds(found))
    }

    /// Listens from now on, if mDNS can be used. Where it cannot (no network yet, say), each look tries again.
    fn listen(&mut self) {
        if let (None, Some(mdns)) = (&self.browser, &self.sources.mdns) {
            self.browser = mdns.browse().ok();
        }
    }

    fn tell(&mut self, problem: Option<String>) {
        if let Some(problem) = problem.as_ref().filter(|problem| self.told.as_ref() != Some(problem)) {
            tracing::error!(server = self.name, "cannot look for the server: {problem}");
        }
        self.told = problem;
    }
}

impl Network for Neighbourhood {
    /// `None` for what is not announced.
    type Standing = Option<Announcement>;

    /// `None` comes when the time is up and not before, also where looking takes no time or fails, so that who tries
    /// again does not do so without pause.
    async fn find(&mut self, within: Duration, except: Option<&Claim>) -> Option<Found> {
        let until = Instant::now() + within;
        self.listen();
        let found = self.sources.find_except(&self.name, within, except).await;
        self.tell(found.as_ref().err().map(ToString::to_string));
        if let Ok(Some(found)) = found {
            return Some(found);
        }
        tokio::time::sleep_until(until).await;
        None
    }

    fn problem(&self) -> Option<&str> {
        self.told.as_deref()
    }

    async fn announce(&mut self, server: &Server, insist: bool) -> Result<Self::Standing, DiscoveryError> {
        let Some(mdns) = self.sources.mdns.as_ref().filter(|_| self.announces) else { return Ok(None) };
        if insist { mdns.announce_anyway(server).await.map(Some) } else { mdns.announce(server).await.map(Some) }
    }

    async fn hear(&mut self) -> Sighting {
        loop {
            let Some(browser) = &mut self.browser else { return pending().await };
            match browser.next().await {
                Change::Appeared(found) | Change::Changed(found) if self.is_ours(&found) => {
                    return Sighting::Seen(found);
                }
                Change::Gone(found) if name::same(&found.name, &self.name) => return Sighting::Gone,
                _ => {}
            }
        }
    }
}

impl Standing for Option<Announcement> {
    fn repeat(&self) {
        if let Some(announcement) = self {
            announcement.repeat();
        }
    }

    async fn withdraw(self) {
        if let Some(announcement) = self {
            announcement.withdraw().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looking_in_vain_takes_its_time_also_where_there_is_nothing_to_wait_for() {
        let mut network = Neighbourhood::new("net".to_owned(), Sources::default());
        let (begun, within) = (Instant::now(), Duration::from_secs(5));
        assert_eq!(network.find(within, None).await, None);
        assert_eq!(begun.elapsed().as_secs(), within.as_secs());
    }
}
