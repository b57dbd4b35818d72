//! The door: a complete server of PyPubSub's protocol, and more on the same paths.
//!
//! A client of the original cannot tell it from the original, but for what the original does wrong or not at all:
//!
//! | PyPubSub 0.7.4 | here |
//! |---|---|
//! | `X-Fetch-Since` ends the stream | replays, then goes on live |
//! | replay repeats events, or lets live ones come between | replay, then live: no gap, no duplicate |
//! | an unknown cursor is passed over in silence | the same stream, and `X-Pubsub-Replay: unknown` in its head |
//! | the body's limit does not hold for chunked bodies | it holds for the bytes that arrive |
//! | no body, a bad charset, bytes that are not of it: 500 | 400 |
//! | `NaN` and `Infinity` are passed on, and break clients | 400 |
//! | `/foo,` subscribes everything | `/foo` |
//! | a replay that takes long | pings while it finds nothing, with `"replaying": true` beside `stillalive` |
//! | one slow reader delays all others | it is dropped by the hub's policy, alone |
//! | a stream that was cut off looks complete | its connection is aborted |
//! | `Basic` in lower case is nobody | somebody |
//! | a page of any web site may publish by way of its reader's browser | only pages of named origins |
//! | targets with a raw `<`, `>` or `` ` `` are taken | 400 by the HTTP library: encode them |
//!
//! `X-Subscribers` and `X-Requests` are of one door: a hub with two, such as one with TLS and one without, counts apart what the
//! original counts together.
//!
//! Beyond it: `Accept: text/event-stream` and `application/x-ndjson`, `Last-Event-ID`, gzip and zstd for clients that name
//! the form they want, CORS, the cursor of a published event in `X-Pubsub-Cursor`, `Idempotency-Key`.
//!
//! Cursors are the hub's, opaque and under a key: two of them do not say how many events lie between, nor which is the newer.
//! One of a private event is unknown to whoever may not see that event.
//!
//! # How to read it
//! - [`HttpDoor`]: the door on all threads; [`scope`] puts one into an application of one's own.
//! - `request`: which method does what. `reply`: what all answers have in common. `origin`: what web pages are told.
//! - `publish`, `idempotency`: events in. `stream`: from a request to a stream. `form`, `coding`: how it looks.
//! - `output`: what the socket is written. `live`: what a stream's parts share.
//! - `shard`: the streams of one thread, their pings and their watchdog.
//! - `follower`: the access list and the directory, as they change.

mod coding;
mod follower;
mod form;
mod idempotency;
mod live;
mod origin;
mod output;
mod publish;
mod reply;
mod request;
mod shard;
mod stats;
mod stream;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::ServiceConfig;
use actix_web::{Scope, web};
use eventhive_hub::Hub;
use eventhive_listener::{Door, PerAddress};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use self::idempotency::Keys;
use self::shard::Shard;
use self::stats::Counters;
pub use self::stats::DoorStats;
use crate::Config;

/// A door of PyPubSub's protocol. It serves every path below its own, on all threads.
pub struct HttpDoor {
    common: Arc<Common>,
    #[cfg(feature = "sqs")]
    readers: crate::sqs::Readers,
}

/// What all threads of a door share.
struct Common {
    hub: Hub,
    config: Config,
    counters: Counters,
    keys: Keys,
    /// Streams of each client's address.
    addresses: Arc<PerAddress>,
    /// The time there is for draining, once the door drains.
    draining: watch::Sender<Option<Duration>>,
    /// Whether somebody follows the access list.
    followed: AtomicBool,
}

impl HttpDoor {
    /// A door to `hub`.
    #[must_use]
    pub fn new(hub: Hub, config: Config) -> Self {
        let keys = Keys::new(config.idempotency_keys, config.idempotency_time);
        let addresses = PerAddress::new(config.max_sessions_per_address);
        let (counters, draining) = (Counters::default(), watch::Sender::new(None));
        let followed = AtomicBool::new(false);
        Self {
            common: Arc::new(Common { hub, config, counters, keys, addresses, draining, followed }),
            #[cfg(feature = "sqs")]
            readers: crate::sqs::Readers::default(),
        }
    }

    /// The door as a scope for an application of one's own, at the path that [`Config::endpoint`] says; put it behind the
    /// application's other services, since it takes every path below that. Call it in the application's factory: each
    /// worker thread needs one. Call [`begin`](Door::begin) once, or a changed access list is not followed and queues are
    /// not read. Build the server with
    /// [`Connections::on_connect`](eventhive_listener::connection::Connections), so that streams whose client has stopped
    /// reading can be ended at once.
    ///
    /// ```no_run
    /// use std::{sync::Arc, time::Duration};
    /// use actix_web::{App, HttpServer};
    /// use eventhive_http::{Config, HttpDoor};
    /// use eventhive_hub::{Hub, HubSettings};
    /// use eventhive_listener::{Door, connection::Connections};
    ///
    /// #[actix_web::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let hub = Hub::new(HubSettings::default());
    ///     let config = Config { endpoint: "/events".to_owned(), ..Config::default() };
    ///     let door = Arc::new(HttpDoor::new(hub, config));
    ///     door.begin();
    ///     HttpServer::new(move || App::new().service(door.scope()))
    ///         .on_connect(Connections::new().on_connect(Duration::from_secs(30)))
    ///         .bind(("127.0.0.1", 2069))?
    ///         .run()
    ///         .await
    /// }
    /// ```
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.service(false)
    }

    /// Follows the access list and the directory from now on, unless that is done already.
    fn follow(&self) {
        let Common { config, draining, followed, .. } = &*self.common;
        if let Some(users) = &config.access.users
            && !followed.swap(true, Ordering::Relaxed)
        {
            tokio::spawn(follower::follow(Arc::clone(users), draining.subscribe()));
        }
    }

    /// `chunks` says that the server hands bodies to sockets as they are.
    fn service(&self, chunks: bool) -> Scope {
        let shard = Rc::new(Shard::new(Arc::clone(&self.common), chunks));
        let every = move |request, body| request::answer(Rc::clone(&shard), request, body);
        web::scope(&self.common.config.endpoint).default_service(web::to(every))
    }

    /// The numbers of the queues that the door reads.
    #[cfg(feature = "sqs")]
    #[must_use]
    pub fn queue_stats(&self) -> crate::sqs::QueueStats {
        self.readers.stats()
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> DoorStats {
        self.common.counters.read()
    }

    /// Reads the access list again, and looks up anew the rights of all who are connected. Reads a file: not for a thread
    /// that must not wait.
    ///
    /// # Errors
    /// What is wrong with it; the old one stays in use.
    pub fn reload_access(&self) -> Result<(), crate::access::AclError> {
        self.common.config.access.users.as_ref().map_or(Ok(()), |users| users.reload())
    }
}

/// A scope with a door of its own to `hub`. An application with several worker threads should share one [`HttpDoor`]
/// instead, so that its limits and numbers are of all threads. Called inside a tokio runtime, as an application's factory
/// is, it follows the access list; queues it does not read.
#[must_use]
pub fn scope(hub: &Hub, config: Config) -> Scope {
    let door = HttpDoor::new(hub.clone(), config);
    if tokio::runtime::Handle::try_current().is_ok() {
        door.follow();
    }
    door.scope()
}

impl Door for HttpDoor {
    fn mount(&self, config: &mut ServiceConfig) {
        // The listener's application is ours: no middleware, HTTP/1 alone.
        config.service(self.service(true));
    }

    /// Follows the access list and the directory, and starts the readers of the door's queues. The listener calls it; an
    /// application of one's own calls it once, inside a tokio runtime that lives as long as the door.
    ///
    /// # Panics
    /// Outside a tokio runtime, if there are users to follow or queues to read.
    fn begin(&self) {
        self.follow();
        #[cfg(feature = "sqs")]
        {
            let Common { hub, config, draining, .. } = &*self.common;
            let stop = crate::sqs::Stop::new(draining.subscribe(), hub.clone());
            self.readers.start(&config.queues, hub, config.max_payload, &stop);
        }
    }

    fn drain(&self, within: Duration) -> BoxFuture<'static, ()> {
        let common = Arc::clone(&self.common);
        #[cfg(feature = "sqs")]
        let readers = self.readers.ended();
        #[cfg(not(feature = "sqs"))]
        let readers = std::future::ready(());
        Box::pin(async move {
            common.draining.send_replace(Some(within));
            let streams = common.counters.none();
            if tokio::time::timeout(within, async { tokio::join!(streams, readers) }).await.is_err() {
                let streams = common.counters.sessions();
                tracing::warn!(streams, "streams, or readers of queues, did not end in the time for draining");
            }
        })
    }

    fn sessions(&self) -> usize {
        self.common.counters.sessions()
    }

    fn reload(&self) -> Vec<String> {
        self.reload_access().err().map(|error| error.to_string()).into_iter().collect()
    }
}

impl fmt::Debug for HttpDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpDoor").field("config", &self.common.config).field("stats", &self.stats()).finish()
    }
}
