//! Who may do what at a door: publish, publish on secured topics, see private events.
//!
//! The rules are PyPubSub's:
//! - Who connects from one of the `payloaders` may publish.
//! - On a path with one of the `secure_topics` only users who have all secured topics of the path may, from wherever.
//! - Private events are seen by users who have a segment whose topics are all among the event's.
//! - Bad credentials are no error: who brings them is nobody in particular.
//!
//! Rights are looked up for each event anew, so a reload of the access list holds for open streams too.
//!
//! - [`network`]: addresses. [`basic`]: what a request says of itself. [`acl`]: the access list and its file.

pub mod acl;
pub mod basic;
pub mod network;

use std::net::IpAddr;
use std::sync::Arc;

use eventhive_hub::Message;

pub use self::acl::{AclError, AclFile};
pub use self::basic::Credentials;
pub use self::network::Payloaders;
use crate::wire::topics::topics_of;

/// The rules of one door.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// From where anyone may publish.
    pub payloaders: Payloaders,
    /// Topics that need a user with the right to them.
    pub secure_topics: Vec<String>,
    /// The users; none if there is no list.
    pub acl: Option<Arc<AclFile>>,
}

impl Access {
    /// Whether a request from `peer` may publish on a decoded path.
    #[must_use]
    pub fn may_publish(&self, peer: Option<IpAddr>, path: &str, credentials: Option<&Credentials>) -> bool {
        let is_secured = |topic: &&str| self.secure_topics.iter().any(|secured| secured == topic);
        let mut secured = topics_of(path).filter(is_secured).peekable();
        if secured.peek().is_none() {
            return peer.is_some_and(|peer| self.payloaders.contain(peer));
        }
        let (Some(credentials), Some(acl)) = (credentials, &self.acl) else { return false };
        acl.user(credentials, |user| secured.all(|topic| user.may_publish(topic)))
    }

    /// What a stream with these credentials may see of private events: what the hub asks for each of them.
    #[must_use]
    pub fn viewer(&self, credentials: Option<Credentials>) -> Option<Arc<dyn eventhive_hub::Access>> {
        let (credentials, acl) = (credentials?, Arc::clone(self.acl.as_ref()?));
        Some(Arc::new(move |message: &Message| {
            let topic = String::from_utf8_lossy(message.topic().as_bytes());
            acl.user(&credentials, |user| user.may_see(&topic))
        }))
    }
}
