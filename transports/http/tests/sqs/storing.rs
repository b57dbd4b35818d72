//! Hubs that promise to keep events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use eventhive_http::Config;
use eventhive_hub::{
    Backlog, BacklogBounds, BacklogError, Cursor, Extent, Hub, HubSettings, MemoryBacklog, Message, Start,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::hive::Hive;
use crate::moto::Moto;
use crate::proxy::Proxy;
use crate::support::until;

/// A durable log whose disk does as it is told.
pub(crate) struct Gate {
    log: MemoryBacklog,
    /// Messages that it takes before it is behind.
    room: usize,
    taken: AtomicUsize,
    /// Whether the disk has written what was taken; `None` not yet.
    written: watch::Sender<Option<bool>>,
    refuses: AtomicBool,
}

impl Gate {
    /// One that writes what it takes.
    pub(crate) fn new(room: usize) -> Arc<Self> {
        let (written, log) = (watch::Sender::new(Some(true)), MemoryBacklog::new(BacklogBounds::default()));
        Arc::new(Self { log, room, taken: AtomicUsize::new(0), written, refuses: AtomicBool::new(false) })
    }

    pub(crate) async fn until_full(&self) {
        until("the log is behind", || !self.is_ready()).await;
    }
}

fn broken() -> BacklogError {
    BacklogError::Storage(Arc::new(std::io::Error::from(std::io::ErrorKind::StorageFull)))
}

impl Backlog for Gate {
    fn extent(&self) -> Extent {
        self.log.extent()
    }

    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(broken());
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.log.append(message)
    }

    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        self.log.locate(start)
    }

    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        self.log.read(place, most)
    }

    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        self.log.recent(place, most)
    }

    fn is_ready(&self) -> bool {
        self.taken.load(Ordering::SeqCst) < self.room
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        if self.is_ready() { Box::pin(std::future::ready(())) } else { Box::pin(std::future::pending()) }
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn stored(&self, _: Cursor) -> BoxFuture<'_, Result<(), BacklogError>> {
        let mut written = self.written.subscribe();
        Box::pin(async move {
            let written = written.wait_for(Option::is_some).await.ok().and_then(|known| *known);
            if written == Some(true) { Ok(()) } else { Err(broken()) }
        })
    }
}

#[tokio::test]
async fn a_durable_hub_has_stored_an_event_before_its_message_is_deleted() {
    let moto = Moto::shared().await;
    let queue = moto.queue("durable");
    queue.create(600).await;
    let gate = Gate::new(usize::MAX);
    gate.written.send_replace(None);
    let hub = Hub::with_backlog(HubSettings::default(), gate.clone());
    let hive = Hive::on(hub, Config { queues: vec![queue.read_at(&moto.url(), true)], ..Config::default() });
    let mut stream = hive.stream("/").await;
    queue.send(r#"{"n":1}"#).await;
    assert_eq!(stream.event().await["n"], 1, "subscribers need not wait");
    assert_eq!((hive.door.queue_stats().published, queue.size().await), (0, 1));
    gate.written.send_replace(Some(true));
    queue.until_size(0).await;
    assert_eq!(hive.door.queue_stats().published, 1);
}

#[tokio::test]
async fn what_the_disk_has_lost_comes_again_until_it_is_stored() {
    let moto = Moto::shared().await;
    let queue = moto.created("lost").await;
    let gate = Gate::new(usize::MAX);
    gate.written.send_replace(Some(false));
    let hub = Hub::with_backlog(HubSettings::default(), gate.clone());
    let hive = Hive::on(hub, Config { queues: vec![queue.read_at(&moto.url(), true)], ..Config::default() });
    queue.send(r#"{"n":1}"#).await;
    hive.until("the loss is told", |stats| stats.failures >= 1).await;
    assert_eq!((hive.door.queue_stats().published, queue.size().await), (0, 1));
    gate.written.send_replace(Some(true));
    queue.until_size(0).await;
    assert_eq!(hive.door.queue_stats().published, 1);
}

/// A standard queue may hand one message out twice, each time with a receipt that deletes it.
const TWICE: &str = r#"{"Messages":[{"MessageId":"one","ReceiptHandle":"first","Body":"{}"},{"MessageId":"one","ReceiptHandle":"second","Body":"{}"}]}"#;

#[tokio::test]
async fn a_copy_in_the_same_answer_is_deleted_only_when_the_event_is_stored() {
    let moto = Moto::shared().await;
    let queue = moto.created("copies").await;
    let proxy = Proxy::start(moto.address()).await;
    proxy.answer("ReceiveMessage", ("200 OK", TWICE));
    proxy.answer("DeleteMessageBatch", ("200 OK", r#"{"Successful":[{"Id":"0"},{"Id":"1"}],"Failed":[]}"#));
    let gate = Gate::new(usize::MAX);
    gate.written.send_replace(Some(false));
    let hub = Hub::with_backlog(HubSettings::default(), gate.clone());
    let hive = Hive::on(hub, Config { queues: vec![queue.read_at(&proxy.url(), true)], ..Config::default() });
    hive.until("the loss is told", |stats| stats.failures >= 1).await;
    assert_eq!(proxy.asked("DeleteMessageBatch").len(), 0, "it is at the queue alone");
    gate.written.send_replace(Some(true));
    let asked = proxy.until_asked("DeleteMessageBatch", 1).await;
    assert!(asked[0].body.contains("\"first\"") && asked[0].body.contains("\"second\""), "{}", asked[0].body);
    assert_eq!(hive.door.queue_stats().published, 1);
}

#[tokio::test]
async fn a_hub_that_takes_nothing_keeps_messages_in_their_queue() {
    let moto = Moto::shared().await;
    let queue = moto.created("refused").await;
    let gate = Gate::new(usize::MAX);
    gate.refuses.store(true, Ordering::SeqCst);
    let hub = Hub::with_backlog(HubSettings::default(), gate.clone());
    let hive = Hive::on(hub, Config { queues: vec![queue.read_at(&moto.url(), true)], ..Config::default() });
    queue.send(r#"{"n":1}"#).await;
    hive.until("it is told", |stats| stats.failures >= 1).await;
    assert_eq!(queue.size().await, 1);
    gate.refuses.store(false, Ordering::SeqCst);
    assert_eq!(hive.stream("/").await.event().await["n"], 1);
    queue.until_size(0).await;
}
