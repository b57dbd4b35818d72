//! From history to live, without a gap and without a duplicate.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Waker;

use eventhive_transport::Filter;
use tokio::task::yield_now;

use crate::access::may_see;
use crate::backlog::PAGE_MESSAGES;
use crate::core::Core;
use crate::queue::{Offer, Queue, Share};
use crate::{Access, BacklogError, Cursor, CursorError, Message, ReplayError, Start, SubscribeError, SubscriptionId};

/// Subscribes from a place in the past.
///
/// The backlog is read page by page, as fast as the session takes it: it is itself the buffer for what is published
/// meanwhile, so nothing live has to be held, and a slow reader costs no memory. As soon as what is left is little and
/// fits in the queue, it is queued and the subscription made in one step under the hub's lock. That step is the only
/// border between history and live.
pub(crate) async fn replay_then_live(
    core: &Core,
    queue: &Queue,
    filter: Filter,
    start: Start,
) -> Result<SubscriptionId, ReplayError> {
    core.check(&filter)?;
    let replay = Replay { core, queue, filter, access: core.access(queue.key) };
    let mut place = core.backlog.locate(start).await?;
    let mut bound_to_place = matches!(start, Start::After(_));
    loop {
        if let Some(subscription) = replay.go_live(place)? {
            return Ok(subscription);
        }
        let page = match core.backlog.read(place, PAGE_MESSAGES).await {
            Ok(page) => page,
            // Nobody asked for the very messages that went between the look and the first page.
            Err(BacklogError::Cursor(CursorError::Unknown { oldest })) if !bound_to_place => {
                place = oldest.map_or_else(|| core.backlog.extent().newest, Cursor::previous);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for message in page {
            replay.send(&message).await?;
            place = message.cursor();
            bound_to_place = true;
        }
        // A long history of which little is wanted must not keep the thread.
        yield_now().await;
    }
}

struct Replay<'a> {
    core: &'a Core,
    queue: &'a Queue,
    filter: Filter,
    access: Option<Arc<dyn Access>>,
}

impl Replay<'_> {
    fn wants(&self, message: &Message) -> bool {
        self.filter.matches(message.topic())
            && message.excluded() != Some(self.queue.id)
            && may_see(self.access.as_deref(), message)
    }

    fn check_open(&self) -> Result<(), SubscribeError> {
        self.queue.ended().map_or(Ok(()), |why| Err(SubscribeError::Ended(why)))
    }

    /// Queues one message of the past, when there is room.
    async fn send(&self, message: &Arc<Message>) -> Result<(), SubscribeError> {
        while self.wants(message) {
            let room = poll_fn(|context| self.queue.poll_room(message.weight(), Share::Half, context));
            room.await.map_err(SubscribeError::Ended)?;
            if let Offer::Queued(reader) = self.queue.offer(message, None, 1) {
                reader.into_iter().for_each(Waker::wake);
                break;
            }
        }
        Ok(())
    }

    /// The border. `None` if what is left is still too much.
    fn go_live(&self, place: Cursor) -> Result<Option<SubscriptionId>, SubscribeError> {
        self.check_open()?;
        let fitting = |mut rest: Vec<Arc<Message>>| {
            rest.retain(|message| self.wants(message));
            let weight = rest.iter().map(|message| message.weight()).sum();
            let fits = match rest.len() {
                0 => true,
                1 => self.queue.fits(weight, Share::Half),
                _ => self.queue.fits_together(weight, Share::Half),
            };
            fits.then_some(rest)
        };
        let Some((subscription, rest)) = self.core.go_live(self.queue.key, &self.filter, place, fitting)? else {
            return Ok(None);
        };
        // Live events come by the worker, which runs on this thread: not before this is done.
        for message in &rest {
            if let Offer::Queued(reader) = self.queue.offer(message, None, 1) {
                reader.into_iter().for_each(Waker::wake);
            }
        }
        Ok(Some(subscription))
    }
}
