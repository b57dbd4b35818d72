//! What a start came to.

use std::fmt;

use crate::server::ServerStarted;

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

impl Started {
    /// Servers are told of when they change; connectors are told of here, once.
    pub(super) fn log(&self) {
        for connector in &self.connectors {
            tracing::info!(connector = connector.name, "{}", connector.outcome);
        }
    }

    pub(super) fn not_up(&self, required: &[String]) -> Vec<ConnectorStarted> {
        let missing = |one: &&ConnectorStarted| required.contains(&one.name) && one.outcome != ConnectorOutcome::Up;
        self.connectors.iter().filter(missing).cloned().collect()
    }
}
