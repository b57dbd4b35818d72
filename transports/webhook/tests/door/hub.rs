//! Other doors of the hub.

use std::sync::Arc;

use eventhive_hub::{Draft, Hub, HubSettings, Outbound, SessionSettings, Tracker};
use eventhive_transport::Filter;
use eventhive_webhook::wire::Interest::{Exact, Glob};
use futures_util::StreamExt as _;

use crate::harness::{Heard, Making, Served, until};
use crate::requests::{URL, notify, subscribe};

pub(crate) async fn joined(settings: HubSettings, making: Making) -> (Hub, Served) {
    let hub = Hub::new(settings);
    let served = Making { hub: Some(hub.clone()), ..making }.serve();
    served.broadcaster.ready().await;
    until("it has a session", || hub.stats().sessions == 1).await;
    (hub, served)
}

#[actix_web::test]
async fn what_is_published_here_is_an_event_of_the_hub_and_does_not_come_back() {
    let (hub, served) = joined(HubSettings::default(), Making::default()).await;
    assert_eq!(subscribe(&served, URL, Exact(b"net/a")).await, 200);
    let (session, mut outgoing) = hub.worker().open(SessionSettings::default());
    session.subscribe(Filter::exact("net/a")).unwrap();
    assert_eq!(notify(&served, b"net/a", b"{\"x\": 1}").await, Ok(2), "the url, and the session of the hub");
    let Some(Outbound::Event { message, .. }) = outgoing.next().await else { panic!("no event") };
    assert_eq!((message.topic().as_bytes(), &message.payload()[..]), (&b"net/a"[..], &b"{\"x\": 1}"[..]));
    assert_eq!(notify(&served, b"net/a", b"second").await, Ok(2));
    assert_eq!(served.called.bodies_of(URL), [b"{\"x\": 1}".to_vec(), b"second".to_vec()]);
    assert_eq!(served.broadcaster.stats().from_hub, 0);
}

#[actix_web::test]
async fn an_event_of_another_door_reaches_urls_and_websockets_to_the_letter_and_is_counted() {
    let (hub, served) = joined(HubSettings::default(), Making::default()).await;
    assert_eq!(subscribe(&served, URL, Glob("net/*")).await, 200);
    let heard = Arc::new(Heard::default());
    let websocket = served.broadcaster.join(heard.clone());
    assert!(websocket.subscribe(Exact(b"net/a")).await.unwrap());

    let (tracker, tracked) = Tracker::new();
    let published = hub.publish(Draft::json("net/a", "{\"flowers\":  3}").tracked(tracker)).unwrap();
    assert_eq!(published.receivers, 2);
    assert_eq!(tracked.await, 2, "both have confirmed");
    assert_eq!(hub.publish(Draft::bytes("net/b", vec![0xff, 0])).unwrap().receivers, 1);
    assert_eq!(hub.publish(Draft::bytes("other", "x")).unwrap().receivers, 0, "nobody behind this door wants it");
    until("both have come", || served.called.urls().len() == 2).await;
    assert_eq!(served.called.bodies_of(URL), [b"{\"flowers\":  3}".to_vec(), vec![0xff, 0]]);
    assert_eq!(*heard.messages.lock().unwrap(), [(b"net/a".to_vec(), b"{\"flowers\":  3}".to_vec())]);
}

#[actix_web::test]
async fn private_events_reach_no_url_and_no_websocket() {
    let (hub, served) = joined(HubSettings { private_topics: true, ..HubSettings::default() }, Making::default()).await;
    let heard = Arc::new(Heard::default());
    let websocket = served.broadcaster.join(heard.clone());
    for glob in ["*", "private/*"] {
        assert_eq!(subscribe(&served, URL, Glob(glob)).await, 200);
        assert!(websocket.subscribe(Glob(glob)).await.unwrap());
    }
    assert_eq!(hub.publish(Draft::json("a", "1").private(true)).unwrap().receivers, 0);
    let (session, mut outgoing) =
        hub.worker().open(SessionSettings { access: Some(Arc::new(|_: &_| true)), ..SessionSettings::default() });
    session.subscribe(Filter::exact("a")).unwrap();
    assert_eq!(notify(&served, b"private/a", b"secret").await, Ok(1), "only who has the right");
    let Some(Outbound::Event { message, .. }) = outgoing.next().await else { panic!("no event") };
    assert!(message.is_private());
    drop(session);
    assert_eq!(notify(&served, b"a", b"public").await, Ok(2));
    assert_eq!(served.called.bodies_of(URL), [b"public".to_vec()]);
    assert_eq!(heard.messages.lock().unwrap().len(), 1);
}

#[actix_web::test]
async fn events_of_a_publisher_reach_a_slow_url_in_order_and_delay_no_other() {
    let (hub, served) = joined(HubSettings::default(), Making::default()).await;
    for url in ["http://slow/", "http://quick/"] {
        assert_eq!(subscribe(&served, url, Exact(b"a")).await, 200);
    }
    let gate = &served.called.gate;
    gate.forget_permits(gate.available_permits());
    for number in 0..50 {
        hub.ready().await;
        hub.publish(Draft::bytes("a", number.to_string())).unwrap();
    }
    until("both are called", || served.called.at_once.load(std::sync::atomic::Ordering::SeqCst) == 2).await;
    gate.add_permits(1000);
    until("all have come", || served.called.urls().len() == 100).await;
    let expected: Vec<Vec<u8>> = (0..50).map(|number| number.to_string().into_bytes()).collect();
    assert_eq!(served.called.bodies_of("http://slow/"), expected);
    assert_eq!(served.called.bodies_of("http://quick/"), expected);
}

#[actix_web::test]
async fn what_is_too_large_for_the_hub_stays_with_webhooks() {
    let (hub, served) = joined(HubSettings::default(), Making::default()).await;
    let topic = vec![b'a'; 9000];
    assert_eq!(subscribe(&served, URL, Exact(&topic)).await, 200);
    assert_eq!(subscribe(&served, URL, Exact(b"b")).await, 200);
    assert_eq!(notify(&served, &topic, b"x").await, Ok(1));
    assert_eq!(notify(&served, b"b", &vec![7; (1 << 20) + 1]).await, Ok(1));
    assert_eq!((served.broadcaster.stats().too_large_for_hub, hub.stats().published), (2, 0));
    hub.close().await;
    assert_eq!(notify(&served, b"b", b"x").await, Ok(1), "a closed hub is no reason not to deliver");
    assert_eq!(served.broadcaster.stats().refused_by_hub, 1);
}
