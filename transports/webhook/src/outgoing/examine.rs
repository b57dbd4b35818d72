//! A message to a url, step by step, for people who ask why messages do not arrive there.
//!
//! It goes the way of every other, through the same reader of urls, resolver and guard, but on a connection of its own.

use std::time::Duration;

use eventhive_tls::Io;
use tokio::time::Instant;

use super::connection::{Answer, Connection};
use super::dial::{Time, connect};
use super::report::{Failure, Identifier, Report};
use super::target::{Host, Target};
use super::{Outgoing, answer, confirmed, fresh_identifier, receive_call, request};
use crate::message::Message;
use crate::store::Outcome;
use crate::wire::bodies::ReceiveHead;

/// A part of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The url can be read.
    Url,
    /// Its name has addresses.
    Resolve,
    /// They may be called.
    Guard,
    /// One of them takes a connection.
    Connect,
    /// Its certificate is trusted. Only of `https`.
    Tls,
    /// It answers.
    Status,
    /// The answer confirms the message.
    Answer,
    /// The answer is authorized.
    Signature,
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Resolve => "resolve",
            Self::Guard => "guard",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Status => "status",
            Self::Answer => "answer",
            Self::Signature => "signature",
        }
    }
}

/// A step that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// Whether it went well. The last is the only one that may not have.
    pub passed: bool,
    /// What was found, or why it did not go well; for people.
    pub detail: Box<str>,
    /// How long it took.
    pub took: Duration,
}

/// The way of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// As far as it went.
    pub steps: Vec<Step>,
    /// What became of the message.
    pub report: Report,
}

impl Outgoing {
    /// Delivers a message as [`receive`](Self::receive) does, and tells of each step. Waits for no turn but that of its name to
    /// be looked up, and uses no kept connection.
    pub async fn examine(&self, url: &str, message: &Message) -> Examination {
        let (begun, identifier) = (Instant::now(), fresh_identifier());
        let mut steps = Steps { made: Vec::new(), begun };
        let report = match self.step_by_step(url, message, identifier, &mut steps).await {
            Ok((subscribers, status)) => confirmed(begun, subscribers, status, Some(identifier)),
            Err(failure) => failure.report(begun.elapsed(), Some(identifier)),
        };
        Examination { steps: steps.made, report }
    }

    async fn step_by_step(
        &self,
        url: &str,
        message: &Message,
        identifier: Identifier,
        steps: &mut Steps,
    ) -> Result<(u32, u16), Failure> {
        let until = Instant::now() + self.settings.total_timeout;
        let target = Target::read(url).map_err(|problem| Failure::new(Outcome::Forbidden, problem));
        let target = steps.take(Stage::Url, target, described)?;
        let mut connection = self.connect_by_steps(&target, until, steps).await?;

        let (length, topic) = (message.body.len(), &message.topic);
        let head = ReceiveHead { tracing: b"", topic, identifier: &identifier, length };
        let call = receive_call(&head, url, message, identifier)?;
        let extra = request::standard_headers(&self.settings, &call, &message.body).await?;
        let request = self.always.post(&self.settings, &target, &call, &extra)?;
        let answer = self.ask(&mut connection, request, until).await.map_err(Failure::from);
        let answer = steps.take(Stage::Status, answer, |answer| {
            format!("status {}, with {} bytes", answer.status.as_u16(), answer.body.len())
        })?;

        let count = self.judge(url, &identifier, &answer, steps).await?;
        Ok((count, answer.status.as_u16()))
    }

    async fn judge(
        &self,
        url: &str,
        identifier: &Identifier,
        answer: &Answer,
        steps: &mut Steps,
    ) -> Result<u32, Failure> {
        let count = answer::received(&*self.settings.vouch, url, identifier, answer).await;
        match &count {
            Ok(count) => {
                steps.add(Stage::Answer, true, format!("it confirms the message, for {count}"));
                steps.add(Stage::Signature, true, "it is authorized as the configuration wants it".to_owned());
            }
            Err(failure) if failure.outcome == Outcome::BadAuthorization => {
                steps.add(Stage::Answer, true, "it confirms the message".to_owned());
                steps.add(Stage::Signature, false, failure.detail.clone());
            }
            Err(failure) => steps.add(Stage::Answer, false, failure.detail.clone()),
        }
        count
    }

    async fn connect_by_steps(
        &self,
        target: &Target,
        until: Instant,
        steps: &mut Steps,
    ) -> Result<Box<Connection>, Failure> {
        let (origin, dialer) = (&target.origin, &self.dialer);
        let mut time = Time::new(self.settings.connect_timeout, until, self.latest(until));
        let late = || Failure::new(Outcome::TimedOut, "it took too long");
        let list = |addresses: &Vec<_>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let found = steps.take(Stage::Resolve, dialer.found(origin, &mut time).await, list)?;
        let allowed = steps
            .take(Stage::Guard, dialer.allowed(origin, &found), |allowed| format!("{} may be called", list(allowed)))?;
        let connected = connect(allowed, &mut time, async |_, _| Ok(Some(()))).await;
        let ((), stream) = steps.take(Stage::Connect, connected, |((), stream)| {
            stream.peer_addr().map_or_else(|_| "connected".to_owned(), |peer| format!("connected to {peer}"))
        })?;
        let io: Box<dyn Io> = if origin.tls {
            let io = time.take(1, dialer.encrypt(origin, stream)).await.ok_or_else(late).flatten();
            steps.take(Stage::Tls, io, |_| "its certificate is trusted".to_owned())?
        } else {
            Box::new(stream)
        };
        Connection::new(io).await.map_err(|error| Failure::new(Outcome::Unreachable, error.to_string()))
    }
}

fn described(target: &Target) -> String {
    let origin = &target.origin;
    let host = match &origin.host {
        Host::Address(address) => address.to_string(),
        Host::Name(name) => name.to_string(),
    };
    let scheme = if origin.tls { "https" } else { "http" };
    format!("{scheme}, host {host}, port {}", origin.port)
}

struct Steps {
    made: Vec<Step>,
    begun: Instant,
}

impl Steps {
    fn add(&mut self, stage: Stage, passed: bool, detail: String) {
        let took = self.begun.elapsed();
        self.begun = Instant::now();
        self.made.push(Step { stage, passed, detail: detail.into(), took });
    }

    /// Notes a result, and gives it back.
    fn take<T>(
        &mut self,
        stage: Stage,
        result: Result<T, Failure>,
        describe: impl FnOnce(&T) -> String,
    ) -> Result<T, Failure> {
        match &result {
            Ok(found) => self.add(stage, true, describe(found)),
            Err(failure) => self.add(stage, false, failure.detail.clone()),
        }
        result
    }
}
