//! Closing a hub.

use std::time::Duration;

use eventhive_hub::{Draft, Ended, Hub, HubSettings, LocalLink, PublishRefused, SessionSettings, Start};
use eventhive_transport::{Filter, Link, LinkState, RefusedReason};
use futures_util::FutureExt;

use crate::support::{hub, next, publish, run, session, take};

#[test]
fn sessions_get_what_was_published_before_the_close_and_then_end() {
    run(async {
        let hub = hub();
        let (other, mut outgoing) = session(&hub, SessionSettings::default(), &[Filter::All]);
        publish(&hub, "a", "1");
        publish(&hub, "a", "2");
        let mut closing = Box::pin(hub.close());
        assert!((&mut closing).now_or_never().is_none(), "somebody has not read yet");
        let refused = hub.publish(Draft::json("a", "3")).unwrap_err();
        assert!(matches!(refused.reason, PublishRefused::Closed));
        assert_eq!(take(&mut outgoing, 2).await, ["1", "2"]);
        assert_eq!(next(&mut outgoing).await, None);
        assert_eq!(outgoing.ended(), Some(Ended::HubClosing));
        closing.await;
        assert!(other.subscribe(Filter::All).is_err());
        assert!(other.subscribe_from(Filter::All, Start::Oldest).await.is_err());
        let (_late, mut nothing) = hub.worker().open(SessionSettings::default());
        assert_eq!((next(&mut nothing).await, nothing.ended()), (None, Some(Ended::HubClosing)));
        hub.close().await;
        hub.ready().await;
        assert_eq!(hub.stats().sessions, 0);
    });
}

#[test]
fn sessions_that_do_not_read_end_at_the_deadline() {
    run(async {
        let hub = Hub::new(HubSettings { close_deadline: Duration::from_millis(10), ..HubSettings::default() });
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[Filter::All]);
        publish(&hub, "a", "1");
        hub.close().await;
        assert_eq!((hub.stats().sessions, hub.stats().queue_bytes, session.drops().ended), (0, 0, 1));
        assert_eq!((next(&mut outgoing).await, outgoing.ended()), (None, Some(Ended::HubClosing)));
    });
}

#[test]
fn a_link_that_is_dropped_ends_its_subscriptions() {
    run(async {
        let hub = hub();
        let link = LocalLink::new(hub.clone()).unwrap();
        let subscription = link.subscribe(Filter::All, std::sync::Arc::new(|_| {})).await.unwrap();
        assert_eq!(hub.stats().sessions, 1);
        drop(link);
        while hub.stats().workers > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hub.stats().sessions, 0);
        subscription.cancel().await;
    });
}

#[test]
fn a_link_of_the_process_tells_that_its_hub_has_closed() {
    run(async {
        let hub = hub();
        let link = LocalLink::new(hub.clone()).unwrap();
        let subscription = link.subscribe(Filter::All, std::sync::Arc::new(|_| {})).await.unwrap();
        hub.close().await;
        let mut state = link.state();
        let down = |state: &LinkState| matches!(state, LinkState::Down { gave_up: true, .. });
        state.wait_for(down).await.unwrap();
        let refused = link.publish("a".into(), "1".into()).unwrap_err();
        assert_eq!(refused.reason, RefusedReason::Down);
        subscription.cancel().await;
        link.close().await;
        assert_eq!(*state.borrow(), LinkState::Closed);
    });
}
