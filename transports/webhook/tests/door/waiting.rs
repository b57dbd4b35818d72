//! Websockets that have too much waiting for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::rt;
use eventhive_hub::{Draft, Hub, HubSettings, Tracker};
use eventhive_transport::Overflow;
use eventhive_webhook::broadcaster::Joined;
use eventhive_webhook::message::Message;
use eventhive_webhook::wire::Interest::{Exact, Glob};

use crate::harness::{Heard, Making, Served, serve, until};
use crate::hub::joined;
use crate::log::Log;
use crate::requests::{URL, subscribe};

async fn websocket(served: &Served, crowded: bool) -> (Arc<Heard>, Joined) {
    let heard = Arc::new(Heard::default());
    heard.crowded.send_replace(crowded);
    let websocket = served.broadcaster.join(heard.clone());
    assert!(websocket.subscribe(Exact(b"a")).await.unwrap());
    (heard, websocket)
}

async fn burst(hub: &Hub, events: usize) {
    for number in 0..events {
        hub.ready().await;
        hub.publish(Draft::bytes("a", number.to_string())).unwrap();
    }
}

fn bodies(heard: &Heard) -> Vec<Vec<u8>> {
    heard.messages.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    range.map(|number| number.to_string().into_bytes()).collect()
}

#[actix_web::test]
async fn a_burst_of_another_door_waits_for_a_crowded_websocket_and_for_nobody_else() {
    let (hub, served) = joined(HubSettings::default(), Making::default()).await;
    let ((slow, _slow), (quick, _quick)) = (websocket(&served, true).await, websocket(&served, false).await);
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    burst(&hub, 50).await;
    let (tracker, tracked) = Tracker::new();
    hub.publish(Draft::bytes("a", "50").tracked(tracker)).unwrap();
    let others = || quick.messages.lock().unwrap().len() == 51 && served.called.urls().len() == 51;
    until("the others have all", others).await;
    assert_eq!(bodies(&slow), numbers(0..1), "no more than it has room for");
    slow.crowded.send_replace(false);
    assert_eq!(tracked.await, 3, "all have confirmed the last");
    assert_eq!(bodies(&slow), numbers(0..51), "in order");
    assert_eq!((bodies(&quick), served.called.bodies_of(URL)), (numbers(0..51), numbers(0..51)));
    burst(&hub, 10).await;
    until("it has the next, too", || slow.messages.lock().unwrap().len() == 61).await;
    assert_eq!((served.broadcaster.stats().dropped, slow.missed.lock().unwrap().len()), (0, 0));
}

#[actix_web::test]
async fn a_crowded_websocket_is_told_what_found_no_room_to_wait() {
    for (overflow, last) in [(Overflow::DropOldest, "99"), (Overflow::DropNewest, "")] {
        let making = Making { overflow, queue_bytes: 8 * 2500, ..Making::default() };
        let (hub, served) = joined(HubSettings::default(), making).await;
        let (slow, _slow) = websocket(&served, true).await;
        burst(&hub, 100).await;
        let stats = || served.broadcaster.stats();
        until("all were taken", || stats().from_hub == 100).await;
        slow.crowded.send_replace(false);
        let taken = || slow.messages.lock().unwrap().len();
        until("all are done with", || taken() as u64 + stats().dropped == 100).await;
        assert!(stats().dropped > 50, "{}", stats().dropped);
        assert_eq!(slow.missed.lock().unwrap().len() as u64, stats().dropped);
        assert_eq!(bodies(&slow).first().unwrap(), b"0");
        assert!(bodies(&slow).last().unwrap().ends_with(last.as_bytes()));
    }
}

#[actix_web::test]
async fn with_block_publishers_of_other_doors_wait_for_a_crowded_websocket_and_nothing_is_lost() {
    let making = Making { overflow: Overflow::Block, queue_bytes: 8 * 2500, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    let (slow, _slow) = websocket(&served, true).await;
    let publishing = rt::spawn(async move { burst(&hub, 300).await });
    until("what can be taken was taken", || served.broadcaster.stats().from_hub >= 80).await;
    slow.crowded.send_replace(false);
    publishing.await.unwrap();
    until("it has all", || slow.messages.lock().unwrap().len() == 300).await;
    assert_eq!((bodies(&slow), served.broadcaster.stats().dropped), (numbers(0..300), 0));
}

#[actix_web::test]
async fn another_broadcaster_waits_while_a_websocket_here_is_crowded() {
    let served = serve().await;
    let (slow, _slow) = websocket(&served, true).await;
    let broadcaster = Arc::clone(&served.broadcaster);
    let bringing = rt::spawn(async move { broadcaster.receive(&Message::new(b"a", "x".into())).await });
    until("it is waited for", || slow.waited_for.load(Ordering::SeqCst) == 2).await;
    assert!(!bringing.is_finished());
    slow.crowded.send_replace(false);
    assert_eq!(bringing.await.unwrap(), 1);
    assert_eq!(bodies(&slow), [b"x".to_vec()]);
    // One that is never through is not waited for for ever.
    slow.crowded.send_replace(true);
    assert_eq!(served.broadcaster.receive(&Message::new(b"a", "y".into())).await, 1);
}

/// What waited for room came after the end of its subscription had been confirmed.
#[actix_web::test]
async fn what_waits_for_a_crowded_websocket_does_not_come_after_the_end_of_its_subscription() {
    let (hub, served) = joined(HubSettings::default(), Making::default()).await;
    let ((one, its), (other, others)) = (websocket(&served, true).await, websocket(&served, true).await);
    assert!(others.subscribe(Glob("*")).await.unwrap());
    burst(&hub, 10).await;
    until("all were taken", || served.broadcaster.stats().from_hub == 10).await;
    for joined in [&its, &others] {
        assert!(joined.unsubscribe(Exact(b"a")).await.unwrap());
    }
    one.crowded.send_replace(false);
    other.crowded.send_replace(false);
    until("the other's pattern matches, too", || other.messages.lock().unwrap().len() == 10).await;
    assert!(its.subscribe(Exact(b"a")).await.unwrap());
    hub.publish(Draft::bytes("a", "new")).unwrap();
    until("it is there again", || bodies(&one).last().unwrap() == b"new").await;
    assert_eq!((bodies(&one), bodies(&other)[..10].to_vec()), (vec![b"0".to_vec(), b"new".to_vec()], numbers(0..10)));
    assert_eq!((served.broadcaster.stats().dropped, one.missed.lock().unwrap().len()), (0, 0), "nobody wanted them");
}

#[actix_web::test]
async fn what_crowded_websockets_lose_is_told_in_few_lines_of_the_log() {
    let (log, _set) = Log::set();
    let making = Making { queue_bytes: 8 * 2500, ..Making::default() };
    let (hub, served) = joined(HubSettings::default(), making).await;
    let (_slow, _its) = websocket(&served, true).await;
    burst(&hub, 100).await;
    until("all were taken", || served.broadcaster.stats().from_hub == 100).await;
    served.broadcaster.close();
    let told = || log.lines().iter().filter(|line| line.contains("events of other doors were dropped")).count();
    until("it ends", || told() == 2).await;
    let dropped = |line: &String| line.rsplit("dropped=").next()?.trim().parse::<u64>().ok();
    let counts: Vec<u64> = log.lines().iter().filter_map(dropped).collect();
    // Those that waited at the end are no loss by slowness.
    assert_eq!((counts[0], counts.iter().sum::<u64>()), (1, served.broadcaster.stats().dropped - 12), "{counts:?}");
}
