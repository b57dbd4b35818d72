use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::rt;
use eventhive_webhook::broadcaster::{Peer, Rotation, Schemes, SystemClock, Tracer};
use eventhive_webhook::message::Message;
use eventhive_webhook::session::Settings;
use eventhive_webhook::wire::auth::{Scheme, Token};
use eventhive_webhook::wire::stateful::{B2s, Configure, Mode, PartReceipt, S2b};
use eventhive_webhook::wire::{Interest, Proof};
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::harness::{Client, received, serve, serve_with};

fn configure() -> S2b<'static> {
    S2b::Configure(Configure {
        subscriber_nonce: &[1; 32],
        enable_zstd: false,
        enable_training: false,
        initial_dict: 0,
        proof: Proof::default(),
    })
}

fn subscribe(topic: &'static str) -> S2b<'static> {
    S2b::Subscribe { interest: Interest::Exact(topic.as_bytes()), proof: Proof::default() }
}

fn unsubscribe(topic: &'static str) -> S2b<'static> {
    S2b::Unsubscribe { interest: Interest::Exact(topic.as_bytes()), proof: Proof::default() }
}

async fn is_refused(client: &mut Client, why: &str) {
    let (code, reason) = client.closed().await;
    assert_eq!(code, 1000, "{reason}");
    assert!(reason.contains(why), "{reason}");
}

#[actix_web::test]
async fn whatever_comes_first_and_is_not_configure_closes() {
    let served = serve(Settings::default()).await;
    let receipt = S2b::ContinueReceive(PartReceipt { identifier: b"", part_id: 0, proof: Proof::default() });
    for (message, why) in [(subscribe("a"), "CONFIGURE has to come first"), (receipt, "all has been acknowledged")] {
        let mut client = served.connect().await;
        client.say(message).await;
        is_refused(&mut client, why).await;
    }
    for (frame, why) in [
        (Frame::text("hello"), "only binary"),
        (Frame::Binary(vec![0, 1].into()), "`type` at byte 2"),
        (Frame::Binary(vec![0, 1, 0, 99].into()), "a number from 1 to 9 expected, 99 came"),
        (Frame::Binary(vec![0, 1, 0, 1, 0, 3, 1, 2, 3].into()), "x-"),
    ] {
        let mut client = served.connect().await;
        client.raw(frame).await;
        is_refused(&mut client, why).await;
    }
    served.until_sessions(0).await;
    assert_eq!(served.sessions.stats().faulty, 6);
}

#[actix_web::test]
async fn what_the_protocol_does_not_allow_later_closes_too() {
    let served = serve(Settings::default()).await;
    for (messages, why) in [
        (vec![configure()], "CONFIGURE came before"),
        (vec![subscribe("a"), subscribe("a")], "already"),
        (vec![unsubscribe("a")], "there is not"),
        (vec![subscribe("a"), unsubscribe("a"), unsubscribe("a")], "there is not"),
    ] {
        let mut client = served.client().await;
        for message in messages {
            client.say(message).await;
        }
        is_refused(&mut client, why).await;
    }
    let mut client = served.client().await;
    client.raw(Frame::text("hello")).await;
    is_refused(&mut client, "only binary").await;
}

#[actix_web::test]
async fn who_does_not_say_the_token_is_closed() {
    let token = |text: &str| Rotation::new([Scheme::Token(Token::new(text).unwrap())]);
    let schemes = Schemes { to_broadcaster: token("up"), to_subscriber: token("down") };
    let served = serve_with(Settings::default(), schemes, std::sync::Arc::new(SystemClock)).await;
    for (authorization, why) in [(None, "missing"), (Some("Bearer down"), "refused")] {
        let mut client = served.connect().await;
        let S2b::Configure(configure) = configure() else { panic!("another") };
        let proof = Proof { authorization, tracing: b"" };
        client.say(S2b::Configure(Configure { proof, ..configure })).await;
        is_refused(&mut client, why).await;
    }
    let mut client = served.connect().await;
    let S2b::Configure(configure) = configure() else { panic!("another") };
    let proof = Proof { authorization: Some("Bearer up"), tracing: b"" };
    client.say(S2b::Configure(Configure { proof, ..configure })).await;
    let frame = client.hear().await.unwrap();
    assert_eq!(B2s::read(&frame).unwrap().proof().authorization, Some("Bearer down"));
    // Every message needs it.
    client.say(subscribe("a")).await;
    is_refused(&mut client, "missing").await;
}

#[actix_web::test]
async fn both_forms_of_headers_are_understood_and_the_one_that_is_configured_is_spoken() {
    for (headers, flag) in [(Mode::Minimal, 1), (Mode::Expanded, 0)] {
        let served = serve(Settings { headers, ..Settings::default() }).await;
        for mode in [Mode::Minimal, Mode::Expanded] {
            let mut client = served.connect().await;
            client.mode = mode;
            client.say(configure()).await;
            client.say(subscribe("a")).await;
            for _ in 0..2 {
                assert_eq!(client.hear().await.unwrap()[1], flag);
            }
            assert_eq!(client.notified(b"a", b"hello").await, 1);
            assert_eq!(client.receive().await.1, b"hello");
            client.hears_nothing().await;
        }
        served.until_sessions(0).await;
    }
}

#[actix_web::test]
async fn a_message_comes_once_however_many_subscriptions_want_it_and_counts_once_for_each_websocket() {
    let served = serve(Settings::default()).await;
    let (mut one, mut other) =
        (served.subscriber(&["foo/bar"]).await, served.subscriber(&["foo/bar", "foo/baz"]).await);
    one.subscribe(Interest::Glob("foo/*")).await;
    one.subscribe(Interest::Glob("*")).await;
    assert_eq!(served.publish(b"foo/bar", "x").await, 2);
    assert_eq!(served.publish(b"foo/baz", "y").await, 2);
    assert_eq!(served.publish(b"elsewhere", "z").await, 1);
    for (client, expected) in [(&mut one, &b"xyz"[..]), (&mut other, b"xy")] {
        for body in expected {
            assert_eq!(client.receive().await.1, [*body]);
        }
    }
    other.hears_nothing().await;
    // That went to `*`.
    assert_eq!(one.receive().await.0, b"nobody wants this");
}

#[actix_web::test]
async fn nothing_comes_before_a_subscription_is_confirmed_and_everything_after() {
    let served = serve(Settings { max_pending: 1 << 20, ..Settings::default() }).await;
    let publisher = std::sync::Arc::clone(&served.broadcaster);
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let publishing = rt::spawn(async move {
        let mut number = 0_u32;
        while stopped.try_recv().is_err() {
            let message = eventhive_webhook::message::Message::new(b"a", number.to_string().into());
            let mut tracer = eventhive_webhook::broadcaster::Tracer::off();
            publisher.notify(message, &mut tracer).await.unwrap();
            number += 1;
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..20 {
        let mut client = served.client().await;
        // Panics if anything else comes first.
        client.subscribe(Interest::Exact(b"a")).await;
        let mut last = None;
        for _ in 0..20 {
            let (_, body, _) = client.receive().await;
            let number: u32 = String::from_utf8(body).unwrap().parse().unwrap();
            assert!(last.is_none_or(|last| number == last + 1), "{last:?}, {number}");
            last = Some(number);
        }
    }
    stop.send(()).unwrap();
    publishing.await.unwrap();
}

#[actix_web::test]
async fn what_was_published_before_the_end_of_a_subscription_comes_before_that_is_confirmed_and_nothing_after() {
    let served = serve(Settings::default()).await;
    let mut client = served.subscriber(&["a", "b"]).await;
    for body in ["1", "2", "3", "4", "5"] {
        assert_eq!(served.publish(b"a", body).await, 1);
    }
    client.say(unsubscribe("a")).await;
    for body in [b"1", b"2", b"3", b"4", b"5"] {
        assert_eq!(client.receive().await.1, body);
    }
    let frame = client.hear().await.unwrap();
    assert!(matches!(B2s::read(&frame).unwrap(), B2s::ConfirmUnsubscribe { .. }));
    assert_eq!(served.publish(b"a", "6").await, 0);
    assert_eq!(served.publish(b"b", "7").await, 1);
    assert_eq!(client.receive().await.1, b"7");
}

#[actix_web::test]
async fn a_subscriber_that_went_gets_nothing_and_one_that_comes_back_subscribes_again() {
    let served = serve(Settings::default()).await;
    let mut client = served.subscriber(&["a"]).await;
    assert_eq!(served.publish(b"a", "1").await, 1);
    assert_eq!(client.receive().await.1, b"1");
    client.raw(Frame::Close(None)).await;
    served.until_sessions(0).await;
    assert_eq!(served.publish(b"a", "2").await, 0);
    // Without a word, in the middle of a frame.
    let mut client = served.subscriber(&["a"]).await;
    let socket = client.socket.get_mut();
    tokio::io::AsyncWriteExt::write_all(socket, &[0x82, 0xFE, 1, 0, 1, 2]).await.unwrap();
    drop(client);
    served.until_sessions(0).await;
    assert_eq!(served.publish(b"a", "3").await, 0);
    let mut client = served.subscriber(&["a"]).await;
    assert_eq!(served.publish(b"a", "4").await, 1);
    assert_eq!(client.receive().await.1, b"4");
    let stats = served.sessions.stats();
    assert_eq!((stats.accepted, stats.sessions, stats.faulty), (3, 1, 0));
}

#[actix_web::test]
async fn missed_messages_are_told_by_topic() {
    let served = serve(Settings::default()).await;
    let mut client = served.subscriber(&["a", "b"]).await;
    served.broadcaster.missed(&b"a"[..].into());
    let frame = client.hear().await.unwrap();
    assert!(matches!(B2s::read(&frame).unwrap(), B2s::Missed { topic: b"a", .. }));
    served.broadcaster.missed(&b"c"[..].into());
    client.hears_nothing().await;
}

#[actix_web::test]
async fn a_ping_is_answered_also_between_the_frames_of_a_message() {
    let served = serve(Settings { ping_interval: Duration::from_secs(60), ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    let mut message = Vec::new();
    subscribe("b").write(Mode::Minimal, &mut message).unwrap();
    let mask = |first: u8, payload: &[u8]| [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat();
    let frames = [mask(0x02, &message[..3]), mask(0x89, b"here?"), mask(0x00, &[]), mask(0x80, &message[3..])].concat();
    tokio::io::AsyncWriteExt::write_all(client.socket.get_mut(), &frames).await.unwrap();
    let pong = futures_util::StreamExt::next(&mut client.socket).await.unwrap().unwrap();
    assert_eq!(pong, Frame::Pong("here?".into()));
    let frame = client.hear().await.unwrap();
    assert!(matches!(B2s::read(&frame).unwrap(), B2s::ConfirmSubscribe { .. }));
    served.publish(b"b", "x").await;
    assert_eq!(received(&client.hear().await.unwrap()).payload, b"x");
}

/// A websocket that takes its time for a message.
struct Lazy {
    begun: std::sync::mpsc::SyncSender<()>,
    go_on: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Peer for Lazy {
    fn receive(&self, _: &Message) -> bool {
        self.begun.send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        true
    }

    fn missed(&self, _: &Arc<[u8]>) {}
}

/// One that counts what it gets.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Peer for Counting {
    fn receive(&self, _: &Message) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn missed(&self, _: &Arc<[u8]>) {}
}

#[actix_web::test]
async fn a_subscription_does_not_end_between_the_look_for_it_and_the_message() {
    let served = serve(Settings::default()).await;
    let (begun, begins) = std::sync::mpsc::sync_channel(1);
    let (go_on, goes_on) = std::sync::mpsc::channel();
    let counting = Arc::new(Counting::default());
    let first = served.broadcaster.join(Arc::new(Lazy { begun, go_on: goes_on.into() }));
    let second = served.broadcaster.join(counting.clone());
    let topic = Interest::Exact(b"a");
    assert!(first.subscribe(topic).await.unwrap() && second.subscribe(topic).await.unwrap());
    let broadcaster = Arc::clone(&served.broadcaster);
    let publishing = std::thread::spawn(move || {
        let mut tracer = Tracer::off();
        let notify = broadcaster.notify(Message::new(b"a", "x".into()), &mut tracer);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(notify)
    });
    begins.recv().unwrap();
    let mut ending = Box::pin(second.unsubscribe(topic));
    assert!(futures_util::FutureExt::now_or_never(ending.as_mut()).is_none(), "its message has yet to come");
    go_on.send(()).unwrap();
    assert!(ending.await.unwrap());
    assert_eq!(counting.0.load(Ordering::SeqCst), 1);
    assert_eq!(publishing.join().unwrap().unwrap(), 2);
}
