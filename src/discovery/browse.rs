//! A live list of all servers that are announced.

use std::collections::{BTreeMap, VecDeque};

use futures_util::stream::{self, Stream};
use mdns_sd::ServiceEvent;

use super::daemon::{Heard, Search};
use super::name::server_name;
use super::sign::Signer;
use super::{DiscoveryError, Found, Interfaces};

/// Servers in the list, about 1 KB each; more are not looked at.
const MOST_SERVERS: usize = 1000;

/// Something happened to the list.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A server that was not there.
    Appeared(Found),
    /// A server says something else of itself, or another one is announced under its name.
    Changed(Found),
    /// A server said goodbye, or was not heard for the two minutes that its records last.
    Gone(Found),
}

/// A live list of all servers that are announced. Looking costs a question now and then, further and further apart.
///
/// When the network floods it, everything is [`Gone`](Change::Gone) and asked for again; memory stays bounded.
pub struct Browser {
    search: Search,
    signer: Option<Signer>,
    list: List,
    waiting: VecDeque<Change>,
}

impl Browser {
    pub(super) fn start(interfaces: &Interfaces, signer: Option<Signer>) -> Result<Self, DiscoveryError> {
        let (search, list) = (Search::start(interfaces)?, List::default());
        Ok(Self { search, signer, list, waiting: VecDeque::new() })
    }

    /// Waits for the next change. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return change;
            }
            let heard = self.search.next().await;
            match heard {
                Heard::Event(ServiceEvent::ServiceResolved(service)) => {
                    let found = Found::read(&service, self.signer.as_ref());
                    self.waiting.extend(found.and_then(|found| self.list.see(found)));
                }
                Heard::Event(ServiceEvent::ServiceRemoved(_, full)) => {
                    self.waiting.extend(server_name(&full).and_then(|name| self.list.lose(name)));
                }
                Heard::Event(_) => {}
                Heard::Forgotten => self.waiting.extend(self.list.clear()),
            }
        }
    }

    /// The servers that are announced now, sorted by name.
    pub fn servers(&self) -> impl Iterator<Item = &Found> {
        self.list.servers.values()
    }

    /// The changes as a stream, which never ends.
    pub fn into_stream(self) -> impl Stream<Item = Change> + Send {
        stream::unfold(self, |mut browser| async move {
            let change = browser.next().await;
            Some((change, browser))
        })
    }
}

/// The servers by their names in lower case.
#[derive(Default)]
struct List {
    servers: BTreeMap<String, Found>,
    full: bool,
}

impl List {
    fn see(&mut self, mut found: Found) -> Option<Change> {
        let key = found.name.to_lowercase();
        let full = self.servers.len() >= MOST_SERVERS;
        match self.servers.get_mut(&key) {
            Some(known) if known.says_the_same_as(&found) => None,
            Some(known) => {
                found.since = known.since;
                *known = found.clone();
                Some(Change::Changed(found))
            }
            None if full => {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::warn!("more than {MOST_SERVERS} servers are announced: the others are not listed");
                }
                None
            }
            None => {
                self.servers.insert(key, found.clone());
                Some(Change::Appeared(found))
            }
        }
    }

    fn lose(&mut self, name: &str) -> Option<Change> {
        self.servers.remove(&name.to_lowercase()).map(Change::Gone)
    }

    fn clear(&mut self) -> impl Iterator<Item = Change> + use<> {
        self.full = false;
        std::mem::take(&mut self.servers).into_values().map(Change::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, endpoint: &str) -> Found {
        Found::described(name.to_owned(), vec![("endpoint".to_owned(), endpoint.to_owned())], 1, None)
    }

    #[test]
    fn a_server_appears_once_changes_when_it_says_something_else_and_goes() {
        let mut list = List::default();
        let first = found("Hive", "/a");
        assert_eq!(list.see(first.clone()), Some(Change::Appeared(first.clone())));
        assert_eq!(list.see(found("hive", "/a")), None, "an announcement is repeated again and again");
        let Some(Change::Changed(changed)) = list.see(found("HIVE", "/b")) else { panic!() };
        assert_eq!(changed.since, first.since);
        assert_eq!(list.lose("hive"), Some(Change::Gone(changed)));
        assert_eq!(list.lose("hive"), None);
    }

    #[test]
    fn a_flood_of_names_does_not_grow_the_list_and_known_servers_stay() {
        let mut list = List::default();
        list.see(found("ours", "/a"));
        for n in 0..MOST_SERVERS * 3 {
            list.see(found(&format!("flood {n}"), "/"));
        }
        assert_eq!(list.servers.len(), MOST_SERVERS);
        assert!(matches!(list.see(found("ours", "/b")), Some(Change::Changed(_))));
        assert_eq!(list.clear().count(), MOST_SERVERS);
    }
}
