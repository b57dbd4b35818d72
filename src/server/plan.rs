//! From the configuration of servers to hubs and doors, before anything is bound.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::tls::Certificate;
use eventhive_listener::{DoorPlan, DoorTransport};
use eventhive_transport::Problem;

use crate::config::{Create, DoorConfig, ServerConfig};

/// A hub, and the doors that it is to have.
pub(super) struct Planned {
    pub(super) hub: Hub,
    pub(super) doors: Vec<DoorPlan>,
}

/// What a configuration has that its tables cannot see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Each keeps a server or a connector from starting.
    pub problems: Vec<Problem>,
    /// None keeps anything from starting.
    pub warnings: Vec<Problem>,
}

/// What a server has that its tables cannot see. Nothing is bound, and no backlog opened.
pub(crate) fn check(config: &ServerConfig, kinds: &[Arc<dyn DoorTransport>]) -> Findings {
    let mut findings = Findings::default();
    if config.create == Create::Never {
        return findings;
    }
    let of_backlog = config.backlog.settings.check().into_iter();
    findings.problems.extend(of_backlog.map(|(key, what)| config.backlog.given.problem(key, what)));
    match doors(config, &Hub::new(settings(config, kinds)), kinds) {
        Err(problems) => findings.problems.extend(problems),
        Ok(doors) => {
            for (plan, door) in doors.into_iter().zip(&config.doors) {
                findings.warnings.extend(plan.warnings);
                let error = plan.listen.tls.and_then(|files| Certificate::load(files).err());
                findings.problems.extend(error.map(|error| door.init.problem("tls_cert", error.to_string())));
            }
        }
    }
    findings
}

fn settings(config: &ServerConfig, kinds: &[Arc<dyn DoorTransport>]) -> HubSettings {
    let private_topics = config.doors.iter().filter_map(|door| find(kinds, door)).any(|kind| kind.has_private_topics());
    HubSettings { name: config.name.clone(), private_topics, ..HubSettings::default() }
}

fn find<'a>(kinds: &'a [Arc<dyn DoorTransport>], door: &DoorConfig) -> Option<&'a Arc<dyn DoorTransport>> {
    kinds.iter().find(|kind| kind.kind() == door.pubsub_type)
}

/// Opens the hub with its backlog, and plans its doors. The error is for people.
pub(super) async fn plan(config: &ServerConfig, kinds: &[Arc<dyn DoorTransport>]) -> Result<Planned, String> {
    let backlog = config.backlog.settings.clone();
    // It reads files.
    let opened = tokio::task::spawn_blocking(move || backlog.open()).await;
    let backlog = match opened {
        Ok(Ok(backlog)) => backlog,
        Ok(Err(error)) => return Err(config.backlog.given.problem(error.key(), error.to_string()).to_string()),
        Err(error) => return Err(error.to_string()),
    };
    let hub = Hub::with_backlog(settings(config, kinds), backlog);
    match doors(config, &hub, kinds) {
        Ok(doors) => Ok(Planned { hub, doors }),
        Err(problems) => {
            hub.close().await;
            Err(join(&problems))
        }
    }
}

fn doors(config: &ServerConfig, hub: &Hub, kinds: &[Arc<dyn DoorTransport>]) -> Result<Vec<DoorPlan>, Vec<Problem>> {
    let mut doors = Vec::with_capacity(config.doors.len());
    let mut problems = Vec::new();
    for door in &config.doors {
        let planned = match find(kinds, door) {
            Some(kind) => kind.plan(&door.init, hub),
            None => Err(vec![
                door.init
                    .problem("pubsub_type", format!("no door of kind `{}` was given to the hive", door.pubsub_type)),
            ]),
        };
        match planned {
            Ok(plan) => doors.push(plan),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    for (plan, door) in doors.iter_mut().zip(&config.doors) {
        plan.warnings.extend(unsecured(config, door, kinds));
    }
    Ok(doors)
}

/// Topics that another door of the hub secures and this one does not: what one door refuses, the other takes.
fn unsecured(config: &ServerConfig, door: &DoorConfig, kinds: &[Arc<dyn DoorTransport>]) -> Option<Problem> {
    let own = door.init.texts(SECURED);
    let of_others = config.doors.iter().flat_map(|other| other.init.texts(SECURED));
    let open: BTreeSet<_> = of_others.filter(|topic| !own.contains(topic)).collect();
    if open.is_empty() {
        return None;
    }
    let topics = open.into_iter().collect::<Vec<_>>().join(", ");
    let fix = if find(kinds, door)?.keys().iter().any(|key| key.name == SECURED) {
        "give this door the same `secure_topics`"
    } else {
        "let only those reach it who may publish on them (by its `host`, `tokens` or secrets), or give it a server of its own"
    };
    let message = format!("whoever may publish here may publish on topics that another door secures ({topics}): {fix}");
    Some(door.init.problem_here(message))
}

/// The key of doors that know users.
const SECURED: &str = "secure_topics";

impl Planned {
    fn shares(&self, other: &Self) -> bool {
        let address = |plan: &DoorPlan| (plan.listen.host.clone(), plan.listen.port);
        self.doors.iter().any(|plan| other.doors.iter().any(|of_other| address(plan) == address(of_other)))
    }
}

/// Groups servers that want a common address, directly or by way of others.
pub(super) fn by_listener<T>(servers: Vec<(T, Planned)>) -> Vec<Vec<(T, Planned)>> {
    let mut groups: Vec<Vec<(T, Planned)>> = Vec::new();
    for server in servers {
        let (sharing, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|(_, one)| one.shares(&server.1)));
        groups = apart;
        groups.push(sharing.into_iter().flatten().chain([server]).collect());
    }
    groups
}

pub(super) fn join(problems: &[impl ToString]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
