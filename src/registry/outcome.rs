//! What came of a call, hook by hook.

use std::fmt;
use std::sync::Arc;

use eventhive_transport::EventName;
use serde_json::Value;
use smallvec::SmallVec;

use crate::handler::HookError;
use crate::payload::Misfit;
use crate::registry::route::{RouteError, Sent};

/// What became of one hook in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    hook: Arc<str>,
    status: Status,
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// It returned this value; null for a handler that returns nothing.
    Value(Value),
    /// It returned an error.
    Failed(HookError),
    /// The event did not fit what the handler takes; it did not run.
    Refused(Refusal),
    /// It panicked; the text is the panic's message. The hook has been restarted.
    Panicked(String),
    /// It did not run, or was not waited for.
    Skipped(Skip),
}

/// Why a hook did not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// It was declared to run after these modules, none of which has a hook on this event yet.
    #[error("it waits for hooks of {}", .0.join(", "))]
    Waiting(Vec<Arc<str>>),
    /// An earlier hook did not succeed, and the call was told to stop there.
    #[error("hook `{0}` did not succeed before it")]
    Stopped(Arc<str>),
    /// Its mailbox was full; its overflow policy refused this event.
    #[error("its mailbox was full")]
    Full,
    /// The event waited in its mailbox and was given up for newer ones.
    #[error("it was given up for newer events")]
    Evicted,
    /// It was unhooked, or its thread has ended.
    #[error("it was closed")]
    Closed,
    /// It was a request, and its deadline was over before its turn came.
    #[error("the request's deadline was over before its turn came")]
    Expired,
    /// It did not answer within the call's time. It may still run.
    #[error("it did not answer in time")]
    TimedOut,
}

/// An event that does not fit what a handler takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{event}` does not fit hook `{hook}`: {misfit}")]
pub struct Refusal {
    /// The event.
    pub event: EventName,
    /// The hook.
    pub hook: Arc<str>,
    /// The field and what is wrong with it.
    pub misfit: Misfit,
}

impl Outcome {
    pub(crate) const fn new(hook: Arc<str>, status: Status) -> Self {
        Self { hook, status }
    }

    /// The hook's name.
    #[must_use]
    pub fn hook(&self) -> &str {
        &self.hook
    }

    /// How it ended.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// What it returned, if it succeeded.
    #[must_use]
    pub const fn value(&self) -> Option<&Value> {
        match &self.status {
            Status::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it succeeded.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self.status, Status::Value(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.status {
            Status::Value(value) => write!(f, "hook `{}` returned {value}", self.hook),
            Status::Failed(error) => write!(f, "hook `{}` failed: {error}", self.hook),
            Status::Refused(refusal) => refusal.fmt(f),
            Status::Panicked(message) => write!(f, "hook `{}` panicked: {message}", self.hook),
            Status::Skipped(skip) => write!(f, "hook `{}` was skipped: {skip}", self.hook),
        }
    }
}

/// The outcomes of the hooks that ran earlier in the same call, in order. A handler that takes this argument runs only
/// when all hooks before it have ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Earlier(Arc<[Outcome]>);

impl Earlier {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        Self(outcomes.into())
    }

    /// The value that the named hook returned.
    #[must_use]
    pub fn value_of(&self, hook: &str) -> Option<&Value> {
        value_of(&self.0, hook)
    }

    /// The outcome right before this hook.
    #[must_use]
    pub fn last(&self) -> Option<&Outcome> {
        self.0.last()
    }
}

impl std::ops::Deref for Earlier {
    type Target = [Outcome];
    fn deref(&self) -> &[Outcome] {
        &self.0
    }
}

/// The outcomes of all hooks of one call, in the order of the hooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    event: EventName,
    list: SmallVec<[Outcome; 1]>,
    published: Option<Result<Sent, RouteError>>,
}

impl Outcomes {
    pub(crate) fn new(
        event: EventName,
        list: SmallVec<[Outcome; 1]>,
        published: Option<Result<Sent, RouteError>>,
    ) -> Self {
        Self { event, list, published }
    }

    /// The event that was called.
    #[must_use]
    pub const fn event(&self) -> &EventName {
        &self.event
    }

    /// What the network said, for an event that was published to one.
    #[must_use]
    pub const fn published(&self) -> Option<&Result<Sent, RouteError>> {
        self.published.as_ref()
    }

    /// The values of the hooks that succeeded, in order.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.list.iter().filter_map(Outcome::value)
    }

    /// The value of the first hook that succeeded.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        self.values().next()
    }

    /// The value that the named hook returned.
    #[must_use]
    pub fn value_of(&self, hook: &str) -> Option<&Value> {
        value_of(&self.list, hook)
    }

    /// Whether every hook succeeded and, for a remote event, the network took it.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !matches!(self.published, Some(Err(_))) && self.list.iter().all(Outcome::is_ok)
    }

    /// The first outcome that is no success.
    #[must_use]
    pub fn first_problem(&self) -> Option<&Outcome> {
        self.list.iter().find(|outcome| !outcome.is_ok())
    }
}

impl std::ops::Deref for Outcomes {
    type Target = [Outcome];
    fn deref(&self) -> &[Outcome] {
        &self.list
    }
}

fn value_of<'a>(outcomes: &'a [Outcome], hook: &str) -> Option<&'a Value> {
    outcomes.iter().find(|outcome| &*outcome.hook == hook)?.value()
}
