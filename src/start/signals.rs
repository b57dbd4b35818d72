//! The signals that a running hive answers.

use std::io;

use crate::Hive;

/// Resolves on SIGINT or SIGTERM; on SIGHUP and SIGUSR2 certificates and access lists are read again.
#[cfg(unix)]
pub(super) async fn until_told(hive: &Hive) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut user = signal(SignalKind::user_defined2())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => {}
            _ = user.recv() => {}
        }
        // What is wrong has been logged.
        hive.reload().await;
    }
}

/// Resolves on Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn until_told(_: &Hive) -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
