//! A hub that keeps its events, and cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventhive_hub::{
    Backlog, BacklogBounds, BacklogError, Cursor, Extent, Hub, HubSettings, MemoryBacklog, Message, Start,
};
use eventhive_webhook::wire::Interest::Exact;
use futures_util::future::BoxFuture;

use crate::harness::{Making, until};
use crate::requests::{URL, notify, subscribe};

/// A disk that can be full.
struct Disk {
    kept: MemoryBacklog,
    full: AtomicBool,
}

impl Backlog for Disk {
    fn extent(&self) -> Extent {
        self.kept.extent()
    }

    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(BacklogError::Storage(Arc::new(std::io::ErrorKind::StorageFull.into())));
        }
        self.kept.append(message)
    }

    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        self.kept.locate(start)
    }

    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        self.kept.read(place, most)
    }

    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        self.kept.recent(place, most)
    }

    fn is_durable(&self) -> bool {
        true
    }
}

#[actix_web::test]
async fn a_message_that_a_durable_hub_did_not_keep_is_not_confirmed() {
    let disk = Arc::new(Disk { kept: MemoryBacklog::new(BacklogBounds::default()), full: AtomicBool::new(false) });
    let hub = Hub::with_backlog(HubSettings::default(), Arc::clone(&disk) as Arc<dyn Backlog>);
    let served = Making { hub: Some(hub.clone()), ..Making::default() }.serve();
    served.broadcaster.ready().await;
    until("it has a session", || hub.stats().sessions == 1).await;
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    for (full, answer) in [(false, Ok(1)), (true, Err(503)), (false, Ok(1))] {
        disk.full.store(full, Ordering::SeqCst);
        assert_eq!(notify(&served, b"a", b"x").await, answer);
    }
    assert_eq!(served.broadcaster.stats().refused_by_hub, 1);
}
