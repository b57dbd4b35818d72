//! Taking a name, unless another server has it.
//!
//! The library asks the network three times in a second whether the name is free. To a conflict it answers by renaming
//! the server, which must not happen: nobody looks for `my-hive (2)`. It renames at once but asks for the new name too
//! before it announces it, so there is time: its counter of renamed records is watched, and it is ended in silence.

use std::collections::HashSet;
use std::time::Duration;

use mdns_sd::{DaemonEvent, Receiver, ServiceEvent};

use super::daemon::{Daemon, Heard, Search};
use super::records::Records;
use super::sign::Signer;
use super::{DiscoveryError, Found, Interfaces};

/// How long it may take to claim a name: one second, two if another asks for it too.
const CLAIMING: Duration = Duration::from_secs(5);
/// How often the library is asked whether it renames. It asks for a new name for 750 ms before it takes it.
const LOOK: Duration = Duration::from_millis(50);
/// How long is looked for who has the name, for the message. Who said it a moment ago says it again after a second.
const WHO: Duration = Duration::from_secs(2);

/// An announcement that stands.
pub(super) struct Claimed {
    pub(super) daemon: Daemon,
    pub(super) monitor: Receiver<DaemonEvent>,
    pub(super) events: Receiver<ServiceEvent>,
}

impl Claimed {
    /// Announces.
    pub(super) fn begin(records: &Records, interfaces: &Interfaces) -> Result<Self, DiscoveryError> {
        let daemon = Daemon::start(interfaces)?;
        let claimed = Self { monitor: daemon.monitor()?, events: daemon.browse()?, daemon };
        records.register(&claimed.daemon)?;
        Ok(claimed)
    }
}

/// Announces, unless another server has the name. If not `ask`, announces in any case.
pub(super) async fn claim(
    records: &mut Records,
    interfaces: &Interfaces,
    signer: Option<&Signer>,
    ask: bool,
) -> Result<Claimed, DiscoveryError> {
    records.ask_first(ask);
    let claimed = Claimed::begin(records, interfaces)?;
    let silent = || DiscoveryError::Silent { name: records.name.clone(), secs: CLAIMING.as_secs() };
    let waiting = tokio::time::timeout(CLAIMING, wait_until_claimed(records, &claimed, signer, ask)).await;
    let failure = match waiting.map_err(|_| silent()).flatten() {
        Ok(()) => return Ok(claimed),
        Err(failure) => failure,
    };
    // A goodbye would make others forget the server that has the name.
    claimed.daemon.end_in_silence();
    Err(match failure {
        DiscoveryError::Taken { name, by: None } => {
            DiscoveryError::Taken { by: who(records, interfaces, signer).await.map(Box::new), name }
        }
        other => other,
    })
}

async fn wait_until_claimed(
    records: &Records,
    claimed: &Claimed,
    signer: Option<&Signer>,
    ask: bool,
) -> Result<(), DiscoveryError> {
    let mut missing: HashSet<String> = records.full_names().map(str::to_lowercase).collect();
    let taken = |by: Option<Found>| DiscoveryError::Taken { name: records.name.clone(), by: by.map(Box::new) };
    let ended = || DiscoveryError::Daemon(mdns_sd::Error::DaemonShutdown);
    let mut looks = tokio::time::interval(LOOK);
    while !missing.is_empty() {
        tokio::select! {
            event = claimed.monitor.recv_async() => match event.map_err(|_| ended())? {
                DaemonEvent::Announce(full, _) => _ = missing.remove(&full.to_lowercase()),
                DaemonEvent::NameChange(_) => return Err(taken(None)),
                DaemonEvent::Error(source) => {
                    return Err(DiscoveryError::Announce { name: records.name.clone(), source });
                }
                _ => {}
            },
            event = claimed.events.recv_async() => {
                let ServiceEvent::ServiceResolved(service) = event.map_err(|_| ended())? else { continue };
                let other = Found::read(&service, signer).filter(|found| ask && records.is_another(found));
                if other.is_some() {
                    return Err(taken(other));
                }
            }
            _ = looks.tick() => if claimed.daemon.is_renaming().await {
                return Err(taken(None));
            },
        }
    }
    Ok(())
}

async fn who(records: &Records, interfaces: &Interfaces, signer: Option<&Signer>) -> Option<Found> {
    let mut search = Search::start(interfaces).ok()?;
    let look = async {
        loop {
            if let Heard::Event(ServiceEvent::ServiceResolved(service)) = search.next().await
                && let Some(found) = Found::read(&service, signer).filter(|found| records.is_another(found))
            {
                return found;
            }
        }
    };
    tokio::time::timeout(WHO, look).await.ok()
}
