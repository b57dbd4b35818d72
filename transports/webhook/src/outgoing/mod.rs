//! Requests to the urls of subscribers: quick, and safe against what strangers subscribe.
//!
//! A request goes out over a kept connection, or a new one; it is answered, times out, or the connection ends. What the answer
//! means is in its body, its status means nothing; redirects are not followed, and nothing is compressed. A request on a kept
//! connection that its host closed meanwhile is made once more, signed anew, on a new one, if nothing of an answer came.
//!
//! # How to read it
//! - [`Outgoing`]: what others use. `settings`, `report`: how requests are made, and what became of them.
//! - `target`: what a url says. `names`: from a name to addresses. `guard`: which may be called. `dial`: from a host to a
//!   connection.
//! - `hosts`, `addresses`: bounds for each host and each address, and the connections that are kept. `connection`: a request
//!   on one of them.
//! - `body`, `request`, `standard`: what is sent. `answer`: what comes back. `examine`: one request, step by step.

mod addresses;
mod answer;
mod body;
mod connection;
mod dial;
mod examine;
mod guard;
mod hosts;
mod names;
mod report;
mod request;
mod settings;
mod standard;
mod target;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::Request;
use hyper::header::HeaderValue;
use tokio::time::{Instant, timeout_at};

pub use examine::{Examination, Stage, Step};
pub use report::{Identifier, Load, Report, Verified};
pub use settings::{Objection, OutgoingError, OutgoingSettings, Unvouched, Vouch};
pub use standard::{Signed, StandardWebhooks, WebhookSecret, WebhookSecretError};

use self::body::{Parts, RequestBody};
use self::connection::{Answer, Broken, Connection, Patience};
use self::dial::{Dialer, Time, connect};
use self::guard::Guard;
use self::hosts::{AddressTurn, Bounds, Crowded, HostTurn, Hosts, Turn};
use self::names::Lookup;
use self::report::Failure;
use self::request::{Always, Call};
pub(crate) use self::target::Origin;
use self::target::Target;
use crate::message::{Body, Message};
use crate::store::Outcome;
use crate::wire::bodies::{Missed, ReceiveHead};

/// Scheme, host and port of a url in one spelling; `None` if it is none that is called.
pub(crate) fn origin(url: &str) -> Option<Arc<Origin>> {
    Target::read(url).ok().map(|target| target.origin)
}

/// Makes requests. Shared; called from any tokio runtime, and any number of them. Dropping it closes the connections that are
/// kept; cancelling a request closes its own.
pub struct Outgoing {
    settings: OutgoingSettings,
    always: Always,
    dialer: Dialer,
    hosts: Arc<Hosts>,
}

impl Outgoing {
    /// Reads the certificates that are trusted. Connects to nobody.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(settings: OutgoingSettings) -> Result<Self, OutgoingError> {
        Self::with_lookup(settings, names::system_lookup())
    }

    fn with_lookup(settings: OutgoingSettings, lookup: Lookup) -> Result<Self, OutgoingError> {
        let tls = eventhive_tls::client(settings.tls_ca.as_deref(), "tls_ca");
        let tls = tls.map_err(|problem| wrong("tls_ca", &problem))?;
        let agent = HeaderValue::from_str(&settings.user_agent);
        let agent = agent.map_err(|_| wrong("user_agent", "a header cannot have these characters"))?;
        let origin = settings.origin.as_deref().map(HeaderValue::from_str).transpose();
        let origin = origin.map_err(|_| wrong("origin", "a header cannot have these characters"))?;
        if settings.standard_webhooks.as_ref().is_some_and(|standard| standard.secrets.is_empty()) {
            return Err(wrong("standard_webhooks", "it has no secret"));
        }
        let bounds = Bounds {
            per_host: settings.per_host.max(1),
            per_host_waiting: settings.per_host_waiting,
            requests: settings.requests.max(1),
            idle: settings.idle_connections,
            idle_for: settings.idle_timeout,
        };
        let dialer = Dialer::new(Guard::new(settings.allow.clone()), tls, lookup);
        Ok(Self { always: Always::new(agent, origin), dialer, hosts: Hosts::new(bounds), settings })
    }

    /// Delivers a message to a receive url. Never fails otherwise than by its report.
    pub async fn receive(&self, url: &str, message: &Message) -> Report {
        let (begun, identifier) = (Instant::now(), fresh_identifier());
        match self.try_receive(url, message, begun, identifier).await {
            Ok((subscribers, status)) => confirmed(begun, subscribers, status, Some(identifier)),
            Err(failure) => failure.report(begun.elapsed(), Some(identifier)),
        }
    }

    /// Tells a recovery url that messages of a topic may have been missed, in no longer than that. Never fails otherwise than by
    /// its report.
    pub async fn missed(&self, recovery: &str, topic: &[u8], longest: Duration) -> Report {
        let begun = Instant::now();
        match self.try_missed(recovery, topic, begun + longest.min(self.settings.total_timeout)).await {
            Ok(status) => confirmed(begun, 0, status, None),
            Err(failure) => failure.report(begun.elapsed(), None),
        }
    }

    /// Asks a url whether it wants to be called by `origin` of the settings, as CloudEvents has it (HTTP 1.1 Web Hooks for Event
    /// Delivery 1.0.2, section 4), and at what rate. Without an `origin` nobody is asked. Who asked remembers the answer.
    ///
    /// # Errors
    /// It does not want to, or what became of the request otherwise: [`Outcome::BadAnswer`] if it answered with something else.
    pub async fn verify(&self, url: &str) -> Result<Verified, Report> {
        let begun = Instant::now();
        let Some(origin) = self.settings.origin.as_deref() else { return Ok(Verified { rate: None }) };
        let asked = async {
            let answer = self.exchange(url, Ask::Options, begun + self.settings.total_timeout).await?;
            answer::verified(origin, &answer)
        };
        asked.await.map_err(|failure| failure.report(begun.elapsed(), None))
    }

    /// How much is going on.
    #[must_use]
    pub fn load(&self) -> Load {
        self.hosts.load()
    }

    async fn try_receive(
        &self,
        url: &str,
        message: &Message,
        begun: Instant,
        identifier: Identifier,
    ) -> Result<(u32, u16), Failure> {
        let head =
            ReceiveHead { tracing: b"", topic: &message.topic, identifier: &identifier, length: message.body.len() };
        let call = receive_call(&head, url, message, identifier)?;
        let until = begun + self.settings.total_timeout;
        let answer = self.exchange(url, Ask::Post(&call, &message.body), until).await?;
        let count = answer::received(&*self.settings.vouch, url, &identifier, &answer).await?;
        Ok((count, answer.status.as_u16()))
    }

    async fn try_missed(&self, recovery: &str, topic: &[u8], until: Instant) -> Result<u16, Failure> {
        let missed = Missed { tracing: b"", topic };
        let mut bytes = Vec::with_capacity(topic.len() + 4);
        missed.write(&mut bytes).map_err(|error| request::unmade(error.to_string()))?;
        let nothing = Body::Memory(Bytes::new());
        let call = Call {
            identifier: fresh_identifier(),
            parts: Parts::new(bytes, &nothing),
            claim: missed.claim(recovery),
            digest: None,
        };
        let message = Body::Memory(Bytes::copy_from_slice(topic));
        let answer = self.exchange(recovery, Ask::Post(&call, &message), until).await?;
        answer::missed(&*self.settings.vouch, recovery, topic, &answer).await?;
        Ok(answer.status.as_u16())
    }

    /// Makes a request when its turn comes.
    async fn exchange(&self, url: &str, ask: Ask<'_>, until: Instant) -> Result<Answer, Failure> {
        let target = Target::read(url).map_err(|problem| Failure::new(Outcome::Forbidden, problem))?;
        let place = self.hosts.enter(&target.origin)?;
        let turn = place.turn(self.latest(until)).await?;
        match ask {
            Ask::Options => self.attempt(&turn, &target, until, || Ok(self.always.options(&target))).await,
            Ask::Post(call, message) => {
                let begun = Instant::now();
                let extra = request::standard_headers(&self.settings, call, message);
                let extra = timeout_at(until + connection::granted(message.len()), extra).await;
                let extra = extra.map_err(|_| request::unmade("it was not signed in time".to_owned()))??;
                let request = || self.always.post(&self.settings, &target, call, &extra);
                // What signing takes is no fault of the url.
                self.attempt(&turn, &target, until + begun.elapsed(), request).await
            }
        }
    }

    /// On a kept connection; if its host had closed it, or none is kept, on a new one.
    async fn attempt(
        &self,
        host: &HostTurn<'_>,
        target: &Target,
        mut until: Instant,
        request: impl Fn() -> Result<Request<RequestBody>, Failure>,
    ) -> Result<Answer, Failure> {
        let mut held = None;
        if let Some((turn, kept)) = host.kept(self.latest(until)).await? {
            if let Some(mut connection) = kept {
                // What has kilobytes is in boxes, because many may wait for their turn.
                match Box::pin(self.ask(&mut connection, request()?, until)).await {
                    Err(Broken::Lost { heard: false, error }) if !error.is_user() => {
                        until += connection::granted(connection.written());
                    }
                    answered => return finish(turn, connection, answered),
                }
            }
            held = Some(turn.aside());
        }
        let (turn, mut connection) = Box::pin(self.reach(host, held, &target.origin, until)).await?;
        let answered = Box::pin(self.ask(&mut connection, request()?, until)).await;
        finish(turn, connection, answered)
    }

    /// A new connection, in its turn. Its name is looked up before that: no turn is spent on waiting for name servers, but for
    /// one that was waited for already.
    async fn reach<'a>(
        &self,
        host: &'a HostTurn<'_>,
        mut held: Option<AddressTurn>,
        origin: &Origin,
        until: Instant,
    ) -> Result<(Turn<'a>, Box<Connection>), Failure> {
        let latest = self.latest(until);
        let mut time = Time::new(self.settings.connect_timeout, until, latest);
        let addresses = self.dialer.addresses(origin, &mut time).await;
        let mut addresses = addresses.inspect_err(|failure| self.hosts.note(failure.outcome))?;
        // The first that is tried takes the turn that is held, or gives it back.
        addresses.sort_by_key(|address| !held.as_ref().is_some_and(|held| held.is_of(address.ip())));
        let turn = |address, wait| {
            let held = held.take();
            async move { host.at(address, held, wait, latest).await.map_err(Failure::from) }
        };
        let (turn, stream) = connect(addresses, &mut time, turn).await?;
        let connection = self.dialer.begin(origin, stream, &mut time).await?;
        Ok((turn, connection))
    }

    /// By when a turn has to come that is waited for. With less left than a connection may take, it would be the url that
    /// fails for the wait.
    fn latest(&self, until: Instant) -> Instant {
        let OutgoingSettings { connect_timeout, total_timeout, .. } = self.settings;
        until.checked_sub(connect_timeout.min(total_timeout / 2)).unwrap_or(until)
    }

    async fn ask(
        &self,
        connection: &mut Connection,
        request: Request<RequestBody>,
        until: Instant,
    ) -> Result<Answer, Broken> {
        let patience = Patience { until, still: self.settings.read_timeout };
        connection.ask(request, self.settings.max_response_bytes, patience).await
    }
}

/// What is asked of a url.
#[derive(Clone, Copy)]
enum Ask<'a> {
    /// To take what is said; the body is what a receiver sees as the message.
    Post(&'a Call<'a>, &'a Body),
    /// Whether it wants to be called.
    Options,
}

/// Keeps the connection of an answer; what went wrong is told in words.
fn finish(turn: Turn<'_>, connection: Box<Connection>, answered: Result<Answer, Broken>) -> Result<Answer, Failure> {
    match answered {
        Ok(answer) => {
            turn.keep(connection);
            Ok(answer)
        }
        Err(broken) => Err(broken.into()),
    }
}

impl From<Crowded> for Failure {
    fn from(why: Crowded) -> Self {
        Self::new(Outcome::Crowded, why.to_string())
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Lost { error, .. } => {
                let outcome = match () {
                    () if is_unread(&error) => Outcome::OwnFault,
                    () if error.is_parse() => Outcome::BadAnswer,
                    () => Outcome::Unreachable,
                };
                Self::new(outcome, in_words(&error))
            }
            Broken::Slow => Self::new(Outcome::TimedOut, "it did not answer in time"),
            Broken::TooLong(status) => Self {
                outcome: Outcome::BadAnswer,
                status: Some(status.as_u16()),
                detail: "its answer is longer than any of this protocol".to_owned(),
            },
        }
    }
}

/// What a RECEIVE says.
fn receive_call<'a>(
    head: &ReceiveHead<'a>,
    url: &'a str,
    message: &'a Message,
    identifier: Identifier,
) -> Result<Call<'a>, Failure> {
    let mut bytes = Vec::with_capacity(message.topic.len() + 32);
    head.write(&mut bytes).map_err(|error| request::unmade(error.to_string()))?;
    let parts = Parts::new(bytes, &message.body);
    Ok(Call { identifier, parts, claim: head.claim(url, &message.sha512), digest: Some(&message.sha512) })
}

/// Whether it is our message that could not be read. An answer can be a "user error" too, such as an upgrade that nobody asked
/// for; those have no cause.
fn is_unread(error: &hyper::Error) -> bool {
    error.is_user() && std::error::Error::source(error).is_some()
}

/// An error and what caused it.
fn in_words(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    if is_unread(error) { format!("the message cannot be read{cause}") } else { format!("{error}{cause}") }
}

fn confirmed(begun: Instant, subscribers: u32, status: u16, identifier: Option<Identifier>) -> Report {
    let (outcome, status, detail) = (Outcome::Confirmed, Some(status), Box::default());
    Report { outcome, subscribers, status, detail, took: begun.elapsed(), identifier }
}

fn wrong(key: &'static str, problem: &str) -> OutgoingError {
    OutgoingError { key, problem: problem.into() }
}

/// 48 bits, as characters.
fn fresh_identifier() -> Identifier {
    let mut identifier = [0; 8];
    let random = fastrand::u64(..).to_be_bytes();
    // 6 bytes are 8 characters, exactly.
    let _ = URL_SAFE_NO_PAD.encode_slice(&random[..6], &mut identifier);
    identifier
}
