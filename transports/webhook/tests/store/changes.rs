//! Changes, as they come.

use std::collections::HashSet;
use std::time::Duration;

use eventhive_webhook::store::{Change, Changes, RowId, StoreError, Wanted};
use eventhive_webhook::wire::Interest;
use tokio::time::timeout;

use crate::place::{PATIENCE, Place};

const URL: &str = "http://one.example/v1/receive";

pub(crate) async fn changes_of_another_handle_are_seen(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let mut changes = store.changes().await.unwrap();
    for interest in [Interest::Exact(b"a"), Interest::Glob("a*")] {
        let id = other.insert(URL, interest, None).await.unwrap().unwrap();
        tells(&mut *changes, &[id]).await;
        other.remove(URL, interest).await.unwrap();
        tells(&mut *changes, &[id]).await;
        let id = store.insert(URL, interest, None).await.unwrap().unwrap();
        tells(&mut *changes, &[id]).await;
    }
    let wanted = [Wanted { interest: Interest::Exact(b"b"), recovery: None }];
    let replaced = other.replace(URL, &wanted).await.unwrap();
    assert_eq!(replaced.len(), 3);
    tells(&mut *changes, &replaced).await;
}

pub(crate) async fn changes_before_are_not_told(place: Place) {
    let store = place.open().await;
    let before = store.insert(URL, Interest::Exact(b"before"), None).await.unwrap().unwrap();
    let mut changes = store.changes().await.unwrap();
    let after = store.insert(URL, Interest::Exact(b"after"), None).await.unwrap().unwrap();
    let change = timeout(PATIENCE, changes.next()).await.unwrap().unwrap();
    assert!(matches!(&change, Change::Rows(ids) if ids.contains(&after) && !ids.contains(&before)), "{change:?}");
}

pub(crate) async fn a_change_of_a_recovery_url_is_told(place: Place) {
    let store = place.open().await;
    let id = store.insert(URL, Interest::Glob("*"), None).await.unwrap().unwrap();
    let mut changes = store.changes().await.unwrap();
    // Neither is one that a broadcaster has to know of.
    assert!(store.miss(id, b"topic", 0, 10).await.unwrap());
    let due = store.due(11).await.unwrap().unwrap();
    store.settle(due.lock, eventhive_webhook::store::Settled::Done).await.unwrap();
    let wanted = [Wanted { interest: Interest::Glob("*"), recovery: Some("http://recovery/") }];
    store.replace(URL, &wanted).await.unwrap();
    tells(&mut *changes, &[id]).await;
}

pub(crate) async fn what_changes_nothing_is_told_to_nobody(place: Place) {
    let store = place.open().await;
    let wanted = [Interest::Exact(b"a"), Interest::Exact(b"b"), Interest::Glob("*"), Interest::Glob("a*")]
        .map(|interest| Wanted { interest, recovery: None });
    store.replace(URL, &wanted).await.unwrap();
    let mut changes = store.changes().await.unwrap();
    assert_eq!(store.replace(URL, &wanted).await.unwrap(), []);
    assert_eq!(store.insert(URL, Interest::Exact(b"a"), None).await.unwrap(), None);
    assert_eq!(store.insert(URL, Interest::Glob("*"), None).await.unwrap(), None);
    let new = store.insert(URL, Interest::Exact(b"c"), None).await.unwrap().unwrap();
    let change = timeout(PATIENCE, changes.next()).await.unwrap().unwrap();
    assert_eq!(change, Change::Rows(vec![new]));
}

pub(crate) async fn who_stops_waiting_and_waits_again_misses_nothing(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let mut changes = store.changes().await.unwrap();
    let inserts = tokio::spawn(async move {
        let mut ids = Vec::new();
        for number in 0..100_u8 {
            ids.push(other.insert(URL, Interest::Exact(&[number]), None).await.unwrap().unwrap());
        }
        ids
    });
    let mut told = HashSet::new();
    let all = async {
        while told.len() < 100 {
            // Sometimes it is let go before it has looked, sometimes while it does.
            let patience = Duration::from_micros(fastrand::u64(0..2000));
            if let Ok(change) = timeout(patience, changes.next()).await {
                let Ok(Change::Rows(ids)) = change else { panic!("{change:?}") };
                told.extend(ids);
            }
        }
    };
    timeout(PATIENCE, all).await.expect("all of them are told");
    assert_eq!(told, inserts.await.unwrap().into_iter().collect());
}

pub(crate) async fn who_waits_is_told_at_once_that_the_store_is_closed(place: Place) {
    let store = place.open().await;
    let mut changes = store.changes().await.unwrap();
    let waits = tokio::spawn(async move { changes.next().await });
    store.close().await;
    let told = timeout(PATIENCE, waits).await.unwrap().unwrap();
    assert!(matches!(told, Err(StoreError::Closed)), "{told:?}");
    assert!(matches!(store.insert(URL, Interest::Glob("*"), None).await, Err(StoreError::Closed)));
    assert!(matches!(store.page(None, 1).await, Err(StoreError::Closed)));
    assert!(matches!(store.accept(&[0; 64], 1).await, Err(StoreError::Closed)));
    assert!(matches!(store.changes().await, Err(StoreError::Closed)));
    store.close().await;
}

/// Waits until all of these have been told.
pub(crate) async fn tells(changes: &mut dyn Changes, ids: &[RowId]) {
    let mut missing: HashSet<RowId> = ids.iter().copied().collect();
    while !missing.is_empty() {
        match timeout(PATIENCE, changes.next()).await.expect("changes are told").unwrap() {
            Change::Rows(ids) => missing.retain(|id| !ids.contains(id)),
            Change::Everything => panic!("everything, instead of {missing:?}"),
        }
    }
}
