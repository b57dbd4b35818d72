//! How far a subscription has come, so that it goes on there after a loss.

use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;

use super::response::Head;
use crate::wire::answers::{DOOR_HEADER, X_FETCH_SINCE, X_FETCH_SINCE_CURSOR, X_PUBSUB_REPLAY};

/// Cursors that are remembered, about 100 bytes each. A replay repeats what came in its overlap of seconds.
const MOST_CURSORS: usize = 4096;

/// An event may be stamped before a ping and come behind it; this much, in seconds, is asked for again.
const OVERLAP: f64 = 2.0;

/// How far a subscription has come.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Whether the stream has been up before.
    began: bool,
    /// The server is a door of ours.
    ours: bool,
    /// The server's clock, first and last.
    clock: Option<(f64, f64)>,
    /// The newest last.
    recent: VecDeque<String>,
    known: HashSet<String>,
}

impl Place {
    /// The headers that ask a server to go on from here.
    pub(super) fn headers(&self) -> String {
        let mut headers = String::new();
        // Writing to a string does not fail.
        if let Some(cursor) = self.recent.back() {
            let _ = write!(headers, "{X_FETCH_SINCE_CURSOR}: {cursor}\r\n");
        }
        // The original ends a stream that asks for this.
        if let (true, Some((first, last))) = (self.ours, self.clock) {
            let _ = write!(headers, "{X_FETCH_SINCE}: {:.6}\r\n", (last - OVERLAP).max(first));
        }
        headers
    }

    /// A server has answered. Gives whether events may have been missed.
    pub(super) fn answered(&mut self, head: &Head) -> bool {
        let is_first = !std::mem::replace(&mut self.began, true);
        self.ours = head.field(DOOR_HEADER).is_some();
        !is_first && head.field(X_PUBSUB_REPLAY) != Some("found")
    }

    /// The server's clock is seen.
    pub(super) fn at(&mut self, time: f64) {
        let first = self.clock.map_or(time, |(first, _)| first);
        self.clock = Some((first, time));
    }

    /// An event has come; `false` if it had come before.
    pub(super) fn is_new(&mut self, cursor: String) -> bool {
        if self.known.contains(&cursor) {
            return false;
        }
        if self.recent.len() >= MOST_CURSORS
            && let Some(oldest) = self.recent.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(cursor.clone());
        self.recent.push_back(cursor);
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn head(fields: &str) -> Head {
        let mut text = BytesMut::from(&*format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        Head::take(&mut text).unwrap().unwrap()
    }

    #[test]
    fn a_subscription_goes_on_behind_its_last_event_and_drops_what_comes_twice() {
        let mut place = Place::default();
        assert_eq!(place.headers(), "");
        assert!(!place.answered(&head("")), "the first stream misses nothing");
        place.at(100.0);
        assert!(place.is_new("a".into()) && place.is_new("b".into()) && !place.is_new("a".into()));
        place.at(110.5);
        assert_eq!(place.headers(), "x-fetch-since-cursor: b\r\n");
        assert!(place.answered(&head("Eventhive-Door: 1\r\nX-Pubsub-Replay: unknown\r\n")));
        assert!(!place.answered(&head("Eventhive-Door: 1\r\nX-Pubsub-Replay: found\r\n")));
        assert_eq!(place.headers(), "x-fetch-since-cursor: b\r\nx-fetch-since: 108.500000\r\n");
    }

    #[test]
    fn nothing_from_before_the_subscription_is_asked_for() {
        let mut place = Place::default();
        place.answered(&head("Eventhive-Door: 1\r\n"));
        place.at(100.0);
        assert_eq!(place.headers(), "x-fetch-since: 100.000000\r\n");
    }

    #[test]
    fn cursors_are_forgotten_in_time() {
        let mut place = Place::default();
        assert!((0..10_000).all(|number: u32| place.is_new(number.to_string())));
        assert_eq!((place.recent.len(), place.known.len()), (MOST_CURSORS, MOST_CURSORS));
    }
}
