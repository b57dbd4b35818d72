//! Streams: what is kept, what is told when it is not, and who gets it.

use std::collections::BTreeSet;

use eventhive_conformance::{FaultProxy, Mode};
use eventhive_transport::{Delivery, Filter, Link, LinkError, LinkState};
use redis::FromRedisValue;

use crate::server::{Server, eventually};
use crate::support::{
    Collector, Given, PATIENCE, Seen, at, collect, link, listen, message, number, publish, text, try_collect, until,
    until_down, with,
};

const STREAM: &str = "eventhive:net/in";

fn given(server: &Server) -> Given {
    with(at(server), [("mode", text("streams"))])
}

fn member(server: &Server, group: &str, name: &str) -> Given {
    let member = [("consumer_group", text(group)), ("consumer_name", text(name)), ("claim_idle_secs", number(1))];
    with(given(server), member)
}

/// A link through a proxy, with a subscription that works.
async fn proxied(server: &Server) -> (FaultProxy, std::sync::Arc<dyn Link>, Collector) {
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let mut given = given(server);
    given.retain(|(key, _)| *key != "port");
    let link = link(&with(given, [("port", number(proxy.address().port()))])).await;
    let mut received = collect(&*link, "net/in/*").await;
    publish(&*link, "net/in/a", "first").await.unwrap();
    assert_eq!(received.payload().await, "first");
    (proxy, link, received)
}

async fn cut_off(proxy: &FaultProxy, link: &dyn Link) {
    proxy.set(Mode::Refuse).await.unwrap();
    proxy.cut();
    until_down(link).await;
}

#[tokio::test]
async fn the_layout_is_as_documented() {
    let server = Server::start();
    let link = link(&given(&server)).await;
    assert_eq!(publish(&*link, "net/in/act", "{}").await, Ok(Delivery::Accepted));
    assert_eq!(publish(&*link, "alone", "x").await, Ok(Delivery::Accepted));
    let mut keys: Vec<String> = server.ask(&["KEYS", "*"]);
    keys.sort();
    assert_eq!(keys, ["eventhive:alone", STREAM]);
    let entries: Vec<(String, Vec<String>)> = server.ask(&["XRANGE", STREAM, "-", "+"]);
    assert_eq!(entries[0].1, ["topic", "net/in/act", "payload", "{}"]);
}

#[tokio::test]
async fn the_stream_of_an_inbox_expires_whoever_made_it_and_its_answers_arrive() {
    let server = Server::start();
    let expiry = |stream: &str| server.ask::<i64>(&["TTL", stream]);
    let lives_an_hour = |stream: String| async move {
        let begun = std::time::Instant::now();
        while !(3000..=3600).contains(&expiry(&stream)) {
            assert!(begun.elapsed() < PATIENCE, "{stream}: {}", expiry(&stream));
            tokio::task::yield_now().await;
        }
    };
    for (group, given) in [(false, given(&server)), (true, member(&server, "group", "one"))] {
        let inbox = |number: u128| format!("net/inbox-{:032x}", number + 10 * u128::from(group));
        let stream = |number: u128| format!("eventhive:{}", inbox(number));
        let (asker, other) = (link(&given).await, link(&self::given(&server)).await);
        // Its asker is gone.
        publish(&*other, &format!("{}/id", inbox(1)), "late").await.unwrap();
        publish(&*other, "net/in/a", "kept").await.unwrap();
        let mut answers = collect(&*asker, &format!("{}/*", inbox(2))).await;
        for number in 0..20 {
            publish(&*other, &format!("{}/id", inbox(2)), &number.to_string()).await.unwrap();
            assert_eq!(answers.payload().await, number.to_string());
        }
        lives_an_hour(stream(1)).await;
        lives_an_hour(stream(2)).await;
        // One that is read lives on without a message.
        let _: i64 = server.ask(&["EXPIRE", &stream(2), "100"]);
        lives_an_hour(stream(2)).await;
        assert_eq!(expiry(STREAM), -1, "what is no inbox is kept");
        if group {
            // The subscription makes the stream.
            let _quiet = collect(&*asker, &format!("{}/*", inbox(3))).await;
            lives_an_hour(stream(3)).await;
        }
    }
}

#[tokio::test]
async fn what_is_published_while_a_link_is_down_arrives_in_order_and_once() {
    let server = Server::start();
    let (other, (proxy, link, mut received)) = (link(&given(&server)).await, proxied(&server).await);
    for round in 0..3 {
        cut_off(&proxy, &*link).await;
        for number in 0..100 {
            publish(&*other, "net/in/a", &format!("{round} {number}")).await.unwrap();
        }
        proxy.set(Mode::Pass).await.unwrap();
        for number in 0..100 {
            assert_eq!(received.next().await, message("net/in/a", &format!("{round} {number}")));
        }
    }
}

#[tokio::test]
async fn what_was_trimmed_before_it_was_read_is_a_gap_with_its_number() {
    let server = Server::start();
    let (other, (proxy, link, mut received)) = (link(&given(&server)).await, proxied(&server).await);
    cut_off(&proxy, &*link).await;
    for number in 0..10 {
        publish(&*other, "net/in/a", &number.to_string()).await.unwrap();
    }
    let _: u64 = server.ask(&["XTRIM", STREAM, "MAXLEN", "=", "3"]);
    proxy.set(Mode::Pass).await.unwrap();
    assert_eq!(received.next().await, Seen::Gap(Some(7)));
    for number in 7..10 {
        assert_eq!(received.payload().await, number.to_string());
    }
}

#[tokio::test]
async fn a_server_that_keeps_its_data_loses_nothing_in_a_restart() {
    let server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (one, mut received) = {
        let link = link(&given(&server)).await;
        let received = collect(&*link, "net/in/*").await;
        (link, received)
    };
    for round in 0..2 {
        publish(&*one, "net/in/a", &format!("before {round}")).await.unwrap();
        assert_eq!(received.next().await, message("net/in/a", &format!("before {round}")));
        server.kill();
        until_down(&*one).await;
        server.resume();
        let other = link(&given(&server)).await;
        publish(&*other, "net/in/a", &format!("after {round}")).await.unwrap();
        assert_eq!(received.next().await, message("net/in/a", &format!("after {round}")));
        until(&*one, LinkState::is_up).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_lost_is_a_gap_and_its_successor_is_read_from_its_beginning() {
    let server = Server::start();
    let (other, (proxy, link, mut received)) = (link(&given(&server)).await, proxied(&server).await);
    cut_off(&proxy, &*link).await;
    let _: u64 = server.ask(&["DEL", STREAM]);
    // Older than what was read, as it is when the server's clock was set back.
    let _: String = server.ask(&["XADD", STREAM, "5-0", "topic", "net/in/a", "payload", "new"]);
    proxy.set(Mode::Pass).await.unwrap();
    assert_eq!(received.next().await, Seen::Gap(None));
    assert_eq!(received.payload().await, "new");
    publish(&*other, "net/in/a", "newer").await.unwrap();
    assert_eq!(received.payload().await, "newer");
}

#[tokio::test]
async fn an_entry_of_another_program_is_passed_over() {
    let server = Server::start();
    let link = link(&given(&server)).await;
    let mut received = collect(&*link, "net/in/*").await;
    let _: String = server.ask(&["XADD", STREAM, "*", "some", "thing"]);
    let _: String = server.ask(&["XADD", STREAM, "*", "payload", "x", "more", "y", "topic", "net/in/a"]);
    assert_eq!(received.next().await, message("net/in/a", "x"));
}

#[tokio::test]
async fn a_second_subscription_to_a_stream_begins_with_what_comes_after_it() {
    let server = Server::start();
    let link = link(&given(&server)).await;
    let mut first = collect(&*link, "net/in/*").await;
    for number in 0..50 {
        publish(&*link, "net/in/a", &number.to_string()).await.unwrap();
    }
    let mut second = listen(&*link, "net/in/a").await;
    publish(&*link, "net/in/b", "other").await.unwrap();
    publish(&*link, "net/in/a", "last").await.unwrap();
    assert_eq!(second.payload().await, "last");
    for number in 0..50 {
        assert_eq!(first.payload().await, number.to_string());
    }
    assert_eq!(first.next().await, message("net/in/b", "other"));
}

/// Regression: a link that came up again read on from the place it knew, and forgot who had asked for it meanwhile.
#[tokio::test]
async fn a_second_subscription_made_while_the_link_is_down_stands_when_it_is_up() {
    let server = Server::start();
    let (proxy, link, mut received) = proxied(&server).await;
    cut_off(&proxy, &*link).await;
    let second = tokio::spawn({
        let link = std::sync::Arc::clone(&link);
        async move { listen(&*link, "net/in/a").await }
    });
    proxy.set(Mode::Pass).await.unwrap();
    let mut second = second.await.unwrap();
    publish(&*link, "net/in/a", "x").await.unwrap();
    assert_eq!((received.payload().await, second.payload().await), ("x".into(), "x".into()));
}

#[tokio::test]
async fn a_pattern_over_many_streams_is_refused_with_the_remedy() {
    let server = Server::start();
    let link = link(&given(&server)).await;
    for filter in [Filter::All, Filter::Glob("net/*".parse().unwrap()), Filter::Glob("net/in*".parse().unwrap())] {
        let Err(LinkError::Unsupported(reason)) = try_collect(&*link, filter).await.map(drop) else {
            panic!("too wide")
        };
        assert!(reason.contains("`stream_segments`"), "{reason}");
    }
    let wide = crate::support::link(&with(given(&server), [("stream_segments", number(1))])).await;
    let mut received = collect(&*wide, "net/*/act").await;
    publish(&*wide, "net/x/act", "x").await.unwrap();
    assert_eq!(received.payload().await, "x");
}

fn length(server: &Server) -> u64 {
    server.ask(&["XLEN", STREAM])
}

#[tokio::test]
async fn streams_are_trimmed_by_length_and_by_age() {
    let server = Server::start();
    let short = link(&with(given(&server), [("stream_maxlen", number(50))])).await;
    for _ in 0..1000 {
        publish(&*short, "net/in/a", "x").await.unwrap();
    }
    // Whole nodes of a hundred entries go.
    assert!((50..=250).contains(&length(&server)), "{}", length(&server));
    let all = link(&with(given(&server), [("stream_maxlen", number(0))])).await;
    for _ in 0..500 {
        publish(&*all, "net/in/a", "x").await.unwrap();
    }
    assert!(length(&server) >= 550);

    let _: u64 = server.ask(&["DEL", STREAM]);
    for entry in 1..=1000 {
        let _: String = server.ask(&["XADD", STREAM, &format!("{entry}-0"), "topic", "net/in/old", "payload", ""]);
    }
    let young = link(&with(given(&server), [("stream_max_age_secs", number(3600))])).await;
    publish(&*young, "net/in/a", "x").await.unwrap();
    assert!(length(&server) <= 101, "{}", length(&server));
}

#[tokio::test]
async fn a_hive_with_a_group_of_its_own_finds_what_it_missed_after_a_restart() {
    let server = Server::start();
    let (other, first) = (link(&given(&server)).await, link(&member(&server, "hive", "it")).await);
    publish(&*other, "net/in/a", "before it ever listened").await.unwrap();
    let mut received = collect(&*first, "net/in/*").await;
    publish(&*other, "net/in/a", "seen").await.unwrap();
    assert_eq!(received.payload().await, "seen");
    // Acknowledged together with the next read.
    eventually("the acknowledgement", || (pending(&server, "hive") == 0).then_some(()));
    first.close().await;
    for number in 0..50 {
        publish(&*other, "net/in/a", &number.to_string()).await.unwrap();
    }
    let again = link(&member(&server, "hive", "it")).await;
    let mut received = collect(&*again, "net/in/*").await;
    for number in 0..50 {
        assert_eq!(received.next().await, message("net/in/a", &number.to_string()));
    }
}

fn pending(server: &Server, group: &str) -> i64 {
    let summary: Vec<redis::Value> = server.ask(&["XPENDING", STREAM, group]);
    i64::from_redis_value_ref(&summary[0]).unwrap()
}

#[tokio::test]
async fn members_of_a_group_share_the_work_and_each_message_is_done_once() {
    let server = Server::start();
    let (one, other) = (link(&member(&server, "workers", "1")).await, link(&member(&server, "workers", "2")).await);
    let (mut ones, mut others) = (collect(&*one, "net/in/*").await, collect(&*other, "net/in/*").await);
    let publisher = link(&given(&server)).await;
    let mut left: BTreeSet<String> = (0..200).map(|number| number.to_string()).collect();
    let (mut by_one, mut by_other) = (0, 0);
    for number in left.clone() {
        publish(&*publisher, "net/in/a", &number).await.unwrap();
        // One after the other, so that both are waiting for each.
        let payload = tokio::select! {
            payload = ones.payload() => { by_one += 1; payload }
            payload = others.payload() => { by_other += 1; payload }
        };
        assert!(left.remove(&payload), "{payload} was done twice");
    }
    assert!(left.is_empty() && by_one > 0 && by_other > 0, "{by_one} and {by_other}, not done: {left:?}");
    eventually("all is acknowledged", || (pending(&server, "workers") == 0).then_some(()));
}

/// A member that takes so many messages and dies before it has acknowledged them.
fn dies_with(server: &Server, name: &str, count: u64) {
    let _: redis::Value =
        server.ask(&["XREADGROUP", "GROUP", "workers", name, "COUNT", &count.to_string(), "STREAMS", STREAM, ">"]);
}

async fn stream_with_group(server: &Server, messages: u64) {
    let _: String = server.ask(&["XGROUP", "CREATE", STREAM, "workers", "$", "MKSTREAM"]);
    let publisher = link(&given(server)).await;
    for number in 0..messages {
        publish(&*publisher, "net/in/a", &number.to_string()).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_dead_member_left_is_taken_over() {
    let server = Server::start();
    stream_with_group(&server, 5).await;
    dies_with(&server, "dead", 3);
    let link = link(&member(&server, "workers", "living")).await;
    let mut received = collect(&*link, "net/in/*").await;
    let mut done = Vec::new();
    for _ in 0..5 {
        done.push(received.payload().await);
    }
    done.sort();
    assert_eq!(done, ["0", "1", "2", "3", "4"]);
    eventually("all is acknowledged", || (pending(&server, "workers") == 0).then_some(()));
}

#[tokio::test]
async fn a_member_that_comes_back_finishes_its_own_work_first() {
    let server = Server::start();
    stream_with_group(&server, 40).await;
    dies_with(&server, "me", 30);
    let link = link(&member(&server, "workers", "me")).await;
    let mut received = collect(&*link, "net/in/*").await;
    for number in 0..40 {
        assert_eq!(received.next().await, message("net/in/a", &number.to_string()));
    }
}

#[tokio::test]
async fn work_that_was_trimmed_away_is_told() {
    let server = Server::start();
    stream_with_group(&server, 5).await;
    dies_with(&server, "me", 2);
    let _: u64 = server.ask(&["XTRIM", STREAM, "MAXLEN", "=", "1"]);
    let link = link(&member(&server, "workers", "me")).await;
    let mut received = collect(&*link, "net/in/*").await;
    // Two that nobody was given, and two that were given and not finished.
    assert_eq!(received.next().await, Seen::Gap(Some(2)));
    assert_eq!(received.next().await, Seen::Gap(Some(1)));
    assert_eq!(received.next().await, Seen::Gap(Some(1)));
    assert_eq!(received.payload().await, "4");
}

#[tokio::test]
async fn a_group_that_was_removed_is_made_again_where_it_was() {
    let server = Server::start();
    let link = link(&member(&server, "hive", "it")).await;
    let mut received = collect(&*link, "net/in/*").await;
    publish(&*link, "net/in/a", "1").await.unwrap();
    assert_eq!(received.payload().await, "1");
    let _: u64 = server.ask(&["XGROUP", "DESTROY", STREAM, "hive"]);
    assert_eq!(received.next().await, Seen::Gap(None));
    assert!(link.state().borrow().is_up(), "one stream's trouble is not the link's");
    publish(&*link, "net/in/a", "2").await.unwrap();
    assert_eq!(received.payload().await, "2");
}

#[tokio::test]
async fn a_stream_that_becomes_unreadable_is_tried_again_and_costs_the_others_nothing() {
    let server = Server::start();
    let link = link(&given(&server)).await;
    let (mut bad, mut good) = (collect(&*link, "net/in/*").await, collect(&*link, "net/good/*").await);
    let _: redis::Value = server.ask(&["SET", STREAM, "a text"]);
    publish(&*link, "net/good/a", "1").await.unwrap();
    assert_eq!(good.payload().await, "1");
    assert!(publish(&*link, "net/in/a", "refused").await.is_err());
    let _: redis::Value = server.ask(&["DEL", STREAM]);
    publish(&*link, "net/in/a", "x").await.unwrap();
    assert_eq!(bad.payload().await, "x");
    assert!(link.state().borrow().is_up());
}

#[tokio::test]
async fn a_member_without_a_name_leaves_no_trace() {
    let server = Server::start();
    let link = link(&with(given(&server), [("consumer_group", text("workers"))])).await;
    let mut received = collect(&*link, "net/in/*").await;
    publish(&*link, "net/in/a", "x").await.unwrap();
    assert_eq!(received.payload().await, "x");
    let members = || server.ask::<Vec<redis::Value>>(&["XINFO", "CONSUMERS", STREAM, "workers"]).len();
    assert_eq!(members(), 1);
    eventually("the acknowledgement", || (pending(&server, "workers") == 0).then_some(()));
    link.close().await;
    assert_eq!(members(), 0);
}

#[tokio::test]
async fn large_messages_are_read_in_small_bites() {
    let server = Server::start();
    let large = with(given(&server), [("max_payload_bytes", number(4 << 20)), ("send_queue_bytes", number(16 << 20))]);
    let link = link(&large).await;
    let (other, mut received) = (crate::support::link(&large).await, collect(&*link, "net/in/*").await);
    for size in [4 << 20, 1, 3 << 20, 2 << 20, 10, 4 << 20, 4 << 20] {
        let payload = "x".repeat(size);
        publish(&*other, "net/in/a", &payload).await.unwrap();
        assert!(received.payload().await == payload, "{size}");
    }
}

#[tokio::test]
async fn a_key_of_another_type_refuses_the_subscription_and_costs_the_link_nothing() {
    let server = Server::start();
    let link = link(&given(&server)).await;
    let _: redis::Value = server.ask(&["SET", STREAM, "a text"]);
    let refused = try_collect(&*link, Filter::exact("net/in/a")).await.map(drop).unwrap_err();
    assert!(matches!(&refused, LinkError::Rejected(reason) if reason.contains("WRONGTYPE")), "{refused:?}");
    let refused = publish(&*link, "net/in/a", "x").await.unwrap_err();
    assert!(matches!(&refused, LinkError::Rejected(reason) if reason.contains("WRONGTYPE")), "{refused:?}");
    let mut received = listen(&*link, "net/other/a").await;
    publish(&*link, "net/other/a", "x").await.unwrap();
    assert_eq!(received.payload().await, "x");
}
