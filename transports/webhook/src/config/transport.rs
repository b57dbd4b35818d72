//! A door as a configuration makes it.

use std::sync::Arc;

use eventhive_hub::Hub;
use eventhive_listener::{DoorPlan, DoorTransport, Limits, Listen, Proxies, TlsFiles};
use eventhive_transport::{Key, Problem, Settings};

use super::{Config, PORT_NUMBER, is_loopback, keys};
use crate::door::WebhookDoor;
use crate::outgoing::Outgoing;
use crate::wire::auth::Direction;

/// The webhook transport. It is a [`DoorTransport`] for servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Webhook;

impl DoorTransport for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["lonely", "lonelyps"]
    }

    fn keys(&self) -> &'static [Key] {
        keys::DOOR
    }

    fn plan(&self, settings: &Settings, hub: &Hub) -> Result<DoorPlan, Vec<Problem>> {
        let (config, tls, proxies) = match (
            Config::from_settings(settings),
            TlsFiles::from_settings(settings),
            Proxies::from_settings(settings),
        ) {
            (Ok(config), Ok(tls), Ok(proxies)) => (config, tls, proxies),
            (config, tls, proxies) => {
                let proxies = proxies.err().into_iter().flatten();
                return Err(config.err().into_iter().flatten().chain(tls.err()).chain(proxies).collect());
            }
        };
        Outgoing::new(config.outgoing.clone()).map_err(|error| vec![settings.problem(error.key, &*error.problem)])?;
        let schemes = config.secrecy.read().map_err(|what| vec![settings.problem("secrets_file", what)])?;
        let host = settings.text("host").unwrap_or_default().to_owned();
        let mut warnings = open_to_all(settings, &host, |direction| schemes.of(direction).is_none());
        if warnings.is_empty() && config.secrecy.is_hollow(&schemes) {
            let message = "there is no secret in it: whatever runs on this machine may subscribe any url and publish; \
                           `hive-cli setup webhook` makes secrets";
            warnings.push(settings.problem("secrets_file", message));
        }
        let listen = Listen {
            host,
            port: settings.integer("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT_NUMBER),
            tls,
            proxies: proxies.of_connections(),
            limits: Limits::from_settings(settings),
        };
        let path = format!("{}/v1", config.endpoint);
        let door = Arc::new(WebhookDoor::new(hub.clone(), config));
        let plan = DoorPlan::new(settings.path(), listen, "http", path, door);
        Ok(DoorPlan { warnings, ..plan })
    }
}

/// What anybody who reaches a server may do there.
fn open_to_all(settings: &Settings, host: &str, is_open: impl Fn(Direction) -> bool) -> Vec<Problem> {
    if is_loopback(host) && !is_reached_through_others(settings) {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    if is_open(Direction::ToBroadcaster) {
        let message = "whoever reaches this server may subscribe any url and publish: give it secrets \
                       (`hive-cli setup webhook` makes them), or listen on loopback";
        warnings.push(settings.problem_here(message));
    }
    if is_open(Direction::ToSubscriber) {
        let message = "subscribers cannot tell this server's messages from those of others: give it a secret for \
                       `to_subscriber`";
        warnings.push(settings.problem_here(message));
    }
    warnings
}

/// Whether the settings say that others reach a server on loopback: through a proxy, or as another broadcaster.
fn is_reached_through_others(settings: &Settings) -> bool {
    let advertised = settings.text("advertise").and_then(|url| url.parse::<actix_web::http::Uri>().ok());
    !settings.texts("trusted_proxies").is_empty()
        || settings.flag("proxy_protocol")
        || advertised.is_some_and(|url| !url.host().is_some_and(is_loopback))
}
