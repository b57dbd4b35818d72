//! The thread on which a database's connections live, so that they belong to no actor, arbiter or request that may end
//! before the store does.

use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{OnceCell, oneshot, watch};

use crate::store::StoreError;

/// A thread that runs futures until this is dropped or closed.
#[derive(Debug)]
pub(in crate::store) struct Home {
    handle: Handle,
    end: Mutex<Option<oneshot::Sender<()>>>,
    closed: watch::Sender<bool>,
    ended: OnceCell<()>,
}

impl Home {
    pub(in crate::store) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("webhook-store".into()).spawn(move || {
            // An error says that the home is gone: an end as good as any.
            let _ = runtime.block_on(ended);
            // A query that has its own thread may still be under way; nobody waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, end: Mutex::new(Some(end)), closed: watch::Sender::new(false), ended: OnceCell::new() })
    }

    /// Runs a future there, to its end even if nobody waits for it any more.
    pub(in crate::store) async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        // It fails if the thread has ended meanwhile.
        self.handle.spawn(future).await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs a future there until it ends, or the home is closed.
    pub(in crate::store) fn keep(&self, future: impl Future<Output = ()> + Send + 'static) {
        let mut closed = self.closed.subscribe();
        self.handle.spawn(async move {
            tokio::select! {
                () = future => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
    }

    /// Runs a future there until it ends, even if the home is closed before it does.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "SQLite's writer is such a one"))]
    pub(in crate::store) fn keep_to_end(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(future);
    }

    pub(in crate::store) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Lets nothing begin any more, does what is to be done at the end, and ends the thread. Once, however often it is called:
    /// who calls it later waits as well, and goes on with it if the first has stopped waiting.
    pub(in crate::store) async fn close(&self, closing: impl Future<Output = ()>) {
        self.closed.send_replace(true);
        let close = async {
            closing.await;
            let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(end) = end {
                // The thread waits for it.
                let _ = end.send(());
            }
        };
        self.ended.get_or_init(|| close).await;
    }
}
