//! Where a test has its store.

use std::sync::Arc;
use std::time::Duration;

use eventhive_webhook::store::{Options, Store, open};
use futures_util::future::BoxFuture;
use tempfile::TempDir;

/// How long anything may take. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A store of the test's own, empty, which may be opened more than once.
pub(crate) struct Place {
    address: String,
    open: Box<dyn Fn() -> BoxFuture<'static, Arc<dyn Store>> + Send + Sync>,
    /// What must outlive it.
    _keep: Box<dyn std::any::Any + Send + Sync>,
}

impl Place {
    pub(crate) fn at(address: String, keep: impl Send + Sync + 'static) -> Self {
        let opened = address.clone();
        let open = move || -> BoxFuture<'static, _> {
            let address = opened.clone();
            Box::pin(async move { open(&address, &patient()).await.unwrap() })
        };
        Self { address, open: Box::new(open), _keep: Box::new(keep) }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// One more handle on the store.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        (self.open)().await
    }
}

/// Options for tests on a busy machine.
pub(crate) fn patient() -> Options {
    Options::default().patience(PATIENCE)
}

pub(crate) async fn sqlite_file() -> Place {
    let folder = TempDir::new().unwrap();
    Place::at(format!("sqlite:{}", folder.path().join("subscriptions.db").display()), folder)
}

/// Each store in memory is another one, so that a handle more is the same again.
pub(crate) async fn sqlite_memory() -> Place {
    let store = open("sqlite::memory:", &patient()).await.unwrap();
    Place {
        address: "sqlite::memory:".to_owned(),
        open: Box::new(move || Box::pin(std::future::ready(Arc::clone(&store)))),
        _keep: Box::new(()),
    }
}
