//! Users that are not in the access list: a directory is asked for them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Rights;

/// Where users are looked up that the access list does not have. A user of the list is never looked up here, with
/// whatever password.
///
/// It is asked once for each request that brings credentials and needs to know whose they are. So it bounds by itself how
/// long that takes and how much of it there is at a time, and keeps what it found for a while if it likes.
pub trait Directory: Send + Sync + fmt::Debug {
    /// The rights of a user with this password; `None` if there is no such user, or the password is wrong.
    ///
    /// # Errors
    /// The directory cannot say. It has logged why.
    fn lookup<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
        asker: Asker,
    ) -> BoxFuture<'a, Result<Option<Arc<Rights>>, DirectoryError>>;

    /// About how many who are connected it is asked at a time.
    fn rechecks_at_a_time(&self) -> usize {
        1
    }

    /// How often it is asked again about everyone who is still connected; `None` is never.
    fn recheck(&self) -> Option<Duration> {
        None
    }
}

/// For whom a directory is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A request from this address, as far as it is known. What one address asks for must not keep others waiting.
    Client(Option<IpAddr>),
    /// Someone who is connected, and was let in. What requests ask for must not keep them waiting.
    Recheck,
}

/// Why a directory gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It has too much to do. The request is told to come later.
    #[error("too many logins at a time")]
    Busy,
    /// It cannot be asked, or cannot say for now. The request goes on as nobody's; who is connected keeps what they have.
    #[error("the directory cannot be asked")]
    Unavailable,
    /// It will not have this login, and not because of the password: an account may be locked. Whoever it is has no
    /// rights, and is asked about again.
    #[error("the directory refuses the login for now")]
    Withheld,
}
