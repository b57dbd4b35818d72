//! Why there is no answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::EventName;

use crate::payload::Misfit;
use crate::registry::{CallError, RouteError};

/// A request that came to no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The name is none, or nothing knows it: no event, no network.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The network did not take the request: it is no JSON object, too large, the outbox is full, the broker says no.
    #[error(transparent)]
    Refused(#[from] RouteError),
    /// Nobody listens to this event, as far as the wire can tell, or nobody who does has a hook for it.
    #[error("nobody answers `{event}`: no hive that listens has a hook for it")]
    NoListener {
        /// The event.
        event: EventName,
    },
    /// No answer came in time.
    #[error("no answer to `{event}` within {within:?}{}", if *.published { "" } else { ": it did not leave this hive" })]
    TimedOut {
        /// The event.
        event: EventName,
        /// How long there was to wait.
        within: Duration,
        /// Whether the broker has taken the request. If so, hooks may have run.
        published: bool,
    },
    /// The answer is an error of the hive that was asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The answer is no value of the type that was asked for.
    #[error("the answer to `{event}` does not fit: {misfit}")]
    Answer {
        /// The event.
        event: EventName,
        /// The field of the answer that does not fit.
        misfit: Misfit,
    },
    /// This hive is stopping.
    #[error("the hive is stopping: nobody waits for the answer any more")]
    Stopped,
}

impl RequestError {
    /// The error's word, for logs and programs: that of the [remote error](RemoteErrorKind::word), or one of `unknown`, `refused`,
    /// `no_listener`, `timed_out`, `answer` and `stopped`.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Call(_) => "unknown",
            Self::Refused(_) => "refused",
            Self::NoListener { .. } => "no_listener",
            Self::TimedOut { .. } => "timed_out",
            Self::Remote(error) => error.kind().word(),
            Self::Answer { .. } => "answer",
            Self::Stopped => "stopped",
        }
    }
}

/// An error of the hive that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteError(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    kind: RemoteErrorKind,
    message: Box<str>,
    code: Option<Box<str>>,
    field: Option<Box<str>>,
    hook: Option<Box<str>>,
    from: Option<Arc<str>>,
}

/// What kind of error a hive answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteErrorKind {
    /// `failed`: the handler returned an error.
    Failed,
    /// `misfit`: the payload does not fit what the handler takes.
    Misfit,
    /// `panicked`: the handler panicked.
    Panicked,
    /// `too_large`: the answer is larger than the wire takes, or cannot be sealed.
    TooLarge,
    /// `busy`: the hook's mailbox is full, the hive has too many requests under way, or its outbox has no room for the answer.
    Busy,
    /// `expired`: by that hive's clock, the deadline was over before the handler ran.
    Expired,
    /// `stopping`: that hive, or its hook, is being stopped.
    Stopping,
    /// `no_hook`: it has no hook for the event.
    NoHook,
    /// A kind that this version does not know.
    Other(Box<str>),
}

impl RemoteErrorKind {
    /// The kind's word, as on the wire.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Failed => "failed",
            Self::Misfit => "misfit",
            Self::Panicked => "panicked",
            Self::TooLarge => "too_large",
            Self::Busy => "busy",
            Self::Expired => "expired",
            Self::Stopping => "stopping",
            Self::NoHook => "no_hook",
            Self::Other(word) => word,
        }
    }

    pub(super) fn of(word: &str) -> Self {
        use RemoteErrorKind::{Busy, Expired, Failed, Misfit, NoHook, Panicked, Stopping, TooLarge};
        let known = [Failed, Misfit, Panicked, TooLarge, Busy, Expired, Stopping, NoHook];
        known.into_iter().find(|kind| kind.word() == word).unwrap_or_else(|| Self::Other(word.into()))
    }

    /// Whether another hive may still answer better: this one has not run the handler.
    pub(crate) const fn is_preliminary(&self) -> bool {
        matches!(self, Self::Busy | Self::Expired | Self::Stopping | Self::NoHook)
    }
}

impl RemoteError {
    pub(crate) fn new(kind: RemoteErrorKind, message: impl fmt::Display) -> Self {
        let message = message.to_string().into();
        Self(Box::new(Parts { kind, message, code: None, field: None, hook: None, from: None }))
    }

    pub(super) fn with_code(mut self, code: Option<&str>) -> Self {
        self.0.code = code.map(Into::into);
        self
    }

    pub(super) fn with_field(mut self, field: Option<&str>) -> Self {
        self.0.field = field.map(Into::into);
        self
    }

    pub(super) fn with_hook(mut self, hook: Option<&str>) -> Self {
        self.0.hook = hook.map(Into::into);
        self
    }

    pub(crate) fn with_from(mut self, from: Option<Arc<str>>) -> Self {
        self.0.from = from;
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> &RemoteErrorKind {
        &self.0.kind
    }

    /// The error in words; for [`RemoteErrorKind::Failed`] those of the handler.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The handler's own word for it ([`HookError::with_code`](crate::HookError::with_code)).
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The field of the payload that does not fit.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The hook that it is about.
    #[must_use]
    pub fn hook(&self) -> Option<&str> {
        self.0.hook.as_deref()
    }

    /// The hive that answered, if it is another one and gave its id.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.0.from.as_deref()
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, message, hook, .. } = &*self.0;
        let hook = hook.as_deref().map(|hook| format!(" in hook `{hook}`")).unwrap_or_default();
        write!(f, "the answer is an error ({}{hook}): {message}", kind.word())
    }
}

impl std::error::Error for RemoteError {}
