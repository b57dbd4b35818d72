//! What a cursor tells, and to whom.

use std::sync::Arc;

use eventhive_hub::{
    Access, Backlog, BacklogBounds, BacklogError, Cursor, CursorError, DiskBacklog, DiskSettings, Draft, Hub,
    HubSettings, MemoryBacklog, Message, PublicCursor,
};
use tempfile::tempdir;

use crate::support::run;

/// A cursor of this form that no hub has made.
const MADE_UP: &str = "8c13f3e9-2e8c-8a51-8a05-0123456789ab";

fn publish(hub: &Hub, topic: &str, private: bool) -> PublicCursor {
    let published = hub.publish(Draft::json(topic, "1").private(private)).unwrap();
    assert_eq!(published.private, private);
    hub.public(published.cursor, published.private)
}

async fn find(hub: &Hub, cursor: PublicCursor, access: Option<&dyn Access>) -> Result<Cursor, CursorError> {
    match hub.find(cursor, access).await {
        Ok(place) => Ok(place),
        Err(BacklogError::Cursor(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_private_messages_cursor_is_as_unknown_as_any_text_to_who_may_not_see_it() {
    run(async {
        let folder = tempdir().unwrap();
        let disk = || Arc::new(DiskBacklog::open(DiskSettings::new(folder.path())).unwrap());
        let backlogs: [Arc<dyn Backlog>; 2] = [Arc::new(MemoryBacklog::new(BacklogBounds::default())), disk()];
        for (on_disk, backlog) in [false, true].into_iter().zip(backlogs) {
            let mut hub = Hub::with_backlog(HubSettings::default(), backlog);
            let given =
                [("open/1", false), ("green/1", true), ("open/2", false)].map(|(topic, is)| publish(&hub, topic, is));
            if on_disk {
                hub.close().await;
                drop(hub);
                hub = Hub::with_backlog(HubSettings::default(), disk());
            }
            let green = |message: &Message| message.topic().as_bytes().starts_with(b"green");
            let red = |message: &Message| message.topic().as_bytes().starts_with(b"red");
            let everyone: [Option<&dyn Access>; 3] = [None, Some(&red), Some(&green)];
            for (who, access) in everyone.into_iter().enumerate() {
                let [before, private, behind] = [0, 1, 2].map(|at| find(&hub, given[at], access));
                let unknown = find(&hub, MADE_UP.parse().unwrap(), access).await;
                assert!(matches!(unknown, Err(CursorError::Unknown { oldest: Some(_) })), "{unknown:?}");
                let (before, private, behind) = (before.await.unwrap(), private.await, behind.await.unwrap());
                let expected = if who == 2 { Ok(before.next()) } else { unknown };
                assert_eq!((private, behind), (expected, before.next().next()), "{who}");
            }
        }
    });
}

#[test]
fn behind_the_last_that_went_is_a_place_but_not_by_the_cursor_of_a_private_message() {
    run(async {
        let all = |_: &Message| true;
        for private in [false, true] {
            let settings = BacklogBounds { messages: 1, ..BacklogBounds::default() };
            let hub = Hub::new(HubSettings { backlog: settings, ..HubSettings::default() });
            let gone = publish(&hub, "a", private);
            let kept = publish(&hub, "a", private);
            assert_eq!(find(&hub, gone, Some(&all)).await.is_ok(), !private, "nobody can tell any more whose it was");
            assert!(find(&hub, kept, Some(&all)).await.is_ok());
        }
    });
}

#[test]
fn a_cursor_leads_nowhere_in_another_log() {
    run(async {
        let (one, other) = (Hub::new(HubSettings::default()), Hub::new(HubSettings::default()));
        let cursor = publish(&one, "a", false);
        publish(&other, "a", false);
        assert!(find(&one, cursor, None).await.is_ok());
        assert!(find(&other, cursor, None).await.is_err());
    });
}
