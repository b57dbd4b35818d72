//! A part of a link: connected, run, waited for, connected again.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use eventhive_transport::{Backoff, LinkState};

use super::shared::Shared;
use super::standing::{PartId, down};

/// A connection that lasted this long is no sign of trouble when it ends.
const LASTING: Duration = Duration::from_secs(10);

/// One that the server closed in good order is made again at once if it lasted this long.
const RENEWED: Duration = Duration::from_secs(1);

/// Why no connection came about.
pub(super) enum Failed {
    /// Another attempt may end better.
    ForNow(String),
    /// There is no use in another. The part has told its owner.
    ForEver,
}

/// How a connection ended.
pub(super) enum End {
    /// There is nothing more to do.
    Done,
    /// The server closes connections now and then; nothing is wrong.
    Renew,
    Lost(String),
}

/// What is kept connected.
pub(super) trait Part: Send {
    type Connection: Send;

    /// Whether the link is down while this is.
    fn counts(&self) -> bool;

    fn connect(&mut self, shared: &Shared) -> impl Future<Output = Result<Self::Connection, Failed>> + Send;

    fn run(&mut self, shared: &Shared, connection: Self::Connection) -> impl Future<Output = End> + Send;

    /// The connection is gone.
    fn lost(&mut self, shared: &Shared);
}

/// Keeps a part connected until it is done or the link closes.
pub(super) async fn keep(shared: &Shared, id: PartId, mut part: impl Part) {
    let settings = &shared.settings;
    let mut backoff = Backoff::new(settings.reconnect_min, settings.reconnect_max);
    loop {
        if part.counts() {
            shared.standing.set(id, LinkState::Connecting);
        }
        let connecting = tokio::time::timeout(settings.connect_timeout, part.connect(shared));
        let connected = tokio::select! {
            () = shared.until_closing() => return,
            connected = connecting => connected,
        };
        let late = |_| Err(Failed::ForNow(format!("{} did not answer in time", settings.url())));
        let reason = match connected.unwrap_or_else(late) {
            Err(Failed::ForEver) => return,
            Err(Failed::ForNow(reason)) => reason,
            Ok(connection) => {
                let began = Instant::now();
                shared.standing.set(id, LinkState::Up);
                let end = tokio::select! {
                    end = part.run(shared, connection) => end,
                    () = shared.until_closing_is_late() => End::Done,
                };
                if began.elapsed() >= LASTING {
                    backoff.reset();
                }
                match end {
                    End::Done => return,
                    End::Renew if began.elapsed() >= RENEWED => continue,
                    End::Renew => "the server closes connections at once".to_owned(),
                    End::Lost(reason) => reason,
                }
            }
        };
        part.lost(shared);
        if part.counts() {
            shared.standing.set(id, down(reason));
        }
        tokio::select! {
            () = shared.until_closing() => return,
            () = tokio::time::sleep(backoff.next_wait()) => {}
        }
    }
}

/// A failure of the network, in words.
pub(super) fn unreachable(shared: &Shared, error: &io::Error) -> Failed {
    Failed::ForNow(format!("{} cannot be reached: {error}", shared.settings.url()))
}
