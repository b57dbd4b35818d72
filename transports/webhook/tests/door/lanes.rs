//! Events of other doors that wait for slow urls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_web::rt;
use eventhive_hub::{BacklogBounds, Draft, Hub, HubSettings, SessionId, SessionSettings};
use eventhive_listener::Door as _;
use eventhive_transport::{Filter, Overflow};
use eventhive_webhook::broadcaster::Joined;
use eventhive_webhook::wire::Interest::Exact;

use crate::harness::{Heard, Making, Served, until};
use crate::hub::joined;
use crate::log::Log;
use crate::requests::{URL, subscribe};

const STUCK: &str = "http://stuck/";
const OTHER: &str = "http://other/";

/// Room for some hundred small events of slow urls, and a dozen of one.
const ROOM: usize = 8 * 2500;

const LONGEST_BLOCK: Duration = Duration::from_millis(500);

async fn publish(hub: &Hub, topic: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        hub.ready().await;
        hub.publish(Draft::bytes(topic, number.to_string())).unwrap();
    }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    range.map(|number| number.to_string().into_bytes()).collect()
}

fn given_up(served: &Served, url: &str) -> usize {
    served.called.given_up.lock().unwrap().iter().filter(|given_up| *given_up == url).count()
}

/// A url that does not answer, subscribed to `a`.
async fn with_stuck_url(overflow: Overflow) -> (Hub, Served) {
    let making = Making { overflow, queue_bytes: ROOM, longest_block: LONGEST_BLOCK, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    served.called.hold("stuck");
    assert_eq!(subscribe(&served, STUCK, Exact(b"a")).await, 200);
    (hub, served)
}

#[actix_web::test]
async fn what_does_not_fit_is_dropped_by_the_policy_and_counted() {
    for (overflow, last) in [(Overflow::DropOldest, "99"), (Overflow::DropNewest, "12")] {
        let (hub, served) = with_stuck_url(overflow).await;
        publish(&hub, "a", 0..100).await;
        let stats = || served.broadcaster.stats();
        until("all were taken", || stats().from_hub == 100).await;
        served.called.free();
        until("all are done with", || served.called.urls().len() as u64 + stats().dropped == 100).await;
        let bodies = served.called.bodies_of(STUCK);
        assert_eq!((bodies.len(), &bodies[0][..], &bodies[12][..]), (13, &b"0"[..], last.as_bytes()));
        assert_eq!((given_up(&served, STUCK), stats().dropped), (87, 87), "subscribers hear of each");
    }
}

/// The hub ended the session, and after five seconds no url got anything.
#[actix_web::test]
async fn with_block_a_stuck_url_loses_its_oldest_after_a_while_and_others_nothing() {
    let (hub, served) = with_stuck_url(Overflow::Block).await;
    assert_eq!(subscribe(&served, OTHER, Exact(b"a")).await, 200);
    publish(&hub, "a", 0..600).await;
    until("the other has all", || served.called.bodies_of(OTHER).len() == 600).await;
    let stats = || served.broadcaster.stats();
    assert_eq!(served.called.bodies_of(OTHER), numbers(0..600));
    assert_eq!((hub.stats().drops.total(), stats().from_hub, given_up(&served, OTHER)), (0, 600, 0));
    served.called.free();
    until("all are done with", || served.called.bodies_of(STUCK).len() as u64 + stats().dropped == 600).await;
    let bodies = served.called.bodies_of(STUCK);
    assert!(stats().dropped > 300, "{}", stats().dropped);
    assert_eq!(given_up(&served, STUCK) as u64, stats().dropped);
    assert_eq!((&bodies[0][..], bodies[1..].to_vec()), (&b"0"[..], numbers(601 - bodies.len()..600)));
}

#[actix_web::test]
async fn an_event_that_is_too_large_for_a_lane_takes_the_place_of_none() {
    let (hub, served) = with_stuck_url(Overflow::DropOldest).await;
    publish(&hub, "a", 0..6).await;
    hub.publish(Draft::bytes("a", vec![b'x'; 3000])).unwrap();
    publish(&hub, "a", 6..8).await;
    until("all were taken", || served.broadcaster.stats().from_hub == 9).await;
    assert_eq!((served.broadcaster.stats().dropped, given_up(&served, STUCK)), (1, 1));
    served.called.free();
    until("the others have come", || served.called.urls().len() == 8).await;
    assert_eq!(served.called.bodies_of(STUCK), numbers(0..8));
}

#[actix_web::test]
async fn where_all_wait_for_too_much_the_url_with_most_waiting_loses_its_oldest() {
    let making = Making { queue_bytes: ROOM, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    served.called.hold("http");
    assert_eq!(subscribe(&served, OTHER, Exact(b"other")).await, 200);
    publish(&hub, "other", 0..3).await;
    // More than all may have, each a little less than one may.
    for number in 0..10 {
        let (url, topic) = (format!("http://{number}/"), number.to_string());
        assert_eq!(subscribe(&served, &url, Exact(topic.as_bytes())).await, 200);
        publish(&hub, &topic, 0..12).await;
    }
    publish(&hub, "other", 3..5).await;
    until("all were taken", || served.broadcaster.stats().from_hub == 125).await;
    assert!(served.broadcaster.stats().dropped > 0);
    assert_eq!(given_up(&served, OTHER), 0, "it had little");
    served.called.free();
    until("it has all", || served.called.bodies_of(OTHER).len() == 5).await;
    assert_eq!(served.called.bodies_of(OTHER), numbers(0..5));
}

/// They kept everybody's events in the hub's queue, where the oldest went without a word.
#[actix_web::test]
async fn more_slow_urls_than_are_called_at_a_time_wait_for_their_turn_and_hold_up_nothing() {
    let making = Making { queue_bytes: 16 << 20, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    served.called.hold("stuck");
    for number in 0..4200 {
        served.broadcaster.subscribe(&format!("{STUCK}{number}"), Exact(b"a"), None).await.unwrap();
    }
    publish(&hub, "a", 0..2).await;
    until("all were taken", || served.broadcaster.stats().from_hub == 2).await;
    until("as many as can be are called", || served.called.at_once.load(Ordering::SeqCst) == 4096).await;
    served.called.free();
    until("each has both", || served.called.urls().len() == 8400).await;
    for number in [0, 4199] {
        assert_eq!(served.called.bodies_of(&format!("{STUCK}{number}")), numbers(0..2));
    }
    assert_eq!((served.called.most_at_once.load(Ordering::SeqCst), served.broadcaster.stats().dropped), (4096, 0));
}

/// Each was charged with the whole body, which all share, so that they had no room.
#[actix_web::test]
async fn of_urls_that_only_wait_for_their_turn_none_loses_its_event() {
    let making = Making { queue_bytes: 16 << 20, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    for number in 0..20_000 {
        served.broadcaster.subscribe(&format!("http://{number}/"), Exact(b"a"), None).await.unwrap();
    }
    hub.publish(Draft::bytes("a", vec![b'x'; 1024])).unwrap();
    let stats = || served.broadcaster.stats();
    until("all are done with", || stats().confirmed + stats().dropped == 20_000).await;
    assert_eq!(stats().dropped, 0);
}

#[actix_web::test]
async fn large_events_that_wait_for_many_quick_urls_are_charged_once() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let making = Making { queue_bytes: 16 << 20, overflow, ..Making::default() };
        let (hub, served) = joined(HubSettings::default(), making).await;
        for number in 0..1000 {
            served.broadcaster.subscribe(&format!("http://{number}/"), Exact(b"a"), None).await.unwrap();
        }
        for _ in 0..2 {
            hub.publish(Draft::bytes("a", vec![b'x'; 64 << 10])).unwrap();
        }
        let stats = || served.broadcaster.stats();
        until("all are done with", || stats().confirmed + stats().dropped == 2000).await;
        assert_eq!(stats().dropped, 0);
    }
}

/// As many urls as are called at a time, none of which answers, and one that waits for its turn.
async fn with_all_calls_taken(overflow: Overflow) -> (Hub, Served) {
    let making = Making { queue_bytes: ROOM, overflow, longest_block: LONGEST_BLOCK, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    served.called.hold("stuck");
    for number in 0..4096 {
        served.broadcaster.subscribe(&format!("{STUCK}{number}"), Exact(b"a"), None).await.unwrap();
    }
    assert_eq!(subscribe(&served, OTHER, Exact(b"b")).await, 200);
    publish(&hub, "a", 0..1).await;
    until("all calls are taken", || served.called.at_once.load(Ordering::SeqCst) == 4096).await;
    (hub, served)
}

#[actix_web::test]
async fn what_is_too_large_for_a_lane_waits_for_its_turn_as_it_would_be_sent() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let (hub, served) = with_all_calls_taken(overflow).await;
        hub.publish(Draft::bytes("b", vec![b'x'; 3000])).unwrap();
        until("all were taken", || served.broadcaster.stats().from_hub == 2).await;
        served.called.free();
        until("it is done with", || {
            served.broadcaster.stats().dropped + served.called.bodies_of(OTHER).len() as u64 > 0
        })
        .await;
        assert_eq!(served.broadcaster.stats().dropped, 0);
    }
}

/// It was taken for late, and lost what waited.
#[actix_web::test]
async fn with_block_a_url_that_waits_for_its_turn_is_not_late() {
    let (hub, served) = with_all_calls_taken(Overflow::Block).await;
    let stuck = format!("{STUCK}0");
    assert_eq!(subscribe(&served, &stuck, Exact(b"c")).await, 200);
    publish(&hub, "b", 0..80).await;
    let waits = Instant::now();
    until("it has waited for as long as makes one late", || waits.elapsed() > LONGEST_BLOCK).await;
    publish(&hub, "c", 0..40).await;
    until("one that is called is late", || given_up(&served, &stuck) > 0).await;
    assert_eq!(given_up(&served, OTHER), 0);
    served.called.free();
    until("the other has all", || served.called.bodies_of(OTHER).len() == 80).await;
    assert_eq!(served.called.bodies_of(OTHER), numbers(0..80));
}

/// Nothing could be taken, and nothing was under way, which was a panic.
#[actix_web::test]
async fn without_any_room_events_are_taken_one_after_the_other_with_block() {
    let making = Making { queue_bytes: 0, overflow: Overflow::Block, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    publish(&hub, "a", 0..20).await;
    until("all have come", || served.called.bodies_of(URL).len() == 20).await;
    assert_eq!(served.called.bodies_of(URL), numbers(0..20));
}

/// What was under way was dropped without a word.
#[actix_web::test]
async fn what_is_under_way_or_waits_when_a_broadcaster_closes_is_told_as_missed() {
    let (hub, served) = with_stuck_url(Overflow::DropOldest).await;
    publish(&hub, "a", 0..10).await;
    until("all are taken", || served.broadcaster.stats().from_hub == 10).await;
    served.broadcaster.close();
    until("all are given up", || given_up(&served, STUCK) == 10).await;
    assert_eq!(served.broadcaster.stats().dropped, 10);
    assert!(served.called.urls().is_empty());
}

#[actix_web::test]
async fn a_graceful_stop_delivers_what_was_published_before_it() {
    for overflow in [Overflow::DropOldest, Overflow::Block] {
        let (hub, served) = with_stuck_url(overflow).await;
        publish(&hub, "a", 0..10).await;
        let drained = rt::spawn(served.door.drain(Duration::from_secs(20)));
        until("nothing more is taken", || hub.stats().sessions == 0).await;
        assert_eq!(hub.publish(Draft::bytes("a", "late")).unwrap().receivers, 0);
        served.called.free();
        drained.await.unwrap();
        assert_eq!(served.called.bodies_of(STUCK), numbers(0..10));
        assert_eq!((given_up(&served, STUCK), served.broadcaster.stats().dropped), (0, 0));
    }
}

/// The hub hands out so much by and by.
#[actix_web::test]
async fn what_is_still_on_its_way_from_the_hub_at_a_stop_is_delivered() {
    let making = Making { queue_bytes: 16 << 20, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    let bodies: Vec<Vec<u8>> = (0..20).map(|number| vec![number; 50_000]).collect();
    for body in &bodies {
        hub.publish(Draft::bytes("a", body.clone())).unwrap();
    }
    served.door.drain(Duration::from_secs(20)).await;
    assert!(served.called.bodies_of(URL) == bodies, "{} have come", served.called.urls().len());
}

#[actix_web::test]
async fn a_stop_that_has_no_more_time_tells_the_rest_as_missed() {
    // More than lanes have room for: with `block` the rest is still in the hub's queue.
    for (overflow, events) in [(Overflow::DropOldest, 10), (Overflow::Block, 150)] {
        let (hub, served) = with_stuck_url(overflow).await;
        let gate = &served.called.gate;
        gate.forget_permits(gate.available_permits());
        gate.add_permits(3);
        served.called.free();
        publish(&hub, "a", 0..events).await;
        until("some are answered", || served.called.urls().len() == 3).await;
        served.door.drain(Duration::from_millis(150)).await;
        until("the rest is given up", || given_up(&served, STUCK) == events - 3).await;
        assert_eq!(served.broadcaster.stats().dropped, events as u64 - 3);
        assert_eq!(served.called.bodies_of(STUCK), numbers(0..3));
    }
}

/// A hub that is held up while the subscriptions cannot be read, so that it ends the session.
async fn cut_off(backlog: BacklogBounds) -> (Hub, Served, Arc<Heard>, Joined) {
    let hub = Hub::new(HubSettings { backlog, ..HubSettings::default() });
    let (longest_block, overflow) = (Duration::from_millis(20), Overflow::Block);
    let making = Making { hub: Some(hub.clone()), overflow, queue_bytes: ROOM, longest_block, ..Making::default() };
    making.store.insert_elsewhere(URL, Exact(b"a"));
    making.store.be_away(true);
    let served = making.serve();
    let heard = Arc::new(Heard::default());
    let websocket = served.broadcaster.join(heard.clone());
    assert!(websocket.subscribe(Exact(b"b")).await.unwrap());
    until("it has a session", || hub.stats().sessions == 1).await;
    publish(&hub, "a", 0..400).await;
    until("its session is ended", || hub.stats().drops.slow_consumer > 0).await;
    (hub, served, heard, websocket)
}

#[actix_web::test]
async fn what_was_published_since_the_hub_ended_the_session_comes_from_its_backlog() {
    let (hub, served, heard, _websocket) = cut_off(BacklogBounds::default()).await;
    served.store.be_away(false);
    until("all have come", || served.called.urls().len() == 400).await;
    publish(&hub, "a", 400..410).await;
    until("what comes now does, too", || served.called.urls().len() == 410).await;
    assert_eq!(served.called.bodies_of(URL), numbers(0..410));
    assert_eq!((served.broadcaster.stats().gaps, heard.missed.lock().unwrap().len()), (0, 0));
}

#[actix_web::test]
async fn what_the_backlog_has_not_any_more_is_told_as_missed_and_later_events_come() {
    let (hub, served, heard, _websocket) = cut_off(BacklogBounds { messages: 10, ..BacklogBounds::default() }).await;
    served.store.be_away(false);
    until("it is told", || served.broadcaster.stats().gaps == 1).await;
    assert_eq!(*heard.missed.lock().unwrap(), [b"b".to_vec()]);
    until("it has a session", || hub.stats().sessions == 1).await;
    publish(&hub, "a", 400..410).await;
    until("what comes now comes", || served.called.urls().len() == 10).await;
    assert_eq!(served.called.bodies_of(URL), numbers(400..410));
}

/// The end of the session was taken for the end of what it was to bring.
#[actix_web::test]
async fn a_stop_after_the_hub_has_ended_the_session_delivers_what_its_backlog_has() {
    let (_hub, served, ..) = cut_off(BacklogBounds::default()).await;
    let drained = rt::spawn(served.door.drain(Duration::from_secs(20)));
    rt::task::yield_now().await;
    served.store.be_away(false);
    drained.await.unwrap();
    assert_eq!(served.called.bodies_of(URL), numbers(0..400));
}

/// It was given up without a word.
#[actix_web::test]
async fn what_had_not_come_from_the_hub_when_a_broadcaster_closes_is_told() {
    let (_hub, served, heard, _websocket) = cut_off(BacklogBounds::default()).await;
    served.broadcaster.close();
    until("it is told", || served.broadcaster.stats().gaps == 1).await;
    assert_eq!(*heard.missed.lock().unwrap(), [b"b".to_vec()]);
}

/// Nobody heard of them.
#[actix_web::test]
async fn what_the_hubs_queue_has_no_room_for_is_counted_and_told() {
    let hub = Hub::new(HubSettings::default());
    let making = Making { hub: Some(hub.clone()), queue_bytes: ROOM, ..Making::default() };
    making.store.be_away(true);
    let served = making.serve();
    let heard = Arc::new(Heard::default());
    let websocket = served.broadcaster.join(heard.clone());
    assert!(websocket.subscribe(Exact(b"a")).await.unwrap());
    until("it has a session", || hub.stats().sessions == 1).await;
    publish(&hub, "a", 0..400).await;
    until("all were handed out", || hub.stats().inbox_bytes == 0).await;
    served.store.be_away(false);
    let stats = || served.broadcaster.stats();
    until("the rest was taken", || stats().from_hub + stats().dropped == 400).await;
    assert_eq!((stats().dropped, stats().gaps), (hub.stats().drops.oldest, 1));
    assert!(stats().dropped > 0);
    assert_eq!(*heard.missed.lock().unwrap(), [b"a".to_vec()]);
}

/// It waited for a moment at which nothing is on its way to anybody.
#[actix_web::test]
async fn a_stop_waits_for_nothing_that_the_hub_has_for_others() {
    let (hub, served) = joined(HubSettings::default(), Making::default()).await;
    let ((opened, is_opened), (ended, is_ended)) = (mpsc::channel(), mpsc::channel::<()>());
    let other = hub.clone();
    let thread = std::thread::spawn(move || {
        rt::System::new().block_on(async move {
            let (session, _outgoing) = other.worker().open(SessionSettings::default());
            session.subscribe(Filter::All).unwrap();
            opened.send(()).unwrap();
            // Nothing is handed out on this thread meanwhile.
            let _ = is_ended.recv();
        });
    });
    is_opened.recv().unwrap();
    publish(&hub, "a", 0..10).await;
    let drained = rt::spawn(served.door.drain(Duration::from_secs(60)));
    until("it has settled", || drained.is_finished()).await;
    assert!(hub.stats().inbox_bytes > 0);
    drop(ended);
    thread.join().unwrap();
}

#[actix_web::test]
async fn what_is_published_here_does_not_come_back_from_the_backlog() {
    let (log, _set) = Log::set();
    let (hub, served, ..) = cut_off(BacklogBounds::default()).await;
    let number = |line: &String| line.rsplit("session=").next()?.trim().parse::<u64>().ok();
    let session =
        log.lines().iter().rev().filter(|line| line.contains("too slow a consumer")).find_map(number).unwrap();
    // As the broadcaster does, which does not know yet that its session has ended.
    hub.publish(Draft::bytes("a", "own").exclude(SessionId::from(session))).unwrap();
    publish(&hub, "a", 400..401).await;
    served.store.be_away(false);
    until("all have come", || served.called.urls().len() >= 401).await;
    assert_eq!(served.called.bodies_of(URL), numbers(0..401));
}
