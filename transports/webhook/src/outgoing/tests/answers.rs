//! What answers mean.

use super::support::{Asked, Peer, Server, hello, http, outgoing, written};
use crate::outgoing::{Report, Verified};
use crate::store::Outcome;
use crate::wire::Proof;
use crate::wire::responses::Response;

/// What becomes of a message that is answered so.
async fn answered(answer: impl Fn(&Asked) -> Vec<u8> + Clone + Send + Sync + 'static) -> Report {
    let server = Server::start(move |mut peer: Peer| {
        let answer = answer.clone();
        async move {
            let asked = peer.asked().await.unwrap();
            peer.say(&answer(&asked)).await;
            peer.asked().await;
        }
    })
    .await;
    outgoing(|_| ()).receive(&server.url("/"), &hello()).await
}

#[tokio::test]
async fn the_body_says_it_whatever_the_status() {
    for status in ["200 OK", "500 Oops", "404 Not Found", "302 Found", "403 Forbidden"] {
        let report = answered(move |asked| http(status, &asked.confirmed(7))).await;
        assert_eq!((report.outcome, report.subscribers), (Outcome::Confirmed, 7), "{status}");
        assert_eq!(report.status, status[..3].parse().ok());
        let report = answered(move |_| http(status, &written(Response::UnsubscribeImmediate))).await;
        assert_eq!((report.outcome, report.subscribers), (Outcome::Unsubscribed, 0), "{status}");
    }
}

#[tokio::test]
async fn bytes_behind_an_answer_are_ignored_and_chunks_are_put_together() {
    let report = answered(|asked| http("200 OK", &[asked.confirmed(1), b"more".to_vec()].concat())).await;
    assert_eq!(report.outcome, Outcome::Confirmed);
    let report = answered(|asked| {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for byte in asked.confirmed(3) {
            answer.extend_from_slice(b"1\r\n");
            answer.extend_from_slice(&[byte, b'\r', b'\n']);
        }
        answer.extend_from_slice(b"0\r\n\r\n");
        answer
    })
    .await;
    assert_eq!((report.outcome, report.subscribers), (Outcome::Confirmed, 3));
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_counts() {
    let server = Server::start(async |mut peer: Peer| {
        let confirmed = peer.asked().await.unwrap().confirmed(2);
        peer.say(b"HTTP/1.0 200 OK\r\n\r\n").await;
        peer.say(&confirmed).await;
    })
    .await;
    let report = outgoing(|_| ()).receive(&server.url("/"), &hello()).await;
    assert_eq!((report.outcome, report.subscribers), (Outcome::Confirmed, 2), "{report:?}");
}

#[tokio::test]
async fn other_answers_are_bad_and_say_why() {
    let proof = Proof::default();
    let other = move |_: &Asked| {
        http("200 OK", &written(Response::ConfirmReceive { proof, identifier: b"another!", num_subscribers: 1 }))
    };
    let missed = move |_: &Asked| http("200 OK", &written(Response::ConfirmMissed { proof }));
    let cut = |asked: &Asked| http("200 OK", &asked.confirmed(1)[..5]);
    for (report, why) in [
        (answered(other).await, "another message"),
        (answered(missed).await, "an answer to something else"),
        (answered(cut).await, "status 200 OK with 5 bytes that are no answer"),
        (answered(|_| http("404 Not Found", b"<html>")).await, "status 404 Not Found with 6 bytes"),
        (answered(|_| http("503 Unavailable", b"")).await, "without a body"),
    ] {
        assert_eq!((report.outcome, report.subscribers), (Outcome::BadAnswer, 0), "{report:?}");
        assert!(report.detail.contains(why), "{}", report.detail);
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let inner = Server::start(Peer::confirm_all).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let to = inner.url("/");
        let report =
            answered(move |_| format!("HTTP/1.1 {status}\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes())
                .await;
        assert_eq!(report.outcome, Outcome::BadAnswer);
        assert!(report.detail.contains("redirects are not followed"), "{}", report.detail);
    }
    assert_eq!(inner.connections(), 0);
}

/// What a url is found to want that answers an OPTIONS with these headers.
async fn asked_to_verify(headers: &'static str) -> (Result<Verified, Report>, Asked) {
    let mut server = Server::start(move |mut peer: Peer| async move {
        peer.asked().await;
        peer.say(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n").as_bytes()).await;
    })
    .await;
    let outgoing = outgoing(|settings| settings.origin = Some("events.example.org".into()));
    (outgoing.verify(&server.url("/hook?x")).await, server.asked().await)
}

#[tokio::test]
async fn a_url_is_asked_whether_it_wants_to_be_called() {
    let (verified, asked) =
        asked_to_verify("WebHook-Allowed-Origin: events.example.org\r\nWebHook-Allowed-Rate: 120\r\n").await;
    assert_eq!(verified.unwrap().rate.unwrap().get(), 120);
    assert!(asked.head.starts_with("OPTIONS /hook?x HTTP/1.1\r\n"));
    assert_eq!(asked.header("webhook-request-origin"), Some("events.example.org"));
    for headers in ["WebHook-Allowed-Origin: *\r\n", "WebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: *\r\n"] {
        assert_eq!(asked_to_verify(headers).await.0, Ok(Verified { rate: None }));
    }
}

#[tokio::test]
async fn whoever_does_not_say_so_does_not_want_to_be_called() {
    for (headers, why) in [
        ("", "lacks `WebHook-Allowed-Origin`"),
        ("Allow: OPTIONS, POST\r\nAccess-Control-Allow-Origin: *\r\n", "lacks `WebHook-Allowed-Origin`"),
        ("WebHook-Allowed-Origin: other.example.org\r\n", "names others"),
        ("WebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: 0\r\n", "neither `*` nor a number"),
        ("WebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: lots\r\n", "neither `*` nor a number"),
    ] {
        let refused = asked_to_verify(headers).await.0.unwrap_err();
        assert_eq!(refused.outcome, Outcome::BadAnswer);
        assert!(refused.detail.contains(why), "{}", refused.detail);
    }
}

#[tokio::test]
async fn the_origin_goes_with_every_request_and_without_one_nobody_is_asked() {
    let mut server = Server::start(Peer::confirm_all).await;
    let named = outgoing(|settings| settings.origin = Some("events.example.org".into()));
    named.receive(&server.url("/"), &hello()).await;
    assert_eq!(server.asked().await.header("webhook-request-origin"), Some("events.example.org"));
    assert_eq!(outgoing(|_| ()).verify(&server.url("/")).await, Ok(Verified { rate: None }));
    assert_eq!(server.connections(), 1);
}
