//! Signatures: `X-HMAC <seconds>:<nonce>:<code>`, where the code is an HMAC-SHA-512 in base64.
//!
//! What is sent has the strict form. What is read may be as loose as Python's `int` and `base64.b64decode` allow,
//! because the code covers the time and the nonce, so that a looser text vouches for nothing more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::{Claim, Code, Reason, Refused, Stamp};
use crate::wire::base64 as base64_of_64;
use crate::wire::error::WireError;
use crate::wire::write::Output;

/// How much the time of a signature may differ from the receiver's, before and after.
pub const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(120);

/// For how long a code is remembered, and that of a clock that goes ahead for as long as its time is taken.
const MEMORY: Duration = Duration::from_secs(180);

const PREFIX: &str = "X-HMAC ";

/// A signing key. It is zeroed when it goes, and no `Debug` shows it.
#[derive(Clone)]
pub struct HmacKey {
    /// Keyed once; each signature starts from a copy. Shared, so that the key is in one place.
    keyed: Arc<Hmac<Sha512>>,
}

impl HmacKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(key: &[u8; 64]) -> Self {
        // HMAC fills a key up with zeros to the length of a block, 128 bytes.
        let mut block = Zeroizing::new([0; 128]);
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        Self { keyed: Arc::new(Hmac::new((&*block).into())) }
    }

    /// The key of a secret's text: 64 bytes in URL-safe base64, with or without its padding.
    ///
    /// # Errors
    /// The text is something else. The error does not show it.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        const LOOSE: GeneralPurpose = GeneralPurpose::new(
            &URL_SAFE,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let bytes = Zeroizing::new(LOOSE.decode(text).map_err(|_| KeyError)?);
        bytes.as_slice().try_into().map(Self::new).map_err(|_| KeyError)
    }

    pub(super) fn sign(&self, claim: &Claim<'_>, tracing: &[u8], stamp: Stamp<'_>) -> Result<String, WireError> {
        let code = self.code(claim, tracing, stamp)?.finalize().into_bytes();
        let mut text = format!("{PREFIX}{}:{}:", stamp.timestamp, stamp.nonce);
        text.reserve_exact(base64_of_64::CHARACTERS);
        base64_of_64::append(&code.into(), &mut text);
        Ok(text)
    }

    pub(super) fn verify(
        &self,
        authorization: Option<&str>,
        claim: &Claim<'_>,
        tracing: &[u8],
        now: Duration,
    ) -> Result<Code, Refused> {
        let HmacHeader { stamp, code } = HmacHeader::read(authorization, now)?;
        let signature = Refused::Forbidden(Reason::Signature);
        // In constant time.
        self.code(claim, tracing, stamp).map_err(|_| signature)?.verify_slice(&code).map_err(|_| signature)?;
        let remembered = now.saturating_add(MEMORY);
        let remembered = remembered.as_secs().saturating_add(u64::from(remembered.subsec_nanos() > 0));
        // One second more than it is taken.
        let taken = stamp.timestamp.saturating_add(MAX_CLOCK_DIFFERENCE.as_secs() + 1);
        Ok(Code { code, forget_at: remembered.max(taken) })
    }

    fn code(&self, claim: &Claim<'_>, tracing: &[u8], stamp: Stamp<'_>) -> Result<Hmac<Sha512>, WireError> {
        let mut mac = Hmac::clone(&self.keyed);
        claim.write(tracing, stamp, &mut mac)?;
        Ok(mac)
    }
}

impl Output for Hmac<Sha512> {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey")
    }
}

/// A secret that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret of an hmac is 64 bytes in URL-safe base64, 86 characters")]
pub struct KeyError;

/// The text of a signature whose form and time are right; the code has yet to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HmacHeader<'a> {
    /// When it was signed, and its nonce.
    pub stamp: Stamp<'a>,
    /// The signature itself.
    pub code: [u8; 64],
}

impl<'a> HmacHeader<'a> {
    /// Reads an authorization at the time `now`, since the epoch.
    ///
    /// # Errors
    /// There is none, it has another form, or its time is too far from `now`.
    pub fn read(authorization: Option<&'a str>, now: Duration) -> Result<Self, Refused> {
        let form = Refused::Forbidden(Reason::Form);
        let text = authorization.ok_or(Refused::Unauthorized)?;
        let (timestamp, rest) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).ok_or(form)?;
        let timestamp = integer(timestamp).ok_or(form)?;
        if now.abs_diff(Duration::from_secs(timestamp)) > MAX_CLOCK_DIFFERENCE {
            return Err(Refused::Forbidden(Reason::Clock));
        }
        let (nonce, code) = rest.split_once(':').ok_or(form)?;
        let code = base64_of_64::lenient(code.as_bytes()).ok_or(form)?;
        Ok(Self { stamp: Stamp { timestamp, nonce }, code })
    }
}

/// A number as Python's `int` reads it: with blanks around it, a plus in front, and single underscores between digits.
fn integer(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.strip_prefix('+').unwrap_or(text);
    let mut number = 0_u64;
    for group in digits.split('_') {
        if group.is_empty() || !group.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        for digit in group.bytes() {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_python_reads_them() {
        for (text, number) in [("12", 12), (" +1_2\t", 12), ("007", 7)] {
            assert_eq!(integer(text), Some(number), "{text}");
        }
        for text in ["", "+", "1__2", "_1", "1_", "-1", "1.0", "18446744073709551616"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn a_code_is_remembered_for_as_long_as_its_time_is_taken() {
        let key = HmacKey::new(&[7; 64]);
        let claim = Claim::CheckSubscriptions { url: "http://a/" };
        let now = Duration::from_millis(1_700_000_000_500);
        for ahead in [0, 59, 60, 61, 120] {
            let timestamp = now.as_secs() + ahead;
            let text = key.sign(&claim, b"", Stamp { timestamp, nonce: "n" }).unwrap();
            let verify = |now| key.verify(Some(&text), &claim, b"", now);
            let forget_at = verify(now).unwrap().forget_at;
            assert!(forget_at >= now.as_secs() + 180, "{ahead}");
            let after = verify(Duration::from_secs(forget_at));
            assert_eq!(after, Err(Refused::Forbidden(Reason::Clock)), "{ahead}");
        }
    }

    #[test]
    fn the_text_of_a_key_may_have_padding_and_must_be_64_bytes() {
        let text = "A".repeat(86);
        assert!(HmacKey::from_text(&text).is_ok());
        assert!(HmacKey::from_text(&format!("{text}==")).is_ok());
        for bad in ["", &text[1..], &text.replacen('A', "+", 1), &"A".repeat(88)] {
            assert!(HmacKey::from_text(bad).is_err(), "{bad}");
        }
    }
}
