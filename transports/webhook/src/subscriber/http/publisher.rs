//! What a link publishes: one message after the other, so that they keep their order.
//!
//! A request is given up when the link goes down, whatever it waits for, so that whoever published hears it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Http;
use crate::subscriber::condition::{Condition, Status};
use crate::subscriber::error::SubscriberError;
use crate::subscriber::outbox::Outbox;

/// Runs until it is told to stop and what waits is sent, as far as the link is up.
pub(crate) async fn publish(http: Arc<Http>, outbox: Arc<Outbox>, mut stopped: watch::Receiver<bool>) {
    let mut condition = http.teller.watch();
    let mut stopping = false;
    while !(stopping && outbox.is_empty()) {
        let is_up = condition.borrow_and_update().status == Status::Ok;
        if !is_up {
            // What was on its way, and what came in the meantime.
            outbox.lost(std::iter::empty(), "the link went down");
            if stopping {
                break;
            }
        }
        tokio::select! {
            // The end of whoever tells it is a stop as well.
            _ = stopped.wait_for(|stopped| *stopped), if !stopping => {
                stopping = true;
                outbox.shut();
            }
            changed = until_down(&mut condition), if is_up => if changed.is_err() { break },
            changed = condition_changed(&http), if !is_up => if changed.is_err() { break },
            () = send_all(&http, &outbox, stopping), if is_up => {}
        }
    }
    outbox.abandon();
}

async fn until_down(condition: &mut watch::Receiver<Condition>) -> Result<(), watch::error::RecvError> {
    condition.wait_for(|now| now.status != Status::Ok).await.map(drop)
}

async fn condition_changed(http: &Http) -> Result<(), watch::error::RecvError> {
    http.teller.watch().wait_for(|now| now.status == Status::Ok).await.map(drop)
}

/// The waits before a broadcaster is asked again that said that it cannot for now, as one does that has just begun.
const BUSY: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// Sends what waits, and what comes; to the end if nothing more is to come. While more may come it does not end: an outbox
/// that takes nothing is not yet a publisher that was told to stop.
async fn send_all(http: &Http, outbox: &Outbox, stopping: bool) {
    loop {
        let told = outbox.told.notified();
        while let Some(publish) = outbox.take() {
            let mut sending = Sending { outbox, publish: Some(publish) };
            let Some(publish) = sending.publish.as_mut() else { continue };
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
        if stopping {
            return;
        }
        told.await;
    }
}

/// A publish that is on its way. If nobody waits for it any more it goes back.
struct Sending<'o> {
    outbox: &'o Outbox,
    publish: Option<crate::subscriber::outbox::Publish>,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(publish) = self.publish.take() {
            self.outbox.put_back(publish);
        }
    }
}
