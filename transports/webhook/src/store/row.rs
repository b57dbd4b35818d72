//! What is stored. Times are seconds since the epoch.

use std::time::Duration;

use crate::wire::{Interest, InterestKind};

/// The number of a subscription. Those of topics and those of patterns are counted apart. A number is not given again when its
/// row is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId {
    /// Which of the two tables has it. Topics come first.
    pub kind: InterestKind,
    /// Its number there.
    pub number: i64,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub id: RowId,
    /// Who is called.
    pub url: Box<str>,
    /// The topic, or the text of the pattern, as [`id`](Self::id) says.
    pub interest: Box<[u8]>,
    /// Who is told that a message was missed.
    pub recovery: Option<Box<str>>,
}

impl Row {
    /// What it wants. A pattern that is not UTF-8, which only a person can have written, wants nothing: `None`.
    #[must_use]
    pub fn interest(&self) -> Option<Interest<'_>> {
        match self.id.kind {
            InterestKind::Exact => Some(Interest::Exact(&self.interest)),
            InterestKind::Glob => std::str::from_utf8(&self.interest).ok().map(Interest::Glob),
        }
    }
}

/// A subscription as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// What is wanted.
    pub interest: Interest<'a>,
    /// Who is told that a message was missed.
    pub recovery: Option<&'a str>,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These rows: they came, went, or are not what they were. [`rows`](super::Subscriptions::rows) says which.
    Rows(Vec<RowId>),
    /// Anything may have: read all of it again.
    Everything,
}

/// A MISSED that is to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The subscription.
    pub row: Row,
    /// The topic of the last message that was missed.
    pub topic: Box<[u8]>,
    /// How often it was tried.
    pub attempts: u32,
    /// What [`settle`](super::Pending::settle) wants.
    pub lock: i64,
}

/// What became of a MISSED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was told, or is given up: nothing is pending any more.
    Done,
    /// It is to be tried again.
    Later {
        /// How often it was tried.
        attempts: u32,
        /// When.
        retry_at: u64,
    },
}

/// One request to a url, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began; milliseconds since the epoch.
    pub at_ms: u64,
    /// Whether it was a RECEIVE; else it was a MISSED.
    pub receive: bool,
    /// Who was called.
    pub url: Box<str>,
    /// The message's topic.
    pub topic: Box<[u8]>,
    /// The request's identifier; empty for a MISSED.
    pub identifier: Box<[u8]>,
    /// What became of it.
    pub outcome: Outcome,
    /// More of that, for people; may be empty.
    pub detail: Box<str>,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
    /// Bytes of the message.
    pub bytes: u64,
}

/// What became of a request to a url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was confirmed.
    Confirmed,
    /// It was answered that nobody there wants the topic.
    Unsubscribed,
    /// It was answered with something else.
    BadAnswer,
    /// Its answer was not authorized.
    BadAuthorization,
    /// Nobody was reached, or the connection ended.
    Unreachable,
    /// There was no answer in time.
    TimedOut,
    /// The url, or the address it leads to, may not be called.
    Forbidden,
    /// It was not tried, because the url has failed for some time.
    Held,
    /// It was not tried, because too many are under way or the rate is used up.
    Crowded,
    /// It failed here, by no fault of the url: a message that cannot be read, an authorization that can be neither made nor
    /// looked up, a store that does not say whether the url wants to be called, a machine with no room for another connection,
    /// a broadcaster that is stopped before the answer. It counts against no url.
    OwnFault,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Confirmed,
        Self::Unsubscribed,
        Self::BadAnswer,
        Self::BadAuthorization,
        Self::Unreachable,
        Self::TimedOut,
        Self::Forbidden,
        Self::Held,
        Self::Crowded,
        Self::OwnFault,
    ];

    /// The word by which tables and `hive-cli` have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unsubscribed => "unsubscribed",
            Self::BadAnswer => "bad_answer",
            Self::BadAuthorization => "bad_authorization",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Forbidden => "forbidden",
            Self::Held => "held",
            Self::Crowded => "crowded",
            Self::OwnFault => "own_fault",
        }
    }

    /// The outcome of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// Which attempts are wanted. What is `None` lets all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// To this url.
    pub url: Option<Box<str>>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Begun at this time or later; milliseconds since the epoch.
    pub since_ms: Option<u64>,
    /// At most as many.
    pub limit: usize,
}

/// A message that could not be delivered to a url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number; [`bury`](super::Journal::bury) gives it and does not read this.
    pub number: i64,
    /// When it was given up; milliseconds since the epoch.
    pub at_ms: u64,
    /// Who was to get it.
    pub url: Box<str>,
    /// Its topic.
    pub topic: Box<[u8]>,
    /// Why it was given up.
    pub outcome: Outcome,
    /// More of that, for people; may be empty.
    pub detail: Box<str>,
    /// SHA-512 of the message.
    pub sha512: [u8; 64],
    /// Bytes of the message.
    pub bytes: u64,
    /// The message; `None` if it was too large to keep, or was not asked for.
    pub body: Option<Box<[u8]>>,
}

/// How many dead letters of one url are kept. The newest is, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LettersOfUrl {
    /// At most as many.
    pub letters: u64,
    /// With at most so many bytes in their bodies.
    pub bytes: u64,
}

/// A dead letter that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buried {
    /// Its number.
    pub number: i64,
    /// How many older ones of its url were forgotten for it.
    pub forgotten: u64,
}

/// What is remembered of a url.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The url.
    pub url: Box<str>,
    /// When it began to fail, if its last request failed.
    pub failing_since: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
    /// When it was disabled, if it is.
    pub disabled_at: Option<u64>,
    /// Why, for people; may be empty.
    pub reason: Box<str>,
    /// When it showed that it wants to be called.
    pub verified_at: Option<u64>,
    /// How many requests a minute it allowed then, if it said so.
    pub allowed_rate: Option<u32>,
}

/// Which urls are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointFilter {
    /// Only those that are disabled.
    pub disabled: bool,
    /// Urls after this one.
    pub after: Option<Box<str>>,
    /// At most as many.
    pub limit: usize,
}
