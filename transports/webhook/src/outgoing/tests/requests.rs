//! What a request looks like at the other end.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;

use super::support::{Asked, LONG, Peer, Server, hello, http, outgoing, until, written};
use crate::message::{Body, Message, SpooledFile};
use crate::outgoing::{Outgoing, Report};
use crate::store::Outcome;
use crate::wire::Proof;
use crate::wire::bodies::Missed;
use crate::wire::digest::{hash, repr_digest};
use crate::wire::responses::Response;

/// Any runtime may run it.
fn send<T: Send>(future: T) -> T {
    future
}

#[tokio::test]
async fn a_message_is_delivered_with_the_head_and_body_of_the_protocol() {
    let mut server = Server::start(Peer::confirm_all).await;
    let outgoing = outgoing(|_| ());
    let report = send(outgoing.receive(&server.url("/v1/receive?a=%41#me"), &hello())).await;
    assert_eq!((report.outcome, report.subscribers, report.status), (Outcome::Confirmed, 1, Some(200)), "{report:?}");
    assert_eq!(&*report.detail, "");
    let asked = server.asked().await;
    assert!(asked.head.starts_with("POST /v1/receive?a=%41 HTTP/1.1\r\n"), "{}", asked.head);
    let expected = [
        ("host", server.address.to_string()),
        ("content-type", "application/octet-stream".to_owned()),
        ("content-length", asked.body.len().to_string()),
        ("repr-digest", repr_digest(&hash(b"hello"))),
        ("accept", "*/*".to_owned()),
        ("user-agent", format!("eventhive/{}", env!("CARGO_PKG_VERSION"))),
    ];
    for (name, value) in &expected {
        assert_eq!(asked.header(name), Some(value.as_str()), "{name}");
    }
    assert_eq!(asked.head.lines().count(), expected.len() + 2, "{}", asked.head);
    let (head, message) = asked.receive();
    assert_eq!((head.tracing, head.topic, head.length, message), (&b""[..], &b"a/b"[..], 5, &b"hello"[..]));
    assert_eq!(head.identifier, report.identifier.unwrap());
}

#[tokio::test]
async fn head_and_small_body_come_in_one_write() {
    for length in [0, 5, 60_000] {
        let (sender, mut reads) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::start(move |mut peer| {
            let sender = sender.clone();
            async move {
                sender.send(peer.read_once().await).unwrap();
            }
        })
        .await;
        let message = Message::new(b"a", vec![b'x'; length].into());
        outgoing(|_| ()).receive(&server.url("/"), &message).await;
        let read = reads.recv().await.unwrap();
        let head = read.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(read.len() - head, 22 + length);
    }
}

#[tokio::test]
async fn a_missed_is_confirmed_by_its_answer() {
    let mut server = Server::start(async |mut peer: Peer| {
        peer.asked().await;
        peer.say(&http("200 OK", &written(Response::ConfirmMissed { proof: Proof::default() }))).await;
    })
    .await;
    let report = outgoing(|_| ()).missed(&server.url("/v1/recover"), b"a/b", LONG).await;
    assert_eq!((report.outcome, report.subscribers, report.identifier), (Outcome::Confirmed, 0, None), "{report:?}");
    let asked = server.asked().await;
    assert_eq!(Missed::read(&asked.body).unwrap(), Missed { tracing: b"", topic: b"a/b" });
    assert_eq!(asked.header("repr-digest"), None);
}

fn spooled(bytes: &[u8], length: u64) -> Message {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Message { topic: (*b"a").into(), body: Body::File(Arc::new(SpooledFile::new(file, length))), sha512: hash(bytes) }
}

async fn delivered(outgoing: &Outgoing, server: &mut Server, message: &Message) -> Asked {
    let report = outgoing.receive(&server.url("/"), message).await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
    server.asked().await
}

#[tokio::test]
async fn messages_of_any_size_arrive_whole_from_memory_and_from_a_file() {
    let mut server = Server::start(Peer::confirm_all).await;
    let outgoing = outgoing(|_| ());
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|at| (at % 251) as u8).collect();
    for length in [0, 1, 4_095, 4_096, 4_097, 200_000, bytes.len()] {
        let bytes = &bytes[..length];
        for message in [Message::new(b"a", Bytes::copy_from_slice(bytes)), spooled(bytes, length as u64)] {
            let asked = delivered(&outgoing, &mut server, &message).await;
            assert!(asked.receive().1 == bytes, "{length}");
            assert_eq!(asked.header("transfer-encoding"), None);
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_and_not_tried_again() {
    let server = Server::start(Peer::confirm_all).await;
    let outgoing = outgoing(|_| ());
    assert_eq!(outgoing.receive(&server.url("/"), &hello()).await.outcome, Outcome::Confirmed);
    let Report { outcome, detail, .. } = outgoing.receive(&server.url("/"), &spooled(b"short", 1_000_000)).await;
    assert_eq!(outcome, Outcome::OwnFault);
    assert!(detail.starts_with("the message cannot be read: "), "{detail}");
    until("nothing is under way", || outgoing.load().requests == 0).await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_that_waits_for_its_turn_takes_less_than_two_kilobytes() {
    let (outgoing, message) = (outgoing(|_| ()), hello());
    assert!(std::mem::size_of_val(&outgoing.receive("http://example.org/", &message)) < 2048);
}
