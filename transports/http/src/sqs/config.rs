//! What the keys of a queue mean as typed values.

use std::time::Duration;

pub use aws_sdk_sqs::config::Credentials;
use eventhive_transport::{Problem, Settings};

/// As many messages as Amazon lets be under way from a standard queue at a time. Those are what comes again, and the
/// oldest leave the queue first, so that a window of this size suffices until a queue keeps more. About 16 MB when full.
const REMEMBER: usize = 120_000;

/// What [`QueueConfig::wait`] may be.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A queue that a door reads. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// What it is called in the log.
    pub name: String,
    /// The queue's name, or its URL.
    pub queue: String,
    /// Its region; `None` is that of the environment, the profile or the machine.
    pub region: Option<String>,
    /// Whether messages are deleted once their events are published.
    pub delete: bool,
    /// Who we are; `None` is who AWS's tools would be.
    pub credentials: Option<Credentials>,
    /// The server, if it is not Amazon's.
    pub endpoint_url: Option<String>,
    /// How long the server may wait for messages before it answers that there are none: 1 to 20 seconds.
    pub wait: Duration,
    /// Ids of messages remembered, about 130 bytes each.
    pub remember: usize,
}

impl QueueConfig {
    /// A queue with the defaults of the configuration.
    #[must_use]
    pub fn new(name: impl Into<String>, queue: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            queue: queue.into(),
            region: None,
            delete: false,
            credentials: None,
            endpoint_url: None,
            wait: LONGEST_WAIT,
            remember: REMEMBER,
        }
    }

    /// Every queue in the settings of a door.
    ///
    /// # Errors
    /// Every problem of every queue that the table of keys cannot see.
    pub(crate) fn all(settings: &Settings) -> Result<Vec<Self>, Vec<Problem>> {
        let (mut queues, mut problems) = (Vec::new(), Vec::new());
        for (name, own) in settings.named("sqs") {
            match Self::one(name, &own) {
                Ok(queue) => queues.push(queue),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(queues) } else { Err(problems) }
    }

    fn one(name: &str, settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for key in ["queue", "region"] {
            if settings.text(key) == Some("") {
                problems.push(settings.problem(key, format!("must not be empty: name the {key}")));
            }
        }
        let endpoint = settings.text("endpoint_url");
        if endpoint.is_some_and(|url| !is_url(url)) {
            let message = "not the URL of a server: write it like `http://localhost:9324`";
            problems.push(settings.problem("endpoint_url", message));
        }
        let credentials = credentials(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            region: settings.text("region").map(str::to_owned),
            delete: settings.flag("delete"),
            credentials,
            endpoint_url: endpoint.map(str::to_owned),
            wait: settings.seconds("wait_time_secs").unwrap_or(LONGEST_WAIT),
            remember: settings.size("remember_messages").unwrap_or(REMEMBER),
            ..Self::new(name, settings.text("queue").unwrap_or_default())
        })
    }

    /// The wait in whole seconds, as the API wants it.
    pub(super) fn wait_secs(&self) -> i32 {
        i32::try_from(self.wait.min(LONGEST_WAIT).as_secs()).unwrap_or(1).max(1)
    }
}

/// Whether a text is the URL of a server or a queue.
pub(super) fn is_url(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

fn credentials(settings: &Settings) -> Result<Option<Credentials>, Vec<Problem>> {
    let secret = |name| settings.secrets(name).map(|found| found.into_iter().next());
    match (secret("key"), secret("secret")) {
        (Ok(Some(key)), Ok(Some(secret))) => {
            Ok(Some(Credentials::new(key.as_str(), secret.as_str(), None, None, "eventhive")))
        }
        (Ok(None), Ok(None)) => Ok(None),
        (Ok(_), Ok(None)) => Err(vec![settings.problem("key", "`secret` is missing: give both, or neither")]),
        (Ok(None), Ok(_)) => Err(vec![settings.problem("secret", "`key` is missing: give both, or neither")]),
        (key, secret) => Err([key.err(), secret.err()].into_iter().flatten().flatten().collect()),
    }
}
