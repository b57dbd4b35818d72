//! Who may do what at a door: publish, publish on secured topics, see private events.
//!
//! The rules are PyPubSub's:
//! - Who connects from one of the `payloaders` may publish.
//! - On a path with one of the `secure_topics` only users who have all secured topics of the path may, from wherever.
//! - Private events are seen by users who have a segment whose topics are all among the event's.
//! - Bad credentials are no error: who brings them is nobody in particular.
//!
//! A request's credentials are turned into an [`Identity`] once, when it is known that something depends on it. An
//! identity's rights follow the access list, so a reload holds for open streams too.
//!
//! - [`basic`]: what a request says of itself. [`identity`]: who that is.
//! - [`users`]: who there is. [`acl`]: the access list; `file`: its file.
//! - [`password`]: what passwords are compared with; `logins`: how many are at a time.
//! - [`directory`]: users that are not in the list; [`ldap`]: where they are. [`rights`]: what a user may.

pub mod acl;
pub mod basic;
pub mod directory;
mod file;
pub mod identity;
pub mod ldap;
mod logins;
pub mod password;
pub mod rights;
#[cfg(test)]
mod tests;
pub mod users;

use std::net::IpAddr;
use std::sync::Arc;

use eventhive_listener::Networks;

pub use self::acl::AclError;
pub use self::basic::Credentials;
pub use self::directory::{Directory, DirectoryError};
pub use self::identity::Identity;
pub use self::rights::Rights;
pub use self::users::{Busy, Users};
use crate::wire::topics::topics_of;

/// The rules of one door.
#[derive(Debug, Clone)]
pub struct Access {
    /// From where anyone may publish.
    pub payloaders: Networks,
    /// Topics that need a user with the right to them.
    pub secure_topics: Vec<String>,
    /// The users; none if there is neither a list nor a directory.
    pub users: Option<Arc<Users>>,
}

/// The machine itself may publish. The original lets nobody until its operator says who may.
impl Default for Access {
    fn default() -> Self {
        Self { payloaders: Networks::loopback(), secure_topics: Vec::new(), users: None }
    }
}

impl Access {
    /// Who brings these credentials, from `peer`. Everything that takes time happens here.
    ///
    /// # Errors
    /// [`Busy`]: it was not found out; the request can only be told to come later.
    pub async fn identify(&self, credentials: Option<Credentials>, peer: Option<IpAddr>) -> Result<Identity, Busy> {
        match (&self.users, credentials) {
            (Some(users), Some(credentials)) => users.identify(credentials, peer).await,
            _ => Ok(Identity::nobody()),
        }
    }

    /// Whether it depends on who someone is, and not only on where from, if they may publish on a decoded path.
    #[must_use]
    pub fn is_secured(&self, path: &str) -> bool {
        self.secured(path).next().is_some()
    }

    /// Whether a request from `peer` may publish on a decoded path.
    #[must_use]
    pub fn may_publish(&self, peer: Option<IpAddr>, path: &str, identity: &Identity) -> bool {
        if self.is_secured(path) {
            identity.may_publish(self.secured(path))
        } else {
            peer.is_some_and(|peer| self.payloaders.contain(peer))
        }
    }

    fn secured<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        topics_of(path).filter(|topic| self.secure_topics.iter().any(|secured| secured == topic))
    }
}
