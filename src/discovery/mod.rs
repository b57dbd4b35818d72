//! Finding servers by mDNS, and being found.
//!
//! Service type `_eventhive._tcp.local.`, instance = the server's name, which is the network's; everything that a
//! connector needs to know is in the TXT record, one `key=value` a key of the server's `init`. Source: eventhive 0.5.0
//! with python-zeroconf; RFC 6762 and 6763.
//!
//! Peers wait for one address record and then read what they have, so all records of an answer go in one packet; the
//! `mdns-sd` crate does that.

mod interfaces;

use std::net::IpAddr;
use std::time::Duration;

use eventhive_transport::settings::{Entry, Node, Position, Value};
use mdns_sd::{ServiceDaemon, ServiceEvent, ServiceInfo, TxtProperty};

pub use interfaces::Interfaces;

/// The service type that hives announce and look for.
pub const SERVICE_TYPE: &str = "_eventhive._tcp.local.";

/// How long a goodbye may take to be sent; it is one packet on each interface.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why looking or announcing failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// Multicast DNS cannot be used on this machine.
    #[error(
        "mDNS does not work here: {0}. Is UDP port 5353 open and multicast allowed? Give the address under `init` instead"
    )]
    Daemon(#[source] mdns_sd::Error),
    /// The server cannot be described in an announcement.
    #[error("`{name}` cannot be announced: {source}")]
    Announce {
        /// The server's name.
        name: String,
        /// What the library says.
        source: mdns_sd::Error,
    },
}

/// A standing announcement. Withdraw it; dropping it without leaves its records to expire (2 minutes) in others' caches.
pub struct Announcement {
    daemon: ServiceDaemon,
    full_name: String,
}

impl Announcement {
    /// Announces the server `name` that listens on `host` and `port`; `init` are its settings, for the TXT record.
    ///
    /// A wildcard `host` stands for every address of the chosen interfaces. A loopback `host` is announced on the
    /// loopback interface only: no other machine could use it.
    ///
    /// # Errors
    /// [`DiscoveryError`].
    pub fn start(
        name: &str,
        host: IpAddr,
        port: u16,
        init: &[Entry],
        interfaces: &Interfaces,
    ) -> Result<Self, DiscoveryError> {
        let chosen = if host.is_loopback() { Interfaces::Loopback } else { interfaces.clone() };
        let daemon = chosen.daemon()?;
        let full_name = format!("{name}.{SERVICE_TYPE}");
        let named = |source| DiscoveryError::Announce { name: name.to_owned(), source };
        let reachable = if host.is_unspecified() { interfaces::routable_address(host) } else { host };
        let txt = txt_record(init, reachable, port);
        let info = if host.is_unspecified() {
            ServiceInfo::new(SERVICE_TYPE, name, &full_name, (), port, txt).map_err(named)?.enable_addr_auto()
        } else {
            ServiceInfo::new(SERVICE_TYPE, name, &full_name, host, port, txt).map_err(named)?
        };
        let full_name = info.get_fullname().to_owned();
        daemon.register(info).map_err(named)?;
        tracing::info!(server = name, %reachable, port, "announced by mDNS");
        Ok(Self { daemon, full_name })
    }

    /// Says goodbye, so that others forget the server at once.
    pub async fn withdraw(self) {
        if let Ok(answer) = self.daemon.unregister(&self.full_name) {
            let _ = tokio::time::timeout(GOODBYE, answer.recv_async()).await;
        }
        let _ = self.daemon.shutdown();
    }
}

/// Looks for the server `name`, without regard to case, until it is found or `within` has passed. Gives its settings as
/// they would stand under a connector's `init`.
///
/// # Errors
/// [`DiscoveryError::Daemon`].
pub async fn resolve(name: &str, within: Duration, interfaces: &Interfaces) -> Result<Option<Node>, DiscoveryError> {
    let daemon = interfaces.daemon()?;
    let events = daemon.browse(SERVICE_TYPE).map_err(DiscoveryError::Daemon)?;
    let wanted = format!("{name}.{SERVICE_TYPE}").to_lowercase();
    let search = async {
        while let Ok(event) = events.recv_async().await {
            if let ServiceEvent::ServiceResolved(service) = event
                && service.fullname.to_lowercase() == wanted
                && !service.txt_properties.is_empty()
            {
                return Some(init_of(service.txt_properties.iter()));
            }
        }
        None
    };
    let found = tokio::time::timeout(within, search).await.unwrap_or_default();
    let _ = daemon.shutdown();
    Ok(found)
}

/// Keys in the order of the configuration, values as Python's `str()` writes them; `host` is where peers reach us.
fn txt_record(init: &[Entry], host: IpAddr, port: u16) -> Vec<TxtProperty> {
    let mut txt = vec![("host".to_owned(), host.to_string()).into(), ("port".to_owned(), port.to_string()).into()];
    let rest = init.iter().filter(|entry| !matches!(entry.key.as_str(), "host" | "port") && !is_private(&entry.key));
    txt.extend(rest.filter_map(|entry| Some((entry.key.clone(), python_text(&entry.node.value)?).into())));
    txt
}

/// Keys that must never leave the machine: tokens and the paths of keys.
fn is_private(key: &str) -> bool {
    ["token", "secret", "password", "key", "cert"].iter().any(|word| key.contains(word))
}

fn python_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(format!("{number:?}")),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// Values that are not UTF-8 are left out; so is what a server says of itself but a connector has no key for.
fn init_of<'a>(txt: impl Iterator<Item = &'a TxtProperty>) -> Node {
    let at = Position::default();
    let text = |property: &TxtProperty| Some(String::from_utf8(property.val()?.to_vec()).ok()?);
    let entry = |property: &'a TxtProperty| {
        let node = Node { value: Value::Text(text(property)?), at };
        Some(Entry { key: property.key().to_owned(), key_at: at, node })
    };
    Node { value: Value::Map(txt.filter_map(entry).collect()), at }
}

/// Leaves out what a connector has no key for: servers tell more of themselves than that.
#[must_use]
pub fn keep_known(mut node: Node, keys: &[eventhive_transport::Key]) -> Node {
    if let Value::Map(entries) = &mut node.value {
        entries.retain(|entry| keys.iter().any(|key| key.name == entry.key));
    }
    node
}
