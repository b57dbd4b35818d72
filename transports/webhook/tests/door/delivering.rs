//! Who gets a message, how often, and what is counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use eventhive_webhook::wire::Interest::{Exact, Glob};
use eventhive_webhook::wire::responses::Response;
use eventhive_webhook::wire::tracing::Traces;

use crate::harness::{Heard, Making, exchange, post, serve, until};
use crate::requests::{URL, etag, notify, notify_body, subscribe};

const OTHER: &str = "http://10.9.9.9:3003/v1/receive_for_websockets";

#[actix_web::test]
async fn each_row_of_a_url_gets_a_copy_and_each_websocket_one() {
    let served = serve().await;
    for interest in [Exact(b"a/b"), Glob("a/*"), Glob("*b")] {
        assert_eq!(subscribe(&served, URL, interest).await, 200);
    }
    let (one, other) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
    let (first, second) = (served.broadcaster.join(one.clone()), served.broadcaster.join(other.clone()));
    for interest in [Exact(b"a/b"), Glob("a/*")] {
        assert!(first.subscribe(interest).await.unwrap());
        assert!(!first.subscribe(interest).await.unwrap(), "it has it already");
    }
    assert!(second.subscribe(Glob("*")).await.unwrap());
    assert_eq!(notify(&served, b"a/b", b"x").await, Ok(3 + 2));
    assert_eq!((served.called.urls().len(), one.messages.lock().unwrap().len()), (3, 1));
    assert_eq!(other.messages.lock().unwrap().len(), 1);

    other.full.store(true, Ordering::SeqCst);
    assert_eq!(notify(&served, b"a/b", b"x").await, Ok(3 + 1), "who does not take it is not counted");
    drop(first);
    assert!(second.unsubscribe(Glob("*")).await.unwrap() && !second.unsubscribe(Glob("*")).await.unwrap());
    assert_eq!(notify(&served, b"a/b", b"x").await, Ok(3));
}

#[actix_web::test]
async fn a_message_goes_to_many_urls_at_a_time_and_to_no_more_than_that() {
    let served = Making { max_deliveries: 8, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    for number in 0..20 {
        assert_eq!(subscribe(&served, &format!("{URL}/{number}"), Exact(b"a")).await, 200);
    }
    served.called.gate.forget_permits(served.called.gate.available_permits());
    let (called, broadcaster) = (Arc::clone(&served.called), Arc::clone(&served.broadcaster));
    let notifying = actix_web::rt::spawn(async move {
        let message = eventhive_webhook::message::Message::new(b"a", "x".into());
        broadcaster.notify(message, &mut eventhive_webhook::broadcaster::Tracer::off()).await.unwrap()
    });
    until("8 are under way", || called.at_once.load(Ordering::SeqCst) == 8).await;
    called.gate.add_permits(100);
    assert_eq!(notifying.await.unwrap(), 20);
    assert_eq!(called.most_at_once.load(Ordering::SeqCst), 8);
}

/// Only a subscription that was new did; who comes back and finds all in order stayed disabled.
#[actix_web::test]
async fn who_subscribes_again_or_finds_its_subscriptions_right_is_enabled() {
    let served = serve().await;
    let enabled = || std::mem::take(&mut *served.called.enabled.lock().unwrap());
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    assert_eq!(enabled(), [URL]);
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 409);
    assert_eq!(enabled(), [URL]);
    etag(&served, URL).await;
    assert_eq!(enabled(), [URL]);
}

#[actix_web::test]
async fn a_url_that_wants_it_no_longer_loses_that_row_alone() {
    let served = serve().await;
    for (url, interest) in
        [(URL, Exact(&b"a"[..])), (URL, Exact(b"b")), ("http://gone/", Exact(b"a")), ("http://gone/", Exact(b"b"))]
    {
        assert_eq!(subscribe(&served, url, interest).await, 200);
    }
    *served.called.gone.lock().unwrap() = Some("gone");
    assert_eq!(notify(&served, b"a", b"").await, Ok(1));
    *served.called.gone.lock().unwrap() = None;
    assert_eq!((notify(&served, b"a", b"").await, notify(&served, b"b", b"").await), (Ok(1), Ok(2)));
    assert_eq!(served.store.of("http://gone/").len(), 1);
}

#[actix_web::test]
async fn the_answer_tells_what_happened_without_urls_and_stays_small() {
    let served = serve().await;
    for number in 0..200 {
        assert_eq!(subscribe(&served, &format!("{URL}/{number}"), Exact(b"a")).await, 200);
    }
    let answered = exchange(served.address, &post("/v1/notify", &[], &notify_body(b"a", b""))).await;
    let Response::Notify { proof, count: 200, .. } = Response::read(&answered.body).unwrap() else {
        panic!("{answered:?}")
    };
    let traces = Traces::read(proof.tracing).unwrap();
    let names: Vec<_> = traces.iter().map(|trace| trace.name).collect();
    assert_eq!(names[..4], ["auth_accepted", "exact_subscriber_found", "response_received", "receive_confirmed"]);
    assert!(traces.truncated && answered.body.len() < 4096, "{}", answered.body.len());
    assert!(!answered.body.windows(4).any(|window| window == b"http"));
}

#[actix_web::test]
async fn other_broadcasters_are_called_once_and_our_own_url_never() {
    let served = Making { advertised: true, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    for interest in [Exact(b"a/b"), Glob("a/*"), Glob("*b")] {
        assert_eq!(subscribe(&served, OTHER, interest).await, 200);
    }
    let heard = Arc::new(Heard::default());
    let joined = served.broadcaster.join(heard.clone());
    assert!(joined.subscribe(Glob("a/*")).await.unwrap());
    let own = "http://127.0.0.1:3003/v1/receive_for_websockets";
    let rows = served.store.of(own);
    assert_eq!(rows.len(), 1, "the row was there before the websocket was answered");
    assert_eq!(rows[0].recovery.as_deref(), Some("http://127.0.0.1:3003/v1/missed_for_websockets"));
    assert_eq!(notify(&served, b"a/b", b"x").await, Ok(2));
    assert_eq!((served.called.urls(), heard.messages.lock().unwrap().len()), (vec![OTHER.to_owned()], 1));

    let second = served.broadcaster.join(Arc::new(Heard::default()));
    assert!(second.subscribe(Glob("a/*")).await.unwrap());
    drop(joined);
    assert_eq!(served.store.of(own).len(), 1, "another websocket wants it");
    drop(second);
    until("the row is gone", || served.store.of(own).is_empty()).await;
}

#[actix_web::test]
async fn rows_that_a_crash_left_go_at_the_start_and_those_of_websockets_at_the_end() {
    let making = Making { advertised: true, ..Making::default() };
    let own = "http://127.0.0.1:3003/v1/receive_for_websockets";
    making.store.insert_elsewhere(own, Exact(b"left over"));
    let served = making.serve();
    until("what was left over is gone", || served.store.of(own).is_empty()).await;
    let joined = served.broadcaster.join(Arc::new(Heard::default()));
    assert!(joined.subscribe(Exact(b"a")).await.unwrap());
    assert_eq!(served.store.of(own).len(), 1);
    served.broadcaster.close();
    until("the rows are gone", || served.store.of(own).is_empty()).await;
    assert_eq!(notify(&served, b"a", b"").await, Err(503), "it is going down");
    assert!(joined.subscribe(Exact(b"b")).await.is_err());
}

#[actix_web::test]
async fn a_websocket_whose_subscription_the_store_does_not_take_has_none() {
    let served = Making { advertised: true, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    let heard = Arc::new(Heard::default());
    let joined = served.broadcaster.join(heard.clone());
    served.store.be_away(true);
    assert!(joined.subscribe(Exact(b"a")).await.is_err());
    assert_eq!(notify(&served, b"a", b"").await, Ok(0));
    served.store.be_away(false);
    assert!(joined.subscribe(Exact(b"a")).await.unwrap());
    assert_eq!(notify(&served, b"a", b"").await, Ok(1));
}

/// For up to a minute other broadcasters did not know of them, and nobody was told.
#[actix_web::test]
async fn rows_of_websockets_that_somebody_removes_come_back_at_once_and_they_are_told() {
    let served = Making { advertised: true, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    let (heard, other) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
    let (joined, others) = (served.broadcaster.join(heard.clone()), served.broadcaster.join(other.clone()));
    for interest in [Exact(b"a"), Glob("n/*")] {
        assert!(joined.subscribe(interest).await.unwrap());
    }
    assert!(others.subscribe(Exact(b"b")).await.unwrap());
    let own = "http://127.0.0.1:3003/v1/receive_for_websockets";
    until("the index has them", || served.broadcaster.stats().index.rows == 3).await;
    for row in served.store.of(own).into_iter().filter(|row| &*row.interest != b"b") {
        served.store.remove_elsewhere(row.id);
    }
    until("they are back", || served.store.of(own).len() == 3).await;
    until("it is told", || heard.missed.lock().unwrap().len() == 2).await;
    let mut missed = heard.missed.lock().unwrap().clone();
    missed.sort();
    assert_eq!((missed, other.missed.lock().unwrap().len()), (vec![b"a".to_vec(), b"n/*".to_vec()], 0));

    // What is not wanted any more stays away, and what is new is no loss.
    until("the index has them again", || served.broadcaster.stats().index.rows == 3).await;
    assert!(joined.unsubscribe(Exact(b"a")).await.unwrap());
    until("its row goes", || served.store.of(own).len() == 2).await;
    assert!(joined.subscribe(Exact(b"a")).await.unwrap());
    until("it is there again", || served.broadcaster.stats().index.rows == 3).await;
    assert_eq!((served.store.of(own).len(), heard.missed.lock().unwrap().len()), (3, 2));
}

#[actix_web::test]
async fn rows_that_went_while_the_store_was_away_come_back_with_it_and_websockets_are_told() {
    let served = Making { advertised: true, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    let heard = Arc::new(Heard::default());
    let joined = served.broadcaster.join(heard.clone());
    assert!(joined.subscribe(Exact(b"a")).await.unwrap());
    until("the index has it", || served.broadcaster.stats().index.rows == 1).await;
    let own = "http://127.0.0.1:3003/v1/receive_for_websockets";
    served.store.be_away(true);
    served.store.remove_elsewhere(served.store.of(own)[0].id);
    served.store.be_away(false);
    until("it is back", || served.store.of(own).len() == 1).await;
    until("it is told", || *heard.missed.lock().unwrap() == [b"a".to_vec()]).await;
}
