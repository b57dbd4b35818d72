//! Servers that are open: their hubs, and the listeners that their doors share.

use std::time::Duration;

use eventhive_hub::Hub;
use eventhive_listener::{Bound, Listeners, Reload};
use futures_util::future::join_all;

use super::plan::{Planned, join};

/// Dropped, it cuts every connection; [`close`](Self::close) it.
pub(super) struct Open {
    hubs: Vec<Hub>,
    listeners: Listeners,
    /// Of each server, the names of its doors.
    doors: Vec<Vec<String>>,
}

impl Open {
    /// Opens the doors of all these servers, or of none. The error is for people.
    pub(super) async fn start(servers: Vec<Planned>) -> Result<Self, String> {
        let (mut hubs, mut plans, mut doors) = (Vec::new(), Vec::new(), Vec::new());
        for Planned { hub, doors: planned } in servers {
            doors.push(planned.iter().map(|plan| plan.name.clone()).collect());
            hubs.push(hub);
            plans.extend(planned);
        }
        // A host may be a name, and resolving it blocks.
        let reason = match tokio::task::spawn_blocking(move || Listeners::start(plans)).await {
            Ok(Ok(listeners)) => return Ok(Self { hubs, listeners, doors }),
            Ok(Err(errors)) => join(&errors),
            Err(error) => error.to_string(),
        };
        // The next attempt, here or elsewhere, wants the backlogs.
        end(&hubs).await;
        Err(reason)
    }

    /// Where each of the servers listens, in the order in which they were given.
    pub(super) fn bound(&self) -> impl Iterator<Item = Vec<Bound>> {
        let all = self.listeners.addresses();
        self.doors.iter().map(move |names| {
            let serves = |one: &&Bound| one.doors.iter().any(|door| names.contains(&door.name));
            all.iter().filter(serves).cloned().collect()
        })
    }

    /// What reads files again.
    pub(super) fn reload(&self) -> Reload {
        self.listeners.reload()
    }

    /// Drains the doors, then ends the hubs.
    pub(super) async fn close(self, within: Duration) {
        self.listeners.stop(within).await;
        end(&self.hubs).await;
    }
}

/// Ends hubs: what their backlogs have is on disk when it returns, and another may have them.
async fn end(hubs: &[Hub]) {
    join_all(hubs.iter().map(Hub::close)).await;
}
