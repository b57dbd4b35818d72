//! A door on a hub whose backlog is durable.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventhive_hub::{
    Backlog, BacklogBounds, BacklogError, Cursor, DiskBacklog, DiskSettings, Extent, Hub, HubSettings, MemoryBacklog,
    Message, Start,
};
use eventhive_listener::Limits;
use eventhive_websocket::Config;
use futures_util::future::{BoxFuture, join_all, ready};
use serde_json::json;

use crate::support::{PATIENCE, Server};

#[tokio::test]
async fn a_publish_is_answered_when_it_is_stored_and_many_wait_together() {
    let folder = tempfile::tempdir().unwrap();
    let settings = DiskSettings { durable: true, ..DiskSettings::new(folder.path()) };
    let hub = Hub::with_backlog(HubSettings::default(), Arc::new(DiskBacklog::open(settings.clone()).unwrap()));
    let server = Server::serve(hub, Config::default(), Limits::default(), None);
    let mut subscriber = server.client().await;
    subscriber.subscribe(&["t"]).await;
    let mut clients = join_all((0..4).map(|_| server.client())).await;
    for client in &mut clients {
        for data in 0..50 {
            client.request("publish", json!({"topics": ["t", "u"], "data": data, "sync": false})).await;
        }
    }
    for client in &mut clients {
        let mut answered = BTreeSet::new();
        for _ in 0..50 {
            let answer = client.receive().await;
            assert_eq!(answer["response"]["result"], true, "{answer}");
            answered.insert(answer["response"]["call_id"].as_str().unwrap().to_owned());
        }
        // Those that wait and one that need not are told apart by their ids, not by their order.
        assert_eq!(answered, (1..=50).map(|call| format!("call-{call}")).collect(), "each once");
    }
    for _ in 0..200 {
        subscriber.notified().await;
    }
    let Server { hub, listeners, .. } = server;
    listeners.stop(PATIENCE).await;
    hub.close().await;
    let log = DiskBacklog::open(settings).unwrap();
    assert_eq!(log.len(), 400);
    let first = log.locate(Start::Oldest).await.unwrap();
    assert_eq!(log.read(first, 1).await.unwrap()[0].topic().as_str(), Some("t"));
}

/// A durable backlog that loses everything.
struct Lossy(MemoryBacklog);

impl Backlog for Lossy {
    fn extent(&self) -> Extent {
        self.0.extent()
    }
    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        self.0.append(message)
    }
    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        self.0.locate(start)
    }
    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        self.0.read(place, most)
    }
    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        self.0.recent(place, most)
    }
    fn is_durable(&self) -> bool {
        true
    }
    fn stored(&self, _: Cursor) -> BoxFuture<'_, Result<(), BacklogError>> {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Box::pin(ready(Err(BacklogError::Storage(Arc::new(full)))))
    }
}

#[tokio::test]
async fn a_publish_that_the_backlog_has_lost_is_answered_false() {
    let backlog = Lossy(MemoryBacklog::new(BacklogBounds::default()));
    let hub = Hub::with_backlog(HubSettings::default(), Arc::new(backlog));
    let server = Server::serve(hub, Config::default(), Limits::default(), None);
    let mut client = server.client().await;
    assert_eq!(client.call("publish", json!({"topics": ["t"], "data": 1, "sync": false})).await, false);
    assert_eq!(client.call("publish", json!({"topics": [], "data": 1, "sync": false})).await, true, "nothing to store");
}
