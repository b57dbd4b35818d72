//! The signals that a running hive answers.

use std::io;
#[cfg(unix)]
use std::{convert::Infallible, pin::pin};

#[cfg(unix)]
use tokio::sync::Notify;

use crate::Hive;

/// Resolves on SIGINT or SIGTERM; on SIGHUP and SIGUSR2 certificates and access lists are read again.
#[cfg(unix)]
pub(super) async fn until_told(hive: &Hive) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut user = signal(SignalKind::user_defined2())?;
    let wanted = Notify::new();
    let mut reloads = pin!(reloads(hive, &wanted));
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => wanted.notify_one(),
            _ = user.recv() => wanted.notify_one(),
            never = &mut reloads => match never {},
        }
    }
}

/// Reads files again, one time after the other. It may take long, when many passwords have new hashes: the end does not wait
/// for it, and what is wanted meanwhile is done once.
#[cfg(unix)]
async fn reloads(hive: &Hive, wanted: &Notify) -> Infallible {
    loop {
        wanted.notified().await;
        // What is wrong has been logged.
        hive.reload().await;
    }
}

/// Resolves on Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn until_told(_: &Hive) -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
