//! The door: a complete server of the protocol.
//!
//! A Python `PubSubClient` cannot tell it from the Python server, but for what the Python server does wrong:
//!
//! | Python server | here |
//! |---|---|
//! | an unknown method, a bad argument or invalid JSON leaves a deaf socket, or cuts TCP | close 1008, with the reason |
//! | a binary frame does the same | close 1003 |
//! | subscribers of a topic are served one after the other, each waited for | all at once |
//! | a synchronous publish waits for ever, and its connection is not read meanwhile | at most `publish_timeout`; the connection is read and later requests are answered meanwhile |
//! | `data` is parsed and written anew; what that cannot represent is lost or poisons subscribers | passed on as it came; `NaN` and `Infinity` become `null`, half surrogate pairs U+FFFD |
//! | an event too large for the clients disconnects every subscriber | its publish is answered `false` |
//! | a publish to any number of topics is taken | to at most 256; beyond that it is answered `false` |
//! | two `notify` of one event to one session have ids of their own | they share one text, ids included: ids are per event |
//! | an event published to the name of all topics comes twice to who subscribed that | one `notify` |
//! | a topic that is a number is taken (pydantic 1) | answered `false`, as with pydantic 2 |
//! | a request whose `method` is a number breaks the connection (pydantic 1) | ignored, as with pydantic 2 |
//! | a `call_id` that is a number drops the request (pydantic 2) | answered with its digits, as with pydantic 1 |
//! | other paths: 403, which stops or maddens its clients | 404; refusals that pass are 503, and 401 is held back |
//!
//! Links of ours, known by a [header](crate::wire::LINK_HEADER), are notified of an event once however many of their
//! subscriptions match, and may subscribe patterns.
//!
//! On a hub whose backlog is durable a publish is answered when its events are on the disk, whatever its `sync`, and `false` when
//! they were lost; answers then come in the order in which that is known. Nobody here sees private events. On a hub that has a
//! door for HTTP streams too, those are private that are published under a topic which begins with `private/`.
//!
//! # How to read it
//! - [`WebSocketDoor`]: the door on all threads; [`scope`] puts one into an application of one's own.
//! - `handshake`: who gets in, and how the parts below are put together.
//! - `peer`: the actor of a session: messages, control frames. `requests`: the methods.
//! - `output`: what the socket is written: the session's queue. The actor never writes by itself, so nothing here is
//!   unbounded, and one encoded frame serves all sessions.
//! - `live`: what the parts of one session share, the [guard](eventhive_listener::websocket) of its input included.
//! - `shard`: the sessions of one thread and their watchdog, outside the actors because an actor stands still with its
//!   socket. `drain`: the end.
//!
//! All that touches the deprecated crate actix-web-actors is `handshake` and `peer`.

mod channel;
mod closing;
mod drain;
mod handshake;
mod live;
mod output;
mod peer;
mod pending;
mod requests;
mod shard;
mod stats;
mod tokens;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use actix_web::{Scope, web};
use eventhive_hub::Hub;
use eventhive_listener::{Door, PerAddress};
use futures_util::future::BoxFuture;

use self::closing::Close;
use self::drain::Drain;
use self::handshake::HELD_BACK_EACH;
use self::shard::Shard;
use self::stats::Counters;
pub use self::stats::DoorStats;
use crate::Config;

/// A door of the websocket protocol. It serves every session of its path, on all threads.
pub struct WebSocketDoor {
    common: Arc<Common>,
}

/// What all threads of a door share.
struct Common {
    hub: Hub,
    config: Config,
    counters: Counters,
    drain: Drain,
    /// Sessions by remote address.
    sessions: Arc<PerAddress>,
    /// Refusals that are held back, by remote address.
    refusals: Arc<PerAddress>,
    /// Set when it has been said that sessions of this door cannot be cut.
    warned: AtomicBool,
}

impl WebSocketDoor {
    /// A door to `hub`.
    #[must_use]
    pub fn new(hub: Hub, config: Config) -> Self {
        let common = Common {
            hub,
            counters: Counters::default(),
            drain: Drain::default(),
            sessions: PerAddress::new(config.max_sessions_per_address),
            refusals: PerAddress::new(HELD_BACK_EACH),
            warned: AtomicBool::new(false),
            config,
        };
        Self { common: Arc::new(common) }
    }

    /// The door as a scope for an application of one's own. Call it in the application's factory: each worker thread
    /// needs one. Two things are then the application's:
    ///
    /// - Build the server with [`Connections::on_connect`](eventhive_listener::connection::Connections), so that sessions
    ///   whose peer has stopped reading can be ended at once. Without it the hub still lets go of such a session, with its
    ///   queue and its subscriptions; but its socket, and its place among `max_sessions`, stay taken until the peer reads
    ///   again or goes, and a warning says so once. Nothing in actix-web can end a connection that nobody polls.
    /// - Before it stops the server, await [`drain`](Door::drain) of the door, which every thread's scope heeds: sessions
    ///   are closed one after the other with the code for a restart, and new ones are told to come later. A server that is
    ///   stopped without it cuts them, and their clients all come back at once.
    ///
    /// ```no_run
    /// use std::{sync::Arc, time::Duration};
    /// use actix_web::{App, HttpServer};
    /// use eventhive_hub::{Hub, HubSettings};
    /// use eventhive_listener::Door;
    /// use eventhive_listener::connection::Connections;
    /// use eventhive_websocket::{Config, WebSocketDoor};
    ///
    /// #[actix_web::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let hub = Hub::new(HubSettings::default());
    ///     let door = Arc::new(WebSocketDoor::new(hub, Config::default()));
    ///     let served = Arc::clone(&door);
    ///     let server = HttpServer::new(move || App::new().service(served.scope()))
    ///         .on_connect(Connections::new().on_connect(Duration::from_secs(30)))
    ///         .disable_signals()
    ///         .bind(("127.0.0.1", 8085))?
    ///         .run();
    ///     let handle = server.handle();
    ///     actix_web::rt::spawn(server);
    ///     actix_web::rt::signal::ctrl_c().await?;
    ///     door.drain(Duration::from_secs(10)).await;
    ///     handle.stop(true).await;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn scope(&self) -> Scope {
        web::scope("").configure(|config| self.mount(config))
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> DoorStats {
        self.common.counters.read()
    }
}

/// A scope with a door of its own to `hub`, for applications of one thread that end with their process. Others should
/// share one [`WebSocketDoor`] and its [`scope`](WebSocketDoor::scope) instead: its limits and numbers are of all threads,
/// and only who holds the door can drain it. What that says of `on_connect` goes for this too.
#[must_use]
pub fn scope(hub: &Hub, config: Config) -> Scope {
    WebSocketDoor::new(hub.clone(), config).scope()
}

impl Door for WebSocketDoor {
    fn mount(&self, config: &mut ServiceConfig) {
        let shard = Rc::new(Shard::new(Arc::clone(&self.common)));
        config.route(
            &self.common.config.endpoint,
            web::get().to(move |request, input| handshake::handshake(Rc::clone(&shard), request, input)),
        );
    }

    fn drain(&self, within: Duration) -> BoxFuture<'static, ()> {
        let common = Arc::clone(&self.common);
        Box::pin(async move { drain::drain(&common, within).await })
    }

    fn sessions(&self) -> usize {
        self.common.counters.sessions()
    }
}

impl fmt::Debug for WebSocketDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketDoor").field("config", &self.common.config).field("stats", &self.stats()).finish()
    }
}
