//! The hubs that a hive runs: `servers:`.
//!
//! Each server is a hub with its doors. Doors that want the same address share one listener; servers that share none
//! start and fail apart from each other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::tls::Certificate;
use eventhive_listener::{Bound, DoorPlan, DoorTransport, Listeners};
use eventhive_transport::Problem;

use crate::config::{Config, Create, DoorConfig, HiveSettings, ServerConfig};
#[cfg(feature = "discovery")]
use crate::discovery::{Announcement, Mdns, Server};

/// What became of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerOutcome {
    /// It listens on these addresses.
    Listening(Vec<Bound>),
    /// `create: never`.
    NotWanted,
    /// `create: needed`, and another hive has announced one.
    Found,
    /// It could not be started; the text says why.
    Failed(String),
}

impl fmt::Display for ServerOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(bound) => {
                let places: Vec<_> = bound.iter().map(|bound| bound.address.to_string()).collect();
                write!(f, "listening on {}", places.join(", "))
            }
            Self::NotWanted => f.write_str("not started: `create: never`"),
            Self::Found => f.write_str("not started: another hive has announced one"),
            Self::Failed(reason) => write!(f, "not started: {reason}"),
        }
    }
}

/// A server and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStarted {
    /// The network's name.
    pub name: String,
    /// What became of it.
    pub outcome: ServerOutcome,
}

/// The servers that run.
#[derive(Default)]
pub(crate) struct Servers {
    hubs: Vec<Hub>,
    listeners: Vec<Listeners>,
    #[cfg(feature = "discovery")]
    announcements: Vec<Announcement>,
}

/// A server on its way up.
struct Candidate {
    /// Where its outcome goes.
    place: usize,
    hub: Hub,
    plans: Vec<DoorPlan>,
}

impl Servers {
    /// Starts what the configuration wants. No server's failure keeps another from starting, unless they share a
    /// listener.
    pub(crate) async fn start(config: &Config, kinds: &[Arc<dyn DoorTransport>]) -> (Self, Vec<ServerStarted>) {
        let Config { hive, servers: configs, .. } = config;
        let mut servers = Self::default();
        let mut outcomes = Vec::with_capacity(configs.len());
        let mut candidates = Vec::new();
        for config in configs {
            let outcome = match wanted(config, hive).await {
                Ok(()) => match plan(config, kinds) {
                    Ok((hub, plans)) => {
                        candidates.push(Candidate { place: outcomes.len(), hub, plans });
                        ServerOutcome::Listening(Vec::new())
                    }
                    Err(problems) => ServerOutcome::Failed(join(&problems)),
                },
                Err(outcome) => outcome,
            };
            outcomes.push(ServerStarted { name: config.name.clone(), outcome });
        }
        for group in by_listener(candidates) {
            servers.open(group, &mut outcomes).await;
        }
        #[cfg(feature = "discovery")]
        servers.announce(configs, &outcomes, &Mdns::configured(hive)).await;
        (servers, outcomes)
    }

    /// Opens the doors of servers that share listeners: all of them, or none.
    async fn open(&mut self, group: Vec<Candidate>, outcomes: &mut [ServerStarted]) {
        let (mut places, mut hubs, mut plans) = (Vec::new(), Vec::new(), Vec::new());
        for candidate in group {
            let names: Vec<String> = candidate.plans.iter().map(|plan| plan.name.clone()).collect();
            places.push((candidate.place, names));
            hubs.push(candidate.hub);
            plans.extend(candidate.plans);
        }
        // A host may be a name, and resolving it blocks.
        let started = tokio::task::spawn_blocking(move || Listeners::start(plans)).await;
        let failure = match started {
            Ok(Ok(listeners)) => {
                let bound = listeners.addresses();
                for (place, names) in places {
                    let serves = |one: &&Bound| one.doors.iter().any(|door| names.contains(&door.name));
                    outcomes[place].outcome = ServerOutcome::Listening(bound.iter().filter(serves).cloned().collect());
                }
                self.hubs.extend(hubs);
                self.listeners.push(listeners);
                return;
            }
            Ok(Err(errors)) => join(&errors),
            Err(error) => error.to_string(),
        };
        for (place, _) in places {
            outcomes[place].outcome = ServerOutcome::Failed(failure.clone());
        }
    }

    /// Announces the servers that ask for it. One that cannot be announced still serves those who know its address.
    #[cfg(feature = "discovery")]
    async fn announce(&mut self, configs: &[ServerConfig], outcomes: &[ServerStarted], mdns: &Mdns) {
        let described =
            configs.iter().zip(outcomes).filter_map(|(config, started)| described(config, &started.outcome));
        let announced = described.map(|server| async move { (server.name.clone(), mdns.announce(&server).await) });
        for (name, announced) in futures_util::future::join_all(announced).await {
            match announced {
                Ok(announcement) => self.announcements.push(announcement),
                Err(error) => tracing::error!(server = name, "not announced: {error}"),
            }
        }
    }

    /// Reads certificates again. Returns what is wrong with the new ones; the old ones stay in use.
    pub(crate) fn reload_tls(&self) -> Vec<String> {
        let failures = self.listeners.iter().filter_map(|listeners| listeners.reload_tls().err());
        failures.flatten().map(|error| error.to_string()).collect()
    }

    /// Withdraws the announcements, drains the doors, then ends the hubs.
    pub(crate) async fn stop(self, within: Duration) {
        #[cfg(feature = "discovery")]
        for announcement in self.announcements {
            announcement.withdraw().await;
        }
        futures_util::future::join_all(self.listeners.into_iter().map(|listeners| listeners.stop(within))).await;
        for hub in &self.hubs {
            hub.close().await;
        }
    }
}

/// Whether the server is to be started; if not, what to say of it.
async fn wanted(config: &ServerConfig, hive: &HiveSettings) -> Result<(), ServerOutcome> {
    match config.create {
        Create::Never => Err(ServerOutcome::NotWanted),
        Create::Always => Ok(()),
        Create::Needed => needed(config, hive).await,
    }
}

#[cfg(feature = "discovery")]
async fn needed(config: &ServerConfig, hive: &HiveSettings) -> Result<(), ServerOutcome> {
    /// As long as the original looks.
    const LOOK: Duration = Duration::from_secs(5);
    match Mdns::configured(hive).resolve(&config.name, LOOK).await {
        Ok(Some(_)) => Err(ServerOutcome::Found),
        Ok(None) => Ok(()),
        Err(error) => {
            tracing::warn!(server = config.name, "looked for no other server: {error}");
            Ok(())
        }
    }
}

#[cfg(not(feature = "discovery"))]
async fn needed(config: &ServerConfig, _: &HiveSettings) -> Result<(), ServerOutcome> {
    tracing::warn!(server = config.name, "looked for no other server: this build is without the feature `discovery`");
    Ok(())
}

/// What is wrong with a server that its tables cannot see. Nothing is bound.
pub(crate) fn check(config: &ServerConfig, kinds: &[Arc<dyn DoorTransport>]) -> Vec<Problem> {
    let planned = match (config.create, plan(config, kinds)) {
        (Create::Never, _) => return Vec::new(),
        (_, Err(problems)) => return problems,
        (_, Ok((_, plans))) => plans,
    };
    let certificate = |(plan, door): (DoorPlan, &DoorConfig)| {
        let error = Certificate::load(plan.listen.tls?).err()?;
        Some(door.init.problem("tls_cert", error.to_string()))
    };
    planned.into_iter().zip(&config.doors).filter_map(certificate).collect()
}

fn plan(config: &ServerConfig, kinds: &[Arc<dyn DoorTransport>]) -> Result<(Hub, Vec<DoorPlan>), Vec<Problem>> {
    let hub = Hub::new(HubSettings { name: config.name.clone(), ..HubSettings::default() });
    let mut plans = Vec::with_capacity(config.doors.len());
    let mut problems = Vec::new();
    for door in &config.doors {
        let planned = match kinds.iter().find(|kind| kind.kind() == door.pubsub_type) {
            Some(kind) => kind.plan(&door.init, &hub),
            None => Err(vec![
                door.init
                    .problem("pubsub_type", format!("no door of kind `{}` was given to the hive", door.pubsub_type)),
            ]),
        };
        match planned {
            Ok(plan) => plans.push(plan),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok((hub, plans)) } else { Err(problems) }
}

/// Groups servers that want a common address, directly or by way of others.
fn by_listener(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let mut groups: Vec<Vec<Candidate>> = Vec::new();
    for candidate in candidates {
        let (sharing, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|one| shares(one, &candidate)));
        groups = apart;
        groups.push(sharing.into_iter().flatten().chain([candidate]).collect());
    }
    groups
}

fn shares(one: &Candidate, other: &Candidate) -> bool {
    let address = |plan: &DoorPlan| (plan.listen.host.clone(), plan.listen.port);
    one.plans.iter().any(|plan| other.plans.iter().any(|of_other| address(plan) == address(of_other)))
}

fn join(problems: &[impl ToString]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The announcement of a server that listens and wants to be found.
#[cfg(feature = "discovery")]
fn described(config: &ServerConfig, outcome: &ServerOutcome) -> Option<Server> {
    let ServerOutcome::Listening(bound) = outcome else { return None };
    let (door, first) = config.broadcast.then_some(config.doors.first().zip(bound.first()))??;
    Some(Server {
        name: config.name.clone(),
        host: first.address.ip(),
        port: first.address.port(),
        init: door.announced(),
        claim: None,
    })
}

#[cfg(feature = "discovery")]
impl DoorConfig {
    /// What an announcement tells of the door: what a connector needs to reach it, and nothing else.
    fn announced(&self) -> Vec<eventhive_transport::settings::Entry> {
        use eventhive_transport::settings::Entry;
        let entry = |key: &&str| {
            let node = self.init.get(key)?;
            Some(Entry { key: (*key).to_owned(), key_at: node.at, node: node.clone() })
        };
        ["host", "port", "endpoint", "scheme"].iter().filter_map(entry).collect()
    }
}
