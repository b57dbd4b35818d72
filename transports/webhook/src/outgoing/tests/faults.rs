//! Servers that stall, cut, dribble, say too much, or speak something else.

use std::time::Duration;

use eventhive_conformance::free_port;

use super::support::{LONG, Peer, Server, hello, http, outgoing};
use crate::outgoing::{OutgoingSettings, Report};
use crate::store::Outcome;

const SOON: Duration = Duration::from_millis(150);

/// What becomes of a message to a server that does this once it was asked.
async fn against<F: Future<Output = ()> + Send + 'static>(
    change: impl FnOnce(&mut OutgoingSettings),
    then: impl Fn(Peer, Vec<u8>) -> F + Copy + Send + Sync + 'static,
) -> Report {
    let server = Server::start(move |mut peer: Peer| async move {
        let confirmed = peer.asked().await.unwrap().confirmed(1);
        then(peer, http("200 OK", &confirmed)).await;
    })
    .await;
    let outgoing = outgoing(change);
    let report = outgoing.receive(&server.url("/"), &hello()).await;
    assert_eq!(outgoing.load().requests, 0);
    assert_eq!((server.connections(), outgoing.load().idle), (1, 0));
    report
}

async fn stall(peer: Peer) {
    tokio::time::sleep(LONG).await;
    drop(peer);
}

#[tokio::test]
async fn a_server_that_says_nothing_or_stops_within_its_answer_is_too_slow() {
    let soon = |settings: &mut OutgoingSettings| settings.read_timeout = SOON;
    for said in [0, 5, 20, 50] {
        let report = match said {
            0 => against(soon, async |peer, _| stall(peer).await).await,
            5 => {
                against(soon, async |mut peer, answer| {
                    peer.say(&answer[..5]).await;
                    stall(peer).await
                })
                .await
            }
            20 => {
                against(soon, async |mut peer, answer| {
                    peer.say(&answer[..20]).await;
                    stall(peer).await
                })
                .await
            }
            _ => {
                against(soon, async |mut peer, answer| {
                    peer.say(&answer[..50]).await;
                    stall(peer).await
                })
                .await
            }
        };
        assert_eq!(report.outcome, Outcome::TimedOut, "{said}: {report:?}");
    }
}

#[tokio::test]
async fn a_server_that_dribbles_has_no_longer_than_the_total() {
    let report = against(
        |settings| (settings.read_timeout, settings.total_timeout) = (LONG, SOON * 2),
        async |mut peer, _| loop {
            peer.say(b"HTTP/1.1 200 OK\r\nx: y\r\n").await;
            for _ in 0..1000 {
                peer.say(b"z: z\r\n").await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        },
    )
    .await;
    assert_eq!(report.outcome, Outcome::TimedOut, "{report:?}");
}

#[tokio::test]
async fn a_server_that_dribbles_in_time_is_heard_to_the_end() {
    let report = against(
        |settings| (settings.read_timeout, settings.idle_connections) = (SOON * 4, 0),
        async |mut peer, answer| {
            for byte in answer {
                peer.say(&[byte]).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        },
    )
    .await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
}

#[tokio::test]
async fn a_server_that_does_not_read_is_too_slow() {
    let server = Server::start(stall).await;
    let outgoing = outgoing(|settings| settings.read_timeout = SOON);
    let message = crate::message::Message::new(b"a", vec![0; 32 << 20].into());
    assert_eq!(outgoing.receive(&server.url("/"), &message).await.outcome, Outcome::TimedOut);
}

#[tokio::test]
async fn a_cut_at_any_place_of_the_answer_is_no_answer() {
    let nothing = against(|_| (), async |_, _| ()).await;
    let head = against(|_| (), async |mut peer, answer| peer.say(&answer[..9]).await).await;
    let body = against(|_| (), async |mut peer, answer| peer.say(&answer[..answer.len() - 1]).await).await;
    for report in [nothing, head, body] {
        assert_eq!((report.outcome, report.subscribers), (Outcome::Unreachable, 0), "{report:?}");
        assert!(!report.detail.is_empty());
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let announced = against(
        |_| (),
        async |mut peer, _| {
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5000000000\r\n\r\n\0\x08").await;
            stall(peer).await;
        },
    );
    let endless = against(
        |_| (),
        async |mut peer, _| {
            peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            loop {
                peer.say(format!("1000\r\n{}\r\n", "x".repeat(4096)).as_bytes()).await;
                tokio::task::yield_now().await;
            }
        },
    );
    for report in [announced.await, endless.await] {
        assert_eq!((report.outcome, report.status), (Outcome::BadAnswer, Some(200)), "{report:?}");
        assert!(report.detail.contains("longer"), "{}", report.detail);
    }
}

#[tokio::test]
async fn an_endless_head_is_no_answer() {
    let report = against(
        |_| (),
        async |mut peer, _| {
            peer.say(b"HTTP/1.1 200 OK\r\n").await;
            for _ in 0..10_000 {
                peer.say(b"name: value value value value\r\n").await;
            }
            stall(peer).await;
        },
    )
    .await;
    assert_eq!(report.outcome, Outcome::BadAnswer, "{report:?}");
}

#[tokio::test]
async fn what_is_not_http_is_a_bad_answer() {
    for report in [
        against(|_| (), async |mut peer, _| peer.say(b"SSH-2.0-OpenSSH_9.2\r\n").await).await,
        against(|_| (), async |mut peer, _| peer.say(&[0; 64]).await).await,
    ] {
        assert_eq!(report.outcome, Outcome::BadAnswer, "{report:?}");
    }
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_a_bad_answer() {
    let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let report = against(|_| (), async move |mut peer, _| peer.say(upgrade).await).await;
    assert_eq!(report.subscribers, 0);
    assert!(matches!(report.outcome, Outcome::BadAnswer | Outcome::Unreachable), "no fault of ours: {report:?}");
}

#[tokio::test]
async fn an_interim_answer_is_passed_over() {
    let report = against(
        |settings| settings.idle_connections = 0,
        async |mut peer, answer| {
            peer.say(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await;
            peer.say(&answer).await;
        },
    )
    .await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let url = format!("http://127.0.0.1:{}/", free_port());
    let report = outgoing(|_| ()).receive(&url, &hello()).await;
    assert_eq!((report.outcome, report.status), (Outcome::Unreachable, None));
    assert!(report.detail.contains("refused"), "{}", report.detail);
}
