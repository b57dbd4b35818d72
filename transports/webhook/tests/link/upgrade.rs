//! The change from HTTP to a websocket and back, at our own door, while messages come.

use std::ops::ControlFlow;
use std::time::Duration;

use eventhive_listener::{Limits, Listen};
use eventhive_webhook::subscriber::{Broadcaster, Builder, Subscriber, Upgrade};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::door::{Running, listen};

const PATIENCE: Duration = Duration::from_secs(60);

fn builder(of: &Running) -> Builder {
    Subscriber::builder().broadcaster(Broadcaster::new(&format!("http://{}", of.address)).unwrap())
}

/// Publishes numbers, one after the other, until it is told to stop; `pause` makes the pace.
async fn publish(by: &Subscriber, number: &mut u64, pause: Duration, mut look: impl FnMut() -> ControlFlow<()>) {
    let began = Instant::now();
    while look().is_continue() {
        assert!(began.elapsed() < PATIENCE, "the wire did not change after {number} messages");
        by.notify("busy", number.to_string()).await.unwrap();
        *number += 1;
        sleep(pause).await;
    }
}

fn unless(done: bool) -> ControlFlow<()> {
    if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_a_topic_changes_wires_there_and_back_and_each_message_comes_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let running = listen(&folder, 0, None, |_| ());
    let limits = Limits { workers: Some(1), ..Limits::default() };
    let anywhere = Listen { host: "127.0.0.1".to_owned(), port: 0, tls: None, proxies: None, limits };
    let auto = Upgrade::Auto { busy: 30.0, quiet: 15.0 };
    let subscriber = builder(&running).listen(anywhere).upgrade(auto).build().unwrap();
    let mut messages = subscriber.subscribe_exact("busy").await.unwrap();
    let notifier = builder(&running).build().unwrap();
    let stats = || (running.door.stats(), running.door.broadcaster().unwrap().stats());
    let mut number = 0;
    for _ in 0..2 {
        // As fast as it goes, until it has come by the websocket alone for a while.
        let (mut by_url, mut since) = (0, 0);
        publish(&notifier, &mut number, Duration::ZERO, || {
            let (door, broadcaster) = stats();
            if (door.sessions, broadcaster.confirmed) != (1, by_url) {
                (by_url, since) = (broadcaster.confirmed, broadcaster.to_peers);
            }
            unless(door.sessions == 1 && broadcaster.to_peers >= since + 100)
        })
        .await;
        // Few, but some in each moment, until the websocket is gone.
        publish(&notifier, &mut number, Duration::from_millis(120), || unless(stats().0.sessions == 0)).await;
    }
    let by_url = stats().1.confirmed;
    notifier.notify("busy", number.to_string()).await.unwrap();
    assert_eq!(stats().1.confirmed, by_url + 1, "it is back at the url");
    for expected in 0..=number {
        let message = timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
        let got = message.body.piece(0, usize::try_from(message.body.len()).unwrap()).await.unwrap();
        assert_eq!(got, expected.to_string());
    }
    subscriber.close().await;
    let rest: Vec<_> = messages.collect().await;
    assert!(rest.is_empty(), "{} came once more", rest.len());
    notifier.close().await;
    running.stop().await;
}
