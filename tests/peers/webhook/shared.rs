//! Broadcasters that share their subscriptions: ours and Python's on one SQLite file.

use std::rc::Rc;

use super::auth::Folder;
use super::broadcaster::{Broadcaster, Kind};
use super::client::{Client, Wire, said};
use crate::http::served::until;

#[test]
fn a_subscription_at_either_broadcaster_of_a_sqlite_file_is_served_by_both() {
    let folder = Rc::new(Folder::signed());
    let broadcasters = [Kind::Python, Kind::Ours].map(|kind| Broadcaster::start(kind, &folder));
    for (at, topic) in [(0, "a"), (1, "b")] {
        let mut subscriber = Client::start(&broadcasters[at], Wire::Http);
        let glob = format!("{topic}/*");
        subscriber.subscribe(&[topic], &[&glob]);
        for broadcaster in &broadcasters {
            let mut notifier = Client::start(broadcaster, Wire::Http);
            for topic in [topic.to_owned(), format!("{topic}/x")] {
                // The other may learn of it a moment later.
                until("it is served", || notifier.notify(&topic, "hello") == 1);
                assert_eq!(subscriber.heard(), said(&topic, "hello"));
            }
        }
    }
}
