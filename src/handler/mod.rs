//! Handlers: what a function must look like to be hooked.
//!
//! A handler is a function or closure, `async` or not, of up to eight arguments, each of which says by its type what it
//! takes from the event ([`FromEvent`]); it returns something that implements [`Respond`]. The address of an actix
//! actor that handles [`Event`] is a handler too.
//!
//! | argument | what it is |
//! |---|---|
//! | [`Json<T>`] | the payload as a `T`; a payload that does not fit is refused, counted, and named in the outcome |
//! | `Option<Json<T>>` | the same, `None` if it does not fit |
//! | [`Event`] | the event itself |
//! | [`Metadata`](crate::Metadata) | its id, time, version and full name |
//! | [`EventName`](eventhive_transport::EventName) | its name, for hooks of globs |
//! | [`State<T>`] | a state given to the hive's builder; a missing one is an error when hooking |
//! | [`Earlier`] | the outcomes of the hooks before this one in the same call |
//! | [`Hive`](crate::Hive) | the hive, to call other events |
//!
//! An `async` handler runs on a thread of the hive together with others, so it must not block that thread. A handler
//! that is not `async` may block: it runs on a thread of its own as long as it has events
//! (see [`HookBuilder::inline`](crate::HookBuilder::inline) for the way around).

mod actor;
mod error;
mod extract;
mod functions;
mod respond;
mod states;

use std::sync::Arc;

use crate::Event;
use crate::registry::hook::{Hook, Running};
use crate::registry::{Earlier, SetupError};

pub use error::HookError;
pub use extract::{ExtractError, FromEvent, Json, State};
pub use respond::Respond;
pub(crate) use states::States;

/// Something that can be hooked. `M` tells the kinds of handlers apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be hooked",
    label = "not a handler",
    note = "a handler is a function of up to 8 arguments that implement `FromEvent` (such as `Json<T>` or `Event`), and returns `()`, `Json<T>`, a JSON scalar, or a `Result` of these",
    note = "a type of your own is returned as `Json(value)`"
)]
pub trait Handler<M>: Send + 'static {
    /// Checks what the handler needs, and makes it ready to start.
    #[doc(hidden)]
    fn prepare(self, setup: &Setup<'_>) -> Result<Prepared, SetupError>;
}

/// What a handler can be checked against when it is hooked.
pub struct Setup<'a> {
    pub(crate) hook: &'a Arc<str>,
    pub(crate) states: &'a States,
}

/// A checked handler.
#[doc(hidden)]
pub struct Prepared {
    pub(crate) asks_earlier: bool,
    /// Runs on the thread of the hook.
    pub(crate) start: Box<dyn FnOnce(Running) + Send>,
}

/// One event in front of one hook: what arguments are made from.
pub struct Context<'a> {
    pub(crate) hook: &'a Hook,
    pub(crate) event: &'a Event,
    pub(crate) earlier: Option<&'a Earlier>,
}

impl Context<'_> {
    /// The event.
    #[must_use]
    pub const fn event(&self) -> &Event {
        self.event
    }

    /// The name of the hook.
    #[must_use]
    pub fn hook(&self) -> &str {
        self.hook.name()
    }
}
