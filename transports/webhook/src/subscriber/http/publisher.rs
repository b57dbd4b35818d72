//! What a link publishes: one message after the other, so that they keep their order.
//!
//! A request is given up when the link goes down, whatever it waits for, so that whoever published hears it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Http;
use crate::subscriber::condition::{Condition, Status};
use crate::subscriber::error::SubscriberError;
use crate::subscriber::outbox::{Outbox, Publish};

const WENT_DOWN: &str = "the link went down";

/// Runs until it is told to stop and what waits is sent, as far as the link is up.
pub(crate) async fn publish(http: Arc<Http>, outbox: Arc<Outbox>, mut stopped: watch::Receiver<bool>) {
    let shut = async {
        // The end of whoever tells it is a stop as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
        // It ends what is sent after what waits, and interrupts nothing: a request that is on its way would be made again.
        outbox.shut();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = shut => {}
        () = send_while_up(&http, &outbox) => {}
    }
    outbox.abandon();
}

async fn send_while_up(http: &Http, outbox: &Outbox) {
    let mut condition = http.teller.watch();
    while !(outbox.is_shut() && outbox.is_empty()) {
        if condition.borrow_and_update().status == Status::Ok {
            tokio::select! {
                changed = until(&mut condition, false) => {
                    if changed.is_err() {
                        return;
                    }
                    // Also if it is up again by now.
                    outbox.lost(std::iter::empty(), WENT_DOWN);
                }
                () = send_all(http, outbox) => {}
            }
            continue;
        }
        // What was on its way, and what came in the meantime.
        outbox.lost(std::iter::empty(), WENT_DOWN);
        tokio::select! {
            changed = until(&mut condition, true) => if changed.is_err() { return },
            // Perhaps it was shut.
            () = outbox.told.notified() => {}
        }
    }
}

async fn until(condition: &mut watch::Receiver<Condition>, is_up: bool) -> Result<(), watch::error::RecvError> {
    condition.wait_for(|now| (now.status == Status::Ok) == is_up).await.map(drop)
}

/// The waits before a broadcaster is asked again that said that it cannot for now, as one does that has just begun.
const BUSY: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// Sends what waits, and what comes, until nothing more is to come.
async fn send_all(http: &Http, outbox: &Outbox) {
    loop {
        let told = outbox.told.notified();
        while let Some(publish) = outbox.take() {
            send(http, outbox, publish).await;
        }
        if outbox.is_shut() {
            return;
        }
        told.await;
    }
}

async fn send(http: &Http, outbox: &Outbox, publish: Publish) {
    let mut sending = Sending { outbox, publish: Some(publish) };
    let Some(publish) = sending.publish.as_mut() else { return };
    publish.sent = true;
    let message = publish.message.clone();
    let mut what = http.notify(&message).await;
    for wait in BUSY {
        if !matches!(what, Err(SubscriberError::Exhausted(_))) {
            break;
        }
        tokio::time::sleep(wait).await;
        what = http.notify(&message).await;
    }
    if let Some(publish) = sending.publish.take() {
        outbox.done(publish, what);
    }
}

/// A publish that is on its way. If nobody waits for it any more it goes back.
struct Sending<'o> {
    outbox: &'o Outbox,
    publish: Option<Publish>,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(publish) = self.publish.take() {
            self.outbox.put_back(publish);
        }
    }
}
