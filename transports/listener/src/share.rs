//! Which doors share a listener, and which clash.

use std::sync::Arc;

use crate::{Door, DoorPlan, Limits, Listen, Networks, StartError, TlsFiles};

/// The doors of one address.
pub(crate) struct Shared {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) proxies: Option<Networks>,
    pub(crate) limits: Limits,
    pub(crate) doors: Vec<Guest>,
}

/// A door among others of its address.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) scheme: &'static str,
    pub(crate) door: Arc<dyn Door>,
}

impl Shared {
    /// Host and port, for messages.
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The door that messages name when they are about the address.
    pub(crate) fn first_name(&self) -> &str {
        self.doors.first().map_or("", |guest| &guest.name)
    }
}

/// Puts doors of one address together, in the order in which they come. All clashes are found.
pub(crate) fn share(plans: Vec<DoorPlan>) -> Result<Vec<Shared>, Vec<StartError>> {
    let mut all: Vec<Shared> = Vec::new();
    let mut clashes = Vec::new();
    for plan in plans {
        let DoorPlan { name, listen, path, scheme, door, .. } = plan;
        let guest = Guest { name, path, scheme, door };
        match all.iter_mut().find(|shared| shared.host == listen.host && shared.port == listen.port) {
            None => all.push(Shared {
                host: listen.host,
                port: listen.port,
                tls: listen.tls,
                proxies: listen.proxies,
                limits: listen.limits,
                doors: vec![guest],
            }),
            Some(shared) => match clash(shared, &listen, &guest) {
                Some(error) => clashes.push(error),
                None => {
                    shared.limits = shared.limits.larger(listen.limits);
                    shared.doors.push(guest);
                }
            },
        }
    }
    if clashes.is_empty() { Ok(all) } else { Err(clashes) }
}

fn clash(shared: &Shared, listen: &Listen, guest: &Guest) -> Option<StartError> {
    let second = guest.name.clone();
    if let Some(first) = shared.doors.iter().find(|other| other.path == guest.path) {
        let (first, path) = (first.name.clone(), guest.path.clone());
        return Some(StartError::PathTaken { first, second, address: shared.address(), path });
    }
    let (first, address) = (shared.first_name().to_owned(), shared.address());
    if shared.tls != listen.tls {
        return Some(StartError::TlsDiffers { first, second, address });
    }
    (shared.proxies != listen.proxies).then_some(StartError::ProxiesDiffer { first, second, address })
}
