//! A deadline that may outlive the hive.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A timer on the hive's runtime. A tokio timer by itself panics when it is polled after its runtime has ended, and a caller
/// may hold this one for longer than the hive has threads.
pub(super) struct Alarm(JoinHandle<()>);

/// What an alarm says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rang {
    /// The time is over.
    InTime,
    /// The hive's threads have ended.
    Never,
}

impl Alarm {
    pub(super) fn after(time: Duration, runtime: &Handle) -> Self {
        Self(runtime.spawn(async move { tokio::time::sleep(time).await }))
    }
}

impl Future for Alarm {
    type Output = Rang;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Rang> {
        Pin::new(&mut self.0).poll(context).map(|ended| if ended.is_ok() { Rang::InTime } else { Rang::Never })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.abort();
    }
}
