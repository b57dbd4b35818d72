//! Signing what is sent, and checking what comes.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::SubscriberError;
use crate::broadcaster::Schemes;
use crate::wire::auth::{Accepted, Claim, Code, Nonce, Reason, Refused, Scheme, Stamp};

/// Codes that are remembered for the 180 s in which they could come again: about 60 MB. What comes beyond that is
/// refused for as long, because a code that is forgotten could be used twice.
const MOST_CODES: usize = 1 << 20;

/// The schemes of both directions, and the codes that were used.
pub(crate) struct Credentials {
    schemes: Schemes,
    used: Mutex<Used>,
}

/// Why something is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotVouched {
    Refused(Refused),
    /// There are too many codes to remember one more.
    Full,
}

impl std::fmt::Display for NotVouched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Full => f.write_str("too many signatures came within their time to remember one more"),
        }
    }
}

impl NotVouched {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Refused(refused) => refused.status(),
            Self::Full => 503,
        }
    }
}

impl Credentials {
    pub(crate) fn new(schemes: Schemes) -> Self {
        Self { schemes, used: Mutex::default() }
    }

    /// The authorization of something sent, with a nonce of its own.
    pub(crate) fn sign(&self, claim: &Claim<'_>) -> Result<Option<String>, SubscriberError> {
        let scheme = self.schemes.to_broadcaster.current();
        let nonce = match scheme {
            Scheme::Hmac(_) => Nonce::fresh()?,
            _ => Nonce::new([0; 9]),
        };
        Ok(scheme.sign(claim, b"", Stamp::new(now(), &nonce))?)
    }

    /// Whether a broadcaster vouches for this, and not for the second time.
    pub(crate) fn verify(&self, text: Option<&str>, claim: &Claim<'_>, tracing: &[u8]) -> Result<(), NotVouched> {
        let now = now();
        match self.schemes.to_subscriber.verify(text, claim, tracing, now).map_err(NotVouched::Refused)? {
            Accepted::Always => Ok(()),
            Accepted::Once(code) => {
                self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(&code, now.as_secs())
            }
        }
    }
}

/// Since the epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Codes by their first 16 bytes: nobody without the key can make two of them alike.
#[derive(Default)]
struct Used {
    codes: HashSet<u128, foldhash::fast::RandomState>,
    /// In the order in which they came. None is forgotten before its time; one behind a clock that goes ahead may be later.
    times: VecDeque<(u64, u128)>,
}

impl Used {
    fn insert(&mut self, code: &Code, now: u64) -> Result<(), NotVouched> {
        while let Some((_, old)) = self.times.pop_front_if(|(until, _)| *until <= now) {
            self.codes.remove(&old);
        }
        if self.codes.len() >= MOST_CODES {
            return Err(NotVouched::Full);
        }
        let key = code.code.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
        if !self.codes.insert(key) {
            return Err(NotVouched::Refused(Refused::Forbidden(Reason::Replayed)));
        }
        self.times.push_back((code.forget_at, key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcaster::Rotation;
    use crate::wire::auth::HmacKey;

    #[test]
    fn a_signature_counts_once_and_each_attempt_has_another() {
        let key = || Rotation::new([Scheme::Hmac(HmacKey::new(&[7; 64]))]);
        let credentials = Credentials::new(Schemes { to_broadcaster: key(), to_subscriber: key() });
        let claim = Claim::CheckSubscriptions { url: "http://a/v1/receive" };
        let (one, other) = (credentials.sign(&claim).unwrap(), credentials.sign(&claim).unwrap());
        assert_ne!(one, other);
        assert_eq!(credentials.verify(one.as_deref(), &claim, b""), Ok(()));
        let again = credentials.verify(one.as_deref(), &claim, b"");
        assert_eq!(again, Err(NotVouched::Refused(Refused::Forbidden(Reason::Replayed))));
        assert_eq!(credentials.verify(other.as_deref(), &claim, b""), Ok(()));
        assert_eq!(credentials.verify(None, &claim, b""), Err(NotVouched::Refused(Refused::Unauthorized)));
    }

    #[test]
    fn codes_are_forgotten_when_their_time_alone_refuses_them() {
        let mut used = Used::default();
        let code = |byte, forget_at| Code { code: [byte; 64], forget_at };
        assert!(used.insert(&code(1, 100), 50).is_ok());
        assert!(used.insert(&code(1, 100), 99).is_err());
        assert!(used.insert(&code(2, 300), 100).is_ok());
        assert_eq!((used.codes.len(), used.times.len()), (1, 1));
    }
}
