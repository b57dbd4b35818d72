//! Keeps who may do what as the access list and the directory say it now. One for a door, whatever its clients do.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::access::Users;

/// Between two looks at the file of the access list.
const FOLLOW: Duration = Duration::from_secs(1);

/// Follows until the door drains, or is no more.
pub(super) async fn follow(users: Arc<Users>, mut draining: watch::Receiver<Option<Duration>>) {
    let mut looks = interval(FOLLOW);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // An error says that the door is gone.
            _ = draining.wait_for(Option::is_some) => return,
            now = looks.tick() => look(&users, now.into_std()),
        }
    }
}

/// Nobody waits for what it starts: while passwords are compared with new hashes, the next change is seen all the same.
fn look(users: &Arc<Users>, now: std::time::Instant) {
    if users.is_to_be_rechecked(now) {
        let users = Arc::clone(users);
        tokio::spawn(async move { users.recheck().await });
    }
    let users = Arc::clone(users);
    // No blocking task: the end of a runtime, and so of a listener, would wait for it.
    let looking = thread::Builder::new().name("eventhive-acl".to_owned()).spawn(move || users.follow(now));
    if let Err(error) = looking {
        tracing::error!(%error, "the access list is not looked at: there is no thread for it");
    }
}
