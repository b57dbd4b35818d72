//! Bodies as they arrive: whole, in pieces, cut, too slow, too large.

use actix_web::rt;
use eventhive_hub::{Hub, HubSettings, Outbound, SessionSettings};
use eventhive_transport::Filter;
use eventhive_webhook::budget::Budget;
use eventhive_webhook::wire::Interest::Exact;
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Making, Served, exchange, post, read_answer, serve, until};
use crate::requests::{URL, count, notify, notify_body, subscribe};

async fn subscribed() -> Served {
    let served = serve().await;
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    served
}

fn chunked(body: &[u8], each: usize) -> Vec<u8> {
    let mut request = b"POST /v1/notify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(each) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[actix_web::test]
async fn a_body_in_chunks_of_any_size_is_the_same_body() {
    let served = subscribed().await;
    let body = notify_body(b"a", b"Hello, world!");
    for each in [1, 7, 80, 1000] {
        assert_eq!(count(exchange(served.address, &chunked(&body, each)).await), Ok(1));
    }
    assert_eq!(served.called.bodies_of(URL), vec![b"Hello, world!".to_vec(); 4]);
}

#[actix_web::test]
async fn a_message_beyond_the_spool_size_is_delivered_from_a_file() {
    let mut making = Making::default();
    making.config.spool_size = 1000;
    let folder = tempfile::tempdir().unwrap();
    making.config.spool_folder = Some(folder.path().to_owned());
    let served = making.serve();
    served.broadcaster.ready().await;
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    let lengths = [999, 1000, 1001, 300_000, 2_000_000];
    let messages = lengths.map(|length| (0..length).map(|at| (at * 7) as u8).collect::<Vec<u8>>());
    for message in &messages {
        assert_eq!(notify(&served, b"a", message).await, Ok(1), "{}", message.len());
    }
    assert!(served.called.bodies_of(URL) == messages);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no names");
}

#[actix_web::test]
async fn a_spool_that_takes_nothing_is_503_and_nobody_gets_anything() {
    let mut making = Making::default();
    making.config.spool_size = 10;
    making.config.spool_folder = Some("/nowhere/at/all".into());
    let served = making.serve();
    served.broadcaster.ready().await;
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    assert_eq!(notify(&served, b"a", &[7; 1000]).await, Err(503));
    assert_eq!(notify(&served, b"a", &[7; 10]).await, Ok(1));
    assert_eq!(served.called.bodies_of(URL).len(), 1);
}

#[actix_web::test]
async fn a_message_of_another_length_or_hash_is_400_and_nobody_gets_it() {
    let served = subscribed().await;
    let body = notify_body(b"a", b"message");
    let mut wrong = body.clone();
    *wrong.last_mut().unwrap() ^= 1;
    for body in [&body[..body.len() - 1], &[&body[..], b"x"].concat(), &wrong] {
        let answered = exchange(served.address, &post("/v1/notify", &[], body)).await;
        assert_eq!((answered.status, answered.body.len()), (400, 0));
    }
    assert!(served.called.urls().is_empty());
}

#[actix_web::test]
async fn a_message_that_is_announced_too_large_is_not_read() {
    let mut making = Making::default();
    making.config.max_message = 100;
    let served = making.serve();
    served.broadcaster.ready().await;
    assert_eq!(notify(&served, b"a", &[7; 101]).await, Err(413));
    assert_eq!(notify(&served, b"a", &[7; 100]).await, Ok(0));
}

#[actix_web::test]
async fn a_body_that_stands_still_is_408_and_has_done_nothing() {
    let served = subscribed().await;
    let body = notify_body(b"a", b"message");
    let request = post("/v1/notify", &[], &body);
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    // As Python's client does when it tries again.
    stream.write_all(&request[..request.len() - 7]).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 408);
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest).await;
    assert!(ended.is_err() || rest.is_empty(), "the connection ends");
    assert!(served.called.urls().is_empty());
}

#[actix_web::test]
async fn a_sender_that_goes_before_the_end_has_sent_nothing_and_one_that_goes_after_it_has() {
    let served = subscribed().await;
    let request = post("/v1/notify", &[], &notify_body(b"a", b"message"));
    let mut cut = TcpStream::connect(served.address).await.unwrap();
    cut.write_all(&request[..request.len() - 1]).await.unwrap();
    drop(cut);
    served.called.gate.forget_permits(served.called.gate.available_permits());
    let mut whole = TcpStream::connect(served.address).await.unwrap();
    whole.write_all(&request).await.unwrap();
    crate::harness::until("it is being delivered", || served.door.stats().under_way == 1).await;
    drop(whole);
    rt::task::yield_now().await;
    served.called.gate.add_permits(10);
    crate::harness::until("it was delivered", || served.door.stats().under_way == 0).await;
    assert_eq!(served.called.bodies_of(URL), [b"message".to_vec()]);
}

#[actix_web::test]
async fn what_all_messages_together_have_no_memory_for_is_delivered_from_files_and_reaches_other_doors() {
    let hub = Hub::new(HubSettings::default());
    let mut making = Making { hub: Some(hub.clone()), ..Making::default() };
    making.config.memory = Budget::new(150_000);
    let served = std::rc::Rc::new(making.serve());
    served.broadcaster.ready().await;
    let (session, mut outgoing) = hub.worker().open(SessionSettings::default());
    session.subscribe(Filter::exact("a")).unwrap();
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    let gate = &served.called.gate;
    gate.forget_permits(gate.available_permits());
    let messages: Vec<Vec<u8>> = (0..5).map(|number| vec![number; 100_000]).collect();
    let mut publishing = Vec::new();
    for (at, message) in messages.iter().cloned().enumerate() {
        let through = std::rc::Rc::clone(&served);
        publishing.push(rt::spawn(async move { notify(&through, b"a", &message).await }));
        until("it is being delivered", || served.door.stats().under_way == at + 1).await;
    }
    let stats = served.door.stats();
    assert!((100_000..=150_000).contains(&stats.memory), "{}", stats.memory);
    assert_eq!(stats.out_of_memory, 4);
    gate.add_permits(10);
    for published in publishing {
        assert_eq!(published.await.unwrap(), Ok(2));
    }
    assert_eq!(served.door.stats().memory, 0, "what is delivered has none");
    let mut delivered = served.called.bodies_of(URL);
    delivered.sort();
    assert_eq!(delivered, messages);
    for message in &messages {
        let Some(Outbound::Event { message: event, .. }) = outgoing.next().await else { panic!("no event") };
        assert_eq!(event.payload(), message);
    }
}
