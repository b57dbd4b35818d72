//! A door on a hub whose backlog is durable.

use std::sync::Arc;

use eventhive_http::Config;
use eventhive_hub::{
    Backlog, BacklogBounds, BacklogError, Cursor, DiskBacklog, DiskSettings, Extent, Hub, HubSettings, MemoryBacklog,
    Message, Start,
};
use eventhive_listener::Limits;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::watch;

use crate::support::{Client, PATIENCE, Server, header, until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    StandsStill,
    Works,
    IsFull,
}

/// A durable backlog on a disk that does as it is told.
struct Told {
    memory: MemoryBacklog,
    disk: watch::Receiver<Disk>,
}

impl Backlog for Told {
    fn extent(&self) -> Extent {
        self.memory.extent()
    }
    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        self.memory.append(message)
    }
    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        self.memory.locate(start)
    }
    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        self.memory.read(place, most)
    }
    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        self.memory.recent(place, most)
    }
    fn is_durable(&self) -> bool {
        true
    }
    fn stored(&self, _: Cursor) -> BoxFuture<'_, Result<(), BacklogError>> {
        let mut disk = self.disk.clone();
        async move {
            let disk = disk.wait_for(|disk| *disk != Disk::StandsStill).await.map(|disk| *disk);
            match disk {
                Ok(Disk::Works) => Ok(()),
                _ => Err(BacklogError::Storage(Arc::new(std::io::ErrorKind::StorageFull.into()))),
            }
        }
        .boxed()
    }
}

fn server(disk: Disk) -> (Server, watch::Sender<Disk>) {
    let (tell, disk) = watch::channel(disk);
    let backlog = Told { memory: MemoryBacklog::new(BacklogBounds::default()), disk };
    let hub = Hub::with_backlog(HubSettings::default(), Arc::new(backlog));
    (Server::serve(hub, Config::default(), Limits::default()), tell)
}

fn put(headers: &str) -> String {
    format!("PUT /a HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 7\r\n\r\n{{\"i\":1}}")
}

/// A batch as links send it.
fn batch(events: usize) -> String {
    let body: String = (0..events).map(|i| format!("/a {}\n{{\"i\":{i}}}", format!("{{\"i\":{i}}}").len())).collect();
    let size = body.len();
    format!(
        "PUT / HTTP/1.1\r\nHost: x\r\nEventhive-Link: 1\r\nContent-Type: application/vnd.eventhive-batch\r\n\
         Content-Length: {size}\r\n\r\n{body}"
    )
}

/// Waits until so many events are out, and the door has had time for an answer to each: it has served a later request.
async fn published(server: &Server, events: u64) {
    until("the events are out", || server.hub.stats().published == events).await;
    let mut other = server.client().await;
    other.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    other.head().await;
}

fn is_unanswered(client: &Client) -> bool {
    client.socket.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn a_publish_is_answered_when_it_is_stored_and_so_is_its_repetition() {
    let (server, disk) = server(Disk::StandsStill);
    let mut subscriber = server.subscribed("/a", "").await;
    let mut clients = join_all((0..3).map(|_| server.client())).await;
    clients[0].send(put("").as_bytes()).await;
    clients[1].send(put("Idempotency-Key: k\r\n").as_bytes()).await;
    published(&server, 2).await;
    clients[2].send(put("Idempotency-Key: k\r\n").as_bytes()).await;
    until("the repetition is known", || server.door.stats().repeated == 1).await;
    published(&server, 2).await;
    assert!(clients.iter().all(is_unanswered), "not yet");
    assert_eq!(subscriber.event().await["i"], 1, "subscribers need not wait");
    disk.send_replace(Disk::Works);
    let mut cursors = Vec::new();
    for client in &mut clients {
        let (head, _) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 202 Accepted\r\n"), "{head}");
        cursors.push(header(&head, "x-pubsub-cursor").unwrap().to_owned());
    }
    assert!(cursors[0] != cursors[1] && cursors[1] == cursors[2], "{cursors:?}");
}

#[tokio::test]
async fn the_events_of_a_batch_are_stored_together() {
    let (server, disk) = server(Disk::StandsStill);
    let mut link = server.client().await;
    link.send(batch(50).as_bytes()).await;
    published(&server, 50).await;
    assert!(is_unanswered(&link), "none of them waits for another");
    disk.send_replace(Disk::Works);
    let (head, text) = link.answer().await;
    assert!(head.starts_with("HTTP/1.1 202"), "{head}");
    assert_eq!(text, "202\n".repeat(50));
}

#[tokio::test]
async fn an_event_that_is_not_stored_is_answered_with_503_and_comes_again_as_a_new_one() {
    let (server, disk) = server(Disk::IsFull);
    let mut client = server.client().await;
    for headers in ["", "Idempotency-Key: k\r\n", "Idempotency-Key: k\r\n"] {
        client.send(put(headers).as_bytes()).await;
        let (head, text) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(header(&head, "retry-after").is_some() && header(&head, "x-pubsub-cursor").is_none(), "{head}");
        assert_eq!(text, "The event could not be stored, please come again.\n");
    }
    assert_eq!(server.hub.stats().published, 3, "its key is not taken for done");
    client.send(batch(3).as_bytes()).await;
    let (_, text) = client.answer().await;
    assert_eq!(text, "503 The event could not be stored, please come again.\n", "the link sends all of them again");
    disk.send_replace(Disk::Works);
    for _ in 0..2 {
        client.send(put("Idempotency-Key: k\r\n").as_bytes()).await;
        assert!(client.answer().await.0.starts_with("HTTP/1.1 202"));
    }
    assert_eq!(server.hub.stats().published, 7, "and now it is");
}

#[tokio::test]
async fn what_was_answered_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let settings = DiskSettings { durable: true, ..DiskSettings::new(folder.path()) };
    let hub = Hub::with_backlog(HubSettings::default(), Arc::new(DiskBacklog::open(settings.clone()).unwrap()));
    let server = Server::serve(hub, Config::default(), Limits::default());
    let mut clients = join_all((0..8).map(|_| server.client())).await;
    join_all(clients.iter_mut().map(async |client| {
        for i in 0..25 {
            let (head, _) = client.put("/a", &format!("{{\"i\":{i}}}"), "").await;
            assert!(head.starts_with("HTTP/1.1 202"), "{head}");
        }
    }))
    .await;
    drop(clients);
    let Server { hub, listeners, .. } = server;
    listeners.stop(PATIENCE).await;
    hub.close().await;
    assert_eq!(DiskBacklog::open(settings).unwrap().len(), 200);
}
