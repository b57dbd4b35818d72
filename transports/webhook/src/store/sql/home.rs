//! The thread on which a database's connections live, so that they belong to no actor, arbiter or request that may end
//! before the store does.

use std::future::Future;
use std::io;
use std::sync::Mutex;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

use crate::store::StoreError;

/// A thread that runs futures until this is dropped or closed.
#[derive(Debug)]
pub(in crate::store) struct Home {
    handle: Handle,
    end: Mutex<Option<oneshot::Sender<()>>>,
    closed: watch::Sender<bool>,
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
        Ok(Self { handle, end: Mutex::new(Some(end)), closed: watch::Sender::new(false) })
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

    /// Lets nothing begin any more. `false` if that was so already.
    pub(in crate::store) fn close(&self) -> bool {
        !self.closed.send_replace(true)
    }

    /// Ends the thread.
    pub(in crate::store) fn end(&self) {
        let end = self.end.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(end) = end {
            let _ = end.send(());
        }
    }
}
