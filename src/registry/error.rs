//! What can go wrong before any hook is asked.

use std::sync::Arc;

use eventhive_transport::{EventName, NameError};

use crate::payload::PayloadError;
use crate::registry::Outcome;

/// A call that reached no hook.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nothing knows this event: it was never defined or hooked, no pattern matches it, and it names no network.
    #[error("no event `{name}` is known{}: define it or hook a function to it", suggestion(nearest.as_deref()))]
    Unknown {
        /// The name that was called.
        name: EventName,
        /// The defined event whose name is nearest, if one is near.
        nearest: Option<String>,
    },
    /// The name breaks the rules for names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The payload is no JSON.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A step of a waterfall did not succeed, so the next has no input.
    #[error("the waterfall stopped: {0}")]
    Waterfall(Outcome),
    /// A blocking call from the thread that runs the hooks would wait for itself.
    #[error("a blocking call from the thread that runs the hooks would never end: use `call(..).await` there")]
    WouldBlock,
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

/// A hook, stream or event that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A name or pattern breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no pattern to hook to.
    #[error("hook `{0}` has no event: give it a name or a pattern")]
    NoPattern(Arc<str>),
    /// A handler takes a state that the hive was not given.
    #[error(
        "hook `{hook}` takes `State<{state}>`, which this hive does not have: add it with `Hive::builder().state(..)`"
    )]
    MissingState {
        /// The hook.
        hook: Arc<str>,
        /// The type of the state.
        state: &'static str,
    },
    /// The overflow policy has no meaning for a hook.
    #[error("hook `{0}`: a hook has no connection to end; use block, drop_oldest or drop_newest instead of disconnect")]
    Disconnect(Arc<str>),
    /// A bound of zero.
    #[error("hook `{hook}`: `{option}` must be at least 1")]
    Zero {
        /// The hook.
        hook: Arc<str>,
        /// The option.
        option: &'static str,
    },
    /// The hive was stopped, or its actix system has ended.
    #[error("the hive was stopped")]
    Stopped,
    /// The hive's own threads could not be started.
    #[error("the hive's threads could not be started: {0}")]
    Threads(Arc<str>),
}
