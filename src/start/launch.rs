//! From a configuration to what runs.

use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::{Link, LinkState, Transport};
use futures_util::future::join_all;

use super::stage::{Blueprint, NotStarted, Running};
use super::started::{ConnectorOutcome, ConnectorStarted, Started};
use crate::config::{ConnectorConfig, HiveSettings, OutboxConfig, Secrets};
use crate::connector::{Connector, Outbox, Plan};
use crate::envelope::{Cipher, Envelope};
use crate::registry::Registry;
use crate::server::{Board, Servers};

impl Blueprint {
    pub(super) fn connectors(&self) -> &[ConnectorConfig] {
        self.config.as_ref().map_or(&[], |config| &config.connectors)
    }

    pub(super) fn unknown(&self, required: &[String]) -> Vec<String> {
        let known = |name: &&String| self.connectors().iter().any(|connector| connector.name == **name);
        required.iter().filter(|name| !known(name)).cloned().collect()
    }

    pub(super) async fn launch(
        self: Box<Self>,
        registry: &Arc<Registry>,
        board: &Board,
        within: Duration,
    ) -> (Running, Started) {
        let Some(config) = &self.config else {
            return (Running::default(), Started { servers: Vec::new(), connectors: Vec::new() });
        };
        let servers = Servers::start(config, &self.doors, board).await;
        let opened =
            join_all(config.connectors.iter().map(|connector| self.open(connector, &config.hive, registry))).await;
        let waited = config.connectors.iter().zip(&opened).map(|(config, opened)| async move {
            match opened {
                // The first look for a server takes as long as it was given, and only then comes the first attempt.
                Ok(connector) => outcome(connector, within + config.from_broadcast.unwrap_or_default()).await,
                Err(reason) => ConnectorOutcome::Failed(reason.clone()),
            }
        });
        let outcomes = join_all(waited).await;
        let named = config.connectors.iter().zip(outcomes);
        let connectors =
            named.map(|(config, outcome)| ConnectorStarted { name: config.name.clone(), outcome }).collect();
        let mut running = Running { servers, ..Running::default() };
        for (config, opened) in config.connectors.iter().zip(opened) {
            match opened {
                Ok(connector) => running.connectors.push(connector),
                Err(reason) => {
                    // What is called for it must not vanish.
                    let route = NotStarted { network: config.name.clone(), reason };
                    registry.add_route(&config.name, Arc::new(route));
                    running.not_started.push(config.name.clone());
                }
            }
        }
        (running, Started { servers: board.read(), connectors })
    }

    /// Opens the link and starts the connector on it. The error is for people.
    async fn open(
        &self,
        config: &ConnectorConfig,
        hive: &HiveSettings,
        registry: &Arc<Registry>,
    ) -> Result<Connector, String> {
        let transport = self.transports.iter().find(|transport| transport.kind() == config.pubsub_type);
        let transport =
            transport.ok_or_else(|| format!("no transport of kind `{}` was given to the hive", config.pubsub_type))?;
        // First, because it may be in use, and then nothing should be connected.
        let plan = plan(config, hive).await?;
        let link = link(config, hive, transport)?;
        let wire = transport.capabilities_with(&config.init);
        let connector = Connector::start(plan, link, wire, Arc::clone(registry));
        registry.add_connector(&config.name, &connector);
        Ok(connector)
    }
}

/// The link to the network: to the server that the configuration names, or that is found.
#[cfg(feature = "discovery")]
fn link(
    config: &ConnectorConfig,
    hive: &HiveSettings,
    transport: &Arc<dyn Transport>,
) -> Result<Arc<dyn Link>, String> {
    match config.from_broadcast {
        Some(_) => Ok(crate::discovery::connect(Arc::clone(transport), config, &hive.discovery)),
        None => transport.connect(&config.init).map_err(|problems| list_problems(&problems)),
    }
}

#[cfg(not(feature = "discovery"))]
fn link(config: &ConnectorConfig, _: &HiveSettings, transport: &Arc<dyn Transport>) -> Result<Arc<dyn Link>, String> {
    match config.from_broadcast {
        Some(_) => Err("`from_broadcast` needs mDNS, and this build is without the feature `discovery`".to_owned()),
        None => transport.connect(&config.init).map_err(|problems| list_problems(&problems)),
    }
}

fn list_problems(problems: &[eventhive_transport::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

async fn plan(config: &ConnectorConfig, hive: &HiveSettings) -> Result<Plan, String> {
    let secrets = config.secret.as_ref().map_or(&[][..], Secrets::as_slice);
    let envelope = Envelope::plain(hive.metadata_key.clone(), !hive.remove_metadata)
        .sealed(config.cipher, secrets, config.replay_window())
        .map_err(|error| error.to_string())?;
    Ok(Plan {
        name: config.name.as_str().into(),
        input_channel: config.input_channel.clone().unwrap_or_default(),
        separator: hive.channel_separator.clone(),
        envelope,
        // It reads the message as Python does: not every JSON text that travels can be.
        picky_seal: config.secret.is_some() && config.cipher == Cipher::Eventhive05,
        outbox: outbox(config).await?,
        inbox_bytes: config.inbox_bytes,
        inbox_overflow: config.inbox_overflow,
        remembered_events: config.dedupe_events,
    })
}

/// Opens the outbox where disks may be waited for.
async fn outbox(config: &ConnectorConfig) -> Result<Outbox, String> {
    let OutboxConfig { path, max_bytes, overflow, durable, .. } = config.outbox.clone();
    let Some(path) = path else { return Ok(Outbox::in_memory(max_bytes, overflow)) };
    let open = move || Outbox::on_disk(&path, max_bytes, overflow, durable);
    // The task fails only with the runtime.
    let opened = tokio::task::spawn_blocking(open).await.map_err(|error| error.to_string())?;
    opened.map_err(|error| error.to_string())
}

async fn outcome(connector: &Connector, within: Duration) -> ConnectorOutcome {
    match tokio::time::timeout(within, connector.settle()).await {
        Ok(LinkState::Up) => ConnectorOutcome::Up,
        Ok(LinkState::Down { reason, gave_up: true }) => ConnectorOutcome::Failed(reason.to_string()),
        Ok(LinkState::Down { reason, gave_up: false }) => ConnectorOutcome::Trying(reason.to_string()),
        Ok(LinkState::Connecting | LinkState::Closed) | Err(_) => {
            ConnectorOutcome::Trying(format!("no connection within {within:?}"))
        }
    }
}
