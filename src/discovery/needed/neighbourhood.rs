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
    browser: Option<Browser>,
}

impl Neighbourhood {
    /// The neighbourhood of the server `name`, inside a tokio runtime.
    ///
    /// # Errors
    /// [`DiscoveryError`] if the sources have mDNS and it cannot be used here.
    pub fn new(name: String, sources: Sources) -> Result<Self, DiscoveryError> {
        let browser = sources.mdns.as_ref().map(super::super::Mdns::browse).transpose()?;
        Ok(Self { name, sources, browser })
    }

    fn is_ours(&self, found: &Found) -> bool {
        name::same(&found.name, &self.name) && self.sources.mdns.as_ref().is_some_and(|mdns| mdns.trusts(found))
    }
}

impl Network for Neighbourhood {
    /// `None` without mDNS: what is written down needs no announcement.
    type Standing = Option<Announcement>;

    /// `None` comes when the time is up and not before, also where looking takes no time or fails, so that who tries
    /// again does not do so without pause.
    async fn find(&mut self, within: Duration, except: Option<&Claim>) -> Option<Found> {
        let until = Instant::now() + within;
        match self.sources.find_except(&self.name, within, except).await {
            Ok(Some(found)) => return Some(found),
            Ok(None) => {}
            Err(error) => tracing::error!(server = self.name, %error, "cannot look for the server"),
        }
        tokio::time::sleep_until(until).await;
        None
    }

    async fn announce(&mut self, server: &Server, insist: bool) -> Result<Self::Standing, DiscoveryError> {
        let Some(mdns) = &self.sources.mdns else { return Ok(None) };
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
        let mut network = Neighbourhood::new("net".to_owned(), Sources::default()).unwrap();
        let (begun, within) = (Instant::now(), Duration::from_secs(5));
        assert_eq!(network.find(within, None).await, None);
        assert_eq!(begun.elapsed().as_secs(), within.as_secs());
    }
}
