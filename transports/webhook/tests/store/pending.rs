//! MISSED messages that are due later.

use eventhive_webhook::store::{RowId, Settled, Store};
use eventhive_webhook::wire::Interest;

use crate::place::Place;

const URL: &str = "http://one.example/v1/receive";
const NOW: u64 = 1_700_000_000;

pub(crate) async fn a_missed_message_is_due_when_its_time_has_come(place: Place) {
    let store = place.open().await;
    for interest in [Interest::Exact(b"topic"), Interest::Glob("top*")] {
        let id = add(&*store, interest).await;
        assert!(store.miss(id, b"topic", 3, NOW).await.unwrap());
        assert_eq!(store.due(NOW - 1).await.unwrap(), None);
        let due = store.due(NOW).await.unwrap().unwrap();
        assert_eq!((due.row.id, &*due.topic, due.attempts), (id, &b"topic"[..], 3));
        assert_eq!((&*due.row.url, due.row.interest()), (URL, Some(interest)));
        assert_eq!(due.row.recovery.as_deref(), Some("http://recovery/"));
        store.settle(due.lock, Settled::Later { attempts: 4, retry_at: NOW + 100 }).await.unwrap();
        assert_eq!(store.due(NOW + 99).await.unwrap(), None);
        let due = store.due(NOW + 100).await.unwrap().unwrap();
        assert_eq!((due.row.id, &*due.topic, due.attempts), (id, &b"topic"[..], 4));
        store.settle(due.lock, Settled::Done).await.unwrap();
        assert_eq!(store.due(NOW + 1000).await.unwrap(), None);
        assert_eq!(store.rows(&[id]).await.unwrap().len(), 1);
    }
}

pub(crate) async fn a_later_miss_does_not_put_off_what_is_pending(place: Place) {
    let store = place.open().await;
    for interest in [Interest::Exact(b"last"), Interest::Glob("*")] {
        let id = add(&*store, interest).await;
        store.miss(id, b"first", 7, NOW).await.unwrap();
        store.miss(id, b"last", 0, NOW + 10).await.unwrap();
        let due = store.due(NOW).await.unwrap().unwrap();
        assert_eq!((&*due.topic, due.attempts), (&b"last"[..], 7));
        assert_eq!(store.due(NOW + 20).await.unwrap(), None);
        store.settle(due.lock, Settled::Done).await.unwrap();
        assert_eq!(store.due(NOW + 1000).await.unwrap(), None);
    }
}

pub(crate) async fn what_is_due_is_given_to_one(place: Place) {
    let stores = [place.open().await, place.open().await];
    let mut rows = Vec::new();
    for number in 0..20_u8 {
        let id = add(&*stores[0], Interest::Exact(&[number])).await;
        stores[0].miss(id, &[number], 0, NOW - u64::from(number)).await.unwrap();
        rows.push(id);
    }
    let take = |number: usize| {
        let store = &stores[number % 2];
        async move { store.due(NOW).await.unwrap().map(|due| due.row.id) }
    };
    let mut taken: Vec<RowId> = Vec::new();
    while taken.len() < rows.len() {
        let more: Vec<_> = futures_util::future::join_all((0..8).map(take)).await.into_iter().flatten().collect();
        // It may be that all were in the hands of others while one looked, but not all the time.
        assert!(!more.is_empty(), "{} of {} were given", taken.len(), rows.len());
        taken.extend(more);
    }
    taken.sort();
    assert_eq!(taken, rows);
    assert_eq!(stores[1].due(NOW).await.unwrap(), None);
}

pub(crate) async fn what_was_not_settled_is_due_again(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let id = add(&*store, Interest::Glob("*")).await;
    store.miss(id, b"topic", 0, NOW).await.unwrap();
    let lost = store.due(NOW).await.unwrap().unwrap();
    assert_eq!(other.due(NOW + 30).await.unwrap(), None);
    let again = other.due(NOW + 31).await.unwrap().unwrap();
    assert_eq!(again.row.id, id);
    assert_ne!(again.lock, lost.lock);
    // Whoever comes too late changes nothing.
    store.settle(lost.lock, Settled::Done).await.unwrap();
    other.settle(again.lock, Settled::Later { attempts: 1, retry_at: NOW + 40 }).await.unwrap();
    assert_eq!(store.due(NOW + 40).await.unwrap().unwrap().attempts, 1);
}

pub(crate) async fn a_miss_while_one_is_told_is_told_after_it(place: Place) {
    let store = place.open().await;
    // Also where whoever notes it has a clock that is behind.
    for (retry_at, told_at) in [(NOW + 2, NOW + 2), (NOW - 5, NOW + 1)] {
        for interest in [Interest::Exact(b"last"), Interest::Glob("*")] {
            let id = add(&*store, interest).await;
            store.miss(id, b"first", 5, NOW).await.unwrap();
            let due = store.due(NOW).await.unwrap().unwrap();
            store.miss(id, b"last", 0, retry_at).await.unwrap();
            store.miss(id, b"last", 0, NOW + 90).await.unwrap();
            assert_eq!(store.due(NOW + 20).await.unwrap(), None, "nobody else gets it meanwhile");
            store.settle(due.lock, Settled::Done).await.unwrap();
            assert_eq!(store.due(told_at - 1).await.unwrap(), None);
            let due = store.due(told_at).await.unwrap().unwrap();
            assert_eq!((&*due.topic, due.attempts), (&b"last"[..], 0));
            store.remove_row(id).await.unwrap();
        }
    }
}

pub(crate) async fn a_miss_while_one_is_tried_does_not_begin_its_tries_anew(place: Place) {
    let store = place.open().await;
    let id = add(&*store, Interest::Glob("*")).await;
    store.miss(id, b"first", 5, NOW).await.unwrap();
    let due = store.due(NOW).await.unwrap().unwrap();
    store.miss(id, b"last", 0, NOW + 2).await.unwrap();
    store.settle(due.lock, Settled::Later { attempts: 6, retry_at: NOW + 60 }).await.unwrap();
    assert_eq!(store.due(NOW + 59).await.unwrap(), None);
    let due = store.due(NOW + 60).await.unwrap().unwrap();
    assert_eq!((&*due.topic, due.attempts), (&b"last"[..], 6));
}

pub(crate) async fn a_miss_of_a_row_that_is_gone_is_none(place: Place) {
    let store = place.open().await;
    for interest in [Interest::Exact(b"topic"), Interest::Glob("*")] {
        let id = add(&*store, interest).await;
        store.miss(id, b"topic", 0, NOW).await.unwrap();
        store.remove_row(id).await.unwrap();
        assert_eq!(store.due(NOW).await.unwrap(), None);
        assert!(!store.miss(id, b"topic", 0, NOW).await.unwrap());
    }
}

pub(crate) async fn a_pattern_remembers_the_topic_that_was_missed(place: Place) {
    let store = place.open().await;
    let id = add(&*store, Interest::Glob("*")).await;
    store.miss(id, b"first", 0, NOW).await.unwrap();
    store.miss(id, b"\0\xff", 0, NOW).await.unwrap();
    assert_eq!(&*store.due(NOW).await.unwrap().unwrap().topic, b"\0\xff");
}

async fn add(store: &dyn Store, interest: Interest<'_>) -> RowId {
    store.insert(URL, interest, Some("http://recovery/")).await.unwrap().unwrap()
}
