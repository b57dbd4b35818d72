//! How a subscriber is made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eventhive_listener::{DoorPlan, Listen, Listeners};
use eventhive_transport::Backoff;
use rustls::ClientConfig;
use tokio::sync::watch;

use super::asker::{Asker, Patience};
use super::broadcasters::Broadcaster;
use super::buffer::WhenFull;
use super::condition::{Status, Teller};
use super::credentials::Credentials;
use super::error::BuildError;
use super::exchange::{Exchange, Timeouts};
use super::http::{self, Http, HttpSettings, Pulse, Receiver, Urls};
use super::missed::Missed;
use super::outbox::Outbox;
use super::table::{Pace, Table, Way};
use super::websocket::{self, Retry, Websocket, WebsocketSettings};
use super::{Inner, Running, Subscriber};
use crate::broadcaster::Schemes;
use crate::compression::{Bounds, Dictionary};
use crate::wire::stateful::Mode;
use crate::wire::stateful::split::{DEFAULT_MAX_BYTES, PYTHON_BROADCASTER_MAX_BYTES};

/// On which wire messages come.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Upgrade {
    /// Over HTTP, to a url of ours.
    #[default]
    Never,
    /// Over a websocket.
    Websocket,
    /// Over HTTP, and of what is busy over a websocket.
    ///
    /// A topic or pattern changes after a second with as many messages, and back after one with fewer than `quiet`. While
    /// it changes it is subscribed on both wires, and of the two copies of a message one is taken: nothing is lost, and
    /// nothing comes twice. What cannot be told apart are messages with the same topic and the same bytes. Where a wire
    /// brings several of those during the change, they come once or twice. Where one came on the first wire alone, in the
    /// moment before the second stood, the next one is passed over if it is the only one within half a minute. Messages of
    /// one publisher keep their order.
    Auto {
        /// Messages a second.
        busy: f64,
        /// Messages a second; less than `busy`.
        quiet: f64,
    },
}

/// For how long after a change copies of both wires are told apart: what Python's broadcaster takes at most to deliver.
const LINGER: Duration = Duration::from_secs(30);

/// How often a subscriber looks what is busy.
const LOOK: Duration = Duration::from_secs(1);

/// How a subscriber behaves. Every setting but the broadcasters has a default.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(crate) broadcasters: Vec<Broadcaster>,
    pub(crate) schemes: Schemes,
    pub(crate) upgrade: Upgrade,
    pub(crate) receive_url: Option<String>,
    pub(crate) listen: Option<Listen>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) rounds: u32,
    pub(crate) retry_ambiguous: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) check_interval: Duration,
    pub(crate) buffer_bytes: u64,
    pub(crate) when_full: WhenFull,
    pub(crate) spool_bytes: usize,
    pub(crate) max_message_bytes: u64,
    pub(crate) send_queue_bytes: usize,
    pub(crate) part_bytes: usize,
    pub(crate) heartbeat: Duration,
    pub(crate) min_reconnect_interval: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) compression: bool,
    pub(crate) training: bool,
    pub(crate) dictionaries: BTreeMap<u16, Arc<Dictionary>>,
    pub(crate) initial_dictionary: Option<u16>,
    /// Of a link: it holds on to one broadcaster, and whoever publishes decides what is sent again.
    pub(crate) link: Option<LinkMode>,
}

/// How a link differs from a library: it tries for ever, and gives back what was not confirmed.
#[derive(Debug, Clone)]
pub(crate) struct LinkMode {
    pub(crate) pulse: Duration,
    pub(crate) backoff: Backoff,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            broadcasters: Vec::new(),
            schemes: Schemes::default(),
            upgrade: Upgrade::default(),
            receive_url: None,
            listen: None,
            tls: None,
            rounds: 3,
            retry_ambiguous: true,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            check_interval: Duration::from_secs(300),
            buffer_bytes: 16 << 20,
            when_full: WhenFull::default(),
            spool_bytes: 1 << 20,
            max_message_bytes: u64::MAX,
            send_queue_bytes: 16 << 20,
            part_bytes: DEFAULT_MAX_BYTES,
            heartbeat: Duration::from_secs(10),
            min_reconnect_interval: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
            compression: true,
            training: true,
            dictionaries: BTreeMap::new(),
            initial_dictionary: None,
            link: None,
        }
    }
}

/// `name(value)` sets a field.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        $($(#[$doc])* pub fn $name(mut self, $name: $kind) -> Self {
            self.$name = $name;
            self
        })*
    };
}

impl Builder {
    /// One more broadcaster. All of them have to serve the same subscriptions.
    pub fn broadcaster(mut self, broadcaster: Broadcaster) -> Self {
        self.broadcasters.push(broadcaster);
        self
    }

    /// Where broadcasters reach this subscriber, such as `http://example.com:3002/prefix`. It is the subscriber's identity:
    /// two with the same url end each other's subscriptions. With a [`listen`](Self::listen) of a plain address it can be
    /// left out.
    pub fn receive_url(mut self, url: impl Into<String>) -> Self {
        self.receive_url = Some(url.into());
        self
    }

    /// Starts a listener for what broadcasters deliver. Without one, and with a url, the [`Receiver`] has to be mounted
    /// elsewhere; with neither, an HTTP subscriber only publishes.
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen = Some(listen);
        self
    }

    /// What to trust, and how, for broadcasters with `https`. Without it the system's certificates are.
    pub fn tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// A dictionary that both ends know by this number, from 2 on.
    pub fn dictionary(mut self, id: u16, dictionary: Arc<Dictionary>) -> Self {
        self.dictionaries.insert(id, dictionary);
        self
    }

    /// Asks broadcasters for this dictionary from the beginning.
    pub fn initial_dictionary(mut self, id: u16) -> Self {
        self.initial_dictionary = Some(id);
        self
    }

    setters! {
        /// The secrets of both directions. Default: none.
        schemes: Schemes;
        /// On which wire messages come. Default: HTTP.
        upgrade: Upgrade;
        /// How often the list of broadcasters is gone through before a request, or a websocket, is given up. Before each
        /// round but the first it waits 1, 2, 4 .. seconds, and up to one more. Default: 3.
        rounds: u32;
        /// Whether a request goes to the next broadcaster when nobody knows whether it was done. Default: yes; then a
        /// message may come twice.
        retry_ambiguous: bool;
        /// How long connecting may take. Default: 10 s.
        connect_timeout: Duration;
        /// How long a broadcaster may take to answer, and a second more for each MiB of a message. Default: 30 s.
        request_timeout: Duration;
        /// How often subscriptions over HTTP are compared with the broadcasters'. Default: 300 s.
        check_interval: Duration;
        /// What may wait in each subscription, in bytes. Default: 16 MiB.
        buffer_bytes: u64;
        /// What becomes of messages that no longer fit there. Default: the oldest go.
        when_full: WhenFull;
        /// Longer messages are in temporary files. Default: 1 MiB.
        spool_bytes: usize;
        /// Longer messages are not taken. Default: no limit.
        max_message_bytes: u64;
        /// What may wait to be sent over a websocket, in bytes of memory; who publishes more waits. Default: 16 MiB.
        send_queue_bytes: usize;
        /// The largest message of the websocket to send; longer messages go in parts. Default: 3.5 MiB.
        part_bytes: usize;
        /// After this much silence on a websocket the broadcaster is pinged. Default: 10 s.
        heartbeat: Duration;
        /// A websocket that lasted for as long makes the rounds begin anew. Default: 60 s.
        min_reconnect_interval: Duration;
        /// How long closing may take. Default: 5 s.
        close_timeout: Duration;
        /// Whether messages may be compressed on a websocket. Default: yes.
        compression: bool;
        /// Whether broadcasters may train dictionaries. Default: yes.
        training: bool;
    }

    /// Starts it, inside a tokio runtime, in which its tasks run. A listener is started before this returns, which takes a
    /// moment; broadcasters are asked in the background.
    ///
    /// # Errors
    /// A url that is none, a listener that cannot be started, no broadcaster.
    pub fn build(mut self) -> Result<Subscriber, BuildError> {
        if self.broadcasters.is_empty() {
            return Err(BuildError::NoBroadcaster);
        }
        let tls = match self.tls.take() {
            Some(tls) => tls,
            None if self.broadcasters.iter().any(|one| one.tls) => {
                eventhive_tls::client(None, "tls_ca").map_err(BuildError::Tls)?
            }
            None => no_tls()?,
        };
        let first = if self.upgrade == Upgrade::Websocket { Way::Websocket } else { Way::Http };
        let (table, teller) = (Arc::new(Table::new(first)), Arc::new(Teller::new()));
        let credentials = Arc::new(Credentials::new(self.schemes.clone()));
        let (stop, stopped) = watch::channel(false);
        let mut running = Running::default();
        let mut http = None;
        if self.upgrade != Upgrade::Websocket {
            let mut made = self.http(&table, &teller, &credentials, &tls)?;
            made.outbox = self.link.as_ref().map(|_| Arc::new(Outbox::new(self.send_queue_bytes, false)));
            let made = Arc::new(made);
            if let Some(outbox) = &made.outbox {
                let publishing = http::publish(Arc::clone(&made), Arc::clone(outbox), stopped.clone());
                running.tasks.push(tokio::spawn(publishing));
            }
            running.listeners = self.start_listener(&made)?;
            running.tasks.push(tokio::spawn(http::keep(Arc::clone(&made), stopped.clone())));
            if made.urls.get().is_none() {
                teller.set(Status::Ok);
            }
            http = Some(made);
        }
        let mut websocket = None;
        if self.upgrade != Upgrade::Never {
            let own = if http.is_some() { Arc::new(Teller::new()) } else { Arc::clone(&teller) };
            let made = Arc::new(self.websocket(&table, &own, &credentials, &tls));
            running.tasks.push(tokio::spawn(follow(Arc::clone(&made), Arc::clone(&table), stopped.clone())));
            websocket = Some(made);
        }
        if let (Upgrade::Auto { busy, quiet }, Some(websocket)) = (self.upgrade, &websocket) {
            let pace = Pace { busy, quiet, linger: LINGER };
            running.tasks.push(tokio::spawn(shift(
                Arc::clone(&table),
                Arc::clone(&websocket.teller),
                pace,
                stopped.clone(),
            )));
        }
        let outbox = match (&http, &websocket) {
            (None, Some(websocket)) => Some(Arc::clone(&websocket.outbox)),
            (Some(http), _) => http.outbox.clone(),
            (None, None) => None,
        };
        Ok(Subscriber(Arc::new(Inner {
            table,
            teller,
            http,
            outbox,
            buffer_bytes: self.buffer_bytes,
            when_full: self.when_full,
            spool_bytes: self.spool_bytes,
            close_timeout: self.close_timeout,
            running: Mutex::new(running),
            stop,
        })))
    }

    fn http(
        &self,
        table: &Arc<Table>,
        teller: &Arc<Teller>,
        credentials: &Arc<Credentials>,
        tls: &Arc<ClientConfig>,
    ) -> Result<Http, BuildError> {
        let timeouts = Timeouts { connect: self.connect_timeout, request: self.request_timeout };
        let exchange = |to: &Broadcaster| Exchange::new(to.clone(), Arc::clone(tls), timeouts);
        let (rounds, retry_ambiguous) =
            if self.link.is_some() { (1, false) } else { (self.rounds, self.retry_ambiguous) };
        let asker = Asker {
            exchanges: self.broadcasters.iter().map(exchange).collect(),
            patience: Patience { rounds, retry_ambiguous },
        };
        let pulse = self.link.as_ref().map(|link| Pulse { every: link.pulse, backoff: link.backoff.clone() });
        let settings = HttpSettings {
            spool_bytes: self.spool_bytes,
            max_message_bytes: self.max_message_bytes,
            check_interval: self.check_interval,
            check_after_missed: CHECK_AFTER_MISSED.min(self.check_interval),
            pulse,
        };
        let made = Http::new(Arc::clone(table), Arc::clone(teller), Arc::clone(credentials), asker, settings);
        if let Some(url) = &self.receive_url {
            let _ = made.urls.set(Urls::new(url)?);
        }
        Ok(made)
    }

    /// Starts the listener, if there is to be one, and finds out where it is.
    fn start_listener(&mut self, http: &Arc<Http>) -> Result<Option<Listeners>, BuildError> {
        let Some(listen) = self.listen.take() else { return Ok(None) };
        let (host, tls) = (listen.host.clone(), listen.tls.is_some());
        let receiver = Arc::new(Receiver(Arc::clone(http)));
        let path = http.urls.get().map_or("", |urls| urls.path.as_str());
        let plan = DoorPlan::new("webhook subscriber", listen, "http", format!("{path}/v1"), receiver);
        let listeners = Listeners::start(vec![plan]).map_err(|errors| {
            BuildError::Listen(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        if http.urls.get().is_none() {
            let bound = listeners.addresses();
            let port = bound.first().map_or(0, |bound| bound.address.port());
            let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
            if matches!(host.as_str(), "" | "*" | "0.0.0.0" | "[::]") {
                return Err(BuildError::Url {
                    url: host,
                    problem: "does not say how broadcasters reach us: set the receive url",
                });
            }
            let scheme = if tls { "https" } else { "http" };
            let _ = http.urls.set(Urls::new(&format!("{scheme}://{host}:{port}"))?);
        }
        Ok(Some(listeners))
    }

    fn websocket(
        &self,
        table: &Arc<Table>,
        teller: &Arc<Teller>,
        credentials: &Arc<Credentials>,
        tls: &Arc<ClientConfig>,
    ) -> Websocket {
        let on_demand = matches!(self.upgrade, Upgrade::Auto { .. });
        let retry = match &self.link {
            Some(link) => Retry::Forever(link.backoff.clone()),
            None if on_demand => Retry::Forever(Backoff::new(Duration::from_secs(1), Duration::from_secs(60))),
            None => Retry::Rounds { more: self.rounds.saturating_sub(1), lasting: self.min_reconnect_interval },
        };
        let bounds =
            Bounds { spool_bytes: self.spool_bytes, max_message_bytes: self.max_message_bytes, ..Bounds::default() };
        let settings = WebsocketSettings {
            mode: Mode::Minimal,
            part_bytes: self.part_bytes,
            max_incoming_bytes: PYTHON_BROADCASTER_MAX_BYTES + HEADERS,
            bounds,
            open_timeout: self.connect_timeout,
            heartbeat: self.heartbeat,
            close_timeout: self.close_timeout,
            compression: self.compression,
            training: self.training,
            initial_dictionary: self.initial_dictionary,
            dictionaries: self.dictionaries.clone(),
            retry,
            on_demand,
        };
        Websocket {
            table: Arc::clone(table),
            teller: Arc::clone(teller),
            credentials: Arc::clone(credentials),
            broadcasters: self.broadcasters.clone(),
            tls: Arc::clone(tls),
            outbox: Arc::new(Outbox::new(self.send_queue_bytes, self.link.is_none())),
            missed: Missed::default(),
            settings,
        }
    }
}

/// Python's broadcaster sweeps every 10 s, and deletes a subscription after the sweep in which it said MISSED.
const CHECK_AFTER_MISSED: Duration = Duration::from_secs(12);

/// A part may be somewhat larger than its limit, by its headers.
const HEADERS: usize = 1 << 20;

/// For broadcasters without TLS: trusts nobody.
fn no_tls() -> Result<Arc<ClientConfig>, BuildError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| BuildError::Tls(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()))
}

/// Runs the websocket client. When it gives up, all is over.
async fn follow(client: Arc<Websocket>, table: Arc<Table>, stopped: watch::Receiver<bool>) {
    let alone = !client.settings.on_demand;
    websocket::run(Arc::clone(&client), stopped).await;
    if alone {
        client.teller.set(Status::Abandoned);
        table.close();
    }
}

/// Looks from time to time what is busy.
async fn shift(table: Arc<Table>, websocket: Arc<Teller>, pace: Pace, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let usable = !matches!(websocket.status(), Status::Lost(_) | Status::Abandoned);
        table.shift(Instant::now(), pace, usable);
    }
}
