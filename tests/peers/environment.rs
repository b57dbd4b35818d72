//! Where the Python environments are.

use std::path::{Path, PathBuf};

/// A set of Python packages that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// eventhive 0.5.0 with fastapi_websocket_pubsub 0.3.1, which it demands.
    Eventhive,
    /// fastapi_websocket_pubsub 1.0.1.
    PubSub,
    /// asfpy, and what PyPubSub's server needs.
    PyPubSub,
    /// lonelypss 0.0.12 and lonelypsc 0.0.18.
    Lonely,
}

impl Stack {
    /// A program of this environment.
    pub(crate) fn program(self, name: &str) -> PathBuf {
        let folder = match self {
            Self::Eventhive => "eventhive",
            Self::PubSub => "pubsub",
            Self::PyPubSub => "pypubsub",
            Self::Lonely => "lonely",
        };
        let program = environments().join(folder).join("bin").join(name);
        assert!(
            program.exists(),
            "{} is missing: run tests/all.sh, which installs the Python peers",
            program.display()
        );
        program
    }
}

/// `EVENTHIVE_PEERS`, or where `tests/all.sh` puts the environments.
pub(crate) fn environments() -> PathBuf {
    std::env::var_os("EVENTHIVE_PEERS").map_or_else(|| root().join("target/peers"), PathBuf::from)
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
