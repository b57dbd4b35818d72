//! What is announced of a server.

use mdns_sd::{ServiceInfo, TxtProperty};

use super::announce::Server;
use super::daemon::Daemon;
use super::name::{Instance, same};
use super::sign::{SIGNATURE, Signer};
use super::txt::{self, Pairs};
use super::{DiscoveryError, Found, Interfaces, SERVICE_TYPE, interfaces};

/// The library's bound for a service type, at its largest: what stands behind a name's first dot counts as a part of it.
const TYPE_BYTES: u8 = 30;

/// The records of one server.
pub(super) struct Records {
    pub(super) name: String,
    txt: Pairs,
    /// As DNS-SD writes the name and, where that differs, as python-zeroconf does.
    services: Vec<ServiceInfo>,
}

impl Records {
    pub(super) fn new(
        server: &Server,
        interfaces: &Interfaces,
        signer: Option<&Signer>,
    ) -> Result<Self, DiscoveryError> {
        let name = Instance::new(&server.name)?;
        let present = interfaces.present()?;
        let host = if server.host.is_unspecified() { interfaces::reachable(&present) } else { server.host };
        let mut txt = txt::settings(&server.init, host, server.port);
        if let Some(claim) = &server.claim {
            claim.write(&mut txt);
        }
        let signature = signer.and_then(|signer| signer.sign(name.as_str(), &txt));
        txt.extend(signature.map(|signature| (SIGNATURE.to_owned(), signature)));
        txt::check(&server.name, &txt)?;

        let on = interfaces.kind_for(server.host, &present);
        let service = |service_type: &str, instance: &str, machine: &str| {
            let mut service = service(service_type, instance, machine, server.port, &txt)
                .map_err(|source| DiscoveryError::Announce { name: server.name.clone(), source })?;
            service.set_interfaces(vec![on.clone()]);
            Ok(service)
        };
        let mut services = vec![service(SERVICE_TYPE, name.as_str(), &name.as_str().replace('.', "\\."))?];
        if let Some((first, rest)) = name.dotted() {
            services.push(service(&rest, first, name.as_str())?);
        }
        Ok(Self { name: server.name.clone(), txt, services })
    }

    /// Where the server says that it is.
    pub(super) fn host(&self) -> &str {
        self.txt.iter().find(|(key, _)| key == "host").map_or("", |(_, value)| value)
    }

    /// The names that are announced, one for each spelling.
    pub(super) fn full_names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(ServiceInfo::get_fullname)
    }

    /// Whether the network is asked if the name is free, before it is taken.
    pub(super) fn ask_first(&mut self, ask: bool) {
        self.services.iter_mut().for_each(|service| service.set_requires_probe(ask));
    }

    /// Announces, or announces again.
    pub(super) fn register(&self, daemon: &Daemon) -> Result<(), DiscoveryError> {
        let failed = |source| DiscoveryError::Announce { name: self.name.clone(), source };
        daemon.library().set_service_name_len_max(TYPE_BYTES).map_err(failed)?;
        self.services.iter().try_for_each(|service| daemon.library().register(service.clone()).map_err(failed))
    }

    /// Whether this is another server of the name, and not what was announced here.
    pub(super) fn is_another(&self, found: &Found) -> bool {
        same(&found.name, &self.name) && found.txt != self.txt
    }
}

/// The records of one spelling of the name. As in the original, the name of the machine is the server's.
fn service(
    service_type: &str,
    instance: &str,
    machine: &str,
    port: u16,
    txt: &Pairs,
) -> Result<ServiceInfo, mdns_sd::Error> {
    let txt: Vec<TxtProperty> = txt.iter().map(|(key, value)| TxtProperty::from((key, value))).collect();
    let machine = format!("{machine}.{SERVICE_TYPE}");
    Ok(ServiceInfo::new(service_type, instance, &machine, (), port, txt)?.enable_addr_auto())
}
