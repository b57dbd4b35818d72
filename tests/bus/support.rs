//! What several tests need.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive::Hive;

/// A failure bound, never a stand-in for a condition.
const LIMIT: Duration = Duration::from_secs(20);

/// A hive without the hooks that this binary declares.
pub(crate) fn bare() -> Hive {
    Hive::builder().declared_hooks(false).build().unwrap()
}

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it should not take so long")
}

/// Waits until `condition` holds, looking again whenever other tasks have run.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// What hooks write down, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
