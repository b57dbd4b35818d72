//! Who may see private messages.

use crate::Message;

/// What a session may see.
///
/// Asked for each private message that a subscription of the session matches, live and in replay; rights may so change
/// at any time. A session without one sees no private message.
///
/// The live question is asked under the hub's lock, by the publishing thread: it must be quick and must not call the hub.
pub trait Access: Send + Sync {
    /// Whether the session may see `message`, which is private.
    fn may_see(&self, message: &Message) -> bool;
}

impl<F: Fn(&Message) -> bool + Send + Sync> Access for F {
    fn may_see(&self, message: &Message) -> bool {
        self(message)
    }
}

/// Whether a session with `access` may see `message`: public ones always, private ones when it is granted.
pub(crate) fn may_see(access: Option<&dyn Access>, message: &Message) -> bool {
    !message.is_private() || access.is_some_and(|access| access.may_see(message))
}
