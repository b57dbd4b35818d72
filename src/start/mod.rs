//! Starting and stopping what a configuration says: servers, then connectors.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use eventhive_listener::DoorTransport;
use eventhive_transport::{LinkState, Settings, Transport};
use futures_util::future::join_all;
use tokio::sync::{oneshot, watch};

use crate::config::{Config, ConnectorConfig, HiveSettings, OutboxConfig, Secrets};
use crate::connector::{Connector, ConnectorStats, Outbox, Plan};
use crate::envelope::Envelope;
use crate::registry::{Registry, Route, RouteError, Sent};
use crate::server::{ServerStarted, Servers};
use crate::{Event, Hive};

mod signals;

/// How long what is under way has to end when a running hive is told to.
const GRACE: Duration = Duration::from_secs(10);

/// How a hive starts.
#[derive(Debug, Clone)]
pub struct StartOptions {
    required: Vec<String>,
    within: Duration,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self { required: Vec::new(), within: Duration::from_secs(10) }
    }
}

impl StartOptions {
    /// No connector is required, and each has ten seconds for its first attempt.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fails the start unless the connector of this network comes up.
    #[must_use]
    pub fn require(mut self, network: impl Into<String>) -> Self {
        self.required.push(network.into());
        self
    }

    /// How long to wait for the first attempts of all connectors.
    #[must_use]
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

/// What was started and what was not, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// Each server, in the order of the configuration.
    pub servers: Vec<ServerStarted>,
    /// Each connector, in the order of the configuration.
    pub connectors: Vec<ConnectorStarted>,
}

/// A connector and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectorStarted {
    /// The network's name.
    pub name: String,
    /// Where it stands.
    pub outcome: ConnectorOutcome,
}

/// Where a connector stands after the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectorOutcome {
    /// Connected and subscribed.
    Up,
    /// Not yet; it keeps trying, and events wait in its outbox. The text says what is in the way.
    Trying(String),
    /// It was not started; the text says why.
    Failed(String),
}

impl fmt::Display for ConnectorOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Trying(reason) => write!(f, "not up yet, keeps trying: {reason}"),
            Self::Failed(reason) => write!(f, "not started: {reason}"),
        }
    }
}

/// Why a hive did not start. Everything that had been started was stopped again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Connectors that are required did not come up.
    #[error("required connectors did not come up: {}", list(connectors))]
    Required {
        /// Each with what is in the way.
        connectors: Vec<ConnectorStarted>,
    },
    /// Required connectors that the configuration has not.
    #[error("required, but not under `connectors:`: {}", names.join(", "))]
    Unknown {
        /// Their names.
        names: Vec<String>,
    },
    /// The hive is started already, or was stopped.
    #[error("the hive is running already, or was stopped: build another one")]
    NotIdle,
}

fn list(connectors: &[ConnectorStarted]) -> String {
    connectors.iter().map(|one| format!("{}: {}", one.name, one.outcome)).collect::<Vec<_>>().join("; ")
}

/// The configuration and the transports that a hive was built with, until it starts; then what runs.
pub(crate) enum Networks {
    Idle(Box<Blueprint>),
    Starting(Starting),
    Running(Box<Running>),
    Stopped,
}

/// A start that is under way.
pub(crate) struct Starting {
    /// Dropped, it tells the launch to end.
    _keep: oneshot::Sender<Infallible>,
    /// Resolves when the launch has ended.
    ended: oneshot::Receiver<()>,
}

/// Ends a start whose caller has gone.
struct Abandon<'a>(&'a Hive);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let mut networks = self.0.networks();
        if matches!(*networks, Networks::Starting(_)) {
            *networks = Networks::Stopped;
        }
    }
}

/// What a hive will start.
#[derive(Default)]
pub(crate) struct Blueprint {
    pub(crate) config: Option<Config>,
    pub(crate) transports: Vec<Arc<dyn Transport>>,
    pub(crate) doors: Vec<Arc<dyn DoorTransport>>,
}

/// What a hive has started.
#[derive(Default)]
pub(crate) struct Running {
    servers: Servers,
    connectors: Vec<Connector>,
    /// Networks whose connector could not be made.
    not_started: Vec<String>,
}

/// The route to a network whose connector could not be made.
struct NotStarted {
    network: String,
    reason: String,
}

impl Route for NotStarted {
    fn publish(&self, _: &Event) -> Result<Sent, RouteError> {
        let reason = format!("its connector was not started: {}", self.reason);
        Err(RouteError { network: self.network.clone(), reason })
    }
}

impl Blueprint {
    /// The transports that this library was built with.
    pub(crate) fn compiled_in() -> Self {
        Self {
            config: None,
            transports: vec![
                #[cfg(feature = "websocket")]
                Arc::new(eventhive_websocket::WebSocket),
                #[cfg(feature = "redis")]
                Arc::new(eventhive_redis::Redis),
            ],
            doors: vec![
                #[cfg(feature = "websocket")]
                Arc::new(eventhive_websocket::WebSocket),
            ],
        }
    }
}

impl Hive {
    /// Starts the servers and connectors of the configuration. Returns when each connector is up or its first attempt
    /// has failed; what is not up keeps trying, and what is called for it waits in its outbox.
    ///
    /// # Errors
    /// [`StartError::NotIdle`] the second time.
    pub async fn start(&self) -> Result<Started, StartError> {
        self.start_with(StartOptions::new()).await
    }

    /// As [`start`](Self::start), with options.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start_with(&self, options: StartOptions) -> Result<Started, StartError> {
        let (ended_sender, ended) = oneshot::channel();
        let (keep, cancelled) = oneshot::channel();
        let blueprint = self.begin(&options.required, Starting { _keep: keep, ended })?;
        // Dropping this future ends what it has begun.
        let _abandoned = Abandon(self);
        let hive = self.clone();
        let launch = async move {
            let _ended = ended_sender;
            hive.launch(blueprint, options, cancelled).await
        };
        // The task fails only if the hive's threads are gone.
        self.runtime().spawn(launch).await.unwrap_or(Err(StartError::NotIdle))
    }

    /// Takes the blueprint, if the hive is idle and has the connectors that are required.
    fn begin(&self, required: &[String], starting: Starting) -> Result<Box<Blueprint>, StartError> {
        let mut networks = self.networks();
        let Networks::Idle(blueprint) = &*networks else { return Err(StartError::NotIdle) };
        let names = blueprint.unknown(required);
        if !names.is_empty() {
            return Err(StartError::Unknown { names });
        }
        match std::mem::replace(&mut *networks, Networks::Starting(starting)) {
            Networks::Idle(blueprint) => Ok(blueprint),
            // Seen to be idle under this lock.
            _ => Err(StartError::NotIdle),
        }
    }

    /// Launches, unless told to stop meanwhile. Then, and if a required connector is missing, nothing is left running.
    async fn launch(
        &self,
        blueprint: Box<Blueprint>,
        options: StartOptions,
        cancelled: oneshot::Receiver<Infallible>,
    ) -> Result<Started, StartError> {
        let registry = self.registry();
        let names: Vec<String> = blueprint.connectors().iter().map(|connector| connector.name.clone()).collect();
        let launched = tokio::select! {
            launched = blueprint.launch(registry, options.within) => Some(launched),
            _ = cancelled => None,
        };
        let Some((running, started)) = launched else {
            // What had been started ended with the launch; its routes did not.
            for name in &names {
                registry.remove_route(name);
            }
            return Err(StartError::NotIdle);
        };
        let missing = started.not_up(&options.required);
        let result = if missing.is_empty() { Ok(started) } else { Err(StartError::Required { connectors: missing }) };
        let left = match (&result, &mut *self.networks()) {
            (Ok(_), networks @ Networks::Starting(_)) => {
                *networks = Networks::Running(Box::new(running));
                return result;
            }
            (Err(_), networks @ Networks::Starting(_)) => {
                *networks = Networks::Stopped;
                running
            }
            _ => running,
        };
        left.stop(registry, Duration::ZERO).await;
        result.and(Err(StartError::NotIdle))
    }

    /// Starts, runs until SIGINT (Ctrl-C) or SIGTERM, and stops; what is under way then has ten seconds to end. SIGHUP reads
    /// certificates again.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn run(&self) -> Result<(), StartError> {
        let hive = self.clone();
        // The hive's own runtime has the signal driver; the caller's may not.
        let mut told = self.runtime().spawn(async move { signals::until_told(&hive).await });
        tokio::select! {
            started = self.start() => started?.log(),
            _ = &mut told => {
                self.stop(GRACE).await;
                return Ok(());
            }
        }
        if let Ok(Err(error)) = told.await {
            tracing::error!("signals cannot be waited for: {error}");
        }
        self.stop(GRACE).await;
        Ok(())
    }

    /// Where the link of each connector stands now.
    #[must_use]
    pub fn link_states(&self) -> Vec<(String, LinkState)> {
        self.each_connector(|connector| (connector.name().to_owned(), connector.state().borrow().clone()))
    }

    /// A watch on the state of a network's link; `None` if there is no such connector, or the hive is not started.
    #[must_use]
    pub fn link_state(&self, network: &str) -> Option<watch::Receiver<LinkState>> {
        let states = self.each_connector(|connector| (connector.name() == network).then(|| connector.state()));
        states.into_iter().flatten().next()
    }

    /// Waits until the brokers have answered for every event that was called so far, at most `within`. Returns whether
    /// they have: taken and refused both count, [`connector_stats`](Self::connector_stats) tells them apart.
    pub async fn flush(&self, within: Duration) -> bool {
        let all = join_all(self.each_connector(Connector::flushed));
        // A timer needs a tokio runtime, which the caller may not have.
        self.runtime().spawn(async move { tokio::time::timeout(within, all).await.is_ok() }).await.unwrap_or(false)
    }

    /// Waits until every event that was called so far would survive a loss of power, at most `within`: those of networks
    /// whose outbox is on disk and durable. Without this wait they survive the end of the process, and a loss of power once
    /// the disk is done, which mostly takes milliseconds. Of other networks there is nothing to wait for. Returns false if
    /// the time ran out or a disk failed.
    pub async fn stored(&self, within: Duration) -> bool {
        let all = join_all(self.each_connector(Connector::stored));
        let waited = self.runtime().spawn(async move { tokio::time::timeout(within, all).await });
        matches!(waited.await, Ok(Ok(stored)) if stored.iter().all(|stored| *stored))
    }

    /// What each connector has counted since it was started.
    #[must_use]
    pub fn connector_stats(&self) -> Vec<(String, ConnectorStats)> {
        self.each_connector(|connector| (connector.name().to_owned(), connector.stats()))
    }

    /// Reads the certificates of all servers again, as on SIGHUP. Returns what is wrong with new ones; the old ones stay
    /// in use then.
    #[must_use]
    pub fn reload_tls(&self) -> Vec<String> {
        match &*self.networks() {
            Networks::Running(running) => running.servers.reload_tls(),
            _ => Vec::new(),
        }
    }

    /// Flushes and closes the connectors, then drains the servers.
    pub(crate) async fn stop_networks(&self, within: Duration) {
        let networks = std::mem::replace(&mut *self.networks(), Networks::Stopped);
        match networks {
            Networks::Running(running) => {
                let registry = Arc::clone(self.registry());
                // The task fails only if the hive's threads are gone, and with them everything that it would stop.
                let _ = self.runtime().spawn(async move { running.stop(&registry, within).await }).await;
            }
            Networks::Starting(Starting { _keep, ended }) => {
                drop(_keep);
                // The sender is dropped with the launch, which is the answer.
                let _ = ended.await;
            }
            Networks::Idle(_) | Networks::Stopped => {}
        }
    }

    fn each_connector<T>(&self, read: impl Fn(&Connector) -> T) -> Vec<T> {
        match &*self.networks() {
            Networks::Running(running) => running.connectors.iter().map(read).collect(),
            _ => Vec::new(),
        }
    }
}

impl Blueprint {
    fn connectors(&self) -> &[ConnectorConfig] {
        self.config.as_ref().map_or(&[], |config| &config.connectors)
    }

    fn unknown(&self, required: &[String]) -> Vec<String> {
        let known = |name: &&String| self.connectors().iter().any(|connector| connector.name == **name);
        required.iter().filter(|name| !known(name)).cloned().collect()
    }

    async fn launch(self: Box<Self>, registry: &Arc<Registry>, within: Duration) -> (Running, Started) {
        let Some(config) = &self.config else {
            return (Running::default(), Started { servers: Vec::new(), connectors: Vec::new() });
        };
        let (servers, server_outcomes) = Servers::start(config, &self.doors).await;
        let opened =
            join_all(config.connectors.iter().map(|connector| self.open(connector, &config.hive, registry))).await;
        let waited = opened.iter().map(|opened| async {
            match opened {
                Ok(connector) => outcome(connector, within).await,
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
        (running, Started { servers: server_outcomes, connectors })
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
        let found = discover(config, hive, &**transport).await?;
        let settings = found.as_ref().unwrap_or(&config.init);
        let plan = plan(config, hive).await?;
        let link = transport.connect(settings).map_err(|problems| list_problems(&problems))?;
        let connector = Connector::start(plan, link, transport.capabilities_with(settings), Arc::clone(registry));
        registry.add_connector(&config.name, &connector);
        Ok(connector)
    }
}

/// Settings found by mDNS, where the configuration asks for that.
#[cfg(feature = "discovery")]
async fn discover(
    config: &ConnectorConfig,
    hive: &HiveSettings,
    transport: &dyn Transport,
) -> Result<Option<Settings>, String> {
    let Some(within) = config.from_broadcast else { return Ok(None) };
    let found = crate::discovery::Mdns::configured(hive).resolve(&config.name, within).await;
    let found = found.map_err(|error| error.to_string())?;
    let found = found.ok_or_else(|| format!("no server `{}` was announced by mDNS within {within:?}", config.name))?;
    let path = format!("connectors.{}.init (as announced)", config.name);
    let known = crate::discovery::keep_known(found.init(), transport.keys());
    Settings::check(&path, &known, transport.keys()).map(Some).map_err(|problems| list_problems(&problems))
}

#[cfg(not(feature = "discovery"))]
async fn discover(config: &ConnectorConfig, _: &HiveSettings, _: &dyn Transport) -> Result<Option<Settings>, String> {
    match config.from_broadcast {
        Some(_) => Err("`from_broadcast` needs mDNS, and this build is without the feature `discovery`".to_owned()),
        None => Ok(None),
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

impl Started {
    fn log(&self) {
        for server in &self.servers {
            tracing::info!(server = server.name, "{}", server.outcome);
        }
        for connector in &self.connectors {
            tracing::info!(connector = connector.name, "{}", connector.outcome);
        }
    }

    fn not_up(&self, required: &[String]) -> Vec<ConnectorStarted> {
        let missing = |one: &&ConnectorStarted| required.contains(&one.name) && one.outcome != ConnectorOutcome::Up;
        self.connectors.iter().filter(missing).cloned().collect()
    }
}

impl Running {
    async fn stop(self, registry: &Registry, within: Duration) {
        let close = self.connectors.into_iter().map(|connector| async move {
            registry.remove_route(connector.name());
            let name = connector.name().to_owned();
            match connector.close(within).await {
                0 => {}
                left => tracing::warn!(connector = name, events = left, "stopped with events unsent in the outbox"),
            }
        });
        join_all(close).await;
        for name in &self.not_started {
            registry.remove_route(name);
        }
        self.servers.stop(within).await;
    }
}
