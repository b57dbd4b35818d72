//! How messages are delivered.

use std::time::Duration;

use super::backoff::BackOff;
use super::breaker::BreakerSettings;
use super::bucket::Rate;

/// How messages are delivered. The default is what a broadcaster without settings does.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliverySettings {
    /// When MISSED messages are tried.
    pub missed: BackOff,
    /// How often it is looked whether a MISSED is due.
    pub sweep_interval: Duration,
    /// How many MISSED messages are under way at once.
    pub sweep_concurrency: usize,
    /// When a url that fails is left alone.
    pub breaker: BreakerSettings,
    /// How often one url is called at most; `None` leaves it to the subscribers.
    pub rate: Option<Rate>,
    /// A url that has failed for so long, and at least five times in a row, is disabled; `None` never does.
    pub disable_after: Option<Duration>,
    /// How often a disabled url is tried with a message, and how often each of its subscriptions is told that something was
    /// missed.
    pub probe_disabled: Duration,
    /// Whether a url must show that it wants to be called before it gets its first message.
    pub verify: bool,
    /// Urls of which something is remembered in memory at most: those that fail, and with a rate or `verify` those that
    /// are called. The default, 200,000, is about 60 MB when it is reached. Beyond it urls have no breaker and no rate,
    /// and `verify` asks the store each time.
    pub most_urls: usize,
    /// What is written down.
    pub journal: JournalSettings,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            missed: BackOff::default(),
            sweep_interval: Duration::from_secs(10),
            sweep_concurrency: 16,
            breaker: BreakerSettings::default(),
            rate: None,
            disable_after: Some(Duration::from_secs(3 * 86_400)),
            probe_disabled: Duration::from_secs(3600),
            verify: false,
            most_urls: 200_000,
            journal: JournalSettings::default(),
        }
    }
}

/// Which attempts are written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Log {
    /// All of them. It costs a row in the store for each message and subscription.
    All,
    /// Those that were not confirmed.
    #[default]
    Failures,
    /// None.
    None,
}

/// What is written down, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// Which attempts.
    pub log: Log,
    /// Bytes that wait to be written at most; what does not fit is counted and forgotten.
    pub queue_bytes: u32,
    /// Dead letters keep bodies of up to so many bytes; of larger ones hash and length are kept.
    pub letter_bytes: u64,
    /// How long attempts and dead letters are kept.
    pub keep: Duration,
    /// How many attempts are kept at most.
    pub keep_attempts: u64,
    /// How many dead letters are kept at most; with none, nothing is buried.
    pub keep_letters: u64,
    /// How many of them one url may have at most, so that it does not push out those of others: the oldest go first.
    pub keep_letters_per_url: u64,
    /// How many bytes their bodies may have in all. The newest is kept in any case.
    pub keep_bytes_per_url: u64,
    /// How often what is too old or too much is removed.
    pub trim_interval: Duration,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            log: Log::default(),
            queue_bytes: 16 * 1024 * 1024,
            letter_bytes: 256 * 1024,
            keep: Duration::from_secs(14 * 86_400),
            keep_attempts: 100_000,
            keep_letters: 10_000,
            keep_letters_per_url: 1_000,
            keep_bytes_per_url: 16 * 1024 * 1024,
            trim_interval: Duration::from_secs(600),
        }
    }
}
