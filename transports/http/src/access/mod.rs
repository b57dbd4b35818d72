//! Who may do what at a door: publish, publish on secured topics, see private events.
//!
//! The rules are PyPubSub's, and so is that bad credentials are no error: who brings them is nobody in particular.
//!
//! | who | publishes where no topic is secured | publishes where some are | sees private events |
//! |---|---|---|---|
//! | nobody in particular, from one of the `payloaders` | yes | no | none |
//! | nobody in particular, from elsewhere or from nobody knows where | no | no | none |
//! | a user, from one of the `payloaders` | yes | if all of them are the user's | those of the user's segments |
//! | a user, from elsewhere or from nobody knows where | no | if all of them are the user's | those of the user's segments |
//! | a page of another site in anyone's browser | no | no | as whose browser it is, if it is among the `origins` |
//! | anyone whose login waits behind too many others | told to come later, where it matters | told to come later | told to come later |
//!
//! Nobody in particular is who brings no credentials, a wrong password, a token that is nobody's, the name of a user that is
//! not there, and a user whose password or rights in the list are broken. A segment of a user is for the private events
//! that have all its topics. From where someone comes, behind a proxy too, says [`Proxies`](eventhive_listener::Proxies).
//! `tests/http/rights.rs` has a test for each row and each way to be somebody.
//!
//! A request's credentials are turned into an [`Identity`] once, when it is known that something depends on it. An
//! identity's rights follow the access list, so a reload holds for open streams too.
//!
//! - [`basic`]: what a request says of itself; [`token`]: bearer tokens. [`identity`]: who that is.
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
pub mod token;
pub mod users;

use std::net::IpAddr;
use std::sync::Arc;

use eventhive_listener::Networks;

pub use self::acl::AclError;
pub use self::basic::{Claim, Credentials};
pub use self::directory::{Asker, Directory, DirectoryError};
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
    /// Who makes this claim, from `peer`. Everything that takes time happens here.
    ///
    /// # Errors
    /// [`Busy`]: it was not found out; the request can only be told to come later.
    pub async fn identify(&self, claim: Option<Claim>, peer: Option<IpAddr>) -> Result<Identity, Busy> {
        match (&self.users, claim) {
            (Some(users), Some(claim)) => users.identify(claim, peer).await,
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
        if self.is_secured(path) { identity.may_publish(self.secured(path)) } else { self.is_payloader(peer) }
    }

    /// Whether anyone may publish from there, where no topic is secured.
    #[must_use]
    pub fn is_payloader(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.payloaders.contain(peer))
    }

    fn secured<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        topics_of(path).filter(|topic| self.secure_topics.iter().any(|secured| secured == topic))
    }
}
