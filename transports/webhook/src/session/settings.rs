//! How a broadcaster treats its websockets.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use eventhive_listener::Proxies;
use eventhive_transport::Overflow;

use crate::compression::{Bounds, Dictionary, Training};
use crate::wire::stateful::Mode;
use crate::wire::stateful::split::DEFAULT_MAX_BYTES;

/// How a broadcaster treats its websockets. The defaults are those of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sessions at a time; further ones are put off.
    pub max_sessions: usize,
    /// Sessions of one remote address.
    pub max_sessions_per_address: usize,
    /// Proxies that say whom they speak for.
    pub proxies: Proxies,
    /// How long a subscriber may take for CONFIGURE.
    pub configure_timeout: Duration,
    /// A subscriber that was silent for so long is sent a ping.
    pub ping_interval: Duration,
    /// One that is silent for so long after a ping is closed.
    pub ping_timeout: Duration,
    /// Messages that may wait for one subscriber.
    pub max_pending: usize,
    /// Bytes in memory that may wait for one subscriber. A larger message is taken when nothing waits.
    pub queue_bytes: usize,
    /// What is done when more waits. With [`Overflow::Block`] whoever publishes waits, which keeps others from publishing
    /// faster than Python's client takes messages; a subscriber that takes none for [`patience`](Self::patience), or
    /// less than a full queue in twelve times as long, or has twice as much waiting, is disconnected. The other policies make nobody wait; the subscriber is sent MISSED for messages that
    /// are left out.
    pub overflow: Overflow,
    /// How long a publisher waits for one subscriber, with [`Overflow::Block`].
    pub patience: Duration,
    /// Messages of one subscriber that may wait to be handled; then it is read no further, but while it has something to
    /// acknowledge up to 16 times as many.
    pub max_unprocessed: usize,
    /// Parts of messages that are sent ahead of acknowledgements; `None` is as many as there are, up to 100,000.
    pub max_unacknowledged: Option<NonZeroUsize>,
    /// How headers are written.
    pub headers: Mode,
    /// The largest websocket message that is sent. Larger messages go in parts.
    pub max_outgoing_bytes: usize,
    /// The largest websocket message that is taken.
    pub max_incoming_bytes: usize,
    /// Compressed messages, if there are to be any.
    pub compression: Option<Compression>,
    /// What a message that comes may cost, compressed or in parts.
    pub bounds: Bounds,
    /// Where nonces and identifiers come from.
    pub random: Arc<dyn Random>,
}

/// How messages are compressed.
#[derive(Debug, Clone)]
pub struct Compression {
    /// Shorter messages are not compressed.
    pub min_size: u32,
    /// Messages from this length on are compressed without a trained dictionary.
    pub trained_max_size: u32,
    /// Dictionaries that both ends have, by their numbers from 2 to 65,535.
    pub presets: HashMap<u16, Arc<Dictionary>>,
    /// When dictionaries are trained, if they are. Sizes in it are those above.
    pub training: Option<Training>,
}

impl Default for Compression {
    fn default() -> Self {
        Self { min_size: 32, trained_max_size: 16_384, presets: HashMap::new(), training: Some(Training::default()) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_sessions: 20_000,
            max_sessions_per_address: 10_000,
            proxies: Proxies::default(),
            configure_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
            max_pending: 255,
            queue_bytes: 64 << 20,
            overflow: Overflow::Block,
            // As long as a url has to answer.
            patience: Duration::from_secs(5),
            max_unprocessed: 255,
            max_unacknowledged: NonZeroUsize::new(3),
            headers: Mode::Minimal,
            max_outgoing_bytes: DEFAULT_MAX_BYTES,
            max_incoming_bytes: 16 << 20,
            compression: Some(Compression::default()),
            bounds: Bounds::default(),
            random: Arc::new(SystemRandom),
        }
    }
}

/// Where the random bytes of sessions come from.
pub trait Random: fmt::Debug + Send + Sync {
    /// The broadcaster's half of a connection's nonce.
    ///
    /// # Errors
    /// The operating system has no random bytes to give.
    fn nonce(&self) -> Result<[u8; 32], getrandom::Error>;

    /// What names a message until it is acknowledged. It need not be secret, only differ from those before it.
    fn identifier(&self) -> [u8; 4];
}

/// The operating system's random bytes for nonces.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn nonce(&self) -> Result<[u8; 32], getrandom::Error> {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)?;
        Ok(nonce)
    }

    fn identifier(&self) -> [u8; 4] {
        fastrand::u32(..).to_be_bytes()
    }
}
