//! One hook: who it is, its mailbox, its counters, and what waits for its answer.

use std::panic::Location;
use std::sync::Arc;

use eventhive_transport::Overflow;
use tokio::sync::{oneshot, watch};

use crate::Event;
use crate::handler::States;
use crate::hive::WeakHive;
use crate::registry::gather::Seat;
use crate::registry::mailbox::{Bounds, Evicted, Mailbox, Rejected, Weigh};
use crate::registry::stats::{Count, Counters};
use crate::registry::{Earlier, HookStats, Pattern, Skip, Status};
use crate::request;

/// Where a hook or an event was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
}

impl From<&'static Location<'static>> for Source {
    fn from(location: &'static Location<'static>) -> Self {
        Self { file: location.file(), line: location.line() }
    }
}

/// Tells hooks apart, in the order in which they were hooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub(crate) u64);

/// What the user said about a hook.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) name: Arc<str>,
    pub(crate) module: Arc<str>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) after: Vec<Arc<str>>,
    pub(crate) order: i32,
    pub(crate) bounds: Bounds,
    pub(crate) overflow: Overflow,
    pub(crate) concurrency: usize,
    pub(crate) inline: bool,
    pub(crate) source: Source,
}

/// A hook as the registry and its actor share it.
pub(crate) struct Hook {
    pub(crate) id: HookId,
    pub(crate) options: Options,
    pub(crate) asks_earlier: bool,
    pub(crate) mailbox: Mailbox<Letter>,
    pub(crate) counters: Counters,
    pub(crate) states: Arc<States>,
    pub(crate) hive: WeakHive,
}

/// Held by what runs a hook. When it goes, for whatever reason, whoever waits for the hook must learn that no answer
/// will come.
pub(crate) struct Running {
    pub(crate) hook: Arc<Hook>,
    live: watch::Sender<usize>,
}

impl Running {
    /// Counts the hook in `live` as long as it runs.
    pub(crate) fn new(hook: Arc<Hook>, live: watch::Sender<usize>) -> Self {
        live.send_modify(|count| *count += 1);
        Self { hook, live }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hook.mailbox.abort();
        self.live.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// An event in a hook's mailbox.
pub(crate) struct Letter {
    pub(crate) event: Event,
    pub(crate) reply: Reply,
    pub(crate) earlier: Option<Earlier>,
}

/// Who waits for a hook's answer.
pub(crate) enum Reply {
    Nobody,
    Caller(oneshot::Sender<Status>),
    /// Hooks that asked for earlier results.
    Seat(Seat),
}

impl Reply {
    /// Whether the value that the handler returns is of interest.
    pub(crate) const fn wanted(&self) -> bool {
        !matches!(self, Self::Nobody)
    }

    pub(crate) fn settle(self, status: Status) {
        match self {
            Self::Nobody => {}
            // A caller that has gone away is no problem.
            Self::Caller(caller) => drop(caller.send(status)),
            Self::Seat(seat) => seat.settle(status),
        }
    }
}

impl Weigh for Letter {
    fn weight(&self) -> usize {
        self.event.payload().weight()
    }
}

impl Letter {
    pub(crate) const fn new(event: Event, reply: Reply) -> Self {
        Self { event, reply, earlier: None }
    }

    /// Whether it is a request that nobody waits for any more.
    fn is_expired(&self) -> bool {
        matches!(&self.reply, Reply::Seat(seat) if seat.is_requested()) && request::overdue(&self.event).is_some()
    }

    fn skip(self, skip: Skip) {
        self.reply.settle(Status::Skipped(skip));
    }
}

impl Hook {
    /// Hands a letter to the hook without waiting. What is not taken is counted, and whoever waits for its answer is
    /// told. Returns whether it was taken.
    pub(crate) fn offer(&self, letter: Letter) -> bool {
        let pushed = self.mailbox.push(letter);
        self.account(pushed)
    }

    /// As [`offer`](Self::offer), waiting for room under `Overflow::Block`.
    pub(crate) async fn deliver(&self, letter: Letter) -> bool {
        let pushed = self.mailbox.push_when_room(letter).await;
        self.account(pushed)
    }

    #[inline]
    fn account(&self, pushed: Result<Evicted<Letter>, Rejected<Letter>>) -> bool {
        match pushed {
            Ok(evicted) if evicted.is_empty() => true,
            problem => self.account_for_drops(problem),
        }
    }

    #[cold]
    fn account_for_drops(&self, pushed: Result<Evicted<Letter>, Rejected<Letter>>) -> bool {
        match pushed {
            Ok(evicted) => {
                for letter in evicted {
                    self.counters.add(Count::DroppedOldest);
                    letter.skip(Skip::Evicted);
                }
                true
            }
            Err(Rejected::Full(letter)) => {
                self.counters.add(Count::DroppedFull);
                letter.skip(Skip::Full);
                false
            }
            Err(Rejected::Closed(letter)) => {
                self.counters.add(Count::DroppedClosed);
                letter.skip(Skip::Closed);
                false
            }
        }
    }

    /// The letter, to be handled now. A request that waited in the mailbox past its deadline is answered with that instead.
    pub(crate) fn in_time(&self, letter: Letter) -> Option<Letter> {
        if !letter.is_expired() {
            return Some(letter);
        }
        self.counters.add(Count::DroppedExpired);
        letter.skip(Skip::Expired);
        None
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.options.name
    }

    pub(crate) fn stats(&self) -> HookStats {
        self.counters.read(self.mailbox.len())
    }

    /// Whether this hook counts as one of `module`: by its module's whole path, by its last parts, or by its own name.
    pub(crate) fn is_of(&self, module: &str) -> bool {
        let path = &*self.options.module;
        path == module
            || *self.options.name == *module
            || path.strip_suffix(module).is_some_and(|head| head.ends_with("::"))
    }
}
