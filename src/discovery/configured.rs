//! What a configuration says of discovery.

use super::{Interfaces, Mdns, Signer, Sources};
use crate::config::{DiscoverySettings, Secrets};

impl Mdns {
    /// mDNS as the configuration wants it; `None` if it does not want it. With a secret, announcements are signed.
    pub fn configured(settings: &DiscoverySettings, secret: Option<&Secrets>) -> Option<Self> {
        let names = &settings.interfaces;
        let interfaces = if names.is_empty() { Interfaces::Usual } else { Interfaces::Named(names.clone()) };
        settings.mdns.then(|| Self::new(interfaces, secret.and_then(|secrets| Signer::new(secrets.as_slice()))))
    }
}

impl Sources {
    /// Where a configuration looks. With a secret, announcements count only if they are signed with it.
    #[must_use]
    pub fn configured(settings: &DiscoverySettings, secret: Option<&Secrets>) -> Self {
        Self {
            mdns: Mdns::configured(settings, secret),
            // Checked when the configuration was read; one that was made otherwise has only what can be read of it.
            listed: settings.servers.iter().filter_map(|server| server.parse().ok()).collect(),
            file: settings.file.clone(),
        }
    }
}
