//! The life of a reader.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::config::SharedHttpClient;
use eventhive_hub::Hub;
use eventhive_transport::Backoff;
use tokio::time::{Instant, sleep, sleep_until};

use super::config::QueueConfig;
use super::failure::{Failure, Standing};
use super::queue::Queue;
use super::readers::Stop;
use super::seen::Seen;
use super::stats::Counters;

/// The wait after a failure: a random time between the first and twice that, doubled with each failure up to the second.
const AFTER_FAILURE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Between two requests while the answers are empty. Servers wait longer than this by themselves; those that know no
/// waiting are not asked in a circle.
const WHILE_EMPTY: Duration = Duration::from_secs(1);

/// Between two requests while all that comes is known: 200 messages a second, where a queue shows what it keeps at once
/// again.
const WHILE_KNOWN: Duration = Duration::from_millis(50);

/// One queue's reader.
pub(super) struct Reader {
    pub(super) config: QueueConfig,
    pub(super) http: SharedHttpClient,
    pub(super) hub: Hub,
    /// The largest message, in bytes.
    pub(super) largest: usize,
    pub(super) stop: Stop,
    pub(super) counters: Arc<Counters>,
    pub(super) seen: Seen,
    pub(super) backoff: Backoff,
    pub(super) receiving: Standing,
    pub(super) deleting: Standing,
}

/// What an answer had.
pub(super) enum Found {
    Nothing,
    OnlyKnown,
    New,
}

impl Reader {
    pub(super) fn new(
        config: QueueConfig,
        http: SharedHttpClient,
        hub: Hub,
        largest: usize,
        stop: Stop,
        counters: Arc<Counters>,
    ) -> Self {
        let seen = Seen::new(config.remember);
        let backoff = Backoff::new(AFTER_FAILURE.0, AFTER_FAILURE.1);
        let (receiving, deleting) = <(Standing, Standing)>::default();
        Self { config, http, hub, largest, stop, counters, seen, backoff, receiving, deleting }
    }

    /// Reads until the door stops. A request that waits is given up then; what the hub has taken is deleted before.
    pub(super) async fn run(mut self) {
        while let Some(failure) = self.read().await {
            self.counters.failures.add_one();
            if self.receiving.failed(&failure) {
                tracing::warn!(queue = self.config.name, %failure, "the queue is not read; it is tried again until it is");
            }
            if self.stop.unless(sleep(self.backoff.next_wait())).await.is_none() {
                return;
            }
        }
    }

    /// Reads until something fails; `None` when the door stops.
    async fn read(&mut self) -> Option<Failure> {
        let open = Queue::open(&self.config, self.http.clone());
        let queue = match self.stop.unless(open).await? {
            Ok(queue) => queue,
            Err(failure) => return Some(failure),
        };
        loop {
            let asked = Instant::now();
            let messages = match self.stop.unless(queue.receive()).await? {
                Ok(messages) => messages,
                Err(failure) => return Some(failure),
            };
            let pace = match self.take(&queue, messages).await {
                Ok(Found::Nothing) => WHILE_EMPTY,
                Ok(Found::OnlyKnown) => WHILE_KNOWN,
                Ok(Found::New) => Duration::ZERO,
                Err(failure) => return Some(failure),
            };
            self.backoff.reset();
            if self.receiving.worked() {
                tracing::info!(queue = self.config.name, "the queue is read again");
            }
            self.stop.unless(sleep_until(asked + pace)).await?;
        }
    }
}
