//! Ask and get an answer.
//!
//! [`Hive::request`](crate::Hive::request) calls an event and waits for what a hook returns, wherever the hook is;
//! [`Hive::request_all`](crate::Hive::request_all) gathers the answers of several hives. The hook is a hook like any
//! other: it need not know that somebody waits.
//!
//! # How it travels
//!
//! A request is an ordinary event with two more keys in its metadata. The answer is an ordinary event too, sealed like
//! every other, on the name that the request gives. It works over every wire that carries events.
//!
//! | key in the metadata of a request | value |
//! |---|---|
//! | `reply_to` | the full name of the event to answer with: the network, a segment that begins with `inbox-` and that nobody can guess, and the request's id |
//! | `deadline` | seconds since the epoch, by the asker's clock, after which nobody waits any more; may be left out |
//!
//! | key in the metadata of an answer | value |
//! |---|---|
//! | `in_reply_to` | the `id` of the request |
//! | `reply` | `value` or `error` |
//! | `from` | an id of the hive that answers, made at its start, of at most 64 bytes; may be left out |
//!
//! | `reply` | payload |
//! |---|---|
//! | `value` | `{"value": what the hook returned}` |
//! | `error` | `{"error": {"kind": K, "message": text}}`, where it applies with `code` (the handler's own word), `field` (of the payload) and `hook` (its name) |
//!
//! The kinds are those of [`RemoteErrorKind`]; readers take a kind that they do not know for a failure. An answer without
//! `in_reply_to` and `reply` is taken whole: its payload is the value. So a hive of Python eventhive answers by calling the name in
//! `reply_to` with what it has to say; one that does not look at the metadata just handles the event, and the request
//! times out.
//!
//! # Rules
//!
//! - Among the hooks of one hive, the first in order that returned something other than null answers; if all returned
//!   null, the answer is null; if none succeeded, it is the first error.
//! - A hive without a hook for the event answers `no_hook`, so that askers need not wait.
//! - A hive does not run a request whose deadline passed more than [`CLOCK_TOLERANCE`] ago by its own clock, and answers
//!   `expired`. Clocks that differ by more than that make live requests fail, and the error says so.
//! - A hive only answers to names of the same network whose second segment begins with `inbox-`: a request cannot make it
//!   call an event of somebody else.
//! - Of one hive one answer counts; what comes later, or twice, is dropped and counted. An answer runs no hooks.
//! - A request is delivered like any event, and hooks see a repeated one once. An answer that was sent while the asker was
//!   not connected is lost where the wire keeps nothing: the request then times out, though the hook has run.
//!
//! # How to read it
//! `options`, `replies` and `error` are what users hold, `verbs` the methods of the hive; `answer` is what hooks
//! come to, `body` its form on the wire, `alarm` a deadline. The two ends on the network are in `connector`: `asker` and `desk`.

mod alarm;
pub(crate) mod answer;
pub(crate) mod body;
mod error;
mod options;
mod replies;
mod verbs;

use std::time::{Duration, SystemTime};

pub use error::{RemoteError, RemoteErrorKind, RequestError};
pub use options::RequestOptions;
pub use replies::{End, Replies, Reply};

use crate::Event;

/// How long after its deadline a request is still run. Two machines that keep time by NTP differ by milliseconds; a virtual
/// machine that has been asleep by a second or two.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);

/// How long ago the deadline of a request was, if it must not be run any more.
pub(crate) fn overdue(event: &Event) -> Option<Duration> {
    let late = SystemTime::now().duration_since(event.deadline()?).ok()?;
    (late > CLOCK_TOLERANCE).then_some(late)
}
