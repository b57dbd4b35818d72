//! The time and the nonce in a signature.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What makes one signature differ from every other. It is part of what is signed and of the authorization's text, so
/// take the clock once and use it for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Seconds since the epoch.
    pub timestamp: u64,
    /// Text without a colon, of at most 255 bytes, that was not used before.
    pub nonce: &'a str,
}

impl<'a> Stamp<'a> {
    /// For this moment, since the epoch.
    #[must_use]
    pub fn new(now: Duration, nonce: &'a Nonce) -> Self {
        Self { timestamp: now.as_secs(), nonce: nonce.as_str() }
    }
}

/// A nonce for one signature: 9 random bytes as 12 characters. Every signature needs a fresh one, also when a message
/// is sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 12]);

impl Nonce {
    /// From bytes that are random.
    #[must_use]
    pub fn new(random: [u8; 9]) -> Self {
        let mut text = [b'A'; 12];
        // 9 bytes are 12 characters, exactly.
        let _ = URL_SAFE_NO_PAD.encode_slice(random, &mut text);
        Self(text)
    }

    /// From the operating system's random bytes.
    ///
    /// # Errors
    /// The operating system has none to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut random = [0; 9];
        getrandom::fill(&mut random)?;
        Ok(Self::new(random))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_text_of_its_bytes_and_fresh_ones_differ() {
        assert_eq!(Nonce::new([0xff; 9]).as_str(), "____________");
        assert_eq!(Nonce::new(*b"ninebytes").as_str(), "bmluZWJ5dGVz");
        assert_ne!(Nonce::fresh().unwrap(), Nonce::fresh().unwrap());
    }
}
