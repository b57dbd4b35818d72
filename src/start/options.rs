//! How a hive is told to start.

use std::time::Duration;

/// How a hive starts.
#[derive(Debug, Clone)]
pub struct StartOptions {
    pub(super) required: Vec<String>,
    pub(super) within: Duration,
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
