//! Subscribers of a Python broadcaster, and waits with a deadline.

use std::future::Future;
use std::time::Duration;

use eventhive_listener::{Limits, Listen};
use eventhive_webhook::message::Message;
use eventhive_webhook::subscriber::{Broadcaster, Builder, Subscriber, Upgrade};
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;

use crate::lonely::Lonely;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Both wires.
pub(crate) const WIRES: [Upgrade; 2] = [Upgrade::Never, Upgrade::Websocket];

/// A listener on a free port of this machine.
pub(crate) fn anywhere() -> Listen {
    Listen {
        host: "127.0.0.1".to_owned(),
        port: 0,
        tls: None,
        proxies: None,
        limits: Limits { workers: Some(1), ..Limits::default() },
    }
}

pub(crate) fn builder(of: &Lonely, upgrade: Upgrade) -> Builder {
    Subscriber::builder()
        .broadcaster(Broadcaster::new(&of.url()).unwrap())
        .schemes(of.schemes())
        .listen(anywhere())
        .upgrade(upgrade)
}

pub(crate) fn subscriber(of: &Lonely, upgrade: Upgrade) -> Subscriber {
    builder(of, upgrade).build().unwrap()
}

/// What comes of a future in time.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// The next message: its topic, and its bytes.
pub(crate) async fn next(messages: &mut (impl Stream<Item = Message> + Unpin)) -> (String, Vec<u8>) {
    let message = soon("a message", messages.next()).await.expect("a message, not the end");
    let bytes = message.body.piece(0, usize::try_from(message.body.len()).unwrap()).await.unwrap();
    (String::from_utf8_lossy(&message.topic).into_owned(), bytes.to_vec())
}

/// The next message is this one.
pub(crate) async fn expect(messages: &mut (impl Stream<Item = Message> + Unpin), topic: &str, bytes: &str) {
    let (its, content) = next(messages).await;
    assert_eq!((its.as_str(), String::from_utf8_lossy(&content).as_ref()), (topic, bytes));
}
