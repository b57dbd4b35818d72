//! Who may say what: the schemes of both directions, and codes that count once.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::outgoing::{Objection, Vouch};
use crate::store::{Store, StoreError};
use crate::wire::WireError;
use crate::wire::auth::{Accepted, Claim, Direction, Nonce, Reason, Refused, Scheme, Stamp};

/// The schemes of one direction, newest first: the first signs, all verify. Without any, nothing is authorized, and nothing
/// has to be.
#[derive(Debug, Clone, Default)]
pub struct Rotation(Vec<Scheme>);

impl Rotation {
    /// These schemes. Those that are [`Scheme::None`] are left out.
    #[must_use]
    pub fn new(schemes: impl IntoIterator<Item = Scheme>) -> Self {
        Self(schemes.into_iter().filter(|scheme| !matches!(scheme, Scheme::None)).collect())
    }

    /// Whether everything is accepted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn current(&self) -> &Scheme {
        self.0.first().unwrap_or(&Scheme::None)
    }

    /// As [`Scheme::verify`], by any of them. What the newest says is what is told.
    ///
    /// # Errors
    /// None of them accepts it.
    pub fn verify(
        &self,
        authorization: Option<&str>,
        claim: &Claim<'_>,
        tracing: &[u8],
        now: Duration,
    ) -> Result<Accepted, Refused> {
        let verify = |scheme: &Scheme| scheme.verify(authorization, claim, tracing, now);
        let first = verify(self.current());
        match first {
            Err(Refused::Forbidden(Reason::Token | Reason::Signature | Reason::Form)) => {
                self.0.iter().skip(1).find_map(|scheme| verify(scheme).ok()).map_or(first, Ok)
            }
            other => other,
        }
    }
}

/// The schemes of both directions.
#[derive(Debug, Clone, Default)]
pub struct Schemes {
    /// For what subscribers say.
    pub to_broadcaster: Rotation,
    /// For what broadcasters say.
    pub to_subscriber: Rotation,
}

impl Schemes {
    /// Those of a direction.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &Rotation {
        match direction {
            Direction::ToBroadcaster => &self.to_broadcaster,
            Direction::ToSubscriber => &self.to_subscriber,
        }
    }
}

/// Where time and nonces come from.
pub trait Clock: Send + Sync {
    /// Since the epoch.
    fn now(&self) -> Duration;

    /// A nonce that was not used before.
    ///
    /// # Errors
    /// The operating system has no random bytes to give.
    fn nonce(&self) -> Result<Box<str>, getrandom::Error>;
}

/// The machine's clock and random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn nonce(&self) -> Result<Box<str>, getrandom::Error> {
        Nonce::fresh().map(|nonce| nonce.as_str().into())
    }
}

/// Signs what a broadcaster says, and decides what it is told. Schemes can be replaced while it is in use.
pub struct Authority {
    schemes: ArcSwap<Schemes>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
}

/// Why something cannot be signed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// It has a field that no signature can cover.
    #[error(transparent)]
    Claim(#[from] WireError),
    /// The operating system has no random bytes for a nonce.
    #[error("no random bytes for a signature: {0}")]
    Random(#[from] getrandom::Error),
}

/// Why a message is not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Denied {
    /// It has no authorization, and needs one: 401.
    #[error("the authorization is missing")]
    Unauthorized,
    /// It has one that does not vouch for it, or that was used before: 403.
    #[error("the authorization is refused: {0}")]
    Forbidden(Reason),
    /// It cannot be known whether it was used before: 503.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

impl Denied {
    /// The status that a request is answered with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden(_) => 403,
            Self::Unavailable(_) => 503,
        }
    }
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthorized => Self::Unauthorized,
            Refused::Forbidden(reason) => Self::Forbidden(reason),
        }
    }
}

impl Authority {
    /// With these schemes. Codes that count once are kept in the store, for all broadcasters that share it.
    #[must_use]
    pub fn new(schemes: Schemes, clock: Arc<dyn Clock>, store: Arc<dyn Store>) -> Self {
        Self { schemes: ArcSwap::from_pointee(schemes), clock, store }
    }

    /// Uses these schemes from now on.
    pub fn replace(&self, schemes: Schemes) {
        self.schemes.store(Arc::new(schemes));
    }

    /// Whether everything that is said in a direction is accepted.
    #[must_use]
    pub fn is_open(&self, direction: Direction) -> bool {
        self.schemes.load().of(direction).is_none()
    }

    /// The clock, since the epoch.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The authorization of a message that makes this claim, in the claim's direction.
    ///
    /// # Errors
    /// The claim cannot be signed.
    pub fn sign(&self, claim: &Claim<'_>, tracing: &[u8]) -> Result<Option<String>, SignError> {
        let schemes = self.schemes.load();
        let scheme = schemes.of(claim.direction()).current();
        let nonce = match scheme {
            Scheme::Hmac(_) => self.clock.nonce()?,
            Scheme::None | Scheme::Token(_) => Box::default(),
        };
        let stamp = Stamp { timestamp: self.clock.now().as_secs(), nonce: &nonce };
        Ok(scheme.sign(claim, tracing, stamp)?)
    }

    /// Whether `authorization` vouches for this claim, in the claim's direction. One that counts once is used up by this.
    ///
    /// # Errors
    /// It does not, or the store cannot say whether it was used before.
    pub async fn admit(&self, authorization: Option<&str>, claim: &Claim<'_>, tracing: &[u8]) -> Result<(), Denied> {
        let accepted = self.schemes.load().of(claim.direction()).verify(authorization, claim, tracing, self.now())?;
        match accepted {
            Accepted::Always => Ok(()),
            Accepted::Once(code) if self.store.accept(&code.code, code.forget_at).await? => Ok(()),
            Accepted::Once(_) => Err(Denied::Forbidden(Reason::Replayed)),
        }
    }
}

impl Vouch for Authority {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn sign(&self, claim: &Claim<'_>, tracing: &[u8]) -> Result<Option<String>, Box<str>> {
        Self::sign(self, claim, tracing).map_err(|error| error.to_string().into())
    }

    fn admit<'a>(
        &'a self,
        authorization: Option<&'a str>,
        claim: Claim<'a>,
        tracing: &'a [u8],
    ) -> BoxFuture<'a, Result<(), Objection>> {
        let objection = |denied: Denied| match denied {
            Denied::Unavailable(_) => Objection::Unknown(denied.to_string().into()),
            _ => Objection::Refused(denied.to_string().into()),
        };
        async move { Self::admit(self, authorization, &claim, tracing).await.map_err(objection) }.boxed()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("schemes", &self.schemes.load()).finish_non_exhaustive()
    }
}
