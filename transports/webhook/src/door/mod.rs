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
//! | a page of any web site may subscribe and publish by way of its reader's browser | only pages of named origins |
//! | its tracing tells the urls of subscribers to whoever publishes | it tells what became of each |
//!
//! Beyond the statuses of the protocol: 408 as above, 413 for what is larger than a setting allows. 503 also before the
//! subscriptions have been read from the store for the first time.
//!
//! # How to read it
//! - [`WebhookDoor`]: the door on all threads.
//! - `request`: which path does what. `subscriptions`, `messages`: what each of them does. `answer`: how that looks.
//! - `body`: bodies as they arrive. `receiving`: messages in memory or in a file.
//! - `open`: from settings to a broadcaster that runs. `stats`: the numbers.

mod answer;
mod body;
mod messages;
mod open;
mod receiving;
mod request;
mod stats;
mod subscriptions;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web::ServiceConfig;
use actix_web::{Scope, rt, web};
use arc_swap::ArcSwapOption;
use eventhive_hub::Hub;
use eventhive_listener::Door;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use self::request::Request;
use self::stats::Counters;
pub use self::stats::DoorStats;
use crate::broadcaster::Broadcaster;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::session::Sessions;

/// How long a request waits for a door that is being opened.
const STARTING: Duration = Duration::from_secs(2);

/// The most that a store has at the end for what is yet to be written.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// The part of the time for draining that is for that, as a divisor.
const LAST_WRITES_SHARE: u32 = 3;

/// A door of the protocol. It serves every path below its own `/v1`, on all threads.
pub struct WebhookDoor {
    common: Arc<Common>,
    /// The hub of a door that opens its broadcaster itself, until it does.
    hub: Mutex<Option<Hub>>,
}

/// What all threads of a door share.
struct Common {
    config: Config,
    counters: Arc<Counters>,
    /// `None` until it has been opened.
    opened: ArcSwapOption<Opened>,
    /// Tells that it has been opened.
    open: watch::Sender<bool>,
    /// Whether what [`Door::begin`] starts is to end.
    stopping: watch::Sender<bool>,
    /// Whether it has.
    ended: watch::Sender<bool>,
}

impl Common {
    /// What answers requests, if it has been opened, or is within a moment: who starts a door and its clients at once, or
    /// restarts it, need not see that it reads its subscriptions. `loaded`: with all of them.
    async fn opened(&self, loaded: bool) -> Option<Arc<Opened>> {
        let opened = self.opened.load_full().filter(|opened| !loaded || opened.broadcaster.is_ready());
        if opened.is_some() {
            return opened;
        }
        let opened = async {
            // Its sender is `self`, which is there.
            let _ = self.open.subscribe().wait_for(|open| *open).await;
            let opened = self.opened.load_full()?;
            if loaded {
                opened.broadcaster.ready().await;
            }
            Some(opened)
        };
        tokio::time::timeout(STARTING, opened).await.ok()?
    }
}

/// What answers requests.
struct Opened {
    broadcaster: Arc<Broadcaster>,
    sessions: Arc<Sessions>,
    /// What calls urls, if the door knows.
    delivery: Option<Delivery>,
}

impl WebhookDoor {
    /// A door to `hub`. Requests wait for two seconds, and get 503 then, until [`begin`](Door::begin) has opened its store.
    #[must_use]
    pub fn new(hub: Hub, config: Config) -> Self {
        Self::with(config, None, Some(hub))
    }

    /// A door of a broadcaster that somebody else [runs](Broadcaster::run).
    #[must_use]
    pub fn of(broadcaster: Arc<Broadcaster>, config: Config) -> Self {
        let sessions = Sessions::new(Arc::clone(&broadcaster), config.sessions());
        Self::with(config, Some(Arc::new(Opened { broadcaster, sessions, delivery: None })), None)
    }

    fn with(config: Config, opened: Option<Arc<Opened>>, hub: Option<Hub>) -> Self {
        let (stopping, ended) = (watch::Sender::new(false), watch::Sender::new(true));
        let open = watch::Sender::new(opened.is_some());
        let common = Common { config, counters: Arc::default(), opened: opened.into(), open, stopping, ended };
        Self { common: Arc::new(common), hub: Mutex::new(hub) }
    }

    /// The door as a scope for an application of one's own, at the path that [`Config::endpoint`] says. Call it in the
    /// application's factory: each worker thread needs one. Call [`begin`](Door::begin) once, on a thread of actix that lives
    /// as long as the application, and [`drain`](Door::drain) before the server is stopped. Build the server with
    /// [`Connections::on_connect`](eventhive_listener::connection::Connections), so that websockets whose peer has stopped
    /// reading can be ended at once.
    ///
    /// ```no_run
    /// use std::{sync::Arc, time::Duration};
    /// use actix_web::{App, HttpServer};
    /// use eventhive_hub::{Hub, HubSettings};
    /// use eventhive_listener::{Door, connection::Connections};
    /// use eventhive_webhook::{Config, WebhookDoor};
    ///
    /// #[actix_web::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let hub = Hub::new(HubSettings::default());
    ///     let config = Config { endpoint: "/lonely".to_owned(), ..Config::default() };
    ///     let door = Arc::new(WebhookDoor::new(hub, config));
    ///     door.begin();
    ///     let served = Arc::clone(&door);
    ///     HttpServer::new(move || App::new().service(served.scope()))
    ///         .on_connect(Connections::new().on_connect(Duration::from_secs(30)))
    ///         .bind(("127.0.0.1", 3003))?
    ///         .run()
    ///         .await?;
    ///     door.drain(Duration::from_secs(10)).await;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.service(true)
    }

    /// The broadcaster behind it, once it has been opened.
    #[must_use]
    pub fn broadcaster(&self) -> Option<Arc<Broadcaster>> {
        self.common.opened.load().as_ref().map(|opened| Arc::clone(&opened.broadcaster))
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> DoorStats {
        let opened = self.common.opened.load();
        let delivery = opened.as_ref().and_then(|opened| opened.delivery.as_ref());
        let (deliveries, outgoing) =
            delivery.map_or_else(Default::default, |delivery| (delivery.counts(), delivery.load()));
        DoorStats { deliveries, outgoing, ..self.common.counters.read(self.sessions(), &self.common.config.memory) }
    }

    fn service(&self, embedded: bool) -> Scope {
        let common = Arc::clone(&self.common);
        let every = move |request, body| {
            let common = Arc::clone(&common);
            async move { request::answer(&common, request, body, embedded).await }
        };
        web::scope(&format!("{}/v1", self.common.config.endpoint)).default_service(web::to(every))
    }
}

impl Door for WebhookDoor {
    fn mount(&self, config: &mut ServiceConfig) {
        config.service(self.service(false));
    }

    /// Opens the store, as soon as that can be done, and runs the broadcaster. The listener calls it; an application of one's
    /// own calls it once. Does nothing for a broadcaster that somebody else runs.
    ///
    /// # Panics
    /// Outside a thread of actix.
    fn begin(&self) {
        if let Some(hub) = self.hub.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.common.ended.send_replace(false);
            rt::spawn(open::run(Arc::clone(&self.common), hub));
        }
    }

    fn drain(&self, within: Duration) -> BoxFuture<'static, ()> {
        let common = Arc::clone(&self.common);
        Box::pin(async move {
            // The listener waits no longer than `within` for all of it.
            let last_writes = (within / LAST_WRITES_SHARE).min(LAST_WRITES);
            let delivering = within.saturating_sub(last_writes);
            let sessions = async {
                if let Some(opened) = common.opened.load_full() {
                    opened.sessions.drain(delivering).await;
                }
            };
            let deliveries = async {
                common.counters.idle().await;
                if let Some(opened) = common.opened.load_full() {
                    // Only now: as long as something is under way here, other doors may have more.
                    opened.broadcaster.settle().await;
                }
            };
            let delivered = tokio::time::timeout(delivering, deliveries);
            if tokio::join!(delivered, sessions).0.is_err() {
                tracing::warn!("messages were given up that were being delivered");
            }
            common.stopping.send_replace(true);
            // Only now: it may have been opened in the meantime.
            if let Some(opened) = common.opened.load_full() {
                opened.broadcaster.close();
            }
            let mut ended = common.ended.subscribe();
            if tokio::time::timeout(last_writes, ended.wait_for(|ended| *ended)).await.is_err() {
                tracing::warn!("the store did not take what was to be written at the end in time");
            }
        })
    }

    fn sessions(&self) -> usize {
        self.common.opened.load().as_ref().map_or(0, |opened| opened.sessions.count())
    }

    fn reload(&self) -> Vec<String> {
        let secrecy = &self.common.config.secrecy;
        let replaced = secrecy.read().map(|schemes| {
            if secrecy.is_hollow(&schemes) {
                tracing::warn!("webhooks: there is no secret in `secrets_file` any more: everything is accepted");
            }
            if let Some(broadcaster) = self.broadcaster() {
                broadcaster.authority().replace(schemes);
            }
        });
        replaced.err().into_iter().collect()
    }
}

impl fmt::Debug for WebhookDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookDoor").field("config", &self.common.config).field("stats", &self.stats()).finish()
    }
}
