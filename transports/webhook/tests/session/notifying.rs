use eventhive_webhook::compression::Bounds;
use eventhive_webhook::session::Settings;
use eventhive_webhook::wire::digest;
use eventhive_webhook::wire::stateful::{B2s, MessageHead, PartReceipt, S2b};

use crate::harness::{first_part, next_part, serve, until};

fn head<'a>(topic: &'a [u8], length: u64, sha512: &'a [u8; 64]) -> MessageHead<'a> {
    MessageHead { topic, compression: None, length, sha512 }
}

#[actix_web::test]
async fn parts_are_acknowledged_by_their_numbers_and_delivered_when_all_are_there() {
    // The last goes to a file.
    for spool_bytes in [1000, 10] {
        let bounds = Bounds { spool_bytes, ..Bounds::default() };
        let served = serve(Settings { bounds, ..Settings::default() }).await;
        let (mut sender, mut receiver) = (served.client().await, served.subscriber(&["a"]).await);
        let body = b"in three parts altogether";
        let sha512 = digest::hash(body);
        sender.say(first_part(b"id", head(b"a", 25, &sha512), &body[..9])).await;
        sender.say(next_part(b"id", 1, &body[9..10])).await;
        for expected in [0, 1] {
            let frame = sender.hear().await.unwrap();
            let message = B2s::read(&frame).unwrap();
            let B2s::ContinueNotify(PartReceipt { identifier, part_id, .. }) = message else { panic!("{message:?}") };
            assert_eq!((identifier, part_id), (&b"id"[..], expected));
        }
        sender.say(next_part(b"id", 2, &body[10..])).await;
        let frame = sender.hear().await.unwrap();
        let message = B2s::read(&frame).unwrap();
        assert!(matches!(message, B2s::ConfirmNotify { identifier: b"id", subscribers: 1, .. }), "{message:?}");
        assert_eq!(receiver.receive().await, (b"a".to_vec(), body.to_vec(), 1));
    }
}

#[actix_web::test]
async fn parts_that_do_not_follow_those_before_close() {
    let served = serve(Settings::default()).await;
    let sha512 = digest::hash(b"abcdef");
    let first = |payload| first_part(b"id", head(b"a", 6, &sha512), payload);
    let wrong = [0; 64];
    for (messages, why) in [
        (vec![next_part(b"id", 1, b"abc")], "has not begun"),
        (vec![first(b"abc"), next_part(b"id", 2, b"def")], "part 1 expected, 2 came"),
        (vec![first(b"abc"), first(b"abc")], "a message begins before"),
        (vec![first(b"abc"), next_part(b"di", 1, b"def")], "another identifier"),
        (vec![first(b"abc"), next_part(b"id", 1, b"defg")], "exactly 6 bytes expected"),
        (vec![first(b"abc"), next_part(b"id", 1, b"xyz")], "not the hash"),
        (vec![first_part(b"id", head(b"a", 6, &wrong), b"abcdef")], "not the hash"),
    ] {
        let mut client = served.client().await;
        for message in messages {
            client.say(message).await;
        }
        let (code, reason) = client.closed().await;
        assert!(code == 1000 && reason.contains(why), "{code} {reason}");
    }
    let mut client = served.client().await;
    client.say(first(b"abc")).await;
    client.notify(b"other", b"a", b"x").await;
    let (code, reason) = client.closed().await;
    assert!(code == 1000 && reason.contains("before the parts"), "{code} {reason}");
    assert_eq!(served.sessions.stats().notified, 0);
}

#[actix_web::test]
async fn a_message_of_which_parts_are_missing_when_its_sender_goes_is_delivered_to_nobody() {
    let served = serve(Settings::default()).await;
    let mut receiver = served.subscriber(&["a"]).await;
    let mut sender = served.client().await;
    let sha512 = digest::hash(b"abcdef");
    sender.say(first_part(b"id", head(b"a", 6, &sha512), b"abc")).await;
    sender.hear().await.unwrap();
    drop(sender);
    served.until_sessions(1).await;
    receiver.hears_nothing().await;
    // It comes again, whole.
    let mut sender = served.client().await;
    assert_eq!(sender.notified(b"a", b"abcdef").await, 1);
    assert_eq!(receiver.receive().await.1, b"abcdef");
}

#[actix_web::test]
async fn what_is_too_large_closes_with_the_code_for_that() {
    let bounds = Bounds { max_message_bytes: 5000, ..Bounds::default() };
    let served = serve(Settings { max_incoming_bytes: 2000, bounds, ..Settings::default() }).await;
    let mut client = served.client().await;
    assert_eq!(client.notified(b"a", &[7; 1800]).await, 0);
    client.notify(b"id", b"a", &[7; 2000]).await;
    assert_eq!(client.closed().await.0, 1009);

    let sha512 = [7; 64];
    let mut client = served.client().await;
    client.say(first_part(b"id", head(b"a", 5001, &sha512), b"abc")).await;
    let (code, reason) = client.closed().await;
    assert!(code == 1009 && reason.contains("at most 5000"), "{code} {reason}");
    let mut client = served.client().await;
    client.say(first_part(b"id", head(b"a", 5000, &sha512), b"abc")).await;
    assert!(matches!(B2s::read(&client.hear().await.unwrap()).unwrap(), B2s::ContinueNotify(_)));
}

#[actix_web::test]
async fn a_notify_that_was_begun_is_finished_when_its_sender_goes() {
    let served = serve(Settings::default()).await;
    let slow = eventhive_webhook::wire::Interest::Exact(b"a");
    served.broadcaster.subscribe("http://127.0.0.1:9/r", slow, None).await.unwrap();
    let mut receiver = served.subscriber(&["a"]).await;
    let mut sender = served.client().await;
    sender.notify(b"id", b"a", b"x").await;
    until("the notify", || served.sessions.stats().notified == 1).await;
    drop(sender);
    served.until_sessions(1).await;
    served.urls.0.add_permits(1);
    assert_eq!(receiver.receive().await.1, b"x");
    until("the call", || served.urls.0.available_permits() == 0).await;
}

#[actix_web::test]
async fn a_notify_with_another_length_or_hash_than_it_says_closes() {
    let served = serve(Settings::default()).await;
    let sha512 = digest::hash(b"abc");
    for (length, payload) in [(3, &b"abd"[..]), (2, b"abc"), (4, b"abc")] {
        let mut client = served.client().await;
        let message = head(b"a", length, &sha512);
        let proof = eventhive_webhook::wire::Proof::default();
        let notify = eventhive_webhook::wire::stateful::Notify { proof, identifier: b"id", message, payload };
        client.say(S2b::Notify(notify)).await;
        assert_eq!(client.closed().await.0, 1000);
    }
}

#[actix_web::test]
async fn a_large_message_before_configure_closes_when_it_is_announced() {
    let served = serve(Settings::default()).await;
    // Nothing but the header of a frame of 300,000 bytes.
    let mut client = served.connect().await;
    let header = [0x82, 0xFF, 0, 0, 0, 0, 0, 0x04, 0x93, 0xE0, 0, 0, 0, 0];
    tokio::io::AsyncWriteExt::write_all(client.socket.get_mut(), &header).await.unwrap();
    assert_eq!(client.closed().await.0, 1009);
    let mut client = served.client().await;
    client.notify(b"id", b"nobody", &vec![7; 300_000]).await;
    assert!(matches!(B2s::read(&client.hear().await.unwrap()).unwrap(), B2s::ConfirmNotify { .. }));
}

#[actix_web::test]
async fn a_long_message_with_another_hash_than_it_says_closes_and_is_given_to_nobody() {
    let served = serve(Settings::default()).await;
    let payload = vec![7; 300_000];
    let mut client = served.client().await;
    let message = head(b"a", 300_000, &[0; 64]);
    let proof = eventhive_webhook::wire::Proof::default();
    let notify = eventhive_webhook::wire::stateful::Notify { proof, identifier: b"id", message, payload: &payload };
    client.say(S2b::Notify(notify)).await;
    let (code, reason) = client.closed().await;
    assert!(code == 1000 && reason.contains("hash"), "{code} {reason}");
    assert_eq!(served.sessions.stats().notified, 0);
}
