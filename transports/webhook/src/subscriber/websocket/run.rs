//! From one connection to the next.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::time::sleep;

use super::connection::{self, End};
use super::{Retry, Websocket};
use crate::subscriber::asker::wait;
use crate::subscriber::broadcasters::round;
use crate::subscriber::condition::Status;
use crate::subscriber::table::Way;

/// Runs until it is told to stop and what waits is sent, or until it gives up.
pub(crate) async fn run(client: Arc<Websocket>, mut stop: watch::Receiver<bool>) {
    let listening = async {
        loop {
            client.missed.burst().await;
            client.missed.tell(&client.table);
            client.teller.gap();
        }
    };
    let stopped = async {
        _ = stop.wait_for(|stop| *stop).await;
        client.outbox.shut();
        // What is kept can wait for another connection; without one nothing else can be sent.
        if client.teller.status() == Status::Ok || !client.outbox.is_empty() {
            sleep(client.settings.close_timeout).await;
        }
    };
    tokio::select! {
        () = listening => {}
        () = stopped => {}
        () = keep_connected(&client) => {}
    }
    client.outbox.abandon();
}

/// A connection that lasted this long is no sign of trouble when it ends.
const LASTING: std::time::Duration = std::time::Duration::from_secs(10);

/// Whose turn it is.
struct Turns {
    left: Vec<usize>,
    /// Rounds that were begun.
    rounds: u32,
    retry: Retry,
}

async fn keep_connected(client: &Websocket) {
    let mut turns = Turns { left: Vec::new(), rounds: 0, retry: client.settings.retry.clone() };
    loop {
        if client.settings.on_demand {
            in_demand(client).await;
        }
        if client.outbox.is_shut() && client.outbox.is_empty() {
            return;
        }
        // While it waits for its turn it is still lost.
        let Some(to) = turns.next(client).await else { return };
        tell(client, Status::Connecting);
        let reason = match connection::connect(client, to).await {
            Err(reason) => reason,
            Ok((socket, nonce)) => {
                let began = Instant::now();
                let (end, unconfirmed) = connection::run(client, socket, nonce).await;
                client.table.lost(Way::Websocket);
                let reason = match end {
                    End::Lost(reason) => reason,
                    End::Closed | End::Idle => String::new(),
                };
                client.outbox.lost(unconfirmed.into_iter(), &reason);
                turns.lasted(began);
                match end_of(&reason, client) {
                    Ended::ForGood => return,
                    Ended::Idle => continue,
                    Ended::Lost => reason,
                }
            }
        };
        match turns.retry {
            // A link tells it itself.
            Retry::Forever(_) => tracing::debug!(broadcaster = %to, %reason, "a websocket is lost"),
            Retry::Rounds { .. } => tracing::warn!(broadcaster = %to, %reason, "a websocket is lost"),
        }
        tell(client, Status::Lost(reason.into()));
    }
}

enum Ended {
    ForGood,
    Idle,
    Lost,
}

fn end_of(reason: &str, client: &Websocket) -> Ended {
    match reason {
        "" if client.outbox.is_shut() => Ended::ForGood,
        "" => Ended::Idle,
        _ => Ended::Lost,
    }
}

fn tell(client: &Websocket, status: Status) {
    client.teller.set(status);
}

/// Until something is wanted on this wire.
async fn in_demand(client: &Websocket) {
    while !client.table.any_wanted(Way::Websocket) && !client.outbox.is_shut() {
        tokio::select! {
            () = client.table.changed(Way::Websocket).notified() => {}
            () = client.outbox.told.notified() => {}
        }
    }
}

impl Turns {
    /// The next broadcaster: at once within a round, after a wait between rounds; `None` when there are no more rounds.
    async fn next<'c>(&mut self, client: &'c Websocket) -> Option<&'c crate::subscriber::broadcasters::Broadcaster> {
        if self.left.is_empty() {
            self.new_round().await?;
            self.left = round(&client.broadcasters);
            self.left.reverse();
        }
        client.broadcasters.get(self.left.pop()?)
    }

    async fn new_round(&mut self) -> Option<()> {
        match &mut self.retry {
            Retry::Rounds { more, .. } if self.rounds > *more => return None,
            Retry::Rounds { .. } if self.rounds > 0 => sleep(wait(self.rounds)).await,
            Retry::Forever(backoff) if self.rounds > 0 => sleep(backoff.next_wait()).await,
            _ => {}
        }
        self.rounds = self.rounds.saturating_add(1);
        Some(())
    }

    /// After a connection that has proven to last, everything begins anew.
    fn lasted(&mut self, began: Instant) {
        match &mut self.retry {
            Retry::Rounds { lasting, .. } if began.elapsed() >= *lasting => self.rounds = 0,
            Retry::Forever(backoff) if began.elapsed() >= LASTING => backoff.reset(),
            _ => return,
        }
        self.left.clear();
    }
}
