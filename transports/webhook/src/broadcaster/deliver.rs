//! What calls urls, as a broadcaster sees it.

use futures_util::future::BoxFuture;

use crate::delivery::{Delivered, GivenUp};
use crate::index::Target;
use crate::message::Message;

/// Delivers one message to one subscription, with all that belongs to it: see [`delivery`](crate::delivery).
pub trait Deliver: Send + Sync {
    /// Done when it is known what became of it.
    fn deliver<'a>(&'a self, target: &'a Target, message: &'a Message) -> BoxFuture<'a, Delivered>;

    /// A message will not be delivered to a subscription, or nobody will know whether it was: all that belongs to one that was
    /// not, is done without trying. Waits for nothing.
    fn give_up(&self, target: &Target, message: &Message, why: GivenUp);

    /// Somebody at this url has just subscribed: what is known of its failures does not count any more.
    fn enable(&self, url: &str);
}
