//! What is remembered of urls.

use eventhive_webhook::store::{Endpoint, EndpointFilter};

use crate::place::Place;

pub(crate) async fn what_is_remembered_of_a_url_comes_back(place: Place) {
    let store = place.open().await;
    let url = "http://one.example/";
    assert_eq!(store.endpoint(url).await.unwrap(), None);
    let endpoint = Endpoint {
        url: url.into(),
        failing_since: Some(1_700_000_000),
        failures: u32::MAX,
        disabled_at: Some(1_700_000_100),
        reason: "it's gone".into(),
        verified_at: Some(1),
        allowed_rate: Some(60),
    };
    store.remember(&endpoint).await.unwrap();
    assert_eq!(store.endpoint(url).await.unwrap().as_ref(), Some(&endpoint));
    assert!(store.dismiss(url).await.unwrap());
    assert!(!store.dismiss(url).await.unwrap());
    assert_eq!(store.endpoint(url).await.unwrap(), None);
}

pub(crate) async fn what_two_remember_of_a_url_at_once_is_all_kept(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let url = "http://one.example/";
    let none = || Endpoint { url: url.into(), ..Endpoint::default() };
    let verified = Endpoint { verified_at: Some(8), allowed_rate: Some(60), ..none() };
    let failing = Endpoint { failing_since: Some(5), failures: 3, reason: "early".into(), ..none() };
    let disabled =
        Endpoint { failing_since: Some(7), failures: 9, disabled_at: Some(9), reason: "late".into(), ..none() };
    let (one, two) = tokio::join!(store.remember(&verified), other.remember(&failing));
    one.and(two).unwrap();
    other.remember(&disabled).await.unwrap();
    store.remember(&Endpoint { verified_at: Some(10), ..none() }).await.unwrap();
    let all = Endpoint { failing_since: Some(5), verified_at: Some(10), ..disabled.clone() };
    assert_eq!(store.endpoint(url).await.unwrap(), Some(all));
    // To enable it forgets nothing else.
    assert!(other.enable(url).await.unwrap());
    assert_eq!(store.endpoint(url).await.unwrap(), Some(Endpoint { verified_at: Some(10), ..none() }));
    let unverified = Endpoint { url: "http://two.example/".into(), ..failing };
    store.remember(&unverified).await.unwrap();
    assert!(store.enable(&unverified.url).await.unwrap());
    assert_eq!(store.endpoint(&unverified.url).await.unwrap(), None);
    assert!(!store.enable(&unverified.url).await.unwrap());
}

pub(crate) async fn disabled_urls_are_listed_in_order(place: Place) {
    let store = place.open().await;
    for (url, disabled_at) in [("http://b", None), ("http://a", Some(2)), ("http://C", Some(1)), ("http://d", None)] {
        store.remember(&Endpoint { url: url.into(), disabled_at, ..Endpoint::default() }).await.unwrap();
    }
    let list = async |disabled: bool, after: Option<&str>, limit: usize| -> Vec<String> {
        let filter = EndpointFilter { disabled, after: after.map(Into::into), limit };
        store.endpoints(&filter).await.unwrap().into_iter().map(|endpoint| endpoint.url.into()).collect()
    };
    assert_eq!(list(false, None, 10).await, ["http://C", "http://a", "http://b", "http://d"]);
    assert_eq!(list(true, None, 10).await, ["http://C", "http://a"]);
    assert_eq!(list(false, Some("http://a"), 1).await, ["http://b"]);
    assert_eq!(list(true, Some("http://a"), 10).await, [""; 0]);
}
