//! Stores that somebody only looks into, as `hive-cli webhooks list` does.

use eventhive_webhook::store::{StoreError, open};
use eventhive_webhook::wire::Interest;

use crate::place::{Place, patient, sqlite_file};

const URL: &str = "http://one.example/v1/receive";

async fn nothing_is_made_or_changed(place: Place) {
    let looking = patient().read_only();
    // The second would succeed if the first had made tables.
    for _ in 0..2 {
        let Err(error) = open(place.address(), &looking).await else { panic!("there was nothing to look at") };
        assert!(matches!(error, StoreError::Address { .. }), "{error:?}");
    }
    let server = place.open().await;
    let id = server.insert(URL, Interest::Exact(b"a"), None).await.unwrap().unwrap();
    let store = open(place.address(), &looking).await.unwrap();
    assert_eq!(store.rows(&[id]).await.unwrap().len(), 1);
    store.insert(URL, Interest::Exact(b"b"), None).await.unwrap_err();
    store.remember(&eventhive_webhook::store::Endpoint { url: URL.into(), ..Default::default() }).await.unwrap_err();
    assert_eq!(server.page(None, 10).await.unwrap().len(), 1);
    assert_eq!(server.endpoint(URL).await.unwrap(), None);
    store.close().await;
    // A server goes on where it was.
    server.insert(URL, Interest::Exact(b"b"), None).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_looks_into_a_file_changes_nothing() {
    nothing_is_made_or_changed(sqlite_file().await).await;
}

#[tokio::test]
async fn who_looks_into_a_file_does_not_make_it() {
    let place = sqlite_file().await;
    let Err(_) = open(place.address(), &patient().read_only()).await else { panic!("it was made") };
    assert!(!std::fs::exists(place.address().strip_prefix("sqlite:").unwrap()).unwrap());
}

#[tokio::test]
async fn who_looks_into_rqlite_changes_nothing() {
    nothing_is_made_or_changed(crate::rqlite::place().await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn who_looks_into_postgresql_changes_nothing() {
    nothing_is_made_or_changed(crate::postgres::place().await).await;
}
