//! Websockets of a broadcaster: sections 8.1 to 8.11 of the protocol, on the server's side.
//!
//! What Python's broadcaster does otherwise:
//!
//! | Python's broadcaster | here |
//! |---|---|
//! | one value of the counter for each part of a message | one for the message; Python's client ends signed connections otherwise |
//! | messages of which a signed receipt is impossible | in larger parts, and beyond that told as MISSED |
//! | answers wait while acknowledgements are missing | they go at once, also between parts; acknowledgements are handled while a notify takes its time |
//! | a subscription is confirmed before it begins, so that what is published meanwhile is lost | nothing is sent before it is confirmed, and nothing is lost after |
//! | messages may follow the end of their subscription | what was published before comes before the confirmation, but for other doors' events that still wait for a crowded websocket, which are left out; and nothing comes after |
//! | a subscriber that sends too fast is closed | it is read no further for a while |
//! | no dictionary is ever trained | they are |
//!
//! # How to read it
//! - [`Sessions`]: all of them; [`upgrade`](Sessions::upgrade) begins one. [`Settings`], [`SessionStats`].
//! - `actor`: reads what comes and sorts it into two `inbox`es. `requests` handles one of them (`configure`: the first of
//!   all; `incoming`: messages), `receipts` the other. `queue`: what the broadcaster has for the subscriber; `pump` sends it,
//!   within the `window` of what may be unacknowledged. `speech`: counters, signatures, frames.
//! - `outbox`: what waits for the socket; `output`: what the socket is written.
//! - `live`: how a session ends, and its watchdog. `closing`: the words for it. `shared`: what sessions share.
//!
//! All that touches the deprecated crate actix-web-actors is here and in `actor`.

mod actor;
mod closing;
mod configure;
mod inbox;
mod incoming;
mod live;
mod outbox;
mod output;
mod pump;
mod queue;
mod receipts;
mod requests;
mod settings;
mod shared;
mod speech;
mod stats;
mod window;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_http::ws::Codec;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, rt, web};
use actix_web_actors::ws::{self, WebsocketContext};
use eventhive_listener::websocket::Guard;
use eventhive_listener::{Connection, PerAddress};
use tokio::sync::watch;
use tokio::time::timeout;

use self::actor::Reader;
use self::closing::Close;
use self::live::Live;
use self::output::Output;
pub use self::settings::{Compression, Random, Settings, SystemRandom};
use self::shared::Shared;
use self::stats::Counters;
pub use self::stats::SessionStats;
use crate::broadcaster::Broadcaster;
use crate::wire::auth::Claim;

/// When a subscriber that was put off may come again, in seconds.
const RETRY_AFTER: &str = "5";

/// Closes a second, at most, while there is time for that.
const CLOSES_PER_SECOND: f64 = 2000.0;

/// The part of the time for closing; the rest is for the subscribers' answers.
const CLOSING_SHARE: f64 = 0.7;

/// The websockets of a broadcaster, on all threads.
pub struct Sessions {
    broadcaster: Arc<Broadcaster>,
    settings: Settings,
    counters: Counters,
    places: Arc<PerAddress>,
    shared: Shared,
    /// Over how long the sessions are closed, once they are.
    drain: watch::Sender<Option<Duration>>,
    /// Set when it has been said that sessions cannot be cut.
    warned: AtomicBool,
}

impl Sessions {
    /// None yet.
    #[must_use]
    pub fn new(broadcaster: Arc<Broadcaster>, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            broadcaster,
            places: PerAddress::new(settings.max_sessions_per_address),
            settings,
            counters: Counters::default(),
            shared: Shared::default(),
            drain: watch::Sender::new(None),
            warned: AtomicBool::new(false),
        })
    }

    /// Begins a session. Must be called on a thread of the server.
    ///
    /// The server should have been built with
    /// [`Connections::on_connect`](eventhive_listener::connection::Connections): without it a session whose peer has stopped
    /// reading keeps its socket until the peer reads again or goes.
    ///
    /// # Errors
    /// The request is no handshake of a websocket: 400.
    pub fn upgrade(
        self: &Arc<Self>,
        request: HttpRequest,
        input: web::Payload,
    ) -> Result<HttpResponse, actix_web::Error> {
        let mut response = ws::handshake(&request)?;
        let address = self.settings.proxies.client(&request);
        let Some(place) = self.places.take(address) else { return Ok(self.put_off()) };
        if self.drain.borrow().is_some() || !self.counters.enter(self.settings.max_sessions) {
            return Ok(self.put_off());
        }
        let connection = request.conn_data::<Arc<Connection>>().cloned();
        if connection.is_none() && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "this server was built without `on_connect`: websockets whose peer stops reading cannot be cut"
            );
        }
        // The request's parts go back to their pool now instead of living as long as the session.
        drop(request);
        let live = Rc::new(Live::new(Arc::clone(self), connection, address, place));
        rt::spawn(live::watch_over(Rc::clone(&live)));
        rt::spawn(requests::run(Rc::clone(&live)));
        rt::spawn(receipts::run(Rc::clone(&live)));
        let most = self.settings.max_incoming_bytes;
        let guard = Guard::new(input, most, Rc::clone(&live));
        let actor = WebsocketContext::with_codec(Reader::new(Rc::clone(&live)), guard, Codec::new().max_size(most));
        Ok(response.streaming(Output::new(actor, pump::run(Rc::clone(&live)), live)))
    }

    fn put_off(&self) -> HttpResponse {
        self.counters.put_off.add_one();
        HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, RETRY_AFTER)).finish()
    }

    /// Closes all sessions, not all at once, and takes no new ones. What is being handled is finished. Done when none is left
    /// or after `within`.
    pub async fn drain(&self, within: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a time need not be exact")]
        let enough = Duration::from_secs_f64(self.counters.sessions() as f64 / CLOSES_PER_SECOND);
        self.drain.send_replace(Some(enough.min(within.mul_f64(CLOSING_SHARE))));
        if timeout(within, self.counters.none()).await.is_err() {
            tracing::warn!(sessions = self.counters.sessions(), "websockets did not end in the time for draining");
        }
    }

    /// Sessions now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.counters.sessions()
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        self.counters.read()
    }

    fn check_length(&self, length: u64) -> Result<(), Close> {
        let most = self.settings.bounds.max_message_bytes;
        if length <= most {
            return Ok(());
        }
        Err(Close::too_large(format_args!("the message has {length} bytes, at most {most} are taken")))
    }

    /// Whether a subscriber can sign that it has this part. What its scheme cannot sign here, it cannot there.
    fn can_acknowledge(&self, part_id: u64) -> bool {
        self.broadcaster.sign(&Claim::ContinueReceive { identifier: b"", part_id, url: "" }, b"").is_ok()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("settings", &self.settings)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
