//! The door: a complete broadcaster of the protocol.
//!
//! Python's clients cannot tell it from Python's broadcaster, but for what that does wrong:
//!
//! | lonelypss 0.0.12 | here |
//! |---|---|
//! | a glob of more than 50,000 bytes is taken, and then every notify fails | 400 |
//! | `set_subscriptions` leaves recovery urls of rows that stay as they are | they are changed |
//! | a message that arrived is given up when its sender goes | it is delivered |
//! | a notify that takes longer than 30 s fails | each delivery has its own time |
//! | a body that stands still is waited for | 408 after `body_timeout_secs`, and nothing has happened |
//! | authorizations count once at each broadcaster and database of its own | once at all broadcasters of a store |
//! | a short `missed_for_websockets` is a 500 | 400 |
//! | its tracing tells the urls of subscribers to whoever publishes | it tells what became of each |
//!
//! Beyond the statuses of the protocol: 408 as above, 413 for what is larger than a setting allows. 503 also before the
//! subscriptions have been read from the store for the first time.
//!
//! # How to read it
//! - [`WebhookDoor`]: the door on all threads.
//! - `request`: which path does what. `subscriptions`, `messages`: what each of them does. `answer`: how that looks.
//! - `body`: bodies as they arrive. `receiving`: messages in memory or in a file.
//! - `stats`: the numbers.

mod answer;
mod body;
mod messages;
mod receiving;
mod request;
mod stats;
mod subscriptions;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use actix_web::{Scope, web};
use arc_swap::ArcSwapOption;
use eventhive_listener::Door;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use self::request::Request;
use self::stats::Counters;
pub use self::stats::DoorStats;
use crate::broadcaster::Broadcaster;
use crate::config::Config;

/// A door of the protocol. It serves every path below its own `/v1`, on all threads.
pub struct WebhookDoor {
    common: Arc<Common>,
}

/// What all threads of a door share.
struct Common {
    config: Config,
    counters: Arc<Counters>,
    /// `None` until it has been opened.
    broadcaster: ArcSwapOption<Broadcaster>,
    /// Whether what [`Door::begin`] started has ended.
    ended: watch::Sender<bool>,
}

impl Common {
    fn broadcaster(&self) -> Option<Arc<Broadcaster>> {
        self.broadcaster.load_full()
    }
}

impl WebhookDoor {
    /// A door of a broadcaster that somebody else runs.
    #[must_use]
    pub fn of(broadcaster: Arc<Broadcaster>, config: Config) -> Self {
        let broadcaster = ArcSwapOption::from(Some(broadcaster));
        let common = Common { config, counters: Arc::default(), broadcaster, ended: watch::Sender::new(true) };
        Self { common: Arc::new(common) }
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> DoorStats {
        self.common.counters.read(0)
    }

    fn service(&self, embedded: bool) -> Scope {
        let common = Rc::new(Arc::clone(&self.common));
        let every = move |request, body| {
            let common = Rc::clone(&common);
            async move { request::answer(&common, request, body, embedded).await }
        };
        web::scope(&format!("{}/v1", self.common.config.endpoint)).default_service(web::to(every))
    }
}

impl Door for WebhookDoor {
    fn mount(&self, config: &mut ServiceConfig) {
        config.service(self.service(false));
    }

    fn drain(&self, within: Duration) -> BoxFuture<'static, ()> {
        let common = Arc::clone(&self.common);
        Box::pin(async move {
            if tokio::time::timeout(within, common.counters.idle()).await.is_err() {
                tracing::warn!("messages were given up that were being delivered");
            }
            if let Some(broadcaster) = common.broadcaster() {
                broadcaster.close();
            }
        })
    }

    fn sessions(&self) -> usize {
        0
    }
}

impl fmt::Debug for WebhookDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookDoor").field("config", &self.common.config).field("stats", &self.stats()).finish()
    }
}
