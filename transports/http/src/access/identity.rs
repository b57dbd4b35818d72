//! Who a request or a stream turned out to be.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use eventhive_hub::Message;

use super::acl::{List, User};
use super::password::Secret;
use super::token::Token;
use super::{Claim, Credentials, Rights};

/// Who brings a request. Made once for it by [`Access::identify`](super::Access::identify); after that asking costs next to
/// nothing.
///
/// An identity follows the access list: when the list is read again, the rights of everyone who is still connected are
/// looked up anew. Who opened a stream before the list knew them gains the rights then. A directory is asked again from
/// time to time, unless it has said that the password is wrong; while it cannot say, they keep what they have.
#[derive(Debug, Clone, Default)]
pub struct Identity(Option<Arc<Standing>>);

impl Identity {
    /// Nobody in particular: without any right of their own.
    #[must_use]
    pub const fn nobody() -> Self {
        Self(None)
    }

    pub(super) const fn of(standing: Arc<Standing>) -> Self {
        Self(Some(standing))
    }

    /// Whether they may publish on all of these secured topics.
    #[must_use]
    pub fn may_publish<'a>(&self, mut topics: impl Iterator<Item = &'a str>) -> bool {
        let rights = self.0.as_ref().and_then(|standing| standing.rights.load_full());
        rights.is_some_and(|rights| topics.all(|topic| rights.may_publish(topic)))
    }

    /// Whether a private event of this topic is for them.
    #[must_use]
    pub fn may_see(&self, topic: &str) -> bool {
        self.0.as_ref().is_some_and(|standing| standing.may_see(topic))
    }

    /// What their stream may see of private events: what the hub asks for each of them. `None` is nothing.
    #[must_use]
    pub fn viewer(&self) -> Option<Arc<dyn eventhive_hub::Access>> {
        let standing = Arc::clone(self.0.as_ref()?);
        Some(Arc::new(move |message: &Message| {
            let topic = String::from_utf8_lossy(message.topic().as_bytes());
            standing.may_see(&topic)
        }))
    }
}

/// What a directory says of someone.
#[derive(Debug, Clone, Default)]
pub(super) enum Said {
    /// It was not asked, could not say, or would not have them for now.
    #[default]
    Nothing,
    /// It knows them.
    Rights(Arc<Rights>),
    /// There is no such user, or the password is wrong.
    No,
}

impl Said {
    fn rights(&self) -> Option<Arc<Rights>> {
        if let Self::Rights(rights) = self { Some(Arc::clone(rights)) } else { None }
    }
}

impl From<Option<Arc<Rights>>> for Said {
    fn from(found: Option<Arc<Rights>>) -> Self {
        found.map_or(Self::No, Self::Rights)
    }
}

/// A claim, and what it is worth now.
pub(super) struct Standing {
    claim: Claim,
    /// Holds while the list does not have the user.
    directory: Mutex<Said>,
    /// What the password was last compared with, and whether it was that.
    tried: Mutex<Option<(Arc<Secret>, bool)>>,
    rights: ArcSwapOption<Rights>,
}

impl Standing {
    /// Of a user of the list.
    pub(super) fn listed(credentials: Credentials, user: &User, fits: bool) -> Self {
        let tried = Mutex::new(user.secret.clone().map(|secret| (secret, fits)));
        let rights = ArcSwapOption::new(user.rights.clone().filter(|_| fits));
        Self { claim: Claim::Login(credentials), directory: Mutex::default(), tried, rights }
    }

    /// Of a user that the list does not have.
    pub(super) fn unlisted(credentials: Credentials, said: Said) -> Self {
        let rights = ArcSwapOption::new(said.rights());
        Self { claim: Claim::Login(credentials), directory: Mutex::new(said), tried: Mutex::default(), rights }
    }

    /// Of whoever has a token.
    pub(super) fn with_token(token: Token, list: &List) -> Self {
        let rights = ArcSwapOption::new(list.of_token(&token));
        Self { claim: Claim::Token(token), directory: Mutex::default(), tried: Mutex::default(), rights }
    }

    pub(super) fn into_claim(self) -> Claim {
        self.claim
    }

    /// Who they say they are; `None` if they have a token, which says enough.
    pub(super) const fn login(&self) -> Option<&Credentials> {
        match &self.claim {
            Claim::Login(credentials) => Some(credentials),
            Claim::Token(_) => None,
        }
    }

    /// Whether the directory has to be asked again. A wrong password is not tried on and on: it could look like an attack.
    pub(super) fn is_open_question(&self) -> bool {
        !matches!(*self.said(), Said::No)
    }

    /// The directory said something new. The list does not have the user.
    pub(super) fn hear(&self, said: Said) {
        self.rights.store(said.rights());
        *self.said() = said;
    }

    // Nothing that is done under it can panic halfway.
    fn said(&self) -> MutexGuard<'_, Said> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_rights(&self) -> bool {
        self.rights.load().is_some()
    }

    fn may_see(&self, topic: &str) -> bool {
        self.rights.load().as_ref().is_some_and(|rights| rights.may_see(topic))
    }

    /// Looks the rights up in another list. Gives what the password has to be compared with first if that takes time; until
    /// [`settle`](Self::settle) says how that came out, the rights stay as they are.
    pub(super) fn follow(&self, list: &List) -> Option<Arc<Secret>> {
        let credentials = match &self.claim {
            Claim::Login(credentials) => credentials,
            Claim::Token(token) => {
                self.rights.store(list.of_token(token));
                return None;
            }
        };
        let Some(user) = list.get(&credentials.user) else {
            self.rights.store(self.said().rights());
            return None;
        };
        match &user.secret {
            None => self.rights.store(None),
            Some(secret) => match self.known(secret, &credentials.password) {
                Some(fits) => self.settle(user, secret, fits),
                None => return Some(Arc::clone(secret)),
            },
        }
        None
    }

    /// Whether the password fits, if that is known or takes no time.
    fn known(&self, secret: &Secret, password: &str) -> Option<bool> {
        match &*self.tried() {
            Some((tried, fits)) if **tried == *secret => Some(*fits),
            _ => secret.is_plain().then(|| secret.fits(password)),
        }
    }

    /// The password was compared with what the list has of the user.
    pub(super) fn settle(&self, user: &User, secret: &Arc<Secret>, fits: bool) {
        *self.tried() = Some((Arc::clone(secret), fits));
        self.rights.store(user.rights.clone().filter(|_| fits));
    }

    // Nothing that is done under it can panic halfway.
    fn tried(&self) -> MutexGuard<'_, Option<(Arc<Secret>, bool)>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("claim", &self.claim).field("rights", &self.rights).finish()
    }
}
