//! Streams whose past takes long to read.

use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::{
    Backlog, BacklogBounds, BacklogError, Cursor, Draft, Extent, Hub, HubSettings, MemoryBacklog, Message, Start,
};
use eventhive_listener::Limits;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::support::{Server, config_of_vectors};

/// A backlog that reads a message when it may.
struct Slow {
    memory: MemoryBacklog,
    may_read: Arc<Semaphore>,
}

impl Backlog for Slow {
    fn extent(&self) -> Extent {
        self.memory.extent()
    }
    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        self.memory.append(message)
    }
    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        self.memory.locate(start)
    }
    fn read(&self, place: Cursor, _: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        async move {
            self.may_read.acquire().await.expect("it is not closed").forget();
            self.memory.read(place, 1).await
        }
        .boxed()
    }
    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        self.memory.recent(place, most)
    }
}

/// More than what a replay takes from memory at once.
const MESSAGES: usize = 100;

fn server() -> (Server, Arc<Semaphore>) {
    let may_read = Arc::new(Semaphore::new(0));
    let backlog = Slow { memory: MemoryBacklog::new(BacklogBounds::default()), may_read: Arc::clone(&may_read) };
    let hub = Hub::with_backlog(HubSettings::default(), Arc::new(backlog));
    for i in 0..MESSAGES {
        hub.publish(Draft::bytes("b", format!("{{\"i\":{i}}}"))).unwrap();
    }
    let config = eventhive_http::Config { ping_interval: Duration::from_millis(100), ..config_of_vectors() };
    (Server::serve(hub, config, Limits::default()), may_read)
}

#[tokio::test]
async fn a_stream_whose_past_has_nothing_for_it_says_that_it_lives_until_all_was_looked_through() {
    let (server, may_read) = server();
    let mut stream = server.stream("/nothing", "X-Fetch-Since: 0\r\n").await;
    for _ in 0..3 {
        let line = stream.line().await;
        assert!(line["stillalive"].is_f64() && line["replaying"] == true, "{line}");
    }
    may_read.add_permits(MESSAGES);
    let line = loop {
        let line = stream.line().await;
        assert!(line["stillalive"].is_f64(), "{line}");
        if line.get("replaying").is_none() {
            break line;
        }
    };
    assert_eq!(line.as_object().unwrap().len(), 1, "a ping as any: the past is over");
    server.put("/nothing", "{\"n\":1}").await;
    assert_eq!(stream.event().await["n"], 1);
}

#[tokio::test]
async fn a_stream_whose_past_stands_still_halfway_goes_on_in_order() {
    let (server, may_read) = server();
    let mut stream = server.stream("/b", "X-Fetch-Since: 0\r\n").await;
    may_read.add_permits(2);
    for i in 0..2 {
        assert_eq!(stream.event().await["i"], i);
    }
    assert_eq!(stream.line().await["replaying"], true);
    may_read.add_permits(MESSAGES);
    for i in 2..MESSAGES {
        assert_eq!(stream.event().await["i"], i);
    }
}

#[tokio::test]
async fn browsers_see_such_pings_as_comments_and_old_clients_get_their_nul() {
    let (server, _may_read) = server();
    let since = "X-Fetch-Since: 0\r\n";
    let mut events = server.stream("/nothing", &format!("{since}Accept: text/event-stream\r\n")).await;
    assert!(events.chunk().await.unwrap().starts_with(b"retry: "));
    let ping = String::from_utf8(events.chunk().await.unwrap()).unwrap();
    assert!(ping.starts_with(": {\"stillalive\": ") && ping.ends_with(", \"replaying\": true}\n\n"), "{ping:?}");
    let mut old = server.stream("/nothing", &format!("{since}User-Agent: svnwcsub\r\n")).await;
    assert!(old.chunk().await.unwrap().ends_with(b", \"replaying\": true}\n\0"));
}
