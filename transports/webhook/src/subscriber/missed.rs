//! What broadcasters say that we have missed.
//!
//! Python's broadcaster says it up to 20 times in a row, whatever it is answered. A burst is one event: it is told when
//! nothing more has come for a moment, so that whatever was lost before is covered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::table::{Arrival, Table};
use super::wish::{Wish, number};
use crate::wire::glob::Subject;

/// A burst is over when nothing came for as long,
const QUIET: Duration = Duration::from_millis(300);

/// and is told at the latest after as many of these.
const MOST_QUIETS: u32 = 16;

/// Subscriptions that are told apart; beyond them all are concerned. A topic has 65 KiB at most.
const MOST: usize = 256;

#[derive(Default)]
pub(crate) struct Missed {
    concerned: Mutex<Concerned>,
    came: Notify,
}

#[derive(Default)]
struct Concerned {
    /// Over HTTP, for names.
    names: BTreeSet<Arc<[u8]>>,
    /// Over HTTP, for patterns.
    globs: BTreeSet<u64>,
    /// Over a websocket, for whatever matches.
    topics: BTreeSet<Arc<[u8]>>,
    all: bool,
}

impl Missed {
    pub(crate) fn note(&self, arrival: Arrival, topic: &[u8]) {
        let mut concerned = self.concerned.lock().unwrap_or_else(PoisonError::into_inner);
        match arrival {
            _ if concerned.names.len() + concerned.globs.len() + concerned.topics.len() >= MOST => concerned.all = true,
            Arrival::Glob(number) => _ = concerned.globs.insert(number),
            Arrival::Exact => _ = concerned.names.insert(topic.into()),
            Arrival::Websocket => _ = concerned.topics.insert(topic.into()),
        }
        drop(concerned);
        self.came.notify_one();
    }

    /// Waits for a burst and its end.
    pub(crate) async fn burst(&self) {
        self.came.notified().await;
        for _ in 0..MOST_QUIETS {
            if timeout(QUIET, self.came.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Tells those who are concerned.
    pub(crate) fn tell(&self, table: &Table) {
        let concerned = std::mem::take(&mut *self.concerned.lock().unwrap_or_else(PoisonError::into_inner));
        table.gap(|wish| concerned.has(wish));
    }
}

impl Concerned {
    fn has(&self, wish: &Wish) -> bool {
        let by_url = match wish {
            Wish::Exact(topic) => self.names.contains(topic),
            Wish::Glob(glob) => self.globs.contains(&number(glob)),
        };
        // Of a pattern a broadcaster may know no topic, and name its text.
        let by_text = self.topics.contains(wish.interest().as_bytes());
        self.all || by_url || by_text || self.topics.iter().any(|topic| wish.matches(topic, &Subject::new(topic)))
    }
}
